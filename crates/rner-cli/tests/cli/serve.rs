//! `rner serve`: the protocol, the same tokens as without a server, adapters, and bad requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::support::{TestResult, fails, rner, root, succeeds, text};

/// A server that ends with the test.
struct Serving {
    child: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn start() -> Result<Self, Box<dyn std::error::Error>> {
        Self::start_with(&[])
    }

    fn start_with(more: &[&str]) -> Result<Self, Box<dyn std::error::Error>> {
        let serve = ["serve", "--model", "fixtures/tiny-base", "--port", "0"];
        let mut child = rner(&[&serve[..], more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url)?;
        let address = url.trim().trim_start_matches("http://");
        let address = address.trim_end_matches("/v1").to_owned();
        Ok(Self { child, address })
    }

    /// Status and body of an answer.
    fn ask(
        &self,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value), Box<dyn std::error::Error>> {
        let mut stream = TcpStream::connect(&self.address)?;
        let (method, body) = match body {
            Some(body) => ("POST", body.to_string()),
            None => ("GET", String::new()),
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).ok_or("no status")?.parse()?;
        let body = answer.split_once("\r\n\r\n").ok_or("no body")?.1;
        Ok((status, serde_json::from_str(body)?))
    }
}

#[test]
fn completions_are_those_of_the_model() -> TestResult {
    let server = Serving::start()?;
    let (status, models) = server.ask("/v1/models", None)?;
    assert_eq!(
        (status, &models["data"][0]["id"]),
        (200, &json!("tiny-base"))
    );

    let body = json!({
        "model": "tiny-base", "prompt": [5, 6, 7, 8], "n": 3, "max_tokens": 6, "seed": 11, "temperature": 0.9,
        "logprobs": 0, "return_token_ids": true,
    });
    let (status, first) = server.ask("/v1/completions", Some(body.clone()))?;
    assert_eq!(status, 200, "{first}");
    let choices = first["choices"].as_array().ok_or("no choices")?;
    assert_eq!(choices.len(), 3);
    assert_ne!(
        choices[0]["token_ids"], choices[1]["token_ids"],
        "samples differ"
    );
    for choice in choices {
        let ids = choice["token_ids"].as_array().ok_or("no ids")?;
        let log_probs = choice["logprobs"]["token_logprobs"]
            .as_array()
            .ok_or("none")?;
        assert!(!ids.is_empty() && ids.len() <= 6 && ids.len() == log_probs.len());
        assert!(
            log_probs
                .iter()
                .all(|l| l.as_f64().is_some_and(|l| l <= 0.0))
        );
        assert_eq!(choice["prompt_token_ids"], json!([5, 6, 7, 8]));
    }
    assert_eq!(first["usage"]["prompt_tokens"], 4);
    let (_, again) = server.ask("/v1/completions", Some(body))?;
    assert_eq!(again["choices"], first["choices"], "a seed is a seed");

    let chat = json!({
        "model": "tiny-base", "temperature": 0, "max_tokens": 20,
        "messages": [{"role": "user", "content": "Hello"}], "stop": ["zzzz"],
    });
    let (status, answer) = server.ask("/v1/chat/completions", Some(chat))?;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["choices"][0]["message"]["content"].is_string());
    Ok(())
}

#[test]
fn bad_requests_are_told_apart_and_leave_the_server_alive() -> TestResult {
    let server = Serving::start()?;
    let prompt = |more: Value| {
        let mut body = json!({"model": "tiny-base", "prompt": [1], "max_tokens": 1});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    };
    for (body, status, word) in [
        (prompt(json!({"model": "other"})), 404, "other"),
        (prompt(json!({"prompt": []})), 400, "prompt"),
        (prompt(json!({"prompt": [99_999_999]})), 400, "99999999"),
        (prompt(json!({"max_tokens": 1_000_000})), 400, "1000000"),
        (prompt(json!({"n": 0})), 400, "n: expected"),
        (prompt(json!({"temperature": -1})), 400, "temperature"),
        (prompt(json!({"top_p": 7})), 400, "top_p"),
        (prompt(json!({"stream": true})), 400, "stream"),
        (json!({"model": "tiny-base"}), 400, "prompt"),
    ] {
        let (found, answer) = server.ask("/v1/completions", Some(body.clone()))?;
        let message = answer["error"]["message"].to_string();
        assert_eq!(found, status, "{body}: {answer}");
        assert!(message.contains(word), "{body}: {message}");
    }
    let adapter = json!({"lora_name": "x", "lora_path": "no/such/folder"});
    let (status, answer) = server.ask("/v1/load_lora_adapter", Some(adapter))?;
    assert_eq!(status, 403, "{answer}");
    assert!(answer.to_string().contains("--adapter-root"), "{answer}");
    let (status, _) = server.ask("/v1/completions", Some(prompt(json!({}))))?;
    assert_eq!(status, 200);
    fails(
        &["serve", "--model", "no/such/model"],
        1,
        &["no/such/model"],
    )
}

#[test]
fn adapters_are_loaded_while_it_runs() -> TestResult {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data.jsonl");
    let row = json!({
        "sentence": "Ann sings.", "schema": ["person"], "cot": "\"Ann\" is a person.",
        "entities": [{"text": "Ann", "label": "person"}],
    });
    super::support::write(&data, format!("{row}\n{row}\n"))?;
    let out = dir.path().join("sft");
    succeeds(&[
        "sft",
        "--profile",
        "smoke",
        "--model",
        "fixtures/tiny-base",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--set",
        "sft.method=lora",
        "--set",
        "sft.train.max_steps=3",
        "--set",
        "sft.train.optim.lr=0.05",
        "--set",
        "sft.train.optim.freeze_embeddings=false",
    ])?;
    let server = Serving::start_with(&["--adapter-root", text(dir.path())])?;
    let load = json!({"lora_name": "tuned", "lora_path": root().join(out.join("adapter"))});
    let (status, answer) = server.ask("/v1/load_lora_adapter", Some(load))?;
    assert_eq!(status, 200, "{answer}");
    let ask = |model: &str| {
        let body = json!({
            "model": model, "prompt": [5, 6, 7], "max_tokens": 4, "temperature": 0, "logprobs": 1,
        });
        server.ask("/v1/completions", Some(body))
    };
    let (status, tuned) = ask("tuned")?;
    assert_eq!(status, 200, "{tuned}");
    let log_probs = |answer: &Value| answer["choices"][0]["logprobs"]["token_logprobs"].clone();
    assert_ne!(log_probs(&tuned), log_probs(&ask("tiny-base")?.1));
    let (status, _) = server.ask(
        "/v1/unload_lora_adapter",
        Some(json!({"lora_name": "tuned"})),
    )?;
    assert_eq!((status, ask("tuned")?.0), (200, 404));
    Ok(())
}

#[test]
fn a_server_can_sample_for_grpo() -> TestResult {
    sampled_elsewhere_is_sampled_here(&[])
}

#[test]
fn a_server_can_sample_while_its_last_batch_trains() -> TestResult {
    sampled_elsewhere_is_sampled_here(&["--set", "grpo.train.one_step_off_policy=true"])
}

/// Three steps with this program's engine and three with a server's, whose adapter changes after each, have the same
/// numbers.
fn sampled_elsewhere_is_sampled_here(more: &[&str]) -> TestResult {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data.jsonl");
    let row = |name: &str| {
        json!({
            "sentence": format!("{name} sings."), "schema": ["person"],
            "entities": [{"text": name, "label": "person"}],
        })
        .to_string()
    };
    super::support::write(&data, ["Ann", "Bo", "Cy", "Di"].map(row).join("\n"))?;
    let train = |name: &str, more: &[&str]| -> Result<_, Box<dyn std::error::Error>> {
        let out = dir.path().join(name);
        let first = [
            "grpo",
            "--profile",
            "smoke",
            "--model",
            "fixtures/tiny-base",
        ];
        let files = ["--data", text(&data), "--out", text(&out)];
        let mut args = [&first[..], &files, more].concat();
        for set in [
            "grpo.method=lora",
            "grpo.train.optim.lr=0.01",
            "grpo.train.max_steps=3",
            "grpo.train.max_completion_length=8",
            "grpo.train.optim.freeze_embeddings=false",
        ] {
            args.extend(["--set", set]);
        }
        succeeds(&args)?;
        let lines = std::fs::read_to_string(out.join("metrics.jsonl"))?;
        let lines = lines.lines().map(serde_json::from_str::<Value>);
        Ok(lines.collect::<Result<Vec<_>, _>>()?)
    };
    let server = Serving::start_with(&["--adapter-root", text(dir.path())])?;
    let url = format!("http://{}/v1", server.address);
    let remote = ["--rollout-url", &url, "--rollout-model", "tiny-base"];
    let here = train("here", more)?;
    let there = train("there", &[more, &remote].concat())?;
    assert_eq!((here.len(), there.len()), (3, 3));
    let number = |row: &Value, name: &str| row[name].as_f64().unwrap_or(f64::NAN);
    for (here, there) in here.iter().zip(&there) {
        for name in ["reward", "loss", "completions/mean_length", "entropy"] {
            let (a, b) = (number(here, name), number(there, name));
            assert!((a - b).abs() < 1e-3, "{name}: {a} here, {b} there");
        }
        let apart = number(there, "sampling/sampling_logp_difference/mean");
        assert!(apart < 1e-4, "{apart}");
    }
    Ok(())
}

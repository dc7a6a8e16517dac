//! A model knows its prompt: from the training that wrote it to every command that asks it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::{TestResult, fails, rner, stderr, succeeds, text, write};

const OWN: &str = "Types: {{SCHEMA}}\nWhich of them are in this sentence?\n{{SENTENCE}}\n";
const SENTENCE: &str = "Mira Dolan saw Port Halvek.";
const TYPES: &str = "person,city";

/// The least that a training can do.
const SHORT: [&str; 6] = [
    "--set",
    "sft.train.max_steps=1",
    "--set",
    "sft.train.batch_size=2",
    "--set",
    "sft.train.grad_accumulation=1",
];

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let row = json!({
            "sentence": SENTENCE,
            "schema": ["person", "city"],
            "entities": [{"text": "Mira Dolan", "label": "person"}],
        });
        let rows = format!("{row}\n{row}\n");
        for file in ["rows.jsonl", "held/north.jsonl"] {
            write(&dir.path().join(file), &rows)?;
        }
        write(&dir.path().join("p.txt"), OWN)?;
        Ok(Self { dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Fine-tunes the toy into a folder.
    fn tune(&self, out: &str, more: &[&str]) -> TestResult {
        let (data, out) = (self.path("rows.jsonl"), self.path(out));
        let sft = ["sft", "--data", text(&data), "--out", text(&out)];
        succeeds(&[&sft[..], &SHORT, more].concat()).map(drop)
    }

    /// What an evaluation was made from, and what it said on stderr.
    fn evaluate(
        &self,
        model: &str,
        out: &str,
        more: &[&str],
    ) -> Result<(Value, String), Box<dyn std::error::Error>> {
        let (model, data, out) = (self.path(model), self.path("held"), self.path(out));
        let eval = [
            "eval",
            "--model",
            text(&model),
            "--data",
            text(&data),
            "--out",
            text(&out),
        ];
        let output = rner(&[&eval[..], more].concat()).output()?;
        assert!(output.status.success(), "{}", stderr(&output));
        let marker = std::fs::read(out.join("evaluation.json"))?;
        let marker: Value = serde_json::from_slice(&marker)?;
        Ok((marker["made_from"].clone(), stderr(&output)))
    }

    /// What `rner prompt` shows.
    fn prompt(&self, model: &str, more: &[&str]) -> Result<Value, Box<dyn std::error::Error>> {
        let model = self.path(model);
        let first = [
            "prompt",
            "--model",
            text(&model),
            "--types",
            TYPES,
            "--json",
            SENTENCE,
        ];
        Ok(serde_json::from_str(&succeeds(
            &[&first[..], more].concat(),
        )?)?)
    }
}

fn own_of(dir: &Path) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(serde_json::from_slice(&std::fs::read(
        dir.join("rner.json"),
    )?)?)
}

fn hash(template: &str) -> String {
    blake3::hash(template.trim().as_bytes())
        .to_hex()
        .to_string()
}

/// The message about [`SENTENCE`] under [`OWN`].
const MESSAGE: &str = "Types: [\"city\", \"person\"]\nWhich of them are in this sentence?\nMira Dolan saw Port Halvek.";

#[test]
fn a_model_is_asked_as_it_was_trained() -> TestResult {
    let place = Place::new()?;
    let (p, other) = (place.path("p.txt"), place.path("other.txt"));
    write(&other, "{{SENTENCE}} {{SCHEMA}}")?;
    place.tune(
        "tuned",
        &["--prompt", text(&p), "--set", "eval.max_new_tokens=24"],
    )?;

    let (made_from, said) = place.evaluate("tuned/model", "own", &[])?;
    assert_eq!(made_from["prompt (BLAKE3)"], hash(OWN), "{made_from}");
    assert_eq!(made_from["max_new_tokens"], "24");
    assert!(!said.contains("note:"), "{said}");

    let (made_from, said) = place.evaluate("tuned/model", "other", &["--prompt", text(&other)])?;
    assert_eq!(
        made_from["prompt (BLAKE3)"],
        hash("{{SENTENCE}} {{SCHEMA}}")
    );
    assert_eq!(
        made_from["in place of the model's own prompt (BLAKE3)"],
        hash(OWN)
    );
    assert!(
        said.contains("note: the model is asked with another prompt than its own"),
        "{said}"
    );

    let shown = place.prompt("tuned/model", &[])?;
    assert_eq!(shown["message"], MESSAGE);
    let chat = format!("<|im_start|>user\n{MESSAGE}<|im_end|>\n<|im_start|>assistant\n");
    assert_eq!(shown["text"], chat);
    assert_eq!(
        shown["n_tokens"],
        shown["ids"].as_array().map_or(0, Vec::len)
    );
    assert_eq!(shown["max_new_tokens"], 24);
    assert_eq!(shown["stop_tokens"], json!(["<|im_end|>", "<|endoftext|>"]));
    assert_eq!(shown["is_own_prompt"], true);
    let typed = place.prompt("tuned/model", &["--set", "model.prompt=tiny"])?;
    assert_eq!(typed["is_own_prompt"], false);
    Ok(())
}

/// The README's own pair: trained under a profile, asked without it.
#[test]
fn a_profile_is_remembered_and_adapters_and_grpo_carry_it_on() -> TestResult {
    let place = Place::new()?;
    let profile = ["--profile", "qwen3-0.6b-lora", "--backend", "flex"];
    let base = [
        "--set",
        "model.base=fixtures/tiny-base",
        "--set",
        "model.dtype=f32",
    ];
    place.tune("tuned", &[&profile[..], &base].concat())?;
    let paper = ner_types::PromptTemplate::paper();
    for folder in ["tuned/model", "tuned/adapter"] {
        let own = own_of(&place.path(folder))?;
        assert_eq!(
            (&own["prompt"], &own["max_new_tokens"]),
            (&json!(paper.text()), &json!(4096))
        );
        assert_eq!(
            (&own["reasoning"], &own["max_sequence_tokens"]),
            (&json!(false), &json!(8192))
        );
        let message = paper.render(&["city".into(), "person".into()], SENTENCE);
        let shown = place.prompt(folder, &[])?;
        assert_eq!(
            (&shown["message"], &shown["max_new_tokens"]),
            (&json!(message), &json!(4096))
        );
    }
    let (model, data, out) = (
        place.path("tuned/model"),
        place.path("rows.jsonl"),
        place.path("rl"),
    );
    let grpo = [
        "grpo",
        "--model",
        text(&model),
        "--data",
        text(&data),
        "--out",
        text(&out),
    ];
    let sets = [
        "grpo.train.max_steps=1",
        "grpo.train.group_size=2",
        "grpo.train.prompts_per_step=1",
        "grpo.train.max_completion_length=8",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    succeeds(&grpo.into_iter().chain(sets).collect::<Vec<_>>())?;
    let own = own_of(&out.join("model"))?;
    assert_eq!(
        (&own["prompt"], &own["max_new_tokens"]),
        (&json!(paper.text()), &json!(4096))
    );
    assert_eq!(
        (&own["max_prompt_tokens"], &own["max_sequence_tokens"]),
        (&json!(512), &json!(8192))
    );
    Ok(())
}

#[test]
fn a_damaged_or_newer_file_says_what_to_do() -> TestResult {
    let place = Place::new()?;
    place.tune("tuned", &[])?;
    let model = place.path("tuned/model");
    let args = [
        "extract",
        "--model",
        text(&model),
        "--types",
        TYPES,
        SENTENCE,
    ];
    for (content, words) in [
        ("{\"format\"", "rner.json is damaged"),
        ("{\"format\": 2}", "has format 2, expected at most 1"),
    ] {
        write(&model.join("rner.json"), content)?;
        fails(&args, 1, &[words, "--prompt"])?;
    }
    Ok(())
}

#[test]
fn a_name_that_is_no_model_is_one_line_and_the_hub_is_not_asked() -> TestResult {
    let elsewhere = tempfile::tempdir()?;
    std::fs::create_dir(elsewhere.path().join("tiny-base"))?;
    for (name, words) in [
        (
            "fixtures/tiny-base",
            "fixtures/tiny-base: no such folder here",
        ),
        (
            "tiny-bse",
            "tiny-bse: no such folder here; did you mean tiny-base?",
        ),
        ("./runs/mine", "./runs/mine: no such folder here"),
        ("tiny-base", "tiny-base: no model here"),
    ] {
        let mut command = rner(&["extract", "--model", name, "--types", TYPES, SENTENCE]);
        // Whoever asked this address would say so.
        command.env("HF_ENDPOINT", "http://127.0.0.1:9");
        let output = command.current_dir(elsewhere.path()).output()?;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with(&format!("error: {words}")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    Ok(())
}

/// What asks the Hub in vain names it once, without the codes of a terminal.
#[test]
fn a_hub_that_is_silent_is_said_plainly() -> TestResult {
    let mut command = rner(&["extract", "--model", "no/model", "--types", TYPES, SENTENCE]);
    let home = tempfile::tempdir()?;
    let output = command
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .env("HF_HOME", home.path())
        .env_remove("HF_HUB_OFFLINE")
        .output()?;
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        !said.contains('\u{1b}') && !said.contains("http://"),
        "{said}"
    );
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("error: no/model: cannot reach 127.0.0.1: "),
        "{last}"
    );
    Ok(())
}

//! The engine in front of servers that misbehave.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use burn::module::AutodiffModule;
use chat_client::Endpoint;
use lm_generate::Sampling;
use lm_train::{RunFiles, latest_checkpoint};
use serde_json::{Value, json};

use super::*;
use crate::tests::invariants::with_adapter;
use crate::tests::toy::{Numbers, ShareOfSeven, config, expect_error};
use crate::tests::{VOCAB, policy, prompts, values};
use crate::{Environment, Error, GrpoConfig, train_grpo};

/// What a server knows, and how it misbehaves.
#[derive(Default)]
struct Server {
    adapters: HashSet<String>,
    /// Every call, as its method and the adapter or model that it names.
    calls: Vec<(String, String)>,
    /// After so many rollouts it is started anew, without its adapters.
    forgets_after: Option<usize>,
    /// After so many rollouts it answers nothing any more.
    dies_after: Option<usize>,
    /// Added to every token.
    shift: usize,
    rollouts: usize,
}

impl Server {
    /// Status and body of an answer; `None` closes the connection.
    fn answer(&mut self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let method = path.trim_start_matches("/v1/");
        let name = body["lora_name"].as_str().or(body["model"].as_str());
        let name = name.unwrap_or_default().to_owned();
        self.calls.push((method.to_owned(), name.clone()));
        if self.dies_after.is_some_and(|after| self.rollouts >= after) {
            return None;
        }
        let done = json!({"status": "ok"});
        match method {
            "load_lora_adapter" if name.ends_with('9') => Some((
                400,
                json!({"error": {"message": "the adapter is of another base"}}),
            )),
            // As vLLM answers.
            "load_lora_adapter" if self.adapters.contains(&name) => Some((
                400,
                json!({"error": {"message": format!("The lora adapter '{name}' has already been loaded.")}}),
            )),
            "load_lora_adapter" => {
                self.adapters.insert(name);
                Some((200, done))
            }
            "unload_lora_adapter" => {
                self.adapters.remove(&name);
                Some((200, done))
            }
            "completions" if self.forgets_after == Some(self.rollouts) => {
                self.forgets_after = None;
                self.adapters.clear();
                Some(unknown(&name))
            }
            "completions" if !self.adapters.contains(&name) => Some(unknown(&name)),
            "completions" => Some((200, self.complete(body))),
            _ => Some((404, json!({"error": {"message": "no such method"}}))),
        }
    }

    /// Three tokens each, which depend on the number of the completion.
    fn complete(&mut self, body: &Value) -> Value {
        self.rollouts += 1;
        let n = body["n"].as_u64().unwrap_or(0) as usize;
        let choice = |index: usize| {
            let id = |t: usize| (index * 3 + t) % VOCAB + self.shift;
            json!({
                "index": index, "token_ids": [id(1), id(2), id(3)], "prompt_token_ids": body["prompt"],
                "logprobs": {"token_logprobs": [-2.5, -2.5, -2.5]}, "finish_reason": "length",
            })
        };
        json!({"choices": (0..n).map(choice).collect::<Vec<_>>()})
    }
}

fn unknown(name: &str) -> (u16, Value) {
    let message = format!("The model `{name}` does not exist.");
    (404, json!({"error": {"message": message}}))
}

/// Serves on a free port for as long as the test runs.
fn serve(server: Server) -> (String, Arc<Mutex<Server>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let shared = Arc::new(Mutex::new(server));
    let server = shared.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is its own business.
            let _ = exchange(stream, &server);
        }
    });
    (url, shared)
}

/// One request and its answer.
fn exchange(mut stream: TcpStream, server: &Mutex<Server>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let answer = server.lock().expect("no panic").answer(&path, &body);
    let Some((status, body)) = answer else {
        return Ok(());
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn engine(url: &str, adapters: &Path, tolerance: f64) -> RemoteEngine {
    let mut endpoint = Endpoint::new(url, "toy");
    endpoint.retry.tries = 2;
    endpoint.retry.first_delay = Duration::from_millis(1);
    RemoteEngine::new(endpoint, WeightSync::Adapter(adapters.into()), tolerance).expect("an engine")
}

/// Two completions of one prompt.
fn rollout(engine: &mut RemoteEngine) -> Result<Vec<Vec<Generated>>, BoxError> {
    let request = Request {
        prompt: vec![1, 2],
        n: 2,
        sampling: Sampling {
            max_new_tokens: 3,
            ..Sampling::default()
        },
    };
    let model = with_adapter().valid();
    engine.rollout(&model, &[request], &CancellationToken::new(), &mut ())
}

#[test]
fn a_server_that_was_started_anew_gets_the_policy_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (url, server) = serve(Server {
        forgets_after: Some(1),
        ..Default::default()
    });
    let mut engine = engine(&url, dir.path(), f64::INFINITY);
    let first = rollout(&mut engine).expect("completions");
    assert_eq!(engine.reloads(), 0);
    let second = rollout(&mut engine).expect("completions");
    assert_eq!((engine.reloads(), first), (1, second));
    let calls = &server.lock().expect("no panic").calls;
    let loads = calls.iter().filter(|call| call.0 == "load_lora_adapter");
    let names: Vec<&str> = loads.map(|call| call.1.as_str()).collect();
    let [first, second, again] = names[..] else {
        panic!("{names:?}");
    };
    assert!(
        first != second && second != again && first != again,
        "{names:?}"
    );
    assert!(
        names.iter().all(|name| name.starts_with("toy-")),
        "{names:?}"
    );
}

/// A run that was killed leaves its adapter on the server, which refuses its name ever after.
#[test]
fn a_resumed_run_gives_no_name_again_and_clears_what_was_left() {
    let dir = tempfile::tempdir().expect("a directory");
    for other in ["step-0", "notes"] {
        std::fs::create_dir(dir.path().join(other)).expect("a folder");
    }
    let (url, server) = serve(Server::default());
    server
        .lock()
        .expect("no panic")
        .adapters
        .insert("toy-step-0".into());
    for _ in 0..3 {
        let mut engine = engine(&url, dir.path(), f64::INFINITY);
        for _ in 0..2 {
            rollout(&mut engine).expect("completions");
        }
        assert_eq!(engine.reloads(), 0);
    }
    let server = server.lock().expect("no panic");
    assert_eq!(server.adapters.len(), 1, "{:?}", server.adapters);
    let left = std::fs::read_dir(dir.path()).expect("readable").count();
    assert_eq!(left, 2, "one adapter and what is not ours");
    assert!(dir.path().join("notes").exists());
}

#[test]
fn what_a_server_must_not_do_is_named() {
    let check = |server: Server, tolerance: f64, rollouts: usize, words: &str| {
        let dir = tempfile::tempdir().expect("a directory");
        let (url, _) = serve(server);
        let mut engine = engine(&url, dir.path(), tolerance);
        for _ in 1..rollouts {
            rollout(&mut engine).expect("completions");
        }
        let said = rollout(&mut engine).expect_err("refused").to_string();
        assert!(said.contains(words), "{said}");
    };
    let other_tokens = Server {
        shift: VOCAB,
        ..Default::default()
    };
    check(
        other_tokens,
        f64::INFINITY,
        1,
        "token ids below 16, found 17",
    );
    let tolerance = RemoteEngine::TOLERANCE;
    check(Server::default(), tolerance, 1, "differ from the trainer's");
    let words = "the adapter is of another base";
    check(Server::default(), f64::INFINITY, 10, words);
}

/// A server that goes away in the second step costs no update: the run goes on with another one, and ends as if nothing
/// had been.
#[test]
fn a_server_that_goes_away_ends_the_run_with_its_state_saved() {
    for one_step_off_policy in [false, true] {
        let config = GrpoConfig {
            one_step_off_policy,
            ..config()
        };
        let dir = tempfile::tempdir().expect("a directory");
        let train = |server: Server, files: &RunFiles| {
            let (url, _) = serve(server);
            let mut engine = engine(&url, &dir.path().join("policy"), f64::INFINITY);
            let prompts = prompts();
            let environment = Environment {
                prompts: &prompts,
                held_out: &[],
                decoder: &Numbers(&[0]),
                reward: &ShareOfSeven,
                reference: Some(policy().valid()),
                engine: &mut engine,
            };
            let stop = CancellationToken::new();
            train_grpo(with_adapter(), environment, &config, files, &stop, &mut ())
        };
        let expected = train(Server::default(), &RunFiles::default()).expect("a run");
        let files = RunFiles {
            checkpoints: Some(dir.path().join("checkpoints")),
            ..Default::default()
        };
        let dies = Server {
            // Three prompts are one rollout.
            dies_after: Some(3),
            ..Default::default()
        };
        let error = expect_error(train(dies, &files));
        assert!(matches!(error, Error::Rollout { step: 2, .. }), "{error}");
        let method = "/v1/load_lora_adapter";
        assert!(error.to_string().contains(method), "{error}");
        let resume = latest_checkpoint(&dir.path().join("checkpoints")).expect("a folder");
        assert!(resume.is_some());
        let resume = resume.into();
        let files = RunFiles { resume, ..files };
        let second = train(Server::default(), &files).expect("a resumed run");
        assert!(values(&second.model) == values(&expected.model));
        assert!(values(&second.model) != values(&with_adapter()));
    }
}

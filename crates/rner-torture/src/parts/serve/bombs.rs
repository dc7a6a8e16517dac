//! Requests that cost more than they say, and clients that leave.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::bodies::with;
use super::program::{MODEL, WAITING};
use super::wire::{Answer, exchange, post};

/// How long a bomb is held before its client leaves.
const HELD: Duration = Duration::from_millis(400);

/// Time within which the place of a client that has left is free: a step, and what a busy machine adds.
const FREE: Duration = Duration::from_secs(10);

const COMPLETE: &str = "/v1/completions";

/// Bodies that are within the limits, or a little beyond one of them.
pub(super) fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let complete = |name, more: Value| (name, post(COMPLETE, with(&more).to_string().as_bytes()));
    let chat = json!({"model": MODEL, "n": 128, "messages": [{"role": "user", "content": "a"}]});
    let longest = json!({"n": 128, "max_tokens": 2000});
    let widest = json!({"n": 1024, "max_tokens": 250, "logprobs": 1, "return_token_ids": true});
    let prompts = json!({
        "prompt": vec![vec![1; 40]; 1024], "max_tokens": 200, "logprobs": 1, "return_token_ids": true,
    });
    let stops: Vec<String> = (0..16).map(|i| format!("{i:0>256}")).collect();
    let stops = json!({"prompt": vec![vec![1]; 1024], "max_tokens": 200, "stop": stops, "stop_token_ids": vec![4000; 256]});
    let ids = format!(
        "{{\"model\": \"{MODEL}\", \"prompt\": [{}1]}}",
        "1,".repeat(500_000)
    );
    let empty = format!(
        "{{\"model\": \"{MODEL}\", \"prompt\": [{}[]]}}",
        "[],".repeat(340_000)
    );
    let unknown = format!(
        "{{\"model\": \"{MODEL}\", \"x\": [{}[]]}}",
        "[],".repeat(340_000)
    );
    let keys: String = (0..90_000).map(|i| format!("\"{i:x}\":0,")).collect();
    let keys = format!("{{{keys}\"model\": \"{MODEL}\"}}");
    vec![
        (
            "longest chat x n",
            post("/v1/chat/completions", chat.to_string().as_bytes()),
        ),
        complete("longest x n", longest),
        complete("widest", widest),
        complete("most prompts", prompts),
        complete("most stops x prompts", stops),
        complete(
            "a megabyte of words",
            json!({"prompt": "a ".repeat(520_000)}),
        ),
        complete(
            "a megabyte of one word",
            json!({"prompt": "a".repeat(1_040_000)}),
        ),
        complete(
            "a megabyte of escapes",
            json!({"prompt": "\u{1}".repeat(170_000)}),
        ),
        ("a megabyte of ids", post(COMPLETE, ids.as_bytes())),
        (
            "a megabyte of empty prompts",
            post(COMPLETE, empty.as_bytes()),
        ),
        (
            "a megabyte of an unknown field",
            post(COMPLETE, unknown.as_bytes()),
        ),
        ("90,000 fields", post(COMPLETE, keys.as_bytes())),
    ]
}

/// Sends a bomb; its client leaves soon. An answer that comes before must be right.
pub(super) fn throw(address: SocketAddr, bytes: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    let _ = stream.write_all(bytes);
    stream.set_read_timeout(Some(HELD))?;
    // Nothing within that time is no fault: there is much to do.
    match stream.peek(&mut [0]) {
        Ok(1..) => super::wire::read(&mut stream)?.check(),
        _ => Ok(()),
    }
}

/// Loads one adapter under many names, and takes it off again; the server may refuse from some number on.
pub(super) fn many_adapters(address: SocketAddr, seed: u64) -> Result<usize> {
    let names: Vec<String> = (0..200).map(|i| format!("many-{seed}-{i}")).collect();
    let mut loaded = 0;
    for name in &names {
        let answer = manage(
            address,
            "load",
            json!({"lora_name": name, "lora_path": "good"}),
        )?;
        answer.check()?;
        loaded += usize::from(answer.status == 200);
    }
    for name in &names {
        manage(address, "unload", json!({"lora_name": name}))?.check()?;
    }
    ensure!(
        loaded < names.len(),
        "{loaded} adapters were loaded, without a limit"
    );
    Ok(names.len())
}

/// Asks to load or unload an adapter.
pub(super) fn manage(address: SocketAddr, what: &str, body: Value) -> Result<Answer> {
    let path = format!("/v1/{what}_lora_adapter");
    exchange(address, &post(&path, body.to_string().as_bytes()), false)
}

/// Takes every place with long requests, leaves all at once, and gives the time until the next is answered.
pub(super) fn leave(address: SocketAddr) -> Result<(u64, Duration)> {
    let long = post(
        COMPLETE,
        with(&json!({"n": 100, "max_tokens": 1000}))
            .to_string()
            .as_bytes(),
    );
    let short = post(COMPLETE, with(&json!({})).to_string().as_bytes());
    let mut all = Vec::new();
    let full = loop {
        let mut stream = TcpStream::connect(address).context("cannot connect")?;
        let _ = stream.write_all(&long);
        all.push(stream);
        if all.len() < WAITING {
            continue;
        }
        let answer = exchange(address, &short, false)?;
        answer.check()?;
        if answer.status == 429 {
            break all.len() as u64;
        }
        ensure!(all.len() < 2 * WAITING, "more requests wait than may");
    };
    let start = Instant::now();
    drop(all);
    loop {
        let answer = exchange(address, &short, false)?;
        answer.check()?;
        if answer.status == 200 {
            return Ok((full, start.elapsed()));
        }
        let waited = start.elapsed();
        ensure!(
            waited < FREE,
            "work goes on for clients that have left: no place after {waited:?}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

//! Clients that ask for what they may: a neighbour whose times are compared, ordinary load, and poison.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rand::Rng;
use serde_json::{Value, json};

use super::bodies::with;
use super::program::MODEL;
use super::times::Times;
use super::wire::{ask, connect, exchange, post};
use crate::lab::random;

/// What a client got.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) times: Times,
    pub(super) faults: Vec<String>,
}

/// Asks for the same answer again and again, until `stop`.
pub(super) fn neighbour(address: SocketAddr, stop: &AtomicBool) -> Found {
    let mut found = Found::default();
    let body = json!({
        "model": MODEL, "messages": [{"role": "user", "content": "Ann sings in Paris."}], "max_tokens": 24,
        "temperature": 0, "stop_token_ids": [],
    });
    let request = post("/v1/chat/completions", body.to_string().as_bytes());
    let mut first = None;
    let mut connection = connect(address).ok();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        let asked = connection.as_mut().context("not connected");
        let said = asked.and_then(|stream| answered(ask(stream, &request)?));
        match said {
            Ok(said) => {
                found.times.add(start.elapsed());
                if *first.get_or_insert_with(|| said.clone()) != said {
                    found
                        .faults
                        .push(format!("a neighbour's answer has changed: {said}"));
                }
            }
            Err(error) => {
                found.faults.push(format!("a neighbour: {error:#}"));
                connection = connect(address).ok();
            }
        }
    }
    found
}

/// The completions of an answer that is right.
fn answered(answer: super::wire::Answer) -> Result<Value> {
    answer.check()?;
    let status = answer.status;
    ensure!(status == 200, "{status} {}", answer.message());
    let body: Value = serde_json::from_slice(&answer.body).context("an answer that is no JSON")?;
    Ok(body["choices"].clone())
}

/// Asks for different things, until `stop`.
pub(super) fn ordinary(address: SocketAddr, seed: u64, stop: &AtomicBool) -> Found {
    let mut random = random(seed);
    let mut found = Found::default();
    while !stop.load(Ordering::Relaxed) {
        let prompt: Vec<u32> = (0..random.random_range(1..60))
            .map(|_| random.random_range(0..4000))
            .collect();
        let model = if random.random_ratio(1, 8) {
            "good"
        } else {
            MODEL
        };
        let body = with(&json!({
            "model": model, "prompt": prompt, "n": random.random_range(1..4), "seed": random.random::<u32>(),
            "max_tokens": random.random_range(1..40), "logprobs": 0, "return_token_ids": true,
        }));
        let start = Instant::now();
        let request = post("/v1/completions", body.to_string().as_bytes());
        let choices = exchange(address, &request, false).and_then(answered);
        let wanted = body["n"].as_u64().unwrap_or(0) as usize;
        match choices {
            Ok(choices) if choices.as_array().is_some_and(|all| all.len() == wanted) => {
                found.times.add(start.elapsed());
            }
            Ok(choices) => found
                .faults
                .push(format!("{body}: {wanted} completions, found {choices}")),
            Err(error) => found.faults.push(format!("{body}: {error:#}")),
        }
    }
    found
}

/// Requests whose numbers are on the brink of what can be computed.
pub(super) fn poison() -> Vec<Vec<u8>> {
    let body = |more: Value| post("/v1/completions", with(&more).to_string().as_bytes());
    let n = |field: &str, value: f64| body(json!({field: value, "max_tokens": 3}));
    let mut all = Vec::new();
    for value in [1e-300, 5e-324, 1e-45, 1e-38, 1e38, 1e300, f64::MAX] {
        all.push(n("temperature", value));
        all.push(n("repetition_penalty", value));
    }
    all.push(body(
        json!({"temperature": 1e-40, "repetition_penalty": 1e-40, "top_p": 1e-300, "min_p": 1}),
    ));
    all.push(body(
        json!({"temperature": 1e300, "repetition_penalty": 1e300, "top_p": 1e-300, "top_k": 1}),
    ));
    all.push(body(
        json!({"top_k": i64::MAX, "min_p": 1e-300, "seed": u64::MAX}),
    ));
    all
}

//! A mock of a teacher that reasons: it thinks for some thousand tokens before it answers, wants a key, and counts
//! what it is asked.
//!
//! Its answers are those of [`ner_toy::teacher::Simulated`], with the thinking in front of the reasoning. An answer
//! that is longer than `max_tokens` is cut, as real servers do, and says `"finish_reason": "length"`.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ner_toy::teacher::{GoldEntry, JUDGE_MODEL, MistakeRates, Simulated, TEACHER_MODEL};
use serde_json::{Value, json};

use crate::error::Error;
use crate::http::{Request, Server, Then, write_head, write_json, write_refusal};

/// Bytes of a token, as a subword tokenizer has them on average.
const TOKEN: usize = 4;

/// How the teacher behaves.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Tokens that it thinks before each answer.
    pub thinking_tokens: usize,
    /// The key that it wants; it asks for none if left out.
    pub key: Option<String>,
    /// How long an answer takes.
    pub pause: Duration,
    /// Seed of its mistakes.
    pub seed: u64,
    /// How often it makes which.
    pub mistakes: MistakeRates,
}

impl Default for Manner {
    /// A teacher that thinks for 4,000 tokens, takes no time, and wants no key.
    fn default() -> Self {
        Self {
            thinking_tokens: 4_000,
            key: None,
            pause: Duration::ZERO,
            seed: 42,
            mistakes: MistakeRates::default(),
        }
    }
}

/// A teacher and judge that serve until they are dropped.
#[derive(Debug)]
pub struct Teacher {
    /// The base address, `http://127.0.0.1:<port>/v1`.
    pub url: String,
    shared: Arc<Shared>,
    _server: Server,
}

#[derive(Debug)]
struct Shared {
    simulated: Simulated,
    manner: Manner,
    /// How often each request came, by the BLAKE3 hash of its body.
    asked: Mutex<BTreeMap<String, usize>>,
}

impl Teacher {
    /// The names of teacher and judge.
    pub const MODELS: [&str; 2] = [TEACHER_MODEL, JUDGE_MODEL];

    /// Serves on a port of this machine; 0 takes a free one. `gold` is what it knows, by sentence.
    ///
    /// # Errors
    ///
    /// If no port can be opened, or a rate of mistakes is no share.
    pub fn serve(
        gold: HashMap<String, GoldEntry>,
        manner: Manner,
        port: u16,
    ) -> Result<Self, Error> {
        let simulated = Simulated::new(gold, manner.seed, manner.mistakes.clone())?;
        let shared = Arc::new(Shared {
            simulated,
            manner,
            asked: Mutex::default(),
        });
        let of_server = Arc::clone(&shared);
        let server = Server::start(
            port,
            Arc::new(move |request: &Request, out: &mut TcpStream| of_server.answer(request, out)),
        );
        let server = server.map_err(|source| Error::Port { port, source })?;
        Ok(Self {
            url: format!("http://{}/v1", server.address),
            shared,
            _server: server,
        })
    }

    /// How often each request came, by the BLAKE3 hash of its body, which is also the `id` of its answer.
    pub fn asked(&self) -> BTreeMap<String, usize> {
        let asked = self
            .shared
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    /// All requests.
    pub fn requests(&self) -> usize {
        self.asked().values().sum()
    }
}

impl Shared {
    fn answer(&self, request: &Request, out: &mut TcpStream) -> io::Result<Then> {
        if !self.knows(request.header("authorization")) {
            return write_refusal(out, 401, "Invalid API key");
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v1/models") => {
                let model = |id| json!({"id": id, "object": "model", "owned_by": "rehearsal"});
                let models = Teacher::MODELS.map(model);
                write_json(out, 200, &json!({"object": "list", "data": models}))
            }
            ("POST", "/v1/chat/completions") => self.complete(&request.body, out),
            _ => write_refusal(out, 404, "no such path"),
        }
    }

    fn knows(&self, authorization: Option<&str>) -> bool {
        let given = authorization.and_then(|value| value.strip_prefix("Bearer "));
        self.manner.key.is_none() || self.manner.key.as_deref() == given
    }

    fn complete(&self, body: &str, out: &mut TcpStream) -> io::Result<Then> {
        let id = blake3::hash(body.as_bytes()).to_hex().to_string();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked.entry(id.clone()).or_default() += 1;
        drop(asked);
        std::thread::sleep(self.manner.pause);
        let request: Value = serde_json::from_str(body).unwrap_or_default();
        match self.simulated.complete(&seeded(&request, &id)) {
            Ok(mut answer) => {
                answer["id"] = id.into();
                self.think(&request, &mut answer);
                match request["stream"].as_bool() {
                    Some(true) => stream(&answer, out),
                    _ => write_json(out, 200, &answer),
                }
            }
            Err(refusal) => write_refusal(out, refusal.status, &refusal.message),
        }
    }

    /// Puts the thinking in front of the teacher's reasoning, and cuts what is too long.
    fn think(&self, request: &Value, answer: &mut Value) {
        let prompt = request["messages"].to_string();
        let message = &answer["choices"][0]["message"];
        let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
        let (mut reasoning, mut content) = (text("reasoning_content"), text("content"));
        if request["model"] == TEACHER_MODEL {
            reasoning = thinking(&prompt, self.manner.thinking_tokens) + &reasoning;
        }
        let limit = ["max_tokens", "max_completion_tokens"].map(|key| request[key].as_u64());
        let limit = limit.into_iter().flatten().min().unwrap_or(u64::MAX);
        let limit = usize::try_from(limit)
            .unwrap_or(usize::MAX)
            .saturating_mul(TOKEN);
        let is_cut = reasoning.len() + content.len() > limit;
        truncate(&mut reasoning, limit);
        truncate(&mut content, limit - reasoning.len());
        let thought = reasoning.len().div_ceil(TOKEN);
        let (asked, said) = (
            prompt.len().div_ceil(TOKEN),
            thought + content.len().div_ceil(TOKEN),
        );
        let choice = &mut answer["choices"][0];
        choice["message"]["reasoning_content"] = reasoning.into();
        choice["message"]["content"] = content.into();
        if is_cut {
            choice["finish_reason"] = "length".into();
        }
        answer["usage"] = json!({
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
            "completion_tokens_details": {"reasoning_tokens": thought},
        });
    }
}

/// The request with a seed of its own, if it has none: the same request always has the same answer, whenever and how
/// often it comes, so that a run that was killed can be compared with one that was not.
fn seeded(request: &Value, id: &str) -> String {
    let mut request = request.clone();
    if request["seed"].is_null() {
        request["seed"] = u64::from_str_radix(&id[..12], 16)
            .unwrap_or_default()
            .into();
    }
    request.to_string()
}

/// Steps of thinking that decide nothing and say nothing twice. They neither quote the sentence nor name a type.
fn thinking(prompt: &str, tokens: usize) -> String {
    let length = tokens * TOKEN;
    let salt = prompt.len();
    let mut text = String::with_capacity(length + 64);
    for step in 1.. {
        if text.len() + 1 >= length {
            break;
        }
        text += &match step % 4 {
            0 => format!("Round {step}: I weigh {} against {step}. ", salt + step),
            1 => format!("Wait, {step} remains open for now. "),
            2 => format!("On second thought, {step} readings remain possible. "),
            _ => format!("So far {step} steps; I go on to {}. ", step + 1),
        };
    }
    truncate(&mut text, length.saturating_sub(1));
    text.push('\n');
    text
}

/// Shortens a text to so many bytes or a few less.
fn truncate(text: &mut String, mut length: usize) {
    while length < text.len() && !text.is_char_boundary(length) {
        length -= 1;
    }
    text.truncate(length);
}

/// An answer in pieces, as server-sent events.
fn stream(answer: &Value, out: &mut TcpStream) -> io::Result<Then> {
    let choice = &answer["choices"][0];
    let delta = |key: &str| {
        let delta =
            json!({"index": 0, "delta": {key: choice["message"][key]}, "finish_reason": null});
        json!({"id": answer["id"], "model": answer["model"], "choices": [delta]})
    };
    let end = json!({"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]});
    let end = json!({"id": answer["id"], "model": answer["model"], "choices": [end], "usage": answer["usage"]});
    let events = [delta("reasoning_content"), delta("content"), end];
    let body = events.map(|event| format!("data: {event}\n\n")).concat() + "data: [DONE]\n\n";
    write_head(
        out,
        200,
        &[("content-type", "text/event-stream")],
        body.len(),
    )?;
    out.write_all(body.as_bytes())?;
    Ok(Then::KeepOpen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_is_as_long_as_asked_and_repeats_nothing() {
        let text = thinking("a prompt", 4_000);
        assert_eq!(text.len().div_ceil(TOKEN), 4_000);
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut runs: Vec<&[&str]> = words.windows(8).collect();
        let all = runs.len();
        runs.sort_unstable();
        runs.dedup();
        assert_eq!(runs.len(), all);
    }
}

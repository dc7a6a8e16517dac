//! The bodies of requests and answers.
//!
//! Field names are OpenAI's; `top_k`, `min_p`, `repetition_penalty`, `stop_token_ids` and `return_token_ids` are
//! vLLM's. An optional one that is null is absent.

use serde::Deserialize;
use serde::de::MapAccess;
use serde_json::{Value, json};

use crate::brief::Brief;
use crate::content::Content;
use crate::fields::{Fields, by_fields};
use crate::job::Completion;
use crate::parameters::Others;
use crate::prompts::Prompts;

/// `POST /v1/completions`.
#[derive(Debug, Default)]
pub(crate) struct CompletionBody {
    pub(crate) model: String,
    pub(crate) prompt: Prompts,
    pub(crate) sampling: SamplingParams,
    /// Any number asks for the log-probabilities of the tokens; alternatives are not given.
    pub(crate) logprobs: Option<u32>,
}

impl Fields for CompletionBody {
    const REQUIRED: &'static [&'static str] = &["model", "prompt"];

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "model" => self.model = map.next_value()?,
            "prompt" => self.prompt = map.next_value()?,
            "logprobs" => self.logprobs = map.next_value()?,
            _ => return self.sampling.read(name, map),
        }
        Ok(true)
    }

    fn pass_over(&mut self, name: String, value: Brief) {
        self.sampling.others.add(&name, value);
    }
}

/// `POST /v1/chat/completions`.
#[derive(Debug, Default)]
pub(crate) struct ChatBody {
    pub(crate) model: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) sampling: SamplingParams,
    pub(crate) logprobs: Option<bool>,
    pub(crate) max_completion_tokens: Option<usize>,
}

impl Fields for ChatBody {
    const REQUIRED: &'static [&'static str] = &["model", "messages"];

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "model" => self.model = map.next_value()?,
            "messages" => self.messages = map.next_value()?,
            "logprobs" => self.logprobs = map.next_value()?,
            "max_completion_tokens" => self.max_completion_tokens = map.next_value()?,
            _ => return self.sampling.read(name, map),
        }
        Ok(true)
    }

    fn pass_over(&mut self, name: String, value: Brief) {
        self.sampling.others.add(&name, value);
    }
}

/// One turn of a conversation.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) role: String,
    pub(crate) content: Content,
    /// The first of its other fields that says something, such as a name or the calls of tools.
    pub(crate) other: Option<String>,
}

impl Fields for Message {
    const REQUIRED: &'static [&'static str] = &["role", "content"];

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "role" => self.role = map.next_value()?,
            "content" => self.content = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn pass_over(&mut self, name: String, value: Brief) {
        let says_nothing = value == Brief::Null || value == Brief::Words(Vec::new());
        if !says_nothing && self.other.is_none() {
            self.other = Some(name.chars().take(100).collect());
        }
    }
}

/// How completions are sampled, and how many of them.
#[derive(Debug, Default)]
pub(crate) struct SamplingParams {
    pub(crate) n: Option<usize>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<i64>,
    pub(crate) min_p: Option<f64>,
    pub(crate) repetition_penalty: Option<f64>,
    pub(crate) seed: Option<u64>,
    pub(crate) stop: Option<Stop>,
    pub(crate) stop_token_ids: Option<Vec<u32>>,
    pub(crate) stream: Option<bool>,
    pub(crate) return_token_ids: Option<bool>,
    /// Everything else in the body.
    pub(crate) others: Others,
}

impl SamplingParams {
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "n" => self.n = map.next_value()?,
            "max_tokens" => self.max_tokens = map.next_value()?,
            "temperature" => self.temperature = map.next_value()?,
            "top_p" => self.top_p = map.next_value()?,
            "top_k" => self.top_k = map.next_value()?,
            "min_p" => self.min_p = map.next_value()?,
            "repetition_penalty" => self.repetition_penalty = map.next_value()?,
            "seed" => self.seed = map.next_value()?,
            "stop" => self.stop = map.next_value()?,
            "stop_token_ids" => self.stop_token_ids = map.next_value()?,
            "stream" => self.stream = map.next_value()?,
            "return_token_ids" => self.return_token_ids = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// One stop text or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(crate) enum Stop {
    One(String),
    Many(Vec<String>),
}

impl Stop {
    pub(crate) fn texts(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// `POST /v1/load_lora_adapter`, as vLLM has it.
#[derive(Debug, Default)]
pub(crate) struct LoadAdapter {
    pub(crate) lora_name: String,
    pub(crate) lora_path: std::path::PathBuf,
}

impl Fields for LoadAdapter {
    const REQUIRED: &'static [&'static str] = &["lora_name", "lora_path"];

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "lora_name" => self.lora_name = map.next_value()?,
            "lora_path" => self.lora_path = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// `POST /v1/unload_lora_adapter`.
#[derive(Debug, Default)]
pub(crate) struct UnloadAdapter {
    pub(crate) lora_name: String,
}

impl Fields for UnloadAdapter {
    const REQUIRED: &'static [&'static str] = &["lora_name"];

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if name == "lora_name" {
            self.lora_name = map.next_value()?;
            return Ok(true);
        }
        Ok(false)
    }
}

by_fields!(
    CompletionBody,
    ChatBody,
    Message,
    LoadAdapter,
    UnloadAdapter
);

/// What an answer shows of each completion besides its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// The log-probability of each token.
    pub(crate) log_probs: bool,
    /// The ids of the tokens.
    pub(crate) ids: bool,
}

/// The answer to `POST /v1/completions`.
pub(crate) fn completions(
    model: &str,
    prompts: &[Vec<u32>],
    groups: &[Vec<Completion>],
    shown: Shown,
) -> Value {
    let all = prompts.iter().zip(groups);
    let all = all.flat_map(|(prompt, group)| group.iter().map(move |one| (prompt, one)));
    let choices = all.enumerate().map(|(index, (prompt, one))| {
        let log_probs = json!({
            "tokens": one.tokens,
            "token_logprobs": one.log_probs,
            "top_logprobs": null,
        });
        let mut choice = choice(index, one, ("text", json!(one.text)), log_probs, shown);
        if shown.ids {
            choice["prompt_token_ids"] = json!(prompt);
        }
        choice
    });
    let usage = usage(prompts.iter().map(Vec::len).sum(), groups.iter().flatten());
    answer("cmpl", "text_completion", model, choices.collect(), usage)
}

/// The answer to `POST /v1/chat/completions`. The text is not cut at a think tag: the client decides what it is.
pub(crate) fn chat(model: &str, prompt: &[u32], group: &[Completion], shown: Shown) -> Value {
    let choices = group.iter().enumerate().map(|(index, one)| {
        let tokens = one.tokens.iter().zip(&one.log_probs);
        let tokens = tokens.map(|(token, log_prob)| json!({"token": token, "logprob": log_prob}));
        let log_probs = json!({"content": tokens.collect::<Vec<_>>()});
        let message = json!({"role": "assistant", "content": one.text});
        choice(index, one, ("message", message), log_probs, shown)
    });
    let usage = usage(prompt.len(), group.iter());
    answer(
        "chatcmpl",
        "chat.completion",
        model,
        choices.collect(),
        usage,
    )
}

/// One completion of either answer; `content` is where and how its text stands.
fn choice(
    index: usize,
    one: &Completion,
    (key, content): (&str, Value),
    log_probs: Value,
    shown: Shown,
) -> Value {
    let mut choice = json!({
        "index": index,
        key: content,
        "finish_reason": one.finish,
        "logprobs": shown.log_probs.then_some(log_probs),
    });
    if shown.ids {
        choice["token_ids"] = json!(one.ids);
    }
    choice
}

fn answer(prefix: &str, object: &str, model: &str, choices: Vec<Value>, usage: Value) -> Value {
    json!({
        "id": format!("{prefix}-rner"), "object": object, "created": now(), "model": model,
        "choices": choices, "usage": usage,
    })
}

fn usage<'a>(asked: usize, group: impl Iterator<Item = &'a Completion>) -> Value {
    let said: usize = group.map(|one| one.ids.len()).sum();
    json!({"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said})
}

/// The answer to `GET /v1/models`.
pub(crate) fn models(names: &[String]) -> Value {
    let model = |name: &String| json!({"id": name, "object": "model", "owned_by": "rner"});
    json!({"object": "list", "data": names.iter().map(model).collect::<Vec<_>>()})
}

/// The body of an error.
pub(crate) fn error(message: &str, kind: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "code": null, "param": null}})
}

fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.map_or(0, |since| since.as_secs())
}

//! The bodies of requests and answers.
//!
//! Field names are OpenAI's; `top_k`, `min_p`, `repetition_penalty`, `stop_token_ids` and `return_token_ids` are
//! vLLM's. An optional one that is null is absent.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::job::Completion;
use crate::prompts::Prompts;

/// What a body holds besides what is read.
pub(crate) type Others = BTreeMap<String, Value>;

/// `POST /v1/completions`.
#[derive(Debug, Deserialize)]
pub(crate) struct CompletionBody {
    pub(crate) model: String,
    pub(crate) prompt: Prompts,
    #[serde(flatten)]
    pub(crate) sampling: SamplingParams,
    /// Any number asks for the log-probabilities of the tokens; alternatives are not given.
    #[serde(default)]
    pub(crate) logprobs: Option<u32>,
}

/// `POST /v1/chat/completions`.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatBody {
    pub(crate) model: String,
    pub(crate) messages: Vec<Message>,
    #[serde(flatten)]
    pub(crate) sampling: SamplingParams,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) logprobs: bool,
    #[serde(default)]
    pub(crate) max_completion_tokens: Option<usize>,
}

/// One turn of a conversation.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) role: String,
    /// A text, or a list of parts.
    #[serde(default)]
    pub(crate) content: Value,
    /// Everything else, such as a name or the calls of tools.
    #[serde(flatten)]
    pub(crate) others: Others,
}

/// How completions are sampled, and how many of them.
#[derive(Debug, Deserialize)]
pub(crate) struct SamplingParams {
    #[serde(default)]
    pub(crate) n: Option<usize>,
    #[serde(default)]
    pub(crate) max_tokens: Option<usize>,
    #[serde(default)]
    pub(crate) temperature: Option<f64>,
    #[serde(default)]
    pub(crate) top_p: Option<f64>,
    #[serde(default)]
    pub(crate) top_k: Option<i64>,
    #[serde(default)]
    pub(crate) min_p: Option<f64>,
    #[serde(default)]
    pub(crate) repetition_penalty: Option<f64>,
    #[serde(default)]
    pub(crate) seed: Option<u64>,
    #[serde(default)]
    pub(crate) stop: Option<Stop>,
    #[serde(default)]
    pub(crate) stop_token_ids: Option<Vec<u32>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) stream: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) return_token_ids: bool,
    /// Everything else in the body.
    #[serde(flatten)]
    pub(crate) others: Others,
}

/// Null is what a client sends for a parameter that it leaves out.
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// One stop text or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
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
#[derive(Debug, Deserialize)]
pub(crate) struct LoadAdapter {
    pub(crate) lora_name: String,
    pub(crate) lora_path: std::path::PathBuf,
}

/// `POST /v1/unload_lora_adapter`.
#[derive(Debug, Deserialize)]
pub(crate) struct UnloadAdapter {
    pub(crate) lora_name: String,
}

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

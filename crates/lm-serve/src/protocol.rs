//! The bodies of requests and answers.
//!
//! Field names are OpenAI's; `top_k`, `min_p`, `repetition_penalty`, `stop_token_ids` and `return_token_ids` are vLLM's.

use serde::Deserialize;
use serde_json::{Value, json};

use super::worker::Completion;

/// `POST /v1/completions`.
#[derive(Debug, Deserialize)]
pub(super) struct CompletionBody {
    pub(super) model: String,
    pub(super) prompt: Prompts,
    #[serde(flatten)]
    pub(super) how: How,
    /// Any number asks for the log-probabilities of the tokens; alternatives are not given.
    #[serde(default)]
    pub(super) logprobs: Option<u32>,
}

/// `POST /v1/chat/completions`.
#[derive(Debug, Deserialize)]
pub(super) struct ChatBody {
    pub(super) model: String,
    pub(super) messages: Vec<Message>,
    #[serde(flatten)]
    pub(super) how: How,
    #[serde(default)]
    pub(super) logprobs: bool,
    #[serde(default)]
    pub(super) max_completion_tokens: Option<usize>,
}

/// One turn of a conversation.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) role: String,
    pub(super) content: String,
}

/// How completions are sampled.
#[derive(Debug, Deserialize)]
pub(super) struct How {
    #[serde(default)]
    pub(super) n: Option<usize>,
    #[serde(default)]
    pub(super) max_tokens: Option<usize>,
    #[serde(default)]
    pub(super) temperature: Option<f64>,
    #[serde(default)]
    pub(super) top_p: Option<f64>,
    #[serde(default)]
    pub(super) top_k: Option<i64>,
    #[serde(default)]
    pub(super) min_p: Option<f64>,
    #[serde(default)]
    pub(super) repetition_penalty: Option<f64>,
    #[serde(default)]
    pub(super) seed: Option<u64>,
    #[serde(default)]
    pub(super) stop: Option<Stop>,
    #[serde(default)]
    pub(super) stop_token_ids: Option<Vec<u32>>,
    #[serde(default)]
    pub(super) stream: bool,
    #[serde(default)]
    pub(super) return_token_ids: bool,
}

/// One stop text or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Stop {
    One(String),
    Many(Vec<String>),
}

impl Stop {
    pub(super) fn texts(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// Prompts as texts or as token ids, one or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Prompts {
    Text(String),
    Ids(Vec<u32>),
    Texts(Vec<String>),
    ManyIds(Vec<Vec<u32>>),
}

/// `POST /v1/load_lora_adapter`, as vLLM has it.
#[derive(Debug, Deserialize)]
pub(super) struct LoadAdapter {
    pub(super) lora_name: String,
    pub(super) lora_path: std::path::PathBuf,
}

/// `POST /v1/unload_lora_adapter`.
#[derive(Debug, Deserialize)]
pub(super) struct UnloadAdapter {
    pub(super) lora_name: String,
}

/// The answer to `POST /v1/completions`.
pub(super) fn completions(
    model: &str,
    prompts: &[Vec<u32>],
    groups: &[Vec<Completion>],
    logprobs: bool,
    ids: bool,
) -> Value {
    let all = prompts.iter().zip(groups);
    let all = all.flat_map(|(prompt, group)| group.iter().map(move |one| (prompt, one)));
    let choices: Vec<Value> = all
        .enumerate()
        .map(|(index, (prompt, one))| {
            let mut choice = json!({
                "index": index,
                "text": one.text,
                "finish_reason": one.finish,
                "logprobs": logprobs.then(|| json!({
                    "tokens": one.tokens,
                    "token_logprobs": one.log_probs,
                    "top_logprobs": null,
                })),
            });
            if ids {
                choice["token_ids"] = json!(one.ids);
                choice["prompt_token_ids"] = json!(prompt);
            }
            choice
        })
        .collect();
    json!({
        "id": "cmpl-rner", "object": "text_completion", "created": now(), "model": model,
        "choices": choices, "usage": usage(prompts, groups),
    })
}

/// The answer to `POST /v1/chat/completions`. The text is not cut at a think tag: the client decides what it is.
pub(super) fn chat(
    model: &str,
    prompt: &[u32],
    group: &[Completion],
    logprobs: bool,
    ids: bool,
) -> Value {
    let choices: Vec<Value> = group
        .iter()
        .enumerate()
        .map(|(index, one)| {
            let tokens = one.tokens.iter().zip(&one.log_probs);
            let tokens =
                tokens.map(|(token, log_prob)| json!({"token": token, "logprob": log_prob}));
            let mut choice = json!({
                "index": index,
                "message": {"role": "assistant", "content": one.text},
                "finish_reason": one.finish,
                "logprobs": logprobs.then(|| json!({"content": tokens.collect::<Vec<_>>()})),
            });
            if ids {
                choice["token_ids"] = json!(one.ids);
            }
            choice
        })
        .collect();
    let usage = usage(&[prompt.to_vec()], &[group.to_vec()]);
    json!({
        "id": "chatcmpl-rner", "object": "chat.completion", "created": now(), "model": model,
        "choices": choices, "usage": usage,
    })
}

fn usage(prompts: &[Vec<u32>], groups: &[Vec<Completion>]) -> Value {
    let asked: usize = prompts.iter().map(Vec::len).sum();
    let said: usize = groups.iter().flatten().map(|one| one.ids.len()).sum();
    json!({"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said})
}

/// The answer to `GET /v1/models`.
pub(super) fn models(names: &[String]) -> Value {
    let model = |name: &String| json!({"id": name, "object": "model", "owned_by": "rner"});
    json!({"object": "list", "data": names.iter().map(model).collect::<Vec<_>>()})
}

/// The body of an error.
pub(super) fn error(message: &str, kind: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "code": null, "param": null}})
}

fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.map_or(0, |since| since.as_secs())
}

//! The fields of a completion that matter here, borrowed from the body.
//!
//! Nearly every body has the documented types and is read without building a
//! tree. One that has not is read again as a tree, in which a field of another
//! type counts as absent.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::problem::{BodyProblem, words};
use crate::error::excerpt;
use crate::message::Usage;

/// A completion, or one event of a stream.
#[derive(Default, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    error: Option<Value>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    pub(super) usage: Option<Counts>,
}

#[derive(Default, Deserialize)]
pub(super) struct Choice<'a> {
    pub(super) index: Option<u64>,
    /// The whole message, or the next piece of it.
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) delta: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning: Option<Text<'a>>,
}

/// A string. serde borrows a `Cow` only where it stands alone.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
pub(super) struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_cache_hit_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

/// Reads a body that may have fields of unexpected types, but must be JSON.
pub(super) fn read(text: &str) -> Result<Body<'_>, serde_json::Error> {
    // A list would be taken for the fields in their order.
    if text.starts_with('{') {
        match serde_json::from_str(text) {
            Err(error) if error.is_data() => {}
            read => return read,
        }
    }
    serde_json::from_str(text).map(Body::from_tree)
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Body<'_> {
    /// The error that came with status 200.
    pub(super) fn error(&self) -> Option<BodyProblem> {
        // Early vLLM puts the message beside the type.
        let flat = self.object.as_ref().is_some_and(|o| o.as_str() == "error");
        let said = match &self.error {
            Some(error) if !error.is_null() => words(error),
            _ if flat => text(self.message.as_ref()).into(),
            _ => return None,
        };
        let cause = format!("200 with an error: {}", excerpt(&said));
        Some(BodyProblem::Transient(cause))
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage.as_ref().map(Counts::usage).unwrap_or_default()
    }
}

impl Message<'_> {
    pub(super) fn content(&self) -> &str {
        text(self.content.as_ref())
    }

    /// The reasoning, under either of its names.
    pub(super) fn reasoning(&self) -> &str {
        let deepseek = text(self.reasoning_content.as_ref());
        if deepseek.is_empty() {
            text(self.reasoning.as_ref())
        } else {
            deepseek
        }
    }
}

fn text<'t>(text: Option<&'t Text<'_>>) -> &'t str {
    text.map_or("", Text::as_str)
}

impl Counts {
    pub(super) fn usage(&self) -> Usage {
        let prompt = self.prompt_tokens_details.as_ref();
        let completion = self.completion_tokens_details.as_ref();
        let cached = prompt.and_then(|details| details.cached_tokens);
        let reasoning = completion.and_then(|details| details.reasoning_tokens);
        Usage {
            prompt_tokens: self.prompt_tokens.unwrap_or(0),
            completion_tokens: self.completion_tokens.unwrap_or(0),
            cached_tokens: cached.or(self.prompt_cache_hit_tokens).unwrap_or(0),
            reasoning_tokens: reasoning.unwrap_or(0),
        }
    }

    fn from_tree(value: &Value) -> Self {
        let count = |path: &str| value.pointer(path).and_then(Value::as_u64);
        Self {
            prompt_tokens: count("/prompt_tokens"),
            completion_tokens: count("/completion_tokens"),
            prompt_cache_hit_tokens: count("/prompt_cache_hit_tokens"),
            prompt_tokens_details: Some(PromptDetails {
                cached_tokens: count("/prompt_tokens_details/cached_tokens"),
            }),
            completion_tokens_details: Some(CompletionDetails {
                reasoning_tokens: count("/completion_tokens_details/reasoning_tokens"),
            }),
        }
    }
}

impl Body<'static> {
    fn from_tree(value: Value) -> Self {
        let choices = value.get("choices").and_then(Value::as_array);
        Self {
            choices: choices.map(|all| all.iter().map(Choice::from_tree).collect()),
            error: value.get("error").cloned(),
            object: string(&value, "object"),
            message: string(&value, "message"),
            usage: value.get("usage").map(Counts::from_tree),
        }
    }
}

impl Choice<'static> {
    fn from_tree(value: &Value) -> Self {
        let part = |name| value.get(name).filter(|part: &&Value| part.is_object());
        Self {
            index: value.get("index").and_then(Value::as_u64),
            message: part("message").map(Message::from_tree),
            delta: part("delta").map(Message::from_tree),
            finish_reason: string(value, "finish_reason"),
        }
    }
}

impl Message<'static> {
    fn from_tree(value: &Value) -> Self {
        Self {
            content: string(value, "content"),
            reasoning_content: string(value, "reasoning_content"),
            reasoning: string(value, "reasoning"),
        }
    }
}

fn string(value: &Value, name: &str) -> Option<Text<'static>> {
    let text = value.get(name)?.as_str()?;
    Some(Text(Cow::Owned(text.into())))
}

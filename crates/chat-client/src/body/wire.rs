//! The fields of a completion that matter here, borrowed from the body.
//!
//! Nearly every body has the documented types and is read without building a
//! tree. One that has not is read again as a tree, in which a field of another
//! type counts as absent.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::parts;
use super::problem::BodyProblem;
use crate::meaning::Said;
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
    /// MiniMax says here how it went.
    base_resp: Option<Value>,
    code: Option<Value>,
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
    /// The text of a protocol that knows no messages.
    #[serde(borrow)]
    text: Option<Text<'a>>,
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning_text: Option<Text<'a>>,
    #[serde(borrow)]
    thought: Option<Text<'a>>,
    reasoning_details: Option<Value>,
    /// Words in place of an answer.
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    /// Thoughts among the parts of the content.
    #[serde(skip)]
    inner: String,
}

/// A string. serde borrows a `Cow` only where it stands alone.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
pub(super) struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
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
    let typed = typed(text)?;
    // Some gateways wrap the whole body up.
    if typed.choices.is_none() && text.contains("\"choices\"") {
        let tree: Value = serde_json::from_str(text)?;
        let wrapped = tree
            .get("data")
            .filter(|data| data.get("choices").is_some());
        if let Some(inner) = wrapped {
            return Ok(Body::from_tree(inner.clone()));
        }
    }
    Ok(typed)
}

fn typed(text: &str) -> Result<Body<'_>, serde_json::Error> {
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
    /// The error that came with status 200, beside the choices or inside of the first.
    pub(super) fn error(&self) -> Option<BodyProblem> {
        let choices = self.choices.iter().flatten();
        let inside = choices.filter_map(|choice| choice.error.as_ref());
        let mut errors = self
            .error
            .iter()
            .chain(inside)
            .filter(|error| is_error(error));
        if let Some(error) = errors.next() {
            return Some(BodyProblem::said(Said::of(error)));
        }
        // Early vLLM and FastChat put the message beside the type.
        if self.object.as_ref().is_some_and(|o| o.as_str() == "error") {
            let error = json!({"message": text(self.message.as_ref()), "code": self.code});
            return Some(BodyProblem::said(Said::of(&error)));
        }
        let failed = self.base_resp.as_ref().filter(|told| has_failed(told))?;
        Some(BodyProblem::said(Said::of(failed)))
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage.as_ref().map(Counts::usage).unwrap_or_default()
    }
}

impl Message<'_> {
    pub(super) fn content(&self) -> &str {
        text(self.content.as_ref())
    }

    /// The reasoning, under whichever of its names.
    pub(super) fn reasoning(&self) -> Cow<'_, str> {
        let fields = [
            &self.reasoning_content,
            &self.reasoning,
            &self.thinking,
            &self.reasoning_text,
            &self.thought,
        ];
        let told = fields.into_iter().map(|field| text(field.as_ref()));
        if let Some(told) = told.into_iter().find(|told| !told.is_empty()) {
            return Cow::Borrowed(told);
        }
        let details = self.reasoning_details.as_ref().map(parts::text);
        let details = details.filter(|details| !details.is_empty());
        details.map_or(Cow::Borrowed(self.inner.as_str()), Cow::Owned)
    }

    /// The words in which the model or its server refuses to answer.
    pub(super) fn refusal(&self) -> &str {
        text(self.refusal.as_ref())
    }
}

impl<'a> Choice<'a> {
    /// The message, wherever it is: in its field, as the only piece of a stream, or as a mere text.
    pub(super) fn take_message(&mut self) -> Option<Message<'a>> {
        let plain = |text| Message {
            content: Some(text),
            ..Message::default()
        };
        let message = self.message.take().or_else(|| self.delta.take());
        message.or_else(|| self.text.take().map(plain))
    }
}

/// Whether the value of a field of this name tells an error.
fn is_error(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// Whether MiniMax's report tells a failure.
fn has_failed(told: &Value) -> bool {
    told.get("status_code")
        .and_then(Value::as_i64)
        .is_some_and(|code| code != 0)
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
        let prompt_tokens = self.prompt_tokens.or(self.input_tokens).unwrap_or(0);
        // Where a budget went into thinking alone, some servers tell the sum only.
        let rest = self
            .total_tokens
            .map(|total| total.saturating_sub(prompt_tokens));
        let rest = rest.filter(|_| prompt_tokens > 0);
        let told = self.completion_tokens.or(self.output_tokens);
        Usage {
            prompt_tokens,
            completion_tokens: told.or(rest).unwrap_or(0),
            cached_tokens: cached.or(self.prompt_cache_hit_tokens).unwrap_or(0),
            reasoning_tokens: reasoning.unwrap_or(0),
        }
    }

    fn from_tree(value: &Value) -> Self {
        let count = |path: &str| value.pointer(path).and_then(Value::as_u64);
        Self {
            prompt_tokens: count("/prompt_tokens"),
            completion_tokens: count("/completion_tokens"),
            total_tokens: count("/total_tokens"),
            input_tokens: count("/input_tokens"),
            output_tokens: count("/output_tokens"),
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
            base_resp: value.get("base_resp").cloned(),
            code: value.get("code").cloned(),
            usage: value.get("usage").map(Counts::from_tree),
        }
    }
}

impl Choice<'static> {
    fn from_tree(value: &Value) -> Self {
        let part = |name| value.get(name).filter(|part: &&Value| !part.is_null());
        Self {
            index: value.get("index").and_then(Value::as_u64),
            message: part("message").and_then(Message::from_tree),
            delta: part("delta").and_then(Message::from_tree),
            finish_reason: reason(value),
            text: string(value, "text"),
            error: value.get("error").cloned(),
        }
    }
}

/// SGLang's own protocol has an object here.
fn reason(choice: &Value) -> Option<Text<'static>> {
    let word = string(choice, "finish_reason");
    word.or_else(|| string(choice.get("finish_reason")?, "type"))
}

impl Message<'static> {
    /// A message that is a mere text is its content.
    fn from_tree(value: &Value) -> Option<Self> {
        let content = match value {
            Value::Object(_) => value.get("content").map(parts::content),
            Value::String(_) => Some(parts::content(value)),
            _ => return None,
        };
        let content = content.unwrap_or_default();
        let told = |name: &str| Some(owned(parts::text(value.get(name)?)));
        Some(Self {
            content: Some(owned(content.text)),
            reasoning_content: told("reasoning_content"),
            reasoning: told("reasoning"),
            thinking: told("thinking"),
            reasoning_text: told("reasoning_text"),
            thought: told("thought"),
            reasoning_details: value.get("reasoning_details").cloned(),
            refusal: string(value, "refusal"),
            inner: content.thought,
        })
    }
}

fn string(value: &Value, name: &str) -> Option<Text<'static>> {
    Some(owned(value.get(name)?.as_str()?.into()))
}

fn owned(text: String) -> Text<'static> {
    Text(Cow::Owned(text))
}

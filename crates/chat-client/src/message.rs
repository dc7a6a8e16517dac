//! Requests and answers of the chat-completions protocol.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::format::ResponseFormat;

/// Who a message is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Standing instructions.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self {
            role: Role::User,
            content: content.into(),
        }
    }
}

/// How the server should sample. What is `None` is left to the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Softmax temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus mass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Most new tokens, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Seed, for servers that honour one. The pipeline adds the number of the
    /// attempt, so that resampling gives another answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What one server knows beside the protocol, as further fields of the request's body: `reasoning_effort`,
    /// `chat_template_kwargs`. None of them may be a field of [`ChatRequest`].
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// The body of `POST /v1/chat/completions`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChatRequest {
    /// The model's name.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// How to sample.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// Always `false`, as callers hash what is written here. Whether the answer
    /// comes in pieces is the endpoint's choice and does not change the request.
    pub stream: bool,
    /// Structured output, if it is asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub format: Option<ResponseFormat>,
}

impl ChatRequest {
    /// One question, sampled as the server likes.
    pub fn user(model: impl Into<String>, question: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            messages: vec![Message::user(question)],
            sampling: Sampling::default(),
            stream: false,
            format: None,
        }
    }
}

/// The body that is sent: the request, and whether the answer comes in pieces.
pub(crate) fn wire(request: &ChatRequest, stream: bool) -> Result<Vec<u8>, Error> {
    let text: usize = request.messages.iter().map(|m| m.content.len()).sum();
    let mut body = Vec::with_capacity(text + text / 8 + 512);
    let written = match (stream, request.stream) {
        // The usual case needs no copy of the texts.
        (false, false) => serde_json::to_writer(&mut body, request),
        (false, true) => serde_json::to_writer(&mut body, &with_stream(request, false)),
        (true, _) => serde_json::to_writer(&mut body, &Streamed::new(request)),
    };
    written.map_err(|error| Error::Setting {
        field: "request",
        expected: "what can be written as JSON",
        found: error.to_string(),
    })?;
    Ok(body)
}

fn with_stream(request: &ChatRequest, stream: bool) -> ChatRequest {
    ChatRequest {
        stream,
        ..request.clone()
    }
}

/// A request for a stream that ends with its token counts.
#[derive(Serialize)]
struct Streamed {
    #[serde(flatten)]
    request: ChatRequest,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl Streamed {
    fn new(request: &ChatRequest) -> Self {
        Self {
            request: with_stream(request, true),
            stream_options: StreamOptions {
                include_usage: true,
            },
        }
    }
}

/// Why the model stopped writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It was done, or the server does not say.
    Stop,
    /// It ran out of tokens.
    Length,
    /// A filter kept the answer back, or the model refused it, in the server's word.
    Filtered(String),
    /// Anything else, in the server's word. It says nothing against an answer that is whole.
    Other(String),
}

/// Token counts as the server reports them; 0 where it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompts.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens of the answers, reasoning included.
    #[serde(default)]
    pub completion_tokens: u64,
    /// Tokens of the prompts that the server found in its cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// Tokens of the answers that are reasoning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Usage {
    /// Whether both sides are told. Servers that leave one out, or write 0 there, do not say what an answer costs.
    pub fn is_told(&self) -> bool {
        self.prompt_tokens > 0 && self.completion_tokens > 0
    }

    /// Tokens of prompts and answers together.
    pub fn total(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.cached_tokens += other.cached_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
    }
}

/// One answer of a model, reasoning and content separated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatAnswer {
    /// The reasoning: a field of its own (`reasoning_content`, `reasoning`, `thinking`, `reasoning_details` and
    /// others), parts of the content, or a block in tags.
    pub reasoning: Option<String>,
    /// What follows the reasoning.
    pub content: String,
    /// Whether the reasoning came apart from the content, so that tags in it are text.
    pub is_apart: bool,
    /// Why the model stopped.
    pub finish: Finish,
    /// What the answer cost.
    pub usage: Usage,
}

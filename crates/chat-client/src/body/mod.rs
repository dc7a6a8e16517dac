//! Reading the body of an answer, whichever dialect the server speaks.

mod finish;
mod parts;
mod problem;
mod stream;
mod think;
mod wire;

#[cfg(test)]
mod tests;

use serde::de::IgnoredAny;
use serde_json::json;

pub use crate::meaning::{Meaning, Said};
pub use problem::BodyProblem;
#[doc(hidden)]
pub use stream::LastEvent;

use crate::error::excerpt;
use crate::message::{ChatAnswer, Finish, Usage};

/// Reads a chat completion, whole or as a stream of events.
///
/// # Errors
/// If the body is none; the problem says whether another try may help.
pub fn parse_body(body: &str) -> Result<ChatAnswer, BodyProblem> {
    let text = skip_comments(body);
    if text.is_empty() {
        return Err(BodyProblem::Transient("200 with an empty body".into()));
    }
    if stream::is_stream(text) {
        return stream::read(text);
    }
    if stream::is_torn_start(text) {
        return Err(BodyProblem::Transient("the stream ends early".into()));
    }
    whole(text)
}

/// What a body reports to have cost, be it an answer or not; 0 where it does not.
pub fn reported_usage(body: &str) -> Usage {
    let text = skip_comments(body);
    if stream::is_stream(text) {
        return stream::usage(text);
    }
    wire::read(text).map_or_else(|_| Usage::default(), |body| body.usage())
}

/// A streamed answer as a whole body, if `mask` changes its joined texts: what is to be hidden is then spread over
/// several events, where it cannot be found.
pub(crate) fn rejoined(body: &str, mask: impl Fn(String) -> String) -> Option<String> {
    let text = skip_comments(body);
    if !stream::is_stream(text) {
        return None;
    }
    let found = stream::read(text).ok()?;
    let reasoning = found.reasoning.clone().map(&mask);
    let content = mask(found.content.clone());
    if (&reasoning, &content) == (&found.reasoning, &found.content) {
        return None;
    }
    let finish = match &found.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Filtered(word) | Finish::Other(word) => word,
    };
    let message = json!({"role": "assistant", "reasoning_content": reasoning, "content": content});
    let usage = found.usage;
    let body = json!({
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        },
    });
    Some(body.to_string())
}

fn whole(text: &str) -> Result<ChatAnswer, BodyProblem> {
    let body = wire::read(text).map_err(|error| {
        // A connection that closes early leaves the beginning of an object, and
        // a damaged object is still one of the right server.
        if text.starts_with('{') {
            BodyProblem::Transient(format!("the body is damaged or ends early ({error})"))
        } else {
            BodyProblem::NotJson(text.into())
        }
    })?;
    if let Some(problem) = body.error() {
        return Err(problem);
    }
    let usage = body.usage();
    let Some(choices) = body.choices else {
        // `null` stands where servers have nothing to say, as when they are overloaded.
        return Err(if text.starts_with('{') && text.contains("\"choices\"") {
            BodyProblem::NoAnswer(text.into())
        } else {
            BodyProblem::WrongShape(text.into())
        });
    };
    let Some(mut choice) = choices.into_iter().next() else {
        return Err(BodyProblem::NoAnswer(text.into()));
    };
    let finish = choice.finish_reason.as_ref().map(wire::Text::as_str);
    let finish = finish::finish_of(finish).map_err(broken_off)?;
    let message = match choice.take_message() {
        Some(message) => message,
        // A budget that went into thinking, or a filter, leaves nothing that could be a message.
        None if matches!(finish, Finish::Length | Finish::Filtered(_)) => wire::Message::default(),
        None => return Err(BodyProblem::NoAnswer(text.into())),
    };
    let finish = refused(finish, message.refusal());
    Ok(answer(
        &message.reasoning(),
        message.content(),
        finish,
        usage,
    ))
}

fn broken_off(word: String) -> BodyProblem {
    BodyProblem::Transient(format!("the server broke the answer off: {word}"))
}

/// A refusal in words of its own counts as the server's filter does.
fn refused(finish: Finish, words: &str) -> Finish {
    match finish {
        Finish::Stop if !words.trim().is_empty() => Finish::Filtered(excerpt(words)),
        finish => finish,
    }
}

/// DeepSeek sends blank lines and `: keep-alive` comments while it waits.
fn skip_comments(body: &str) -> &str {
    let mut text = body.trim_start_matches('\u{feff}').trim();
    while text.starts_with(':') {
        text = text
            .split_once('\n')
            .map_or("", |(_, rest)| rest.trim_start());
    }
    text
}

/// Puts an answer together from the fields of a message.
fn answer(reasoning: &str, content: &str, finish: Finish, usage: Usage) -> ChatAnswer {
    let (mut reasoning, mut content) = (reasoning.trim(), content);
    if content.trim().is_empty() && is_object(reasoning) {
        // With thinking off, vLLM's parser may take the whole answer for
        // reasoning (vllm#19222).
        (reasoning, content) = ("", reasoning);
    }
    let is_apart = !reasoning.is_empty();
    if is_apart {
        // What came apart stays apart: tags that it quotes are text, and so are those in the answer.
        content = think::rest(content);
    } else {
        let (inline, rest) = think::split(content);
        (reasoning, content) = (inline.unwrap_or_default().trim(), rest);
    }
    ChatAnswer {
        reasoning: (!reasoning.is_empty()).then(|| reasoning.into()),
        content: content.trim().into(),
        is_apart,
        finish,
        usage,
    }
}

/// Whether a text is one complete JSON object and nothing else.
fn is_object(text: &str) -> bool {
    text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

//! Reading the body of an answer, whichever dialect the server speaks.

use serde_json::Value;

use crate::error::excerpt;
use crate::message::{ChatAnswer, Finish, Usage};

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Why a 200 body is not an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyProblem {
    /// Empty, cut off, or an error in disguise: worth another try.
    Transient(String),
    /// Not JSON at all, for instance HTML.
    NotJson(String),
    /// JSON, but not a chat completion.
    WrongShape(String),
}

/// Reads a chat completion.
///
/// # Errors
/// If the body is none; the problem says whether another try may help.
pub fn parse_body(body: &str) -> Result<ChatAnswer, BodyProblem> {
    let text = skip_comments(body);
    if text.is_empty() {
        return Err(BodyProblem::Transient("200 with an empty body".into()));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        // A connection that closes early leaves the beginning of an object.
        if error.is_eof() && text.starts_with('{') {
            BodyProblem::Transient(format!("the body ends early ({error})"))
        } else {
            BodyProblem::NotJson(text.into())
        }
    })?;
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return Err(BodyProblem::Transient(format!(
            "200 with an error: {}",
            excerpt(&words(error))
        )));
    }
    let choice = value.pointer("/choices/0");
    match choice.and_then(|choice| Some((choice, choice.get("message")?.as_object()?))) {
        Some((choice, message)) => Ok(answer(&value, choice, message)),
        None => Err(BodyProblem::WrongShape(text.into())),
    }
}

/// The server's words about an error, shortened.
pub(crate) fn error_message(body: &str) -> String {
    let value: Option<Value> = serde_json::from_str(body).ok();
    let message = value
        .as_ref()
        .map(|value| words(value.get("error").unwrap_or(value)));
    match excerpt(message.as_deref().unwrap_or(body)) {
        text if text.is_empty() => "(no message)".into(),
        text => text,
    }
}

fn words(error: &Value) -> String {
    let message = error.get("message").unwrap_or(error);
    message
        .as_str()
        .map_or_else(|| message.to_string(), Into::into)
}

/// DeepSeek sends blank lines and `: keep-alive` comments while it waits.
fn skip_comments(body: &str) -> &str {
    let mut text = body.trim();
    while text.starts_with(':') {
        text = text
            .split_once('\n')
            .map_or("", |(_, rest)| rest.trim_start());
    }
    text
}

fn answer(value: &Value, choice: &Value, message: &serde_json::Map<String, Value>) -> ChatAnswer {
    let field = |name: &str| message.get(name).and_then(Value::as_str);
    let content = field("content").unwrap_or_default();
    let (inline, content) = split_think(content);
    let reasoning = ["reasoning_content", "reasoning"]
        .into_iter()
        .find_map(field);
    let reasoning = reasoning.filter(|text| !text.trim().is_empty()).or(inline);
    ChatAnswer {
        reasoning: reasoning.map(|text| text.trim().into()),
        content: content.trim().into(),
        finish: finish(choice.get("finish_reason").and_then(Value::as_str)),
        usage: usage(value.get("usage")),
    }
}

/// Separates reasoning that was left in the content.
///
/// The opening tag may be missing, because some chat templates put it into the
/// prompt; without the closing tag, everything is reasoning.
fn split_think(content: &str) -> (Option<&str>, &str) {
    let text = content.trim_start();
    let opened = text.strip_prefix(OPEN);
    let inner = opened.unwrap_or(text);
    match inner.split_once(CLOSE) {
        // A tag inside the answer's JSON is text.
        Some((before, _)) if opened.is_none() && before.starts_with('{') => (None, content),
        Some((before, after)) => (Some(before), after),
        None if opened.is_some() => (Some(inner), ""),
        None => (None, content),
    }
}

fn finish(reason: Option<&str>) -> Finish {
    match reason {
        None | Some("stop") => Finish::Stop,
        Some("length") => Finish::Length,
        Some(other) => Finish::Other(other.into()),
    }
}

fn usage(value: Option<&Value>) -> Usage {
    let count = |name| value.and_then(|v| v.get(name)).and_then(Value::as_u64);
    Usage {
        prompt_tokens: count("prompt_tokens").unwrap_or(0),
        completion_tokens: count("completion_tokens").unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(message: Value) -> (Option<String>, String) {
        let body = json!({"choices": [{"message": message}]}).to_string();
        let answer = parse_body(&body).expect("a chat completion");
        (answer.reasoning, answer.content)
    }

    #[test]
    fn reasoning_is_found_in_every_dialect() {
        for message in [
            json!({"reasoning_content": "why", "content": "{}"}),
            json!({"reasoning": "why", "content": "{}"}),
            json!({"content": "<think>\nwhy\n</think>\n{}"}),
            json!({"content": "why\n</think>\n{}"}),
            json!({"reasoning_content": null, "reasoning": " why", "content": "{}"}),
        ] {
            assert_eq!(
                read(message.clone()),
                (Some("why".into()), "{}".into()),
                "{message}"
            );
        }
        assert_eq!(
            read(json!({"content": "<think>why"})),
            (Some("why".into()), String::new())
        );
        let quoted = r#"{"entities": {"tag": ["</think>"]}}"#;
        assert_eq!(read(json!({"content": quoted})), (None, quoted.into()));
        assert_eq!(read(json!({"content": null})), (None, String::new()));
    }

    #[test]
    fn usage_and_the_reason_to_stop_are_read() {
        let body = "\n: keep-alive\n\n{\"choices\":[{\"message\":{},\"finish_reason\":\"length\"}],\
                    \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}";
        let answer = parse_body(body).expect("a chat completion");
        assert_eq!(answer.finish, Finish::Length);
        let expected = Usage {
            prompt_tokens: 3,
            completion_tokens: 4,
        };
        assert_eq!(answer.usage, expected);
    }

    #[test]
    fn bodies_that_are_no_answers_are_told_apart() {
        let transient = |body| matches!(parse_body(body), Err(BodyProblem::Transient(_)));
        assert!(transient(""));
        assert!(transient(": keep-alive"));
        assert!(transient("{\"choices\": [{\"mess"));
        assert!(transient("{\"error\": {\"message\": \"overloaded\"}}"));
        assert!(matches!(parse_body("<html>"), Err(BodyProblem::NotJson(_))));
        assert!(matches!(parse_body("hello"), Err(BodyProblem::NotJson(_))));
        assert!(matches!(
            parse_body("{\"ok\": true}"),
            Err(BodyProblem::WrongShape(_))
        ));
        assert!(matches!(
            parse_body("{\"choices\": []}"),
            Err(BodyProblem::WrongShape(_))
        ));
    }

    #[test]
    fn error_messages_are_taken_out_of_their_wrapping() {
        assert_eq!(
            error_message("{\"error\":{\"message\":\"bad key\"}}"),
            "bad key"
        );
        assert_eq!(error_message("{\"detail\":\"x\"}"), "{\"detail\":\"x\"}");
        assert_eq!(error_message("<html>\n  no"), "<html> no");
        assert_eq!(error_message(""), "(no message)");
    }
}

//! The content of a message: a text, or the list of parts that newer clients send.

use serde_json::Value;

use crate::failure::{Failure, wrong};
use crate::protocol::Message;

/// The text of a message. Parts are put together with a line break between them, as vLLM and llama.cpp do.
pub(crate) fn text(message: &Message) -> Result<String, Failure> {
    let unread = message.others.iter().find(|(_, value)| !is_nothing(value));
    if let Some((name, _)) = unread {
        return Err(wrong(format!(
            "messages: {name:?} of a message would have no effect; leave it out"
        )));
    }
    match &message.content {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) if !parts.is_empty() => {
            let texts: Vec<&str> = parts.iter().map(part).collect::<Result<_, _>>()?;
            Ok(texts.join("\n"))
        }
        other => Err(wrong(format!(
            "content: expected a text or a list of text parts, found {}",
            kind(other)
        ))),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// `{"type": "text", "text": "..."}`, or a bare text.
fn part(part: &Value) -> Result<&str, Failure> {
    let kind = part.get("type").and_then(Value::as_str);
    let text = match kind {
        Some("text" | "input_text") => part.get("text"),
        Some(other) => {
            return Err(wrong(format!(
                "content: expected parts of the type \"text\", found one of {other:?}: this server reads text only"
            )));
        }
        None => Some(part),
    };
    text.and_then(Value::as_str).ok_or_else(|| {
        wrong("content: a part has no text, expected {\"type\": \"text\", \"text\": \"...\"}")
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an empty list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(content: Value) -> Result<String, String> {
        let message = json!({"role": "user", "content": content, "name": null, "tool_calls": []});
        let message: Message =
            serde_json::from_value(message).map_err(|error| error.to_string())?;
        text(&message).map_err(|failure| failure.1)
    }

    #[test]
    fn texts_and_parts_are_read() {
        for (content, expected) in [
            (json!("plain"), "plain"),
            (json!(""), ""),
            (json!([{"type": "text", "text": "one"}]), "one"),
            (
                json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]),
                "one\ntwo",
            ),
            (
                json!([{"type": "input_text", "text": "one"}, "two"]),
                "one\ntwo",
            ),
        ] {
            assert_eq!(read(content.clone()).as_deref(), Ok(expected), "{content}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_by_its_kind() {
        for (content, word) in [
            (
                json!([{"type": "image_url", "image_url": {"url": "x"}}]),
                "image_url",
            ),
            (json!([{"type": "text"}]), "no text"),
            (json!([{"text": "one"}]), "no text"),
            (json!([]), "an empty list"),
            (Value::Null, "nothing"),
            (json!(3), "a number"),
            (json!({"text": "one"}), "an object"),
        ] {
            let said = read(content.clone()).unwrap_err();
            assert!(
                said.starts_with("content: ") && said.contains(word),
                "{content}: {said}"
            );
        }
    }

    #[test]
    fn what_else_a_message_says_is_refused_by_name() {
        let message = json!({"role": "user", "content": "a", "name": "somebody"});
        let message: Message = serde_json::from_value(message).expect("a message");
        let said = text(&message).err().map(|failure| failure.1);
        assert!(said.is_some_and(|said| said.contains("\"name\"")));
    }
}

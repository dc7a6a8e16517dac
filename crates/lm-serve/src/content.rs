//! The content of a message: a text, or the list of parts that newer clients send.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The text of a message. Parts are put together with a line break between them, as vLLM and llama.cpp do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content(pub(crate) String);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of text parts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
        Ok(Content(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let Some(Part(mut text)) = seq.next_element()? else {
            return Err(A::Error::custom(
                "expected a text part, found an empty list",
            ));
        };
        while let Some(Part(next)) = seq.next_element()? {
            text.push('\n');
            text.push_str(&next);
        }
        Ok(Content(text))
    }
}

/// The text of `{"type": "text", "text": "..."}`, or a bare text.
struct Part(String);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"{"type": "text", "text": "..."}"#)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Part, E> {
        Ok(Part(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let (mut kind, mut text) = (None::<String>, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "type" => kind = Some(map.next_value()?),
                "text" => text = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match kind.as_deref() {
            Some("text" | "input_text") => text
                .map(Part)
                .ok_or_else(|| A::Error::missing_field("text")),
            Some(other) => {
                let other: String = other.chars().take(100).collect();
                Err(A::Error::custom(format_args!(
                    "expected parts of the type \"text\", found one of {other:?}: this server reads text only"
                )))
            }
            None => Err(A::Error::missing_field("type")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(content: &Value) -> Result<String, String> {
        let read = serde_json::from_str::<Content>(&content.to_string());
        read.map(|content| content.0)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn texts_and_parts_are_read() {
        for (content, expected) in [
            (json!("plain"), "plain"),
            (json!(""), ""),
            (json!([{"type": "text", "text": "one"}]), "one"),
            (
                json!([{"text": "one", "type": "text", "cache_control": {"type": "x"}}]),
                "one",
            ),
            (
                json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]),
                "one\ntwo",
            ),
            (
                json!([{"type": "input_text", "text": "one"}, "two"]),
                "one\ntwo",
            ),
        ] {
            assert_eq!(read(&content).as_deref(), Ok(expected), "{content}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_by_its_kind() {
        for (content, word) in [
            (
                json!([{"type": "image_url", "image_url": {"url": "x"}}]),
                "image_url",
            ),
            (json!([{"type": "text"}]), "`text`"),
            (json!([{"text": "one"}]), "`type`"),
            (json!([]), "an empty list"),
            (Value::Null, "null"),
            (json!(3), "integer `3`"),
            (json!({"text": "one"}), "map"),
            (json!([["one"]]), "sequence"),
        ] {
            let said = read(&content).unwrap_err();
            assert!(said.contains(word), "{content}: {said}");
        }
    }
}

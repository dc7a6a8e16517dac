//! Texts that come in parts: `content` as a list of text and thinking, reasoning as a list of details.

use serde_json::Value;

/// Types of parts that are reasoning.
const THOUGHTS: [&str; 9] = [
    "thinking",
    "thought",
    "reasoning",
    "reasoning_content",
    "reasoning_text",
    "reasoning.text",
    "reasoning.summary",
    "summary_text",
    "redacted_thinking",
];
/// Fields in which the text of a part stands.
const TEXTS: [&str; 8] = [
    "text",
    "thinking",
    "reasoning",
    "content",
    "summary",
    "parts",
    "value",
    "refusal",
];
/// How deep parts are nested.
const DEEPEST: usize = 6;

/// A content: what is said, and what was thought before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) thought: String,
}

/// Reads a content of any type. An object that has no text is taken for an answer that is JSON already.
pub(super) fn content(value: &Value) -> Content {
    let mut content = Content::default();
    if let Value::Object(fields) = value
        && !TEXTS.iter().any(|name| fields.contains_key(*name))
    {
        content.text = value.to_string();
    } else {
        content.read(value, false, 0);
    }
    content
}

/// All texts of a value, as reasoning in details has them.
pub(super) fn text(value: &Value) -> String {
    let mut content = Content::default();
    content.read(value, true, 0);
    content.thought
}

impl Content {
    fn read(&mut self, value: &Value, is_thought: bool, depth: usize) {
        match value {
            Value::String(text) if is_thought => self.thought.push_str(text),
            Value::String(text) => self.text.push_str(text),
            Value::Array(parts) if depth < DEEPEST => {
                for part in parts {
                    self.read(part, is_thought, depth + 1);
                }
            }
            Value::Object(_) if depth < DEEPEST => self.part(value, is_thought, depth),
            _ => {}
        }
    }

    fn part(&mut self, part: &Value, is_thought: bool, depth: usize) {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        // Gemini marks the parts that are thoughts.
        let is_marked = part.get("thought").and_then(Value::as_bool) == Some(true);
        let is_thought = is_thought || is_marked || THOUGHTS.contains(&kind) || is_thinking(part);
        let found = TEXTS
            .iter()
            .find_map(|name| part.get(*name).filter(|v| !v.is_null()));
        match found {
            Some(text) => self.read(text, is_thought, depth + 1),
            None => tracing::warn!(kind, "a part of an answer that has no text is left out"),
        }
    }
}

/// A part without a type whose text is called thinking.
fn is_thinking(part: &Value) -> bool {
    let has = |name| part.get(name).is_some_and(|value: &Value| !value.is_null());
    !has("text") && (has("thinking") || has("reasoning"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_of_every_server_are_told_apart() {
        let both = |value: Value| {
            let Content { text, thought } = content(&value);
            (text, thought)
        };
        for (value, text, thought) in [
            (json!("{}"), "{}", ""),
            (json!(["{", "}"]), "{}", ""),
            (json!([{"type": "text", "text": "{}"}]), "{}", ""),
            (json!([{"type": "output_text", "text": "{}"}]), "{}", ""),
            (json!({"type": "text", "text": "{}"}), "{}", ""),
            // Mistral
            (
                json!([{"type": "thinking", "thinking": [{"type": "text", "text": "why"}]}, {"type": "text", "text": "{}"}]),
                "{}",
                "why",
            ),
            // Anthropic
            (
                json!([{"type": "thinking", "thinking": "why", "signature": "x"}, {"type": "text", "text": "{}"}]),
                "{}",
                "why",
            ),
            // Gemini
            (
                json!({"parts": [{"text": "why", "thought": true}, {"text": "{}"}]}),
                "{}",
                "why",
            ),
            // Bedrock
            (
                json!([{"type": "reasoning", "reasoning": "why"}, {"text": "{}"}]),
                "{}",
                "why",
            ),
            (json!([{"thinking": "why"}, "{}"]), "{}", "why"),
            // The JSON itself, not written as a text.
            (
                json!({"entities": {"city": ["Brel"]}}),
                "{\"entities\":{\"city\":[\"Brel\"]}}",
                "",
            ),
            (json!([{"type": "image_url", "image_url": {}}]), "", ""),
            (json!(null), "", ""),
            (json!(3), "", ""),
        ] {
            assert_eq!(
                both(value.clone()),
                (text.into(), thought.into()),
                "{value}"
            );
        }
        let details = json!([{"type": "reasoning.text", "text": "why ", "signature": null},
                             {"type": "reasoning.summary", "summary": "so"},
                             {"type": "reasoning.encrypted", "data": "gA=="}]);
        assert_eq!(text(&details), "why so");
    }
}

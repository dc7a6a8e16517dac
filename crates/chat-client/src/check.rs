//! Asking a server which models it has, before money is spent.

use std::fmt;

use reqwest::StatusCode;
use serde_json::Value;

use crate::error::excerpt;

/// Names that a message lists.
const LISTED: usize = 10;

/// What a server says about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelCheck {
    /// The model is in the server's list.
    Known,
    /// The server has a list, and the model is not in it.
    NotListed {
        /// The models that are.
        known: Vec<String>,
    },
    /// The server has no such list. That says nothing about the model.
    Unsupported,
}

impl fmt::Display for ModelCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known => f.write_str("the server has the model"),
            Self::Unsupported => f.write_str("the server does not say which models it has"),
            Self::NotListed { known } if known.is_empty() => {
                f.write_str("the server has no models")
            }
            Self::NotListed { known } => {
                let names = known.iter().take(LISTED).cloned().collect::<Vec<_>>();
                write!(f, "the server has other models: {}", names.join(", "))?;
                match known.len().saturating_sub(LISTED) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}

/// Reads the answer to `GET /models`; `None` if it is an error that matters.
pub(crate) fn read(status: StatusCode, body: &str, model: &str) -> Option<ModelCheck> {
    match status.as_u16() {
        200 => Some(listed(body, model).unwrap_or(ModelCheck::Unsupported)),
        401..=403 | 408 | 425 | 429 | 500 | 502..=599 => None,
        _ => Some(ModelCheck::Unsupported),
    }
}

fn listed(body: &str, model: &str) -> Option<ModelCheck> {
    let body: Value = serde_json::from_str(body).ok()?;
    // Together sends the list itself.
    let data = body.get("data").unwrap_or(&body).as_array()?;
    let known: Option<Vec<&str>> = data.iter().map(|entry| entry.get("id")?.as_str()).collect();
    let known = known?;
    let aliases = data
        .iter()
        .filter_map(|entry| entry.get("aliases")?.as_array());
    let aliases = aliases.flatten().filter_map(Value::as_str);
    let mut names = known.iter().copied().chain(aliases);
    if names.any(|name| is_named(name, model)) {
        return Some(ModelCheck::Known);
    }
    // llama.cpp has one model, lists it by its file, and takes any name.
    let is_llama_cpp =
        |entry: &Value| entry.get("owned_by").and_then(Value::as_str) == Some("llamacpp");
    if data.len() == 1 && data.iter().all(is_llama_cpp) {
        return Some(ModelCheck::Unsupported);
    }
    let known = known.into_iter().map(excerpt).collect();
    Some(ModelCheck::NotListed { known })
}

/// Whether a server that lists `name` knows what is meant by `model`.
///
/// When in doubt it does: a server that does not know a model says so at the first request.
fn is_named(name: &str, model: &str) -> bool {
    let is = |name: &str| name.eq_ignore_ascii_case(model) || is_routed(name, model);
    // Gemini lists `models/NAME` and takes both. Ollama's `NAME` is `NAME:latest`.
    let short = name.strip_prefix("models/").unwrap_or(name);
    let untagged = short.strip_suffix(":latest").unwrap_or(short);
    let any = short
        .strip_suffix('*')
        .filter(|prefix| model.starts_with(prefix));
    is(name) || is(short) || untagged.eq_ignore_ascii_case(model) || any.is_some()
}

/// Whether `model` is a listed name with a suffix that tells how to route it: `:nitro`, `:floor`, `:online`, `:free`,
/// `:cheapest`, the name of a provider, `@preset/NAME`. A server whose names have tags of their own lists them with
/// these.
fn is_routed(name: &str, model: &str) -> bool {
    let rest = model
        .get(..name.len())
        .filter(|begin| begin.eq_ignore_ascii_case(name));
    let suffix = rest.and_then(|_| model.get(name.len()..));
    suffix.is_some_and(|suffix| suffix.len() > 1 && suffix.starts_with([':', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_other_shapes_say_nothing() {
        let list = r#"{"object":"list","data":[{"id":"a"},{"id":"models/b"}]}"#;
        for (status, body, model, expected) in [
            (200, list, "a", Some(ModelCheck::Known)),
            (200, list, "b", Some(ModelCheck::Known)),
            (200, "<html>", "a", Some(ModelCheck::Unsupported)),
            (200, r#"{"data":[1]}"#, "a", Some(ModelCheck::Unsupported)),
            (200, r#"["a"]"#, "a", Some(ModelCheck::Unsupported)),
            (404, list, "a", Some(ModelCheck::Unsupported)),
            (405, "", "a", Some(ModelCheck::Unsupported)),
            (501, "", "a", Some(ModelCheck::Unsupported)),
            (401, "", "a", None),
            (402, "", "a", None),
            (503, "", "a", None),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(read(status, body, model), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_name_may_have_tags_and_suffixes() {
        for (name, model, is_known) in [
            ("qwen3:latest", "qwen3", true),
            ("qwen3", "qwen3:latest", true),
            ("Qwen3:latest", "qwen3", true),
            ("qwen3:8b", "qwen3", false),
            ("qwen3:8b", "qwen3:14b", false),
            ("qwen3:latest", "qwen3:8b", false),
            ("deepseek/deepseek-r1", "deepseek/deepseek-r1:nitro", true),
            ("deepseek/deepseek-r1", "deepseek/deepseek-r1:floor", true),
            ("deepseek/deepseek-r1", "deepseek/deepseek-r1:online", true),
            ("deepseek/deepseek-r1", "deepseek/deepseek-r1:free", true),
            ("openai/gpt-oss-120b", "openai/gpt-oss-120b:cerebras", true),
            (
                "openai/gpt-oss-120b",
                "openai/gpt-oss-120b@preset/ner",
                true,
            ),
            ("a/m:free", "a/m:free:online", true),
            ("a/m:free", "a/m", false),
            ("deepseek/deepseek-r1", "deepseek/deepseek-r1-0528", false),
            ("deepseek/deepseek-r1", "deepseek/deepseek-r1:", false),
            ("models/gemini-3", "gemini-3", true),
            ("models/gemini-3", "models/gemini-3", true),
            ("openai/*", "openai/gpt-9", true),
            ("é", "ab:c", false),
        ] {
            assert_eq!(is_named(name, model), is_known, "{name} {model}");
        }
        let check = |body: &str, model: &str| read(StatusCode::OK, body, model);
        let aliases = r#"{"data":[{"id":"grok-4-0709","aliases":["grok-4"]}]}"#;
        assert_eq!(check(aliases, "grok-4"), Some(ModelCheck::Known));
        assert_eq!(check(r#"[{"id":"a"}]"#, "a"), Some(ModelCheck::Known));
        let file = r#"{"data":[{"id":"/models/q.gguf","owned_by":"llamacpp"}]}"#;
        assert_eq!(check(file, "qwen3"), Some(ModelCheck::Unsupported));
    }

    #[test]
    fn a_message_lists_ten_names() {
        let known: Vec<String> = (0..12).map(|i| format!("m{i}")).collect();
        let message = ModelCheck::NotListed { known }.to_string();
        assert!(message.ends_with("m8, m9 and 2 more"), "{message}");
    }
}

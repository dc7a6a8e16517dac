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
    let data = body.get("data")?.as_array()?;
    let names = data.iter().map(|entry| entry.get("id")?.as_str());
    let known: Vec<String> = names.map(|n| n.map(Into::into)).collect::<Option<_>>()?;
    // Gemini lists `models/NAME` and takes both.
    let is_model = |name: &String| name == model || name.strip_prefix("models/") == Some(model);
    Some(if known.iter().any(is_model) {
        ModelCheck::Known
    } else {
        let known = known.iter().map(|name| excerpt(name)).collect();
        ModelCheck::NotListed { known }
    })
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
    fn a_message_lists_ten_names() {
        let known: Vec<String> = (0..12).map(|i| format!("m{i}")).collect();
        let message = ModelCheck::NotListed { known }.to_string();
        assert!(message.ends_with("m8, m9 and 2 more"), "{message}");
    }
}

//! A server's words about an error.

use serde_json::Value;

use crate::error::excerpt;

/// The server's words about an error, shortened.
pub(crate) fn error_message(body: &str) -> String {
    let value: Option<Value> = serde_json::from_str(body).ok();
    // Gemini puts its errors into a list.
    let first = value.as_ref().map(|value| value.get(0).unwrap_or(value));
    let message = first.map(|value| words(value.get("error").unwrap_or(value)));
    match excerpt(message.as_deref().unwrap_or(body)) {
        text if text.is_empty() => "(no message)".into(),
        text => text,
    }
}

/// The message within an error.
fn words(error: &Value) -> String {
    let message = error.get("message").unwrap_or(error);
    message
        .as_str()
        .map_or_else(|| message.to_string(), Into::into)
}

//! What stands in place of an answer, and the server's words about it.

use serde_json::Value;

use crate::error::excerpt;

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

/// The message within an error.
pub(super) fn words(error: &Value) -> String {
    let message = error.get("message").unwrap_or(error);
    message
        .as_str()
        .map_or_else(|| message.to_string(), Into::into)
}

/// Whether a 429 means that the account is empty rather than that the server is busy.
pub(crate) fn is_out_of_credit(body: &str) -> bool {
    const CODES: [&str; 4] = [
        "insufficient_quota",
        "insufficient_balance",
        "billing_hard_limit_reached",
        "exceeded_current_quota_error",
    ];
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return false;
    };
    let error = value.get("error").unwrap_or(&value);
    ["code", "type"].iter().any(|field| {
        let code = error.get(field).and_then(Value::as_str);
        code.is_some_and(|code| CODES.contains(&code))
    })
}

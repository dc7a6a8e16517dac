//! The codes and words of an error, wherever a service puts them.

use std::time::Duration;

use serde_json::Value;

use super::words::{
    ANY_MINUTE, CODES_FILTER, CODES_FOR_ALL, CODES_LENGTH, CODES_UNPAID, WORDS_FILTER,
    WORDS_FLAGGED, WORDS_FOR_ALL, WORDS_LENGTH, WORDS_UNPAID,
};
use super::{Meaning, Rejection};
use crate::backoff::parse_retry_after;

/// Keys of codes.
const CODES: [&str; 8] = [
    "code",
    "type",
    "status",
    "reason",
    "error_code",
    "error_type",
    "errorCode",
    "status_code",
];
/// Keys of words.
const WORDS: [&str; 8] = [
    "message",
    "msg",
    "status_msg",
    "error_description",
    "error_msg",
    "detail",
    "error",
    "title",
];
/// Keys of what an error consists of.
const PARTS: [&str; 10] = [
    "error",
    "errors",
    "innererror",
    "inner_error",
    "metadata",
    "details",
    "detail",
    "base_resp",
    "raw",
    "data",
];
/// Keys of the delay that a server asks for in its words, in place of the header `Retry-After`: Google's `RetryInfo`
/// (`"34.07s"`), and seconds as a number.
const DELAYS: [&str; 2] = ["retryDelay", "retry_after"];
/// How deep errors are nested in errors.
const DEEPEST: usize = 6;
/// Bytes of words that are looked at.
const LONGEST: usize = 1 << 16;

/// What an error says, in small letters.
#[derive(Default)]
pub(super) struct Told {
    codes: Vec<String>,
    words: String,
    /// The words of its innermost message, as they were written.
    last: String,
    /// A key of its own that says what happened, as Zhipu's `contentFilter`.
    has_filter_key: bool,
    /// The longest delay that it asks for.
    delay: Option<Duration>,
}

impl Told {
    /// Reads a body, be it JSON or not.
    pub(super) fn of(body: &str) -> Self {
        match serde_json::from_str(body) {
            Ok(value) => Self::of_value(&value),
            Err(_) => {
                let mut told = Self::default();
                told.say(body);
                told
            }
        }
    }

    /// Reads an error that was taken out of a body.
    pub(super) fn of_value(error: &Value) -> Self {
        let mut told = Self::default();
        told.read(error, 0);
        told
    }

    fn read(&mut self, value: &Value, depth: usize) {
        match value {
            _ if depth > DEEPEST => {}
            Value::Array(all) => all.iter().take(8).for_each(|one| self.read(one, depth + 1)),
            Value::String(text) => self.text(text, depth),
            Value::Object(fields) => {
                for (key, field) in fields {
                    self.field(key, field, depth);
                }
            }
            _ => {}
        }
    }

    fn field(&mut self, key: &str, field: &Value, depth: usize) {
        self.has_filter_key |= key.eq_ignore_ascii_case("contentfilter");
        if DELAYS.contains(&key) {
            self.delay = self.delay.max(delay(field));
        }
        if CODES.contains(&key) {
            match field {
                Value::String(code) => self.codes.push(code.to_lowercase()),
                Value::Number(code) => self.codes.push(code.to_string()),
                _ => {}
            }
        }
        match field {
            Value::String(text) if WORDS.contains(&key) || key == "raw" => self.text(text, depth),
            Value::Object(_) | Value::Array(_) if PARTS.contains(&key) || WORDS.contains(&key) => {
                self.read(field, depth + 1);
            }
            _ => {}
        }
    }

    /// A text may be an error of the server behind the server, written as JSON.
    fn text(&mut self, text: &str, depth: usize) {
        let inner: Option<Value> = text
            .find('{')
            .filter(|_| depth < DEEPEST)
            .and_then(|at| serde_json::from_str(text.get(at..)?.trim()).ok());
        match inner {
            Some(inner) => self.read(&inner, depth + 1),
            None => self.say(text),
        }
    }

    fn say(&mut self, text: &str) {
        self.last = text.to_owned();
        if self.words.len() < LONGEST {
            let end = (0..=text.len().min(LONGEST)).rev();
            let end = end.into_iter().find(|at| text.is_char_boundary(*at));
            self.words += &text[..end.unwrap_or(0)].to_lowercase();
            self.words.push('\n');
        }
    }

    /// How long the server wants to be left alone, if it says so.
    pub(super) fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// The first code that is an HTTP status, or is a service's word for one; 0 if none.
    pub(super) fn status(&self) -> u16 {
        let numbers = self.codes.iter().filter_map(|code| code.parse().ok());
        let mut statuses = numbers.filter(|code| (400..600).contains(code));
        statuses.next().unwrap_or_else(|| {
            let named = |code: &&str| self.codes.iter().any(|told| told == code);
            let busy = [
                "rate_limit_exceeded",
                "rate_limit_error",
                "1002",
                "resource_exhausted",
            ];
            let down = [
                "overloaded_error",
                "server_error",
                "internal_server_error",
                "api_error",
            ];
            if busy.iter().any(named) {
                429
            } else if down.iter().any(named) {
                503
            } else {
                0
            }
        })
    }

    /// The words of the error, outermost first.
    pub(super) fn message(&self, error: &Value) -> String {
        let outer = error.get("message").and_then(Value::as_str);
        match outer {
            Some(text) if !text.is_empty() && !self.last.is_empty() && self.last != text => {
                format!("{text}: {}", self.last)
            }
            Some(text) if !text.is_empty() => text.to_owned(),
            _ if !self.last.is_empty() => self.last.clone(),
            _ => error.to_string(),
        }
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        self.codes.iter().any(|told| codes.contains(&told.as_str()))
    }

    fn has_words(&self, words: &[&str]) -> bool {
        words.iter().any(|words| self.words.contains(words))
    }

    /// Whether the account is empty. Words count only where no limit of a minute uses the same ones.
    pub(super) fn is_unpaid(&self, status: u16) -> bool {
        status == 402
            || self.has_code(CODES_UNPAID)
            || (matches!(status, 400 | 403 | 429) && self.has_words(WORDS_UNPAID))
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.has_filter_key || self.has_code(CODES_FILTER) || self.has_words(WORDS_FILTER)
    }

    /// Whether a service that forbids says that it forbids this text.
    pub(super) fn is_flagged(&self) -> bool {
        self.has_code(CODES_FILTER) || self.has_words(WORDS_FLAGGED)
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.has_code(CODES_LENGTH) || self.has_words(WORDS_LENGTH)
    }

    /// Whether a request has more tokens than may be sent in a minute: waiting does not help.
    pub(super) fn is_larger_than_any_minute(&self) -> bool {
        self.has_words(ANY_MINUTE)
    }

    /// Whether a status that blames the server stands for an error that blames the request, as llama.cpp's 500.
    pub(super) fn inner_rejection(&self) -> Option<Meaning> {
        let rejection = if self.has_code(CODES_FILTER) {
            Rejection::ContentFilter
        } else if self.is_too_long() {
            Rejection::ContextLength
        } else {
            return None;
        };
        Some(Meaning::Rejected(rejection))
    }

    pub(super) fn has_code_for_all(&self) -> bool {
        self.has_code(CODES_FOR_ALL)
    }

    pub(super) fn speaks_of_all(&self) -> bool {
        let no_model = [
            "not found",
            "not exist",
            "unknown model",
            "not supported",
            "invalid model",
        ];
        let is_model =
            |line: &str| line.contains("model") && no_model.iter().any(|w| line.contains(w));
        self.has_words(WORDS_FOR_ALL) || self.words.lines().any(is_model)
    }
}

/// A delay in seconds: a number, or a text with or without its unit.
fn delay(field: &Value) -> Option<Duration> {
    match field {
        Value::String(text) => parse_retry_after(text.trim().trim_end_matches('s')),
        Value::Number(seconds) => parse_retry_after(&seconds.to_string()),
        _ => None,
    }
}

//! Parameters of the protocol that have no effect on this server: refused by name, unless they ask for nothing.
//!
//! The names are those of OpenAI, vLLM and llama.cpp. One that none of them has is refused too, as OpenAI does: it may
//! be a misspelt one, and an answer without it would look like one with it.

use serde_json::Value;

use crate::failure::{Failure, wrong};
use crate::protocol::Others;

/// With which values a parameter asks for nothing that a server without it does not do.
#[derive(Clone, Copy)]
enum Neutral {
    /// With any: it is for bookkeeping, or about another parameter that is refused.
    Any,
    Number(f64),
    Flag(bool),
    /// An empty list, object or text.
    Empty,
    /// One of these words.
    Words(&'static [&'static str]),
    /// The format `text`.
    Text,
    /// As many as there are completions.
    Completions,
    /// None but null.
    Absent,
}

const PARAMETERS: [(&str, Neutral); 56] = [
    // OpenAI's
    ("audio", Neutral::Absent),
    ("best_of", Neutral::Completions),
    ("echo", Neutral::Flag(false)),
    ("frequency_penalty", Neutral::Number(0.0)),
    ("function_call", Neutral::Words(&["none", "auto"])),
    ("functions", Neutral::Empty),
    ("logit_bias", Neutral::Empty),
    ("metadata", Neutral::Any),
    ("modalities", Neutral::Words(&["text"])),
    ("moderation", Neutral::Absent),
    ("parallel_tool_calls", Neutral::Any),
    ("prediction", Neutral::Absent),
    ("presence_penalty", Neutral::Number(0.0)),
    ("prompt_cache_key", Neutral::Any),
    ("prompt_cache_retention", Neutral::Any),
    ("reasoning_effort", Neutral::Words(&["none"])),
    ("response_format", Neutral::Text),
    ("safety_identifier", Neutral::Any),
    ("service_tier", Neutral::Words(&["auto", "default"])),
    ("store", Neutral::Flag(false)),
    ("stream_options", Neutral::Any),
    ("suffix", Neutral::Empty),
    ("tool_choice", Neutral::Words(&["none", "auto"])),
    ("tools", Neutral::Empty),
    ("top_logprobs", Neutral::Number(0.0)),
    ("user", Neutral::Any),
    ("verbosity", Neutral::Words(&["medium"])),
    ("web_search_options", Neutral::Absent),
    // vLLM's and llama.cpp's
    ("add_generation_prompt", Neutral::Flag(true)),
    ("add_special_tokens", Neutral::Absent),
    ("allowed_token_ids", Neutral::Absent),
    ("bad_words", Neutral::Empty),
    ("cache_prompt", Neutral::Any),
    ("cache_salt", Neutral::Any),
    ("chat_template", Neutral::Absent),
    ("chat_template_kwargs", Neutral::Empty),
    ("continue_final_message", Neutral::Flag(false)),
    ("documents", Neutral::Empty),
    ("early_stopping", Neutral::Flag(false)),
    ("grammar", Neutral::Empty),
    ("guided_json", Neutral::Absent),
    ("ignore_eos", Neutral::Flag(false)),
    ("include_stop_str_in_output", Neutral::Flag(false)),
    ("length_penalty", Neutral::Number(1.0)),
    ("min_tokens", Neutral::Number(0.0)),
    ("mm_processor_kwargs", Neutral::Empty),
    ("priority", Neutral::Number(0.0)),
    ("prompt_logprobs", Neutral::Absent),
    ("request_id", Neutral::Any),
    ("skip_special_tokens", Neutral::Flag(true)),
    ("spaces_between_special_tokens", Neutral::Flag(true)),
    ("structured_outputs", Neutral::Absent),
    ("truncate_prompt_tokens", Neutral::Absent),
    ("typical_p", Neutral::Number(1.0)),
    ("use_beam_search", Neutral::Flag(false)),
    ("vllm_xargs", Neutral::Empty),
];

/// Refuses what would have no effect, in a request for `n` completions of each prompt.
pub(crate) fn check(others: &Others, n: usize) -> Result<(), Failure> {
    others
        .iter()
        .filter(|(_, value)| !value.is_null())
        .try_for_each(|(name, value)| check_one(name, value, n))
}

fn check_one(name: &str, value: &Value, n: usize) -> Result<(), Failure> {
    match PARAMETERS.iter().find(|(known, _)| *known == name) {
        None => Err(wrong(format!(
            "{name}: this server knows no such parameter; leave it out"
        ))),
        Some((_, neutral)) if neutral.has(value, n) => Ok(()),
        Some((_, neutral)) => Err(wrong(format!(
            "{name}: it would have no effect, found {}; leave it out{}",
            excerpt(value),
            neutral.or_send()
        ))),
    }
}

/// Alternatives to the chosen tokens are not given; 1 is the usual way of asking for the tokens' own log-probabilities.
pub(crate) fn check_log_probs(log_probs: Option<u32>) -> Result<(), Failure> {
    match log_probs {
        Some(more @ 2..) => Err(wrong(format!(
            "logprobs: this server gives those of the chosen tokens and no alternatives, found {more}; send 0 or 1"
        ))),
        _ => Ok(()),
    }
}

impl Neutral {
    fn has(self, value: &Value, n: usize) -> bool {
        match self {
            Self::Any => true,
            Self::Number(number) => value.as_f64() == Some(number),
            Self::Flag(flag) => value.as_bool() == Some(flag),
            Self::Empty => is_empty(value),
            Self::Words(words) => are_words(value, words),
            Self::Text => value.get("type").and_then(Value::as_str) == Some("text"),
            Self::Completions => value.as_u64() == Some(n as u64),
            Self::Absent => false,
        }
    }

    fn or_send(self) -> String {
        match self {
            Self::Any | Self::Absent | Self::Empty => String::new(),
            Self::Number(number) => format!(" or send {number}"),
            Self::Flag(flag) => format!(" or send {flag}"),
            Self::Words(words) => format!(" or send {:?}", words[0]),
            Self::Text => " or send {\"type\": \"text\"}".to_owned(),
            Self::Completions => " or send the number of n".to_owned(),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// A word, or a list of nothing else.
fn are_words(value: &Value, words: &[&str]) -> bool {
    let list = std::slice::from_ref(value);
    let list = value.as_array().map_or(list, Vec::as_slice);
    let known = |item: &Value| item.as_str().is_some_and(|word| words.contains(&word));
    list.iter().all(known)
}

/// The beginning of a value; a schema would fill the screen.
fn excerpt(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(name: &str, value: Value) -> Option<String> {
        let others = Others::from([(name.to_owned(), value)]);
        check(&others, 2).err().map(|failure| failure.1)
    }

    #[test]
    fn every_parameter_may_be_null() {
        for (name, _) in PARAMETERS {
            assert_eq!(said(name, Value::Null), None, "{name}");
        }
        assert_eq!(said("temprature", Value::Null), None);
    }

    #[test]
    fn neutral_values_pass_and_others_are_refused_by_name() {
        for (name, neutral, other) in [
            ("tools", json!([]), json!([{"type": "function"}])),
            ("tool_choice", json!("none"), json!("required")),
            ("tool_choice", json!("auto"), json!({"type": "function"})),
            ("functions", json!([]), json!([{"name": "f"}])),
            (
                "response_format",
                json!({"type": "text"}),
                json!({"type": "json_object"}),
            ),
            ("logit_bias", json!({}), json!({"50256": -100})),
            ("presence_penalty", json!(0), json!(0.5)),
            ("frequency_penalty", json!(0.0), json!(-1)),
            ("best_of", json!(2), json!(5)),
            ("echo", json!(false), json!(true)),
            ("suffix", json!(""), json!("behind")),
            ("top_logprobs", json!(0), json!(5)),
            ("min_tokens", json!(0), json!(8)),
            ("ignore_eos", json!(false), json!(true)),
            ("skip_special_tokens", json!(true), json!(false)),
            ("modalities", json!(["text"]), json!(["text", "audio"])),
            (
                "chat_template_kwargs",
                json!({}),
                json!({"enable_thinking": false}),
            ),
            ("reasoning_effort", json!("none"), json!("high")),
            ("store", json!(false), json!(true)),
            ("use_beam_search", json!(false), json!(true)),
            (
                "stream_options",
                json!({"include_usage": true}),
                Value::Null,
            ),
            ("user", json!("somebody"), Value::Null),
            ("metadata", json!({"run": "1"}), Value::Null),
            ("structured_outputs", Value::Null, json!({"json": {}})),
            ("prompt_logprobs", Value::Null, json!(1)),
        ] {
            assert_eq!(said(name, neutral), None, "{name}");
            if !other.is_null() {
                let said = said(name, other).unwrap_or_default();
                assert!(said.starts_with(&format!("{name}: ")), "{name}: {said}");
                assert!(said.contains("no effect"), "{said}");
            }
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused_and_a_long_value_is_cut() {
        let unknown = said("temprature", json!(0.5)).unwrap_or_default();
        assert!(
            unknown.contains("temprature") && unknown.contains("no such parameter"),
            "{unknown}"
        );
        let long = said("tools", json!(["x".repeat(5000)])).unwrap_or_default();
        assert!(long.len() < 200 && long.contains('…'), "{long}");
    }

    #[test]
    fn alternatives_to_tokens_are_refused() {
        assert!(check_log_probs(None).is_ok() && check_log_probs(Some(1)).is_ok());
        let failure = check_log_probs(Some(5)).err().map(|failure| failure.1);
        assert!(failure.is_some_and(|said| said.starts_with("logprobs: ")));
    }
}

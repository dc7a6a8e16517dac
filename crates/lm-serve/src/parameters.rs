//! Parameters of the protocol that have no effect on this server: refused by name, unless they ask for nothing.
//!
//! The names are those of OpenAI, vLLM and llama.cpp. One that none of them has is refused too, as OpenAI does: it may
//! be a misspelt one, and an answer without it would look like one with it.

use std::collections::BTreeMap;

use crate::brief::Brief;

/// What a body holds besides what is read. Of whatever it holds, no more is kept than is needed to refuse it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Others {
    known: BTreeMap<&'static str, Brief>,
    /// The first that is unknown or given twice, with what is wrong with it.
    odd: Option<String>,
}

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

impl Others {
    /// Takes note of a parameter. One that is null is absent.
    pub(crate) fn add(&mut self, name: &str, value: Brief) {
        if value == Brief::Null || self.odd.is_some() {
            return;
        }
        let shown: String = name.chars().take(100).collect();
        match PARAMETERS.iter().find(|(known, _)| *known == name) {
            None => {
                self.odd = Some(format!(
                    "{shown}: this server knows no such parameter; leave it out"
                ));
            }
            Some((known, _)) => {
                if self.known.insert(known, value).is_some() {
                    self.odd = Some(format!("{shown}: the parameter is given twice"));
                }
            }
        }
    }

    /// Refuses what would have no effect, in a request for `n` completions of each prompt.
    pub(crate) fn check(&self, n: usize) -> Result<(), String> {
        if let Some(odd) = &self.odd {
            return Err(odd.clone());
        }
        for (name, neutral) in PARAMETERS {
            if let Some(value) = self.known.get(name).filter(|value| !neutral.has(value, n)) {
                let instead = neutral.or_send();
                return Err(format!(
                    "{name}: it would have no effect, found {value}; leave it out{instead}"
                ));
            }
        }
        Ok(())
    }
}

/// Alternatives to the chosen tokens are not given; 1 is the usual way of asking for the tokens' own log-probabilities.
pub(crate) fn check_log_probs(log_probs: Option<u32>) -> Result<(), String> {
    match log_probs {
        Some(more @ 2..) => Err(format!(
            "logprobs: this server gives those of the chosen tokens and no alternatives, found {more}; send 0 or 1"
        )),
        _ => Ok(()),
    }
}

impl Neutral {
    fn has(self, value: &Brief, n: usize) -> bool {
        match self {
            Self::Any => true,
            Self::Number(number) => *value == Brief::Number(number),
            Self::Flag(flag) => *value == Brief::Flag(flag),
            Self::Empty => is_empty(value),
            Self::Words(words) => are_words(value, words),
            Self::Text => matches!(value, Brief::Object { kind: Some(kind), .. } if kind == "text"),
            Self::Completions => *value == Brief::Number(n as f64),
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

fn is_empty(value: &Brief) -> bool {
    match value {
        Brief::Words(words) => words.is_empty(),
        Brief::Object { is_empty, .. } => *is_empty,
        Brief::Text(text) => text.is_empty(),
        _ => false,
    }
}

/// A word, or a list of nothing else.
fn are_words(value: &Brief, words: &[&str]) -> bool {
    let known = |word: &String| words.contains(&word.as_str());
    match value {
        Brief::Text(word) => known(word),
        Brief::Words(list) => list.iter().all(known),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(name: &str, value: Value) -> Option<String> {
        let mut others = Others::default();
        others.add(name, serde_json::from_value(value).expect("any value"));
        others.check(2).err()
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
    fn an_unknown_parameter_is_refused_and_a_long_value_is_not_repeated() {
        let unknown = said("temprature", json!(0.5)).unwrap_or_default();
        assert!(
            unknown.contains("temprature") && unknown.contains("no such parameter"),
            "{unknown}"
        );
        for long in [json!(["x".repeat(5000)]), json!([{"a": "x".repeat(5000)}])] {
            let long = said("tools", long).unwrap_or_default();
            assert!(long.starts_with("tools: ") && long.len() < 200, "{long}");
        }
        let long = said(&"x".repeat(5000), json!(1)).unwrap_or_default();
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn a_parameter_that_is_given_twice_is_refused() {
        let mut others = Others::default();
        others.add("echo", Brief::Flag(true));
        others.add("echo", Brief::Null);
        others.add("echo", Brief::Flag(false));
        assert!(others.check(1).is_err_and(|said| said.contains("twice")));
    }

    #[test]
    fn alternatives_to_tokens_are_refused() {
        assert!(check_log_probs(None).is_ok() && check_log_probs(Some(1)).is_ok());
        assert!(check_log_probs(Some(5)).is_err_and(|said| said.starts_with("logprobs: ")));
    }
}

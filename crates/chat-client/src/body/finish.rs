//! Why a model stopped: the words of all servers, in four groups.
//!
//! The list is open. A word that nobody has heard of says nothing against an answer that is whole, so it is named and
//! left to whoever reads the answer.

use crate::error::excerpt;
use crate::message::Finish;

/// The model was done.
const DONE: &[&str] = &[
    "",
    "stop",
    "stopped",
    "eos",
    "eos_token",
    "eos_token_id",
    "eos_found",
    "end",
    "end_turn",
    "endturn",
    "end_of_turn",
    "end_of_text",
    "end_of_sequence",
    "stop_sequence",
    "stop_sequences",
    "stop_token",
    "stop_token_id",
    "stop_str",
    "stop_string",
    "stop_word",
    "stop_words",
    "complete",
    "completed",
    "done",
    "finish",
    "finished",
    "success",
    "normal",
    "null",
    "none",
    "unspecified",
];

/// It ran out of tokens.
const CUT: &[&str] = &[
    "length",
    "length_cap",
    "max_length",
    "max_len",
    "max_token",
    "max_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "max_tokens_reached",
    "model_length",
    "model_context_window_exceeded",
    "context_length",
    "context_length_exceeded",
    "context_window_exceeded",
    "token_limit",
    "token_limit_reached",
    "limit",
    "truncated",
    "incomplete",
    "out_of_tokens",
];

/// Its answer was kept back.
const FILTERED: &[&str] = &[
    "content_filter",
    "content_filtered",
    "content_blocked",
    "filter",
    "filtered",
    "safety",
    "image_safety",
    "blocklist",
    "blocked",
    "prohibited_content",
    "spii",
    "recitation",
    "language",
    "sensitive",
    "refusal",
    "refused",
    "guardrail",
    "guardrails",
    "guardrail_intervened",
    "moderation",
    "flagged",
    "error_toxic",
    "jailbreak",
];

/// The server broke off; another try may get to the end.
const BROKEN: &[&str] = &[
    "error",
    "abort",
    "aborted",
    "cancel",
    "canceled",
    "cancelled",
    "network_error",
    "server_error",
    "internal_error",
    "insufficient_system_resource",
    "overloaded",
    "timeout",
    "time_limit",
    "disconnect",
    "disconnected",
    "preempted",
];

/// What a server's word means; `Err` with the word where it broke off.
pub(super) fn finish_of(reason: Option<&str>) -> Result<Finish, String> {
    let told = reason.unwrap_or_default().trim();
    let word = plain(told);
    let is = |words: &[&str]| words.contains(&word.as_str());
    // Gemini's protocol for OpenAI's clients writes `content_filter: PROHIBITED_CONTENT`.
    let first = word.split("__").next().unwrap_or_default();
    match () {
        () if is(DONE) => Ok(Finish::Stop),
        () if is(CUT) => Ok(Finish::Length),
        () if is(FILTERED) || FILTERED.contains(&first) => Ok(Finish::Filtered(excerpt(told))),
        () if is(BROKEN) => Err(excerpt(told)),
        () => Ok(Finish::Other(excerpt(told))),
    }
}

/// A word in small letters, whatever stands between its parts, without the name of its type: `FinishReason.MAX_TOKENS`
/// and `maxTokens` are `max_tokens`.
fn plain(told: &str) -> String {
    let told = told.rsplit('.').next().unwrap_or_default();
    let mut word = String::with_capacity(told.len());
    let mut was_small = false;
    for c in told.chars().take(100) {
        if c.is_ascii_uppercase() && was_small {
            word.push('_');
        }
        was_small = c.is_ascii_lowercase();
        word.push(if c.is_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        });
    }
    let short = word.strip_prefix("finish_reason_");
    short.map_or_else(|| word.clone(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_says_it_in_its_own_way() {
        let filtered = |word: &str| Ok(Finish::Filtered(word.into()));
        for (reason, expected) in [
            (Some("stop"), Ok(Finish::Stop)),
            (Some(""), Ok(Finish::Stop)),
            (None, Ok(Finish::Stop)),
            // Together, TGI, Claude behind OpenRouter, Anthropic, Gemini, Cohere.
            (Some("eos"), Ok(Finish::Stop)),
            (Some("eos_token"), Ok(Finish::Stop)),
            (Some("end_turn"), Ok(Finish::Stop)),
            (Some("endturn"), Ok(Finish::Stop)),
            (Some("stop_sequence"), Ok(Finish::Stop)),
            (Some("STOP"), Ok(Finish::Stop)),
            (Some("FinishReason.STOP"), Ok(Finish::Stop)),
            (Some("FINISH_REASON_STOP"), Ok(Finish::Stop)),
            (Some("FINISH_REASON_UNSPECIFIED"), Ok(Finish::Stop)),
            (Some("COMPLETE"), Ok(Finish::Stop)),
            (Some("endTurn"), Ok(Finish::Stop)),
            (Some("length"), Ok(Finish::Length)),
            (Some("max_tokens"), Ok(Finish::Length)),
            (Some("MAX_TOKENS"), Ok(Finish::Length)),
            (Some("maxTokens"), Ok(Finish::Length)),
            (Some("model_length"), Ok(Finish::Length)),
            (Some("model_context_window_exceeded"), Ok(Finish::Length)),
            (Some("content_filter"), filtered("content_filter")),
            (Some("SAFETY"), filtered("SAFETY")),
            (Some("RECITATION"), filtered("RECITATION")),
            (Some("sensitive"), filtered("sensitive")),
            (Some("refusal"), filtered("refusal")),
            (
                Some("content_filter: PROHIBITED_CONTENT"),
                filtered("content_filter: PROHIBITED_CONTENT"),
            ),
            (Some("error"), Err("error".into())),
            (Some("abort"), Err("abort".into())),
            (Some("network_error"), Err("network_error".into())),
            (Some("tool_calls"), Ok(Finish::Other("tool_calls".into()))),
            (Some("<|im_end|>"), Ok(Finish::Other("<|im_end|>".into()))),
        ] {
            assert_eq!(finish_of(reason), expected, "{reason:?}");
        }
    }
}

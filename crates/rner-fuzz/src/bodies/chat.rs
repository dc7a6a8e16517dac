//! Answers of a chat server, whole and as streams of events.

use chat_client::body::{LastEvent, parse_body, reported_usage};
use chat_client::{ChatAnswer, Finish, excerpt};
use serde_json::json;

/// Longest excerpt of a foreign text in a message, in bytes; `excerpt` cuts far below.
const LONGEST_EXCERPT: usize = 2_000;

/// Any body gives an answer or a problem, and tells the same cost in both ways of asking for it.
pub(crate) fn whole(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert!(excerpt(&text).len() <= LONGEST_EXCERPT);
    let usage = reported_usage(&text);
    match parse_body(&text) {
        Ok(answer) => {
            assert_eq!(answer.usage, usage);
            assert_eq!(answer.content, answer.content.trim());
            assert!(answer.reasoning.is_none_or(|r| !r.trim().is_empty()));
        }
        Err(problem) => drop(format!("{problem:?}")),
    }
    ends_alike_in_any_pieces(data);
}

/// An answer that comes in any pieces is the one that comes whole.
pub(crate) fn stream(data: &[u8]) {
    whole(data);
    let text = String::from_utf8_lossy(data);
    let half = text.len() / 2;
    let middle = (half..=text.len()).find(|at| text.is_char_boundary(*at));
    let (reasoning, content) = text.split_at(middle.unwrap_or(0));
    let expected = kept(parse_body(&whole_body(reasoning, content)));
    for piece in [1, 7, 1 + usize::from(data.first().copied().unwrap_or(0))] {
        let streamed = kept(parse_body(&streamed(reasoning, content, piece)));
        assert_eq!(streamed, expected, "in pieces of {piece}");
    }
}

/// What both forms of an answer have in common.
fn kept<E>(answer: Result<ChatAnswer, E>) -> Option<(Option<String>, String, Finish)> {
    let answer = answer.ok()?;
    Some((answer.reasoning, answer.content, answer.finish))
}

fn whole_body(reasoning: &str, content: &str) -> String {
    let message = json!({"role": "assistant", "reasoning_content": reasoning, "content": content});
    json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).to_string()
}

fn streamed(reasoning: &str, content: &str, n_chars: usize) -> String {
    let event = |field: &str, piece: &str| {
        let delta = json!({"choices": [{"index": 0, "delta": {field: piece}}]});
        format!("data: {delta}\n\n")
    };
    let mut events = String::new();
    for (field, text) in [("reasoning_content", reasoning), ("content", content)] {
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(n_chars) {
            events += &event(field, &piece.iter().collect::<String>());
        }
    }
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    format!("{events}data: {last}\n\ndata: [DONE]\n\n")
}

/// Whether a stream has ended does not depend on how the connection cut it.
fn ends_alike_in_any_pieces(data: &[u8]) {
    let fed = |size: usize| {
        let mut last = LastEvent::default();
        data.chunks(size).for_each(|piece| last.feed(piece));
        last.has_come()
    };
    let whole = fed(data.len().max(1));
    for size in [1, 2, 5] {
        assert_eq!(fed(size), whole, "in pieces of {size} bytes");
    }
}

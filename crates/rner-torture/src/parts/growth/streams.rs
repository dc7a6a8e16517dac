//! What servers send: bodies whole and in pieces, and what a model's tokens become.

use std::sync::LazyLock;

use anyhow::{Context, Result};
use chat_client::body::{LastEvent, parse_body, reported_usage};
use chat_client::excerpt;
use lm_model::{ChatTokenizer, Detokenizer, StopMatcher, TextStream};
use serde_json::json;

use super::{Reader, Work, reader};

pub(super) const READERS: &[Reader] = &[
    reader("stream of one-letter pieces", |n| body(stream(n, "a"))),
    reader("stream of escapes", |n| body(stream(n, "\\\"\n\u{1f600}"))),
    reader("stream of line feeds", |n| body("\n".repeat(n))),
    reader("stream of comments", |n| body(": ping\n".repeat(n))),
    reader("stream of empty data", |n| body("data:\n".repeat(n))),
    reader("stream that never ends its line", |n| {
        body("data: {\"choices\"".to_owned() + &"x".repeat(n))
    }),
    reader("stream whose events have no end", |n| {
        body("data: {\"choices\":[\n".repeat(n))
    }),
    reader("stream byte by byte", |n| fed(stream(n, "a"))),
    reader("line feeds byte by byte", |n| fed("\n".repeat(n))),
    reader("one line byte by byte", |n| {
        fed("data: ".to_owned() + &"x".repeat(n))
    }),
    reader("carriage returns byte by byte", |n| fed("\r".repeat(n))),
    reader("body with a long content", |n| {
        body(whole(&"Ada Brel ".repeat(n)))
    }),
    reader("body with many choices", |n| {
        body(json!({"choices": vec![json!({"message": {}}); n]}).to_string())
    }),
    reader("body of brackets", |n| body("[".repeat(n))),
    reader("body of braces", |n| body("{\"a\":".repeat(n))),
    reader("page of an error", |n| {
        let text = "<p>\u{1b}[31mbad gateway\n".repeat(n);
        Ok(Box::new(move || excerpt(&text).len()))
    }),
    reader("tokenizer: one letter", |n| encoded("a".repeat(n))),
    reader("tokenizer: blanks", |n| encoded(" ".repeat(n))),
    reader("tokenizer: line feeds", |n| encoded("\n".repeat(n))),
    reader("tokenizer: sentences", |n| {
        encoded("Ada Brel left Port Halvek. ".repeat(n))
    }),
    reader("tokenizer: marks of accents", |n| {
        encoded("e\u{301}".repeat(n))
    }),
    reader("tokenizer: special tokens", |n| {
        encoded("<|im_end|>".repeat(n))
    }),
    reader("tokenizer: almost special tokens", |n| {
        encoded("<|im_".repeat(n))
    }),
    reader("text from tokens", |n| decoded(n, "Ada Brel left. ")),
    reader("text from tokens of half characters", |n| {
        decoded(n, "\u{1f600}")
    }),
    reader("text stream with stop strings", streamed),
    reader("stop strings that almost come", |n| stopped(n, "aaaaaaab")),
];

fn body(text: String) -> Result<Work> {
    Ok(Box::new(move || {
        let tokens = reported_usage(&text).completion_tokens;
        parse_body(&text).map_or(0, |answer| answer.content.len()) + usize::from(tokens > 0)
    }))
}

fn fed(text: String) -> Result<Work> {
    Ok(Box::new(move || {
        let mut last = LastEvent::default();
        text.as_bytes().chunks(1).for_each(|piece| last.feed(piece));
        usize::from(last.has_come())
    }))
}

fn whole(content: &str) -> String {
    json!({"choices": [{"index": 0, "message": {"content": content}, "finish_reason": "stop"}]})
        .to_string()
}

fn stream(events: usize, piece: &str) -> String {
    let delta = json!({"choices": [{"index": 0, "delta": {"content": piece}}]});
    format!("data: {delta}\n\n").repeat(events) + "data: [DONE]\n\n"
}

/// A small tokenizer that knows some words.
static TOKENIZER: LazyLock<Option<ChatTokenizer>> = LazyLock::new(|| {
    let texts = [
        "Ada Brel left Port Halvek.",
        "Bo Maren left the port.",
        "aaaa aaaaaaaa",
    ];
    ChatTokenizer::train_bpe(texts, 320).ok()
});

fn tokenizer() -> Result<&'static ChatTokenizer> {
    TOKENIZER.as_ref().context("a tokenizer")
}

fn encoded(text: String) -> Result<Work> {
    let tokenizer = tokenizer()?;
    Ok(Box::new(move || {
        tokenizer.prompt_ids(&text).len() + tokenizer.completion_ids(&text).len()
    }))
}

fn decoded(n: usize, word: &str) -> Result<Work> {
    let tokenizer = tokenizer()?;
    let ids = tokenizer.encode_text(&word.repeat(n))?;
    Ok(Box::new(move || {
        let mut text = Detokenizer::new(tokenizer);
        let pushed: usize = ids.iter().map(|id| text.push(*id).len()).sum();
        pushed + text.finish().len() + tokenizer.decode(&ids).len()
    }))
}

fn streamed(n: usize) -> Result<Work> {
    let tokenizer = tokenizer()?;
    let ids = tokenizer.encode_text(&"Ada Brel left. ".repeat(n))?;
    Ok(Box::new(move || {
        let stops = StopMatcher::new(["left, then", "Ada Brel stayed"]).unwrap_or_default();
        let mut text = TextStream::new(tokenizer, stops);
        let pushed: usize = ids.iter().map(|id| text.push(*id).len()).sum();
        pushed + text.finish().len()
    }))
}

fn stopped(n: usize, stop: &str) -> Result<Work> {
    let stop = stop.to_owned();
    Ok(Box::new(move || {
        let mut matcher = StopMatcher::new([stop.clone()]).unwrap_or_default();
        let shown: usize = (0..n).map(|_| matcher.push("a").len()).sum();
        shown + matcher.finish().len()
    }))
}

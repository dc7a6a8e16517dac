//! Prodigy's rows with spans to correct: JSON lines with the tokens that the spans begin and end with, so that no
//! recipe has to find its own, and without an answer, which the annotator gives.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::form::{Form, LeftOut};
use super::row::ExportRow;
use super::tokens::{Doc, Token};
use crate::fault::FaultReport;
use crate::row::ByteSpan;
use crate::words::word_range;

/// Writes each row on a line.
pub(super) struct Prodigy<W> {
    out: W,
    left_out: LeftOut,
}

impl<W: Write> Prodigy<W> {
    pub(super) fn new(out: W, left_out: LeftOut) -> Self {
        Self { out, left_out }
    }
}

impl<W: Write> Form for Prodigy<W> {
    fn write(&mut self, row: &ExportRow) -> io::Result<()> {
        if self.left_out.unanswered(row) {
            return Ok(());
        }
        self.left_out.ungrounded(row);
        let places: Vec<ByteSpan> = row.placed().map(|(_, span)| span.bytes()).collect();
        let doc = Doc::new(&row.sentence, &places);
        let spans = spans(row, &doc, &mut self.left_out);
        let written = json!({
            "text": row.sentence,
            "tokens": tokens(&row.sentence, &doc),
            "spans": spans,
            "meta": {"id": row.name()},
        });
        serde_json::to_writer(&mut self.out, &written)?;
        self.out.write_all(b"\n")
    }

    fn left_out(&self) -> &FaultReport {
        self.left_out.report()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// The spans, each with its first and last token. What begins or ends with white space is counted and left out.
fn spans(row: &ExportRow, doc: &Doc, left_out: &mut LeftOut) -> Vec<Value> {
    let mut spans = Vec::new();
    for (mention, span) in row.placed() {
        let Some(words) = word_range(&doc.words, &span.bytes()) else {
            left_out.no_words(row, mention);
            continue;
        };
        spans.push(json!({
            "start": span.char_start, "end": span.char_end, "label": mention.label,
            "token_start": doc.token_of[words.start], "token_end": doc.token_of[words.end - 1],
        }));
    }
    spans
}

/// The tokens with their places in characters.
fn tokens(text: &str, doc: &Doc) -> Vec<Value> {
    let mut at = 0;
    let tokens = doc.tokens.iter().enumerate();
    let tokens = tokens.map(|(i, Token { span, has_space })| {
        let token = &text[span.clone()];
        let (start, end) = (at, at + token.chars().count());
        at = end + usize::from(*has_space);
        json!({"text": token, "start": start, "end": end, "id": i, "ws": has_space})
    });
    tokens.collect()
}

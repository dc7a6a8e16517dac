//! One sentence as lines of words and tags.

use crate::error::Error;
use crate::fault::{FaultKind, excerpt};
use crate::format::Format;
use crate::formats::bio::layout::comment_of;
use crate::recorder::Recorder;
use crate::row::{ByteSpan, Row};
use crate::tags::tags;
use crate::words::{Splitter, note_overlaps, whole_words, words_for};

/// A sentence in BIO with the blank line behind it; `None` if it has no word.
pub(crate) fn encode(
    row: &Row,
    located: &[Option<ByteSpan>],
    format: Format,
    recorder: &mut Recorder,
) -> Result<Option<String>, Error> {
    let words = words_for(row, located, Splitter::Blanks);
    let mentions = whole_words(row, located, &words, recorder)?;
    let (tags, left_out) = tags(words.len(), &mentions);
    note_overlaps(row, &left_out, &mentions, recorder)?;
    let mut lines = String::new();
    for (word, tag) in words.iter().zip(&tags) {
        // A word of a JSON format may hold the very characters that separate words here.
        let word = row.example.sentence[word.clone()].replace(['\t', '\n', '\r'], " ");
        match (word.trim(), format) {
            ("", _) => {}
            (word, Format::MitBio) => lines.extend([tag, "\t", word, "\n"]),
            (word, _) => lines.extend([word, "\t", tag, "\n"]),
        }
    }
    if let Some(line) = reserved(&lines) {
        let expected = "a line that is read as a word";
        recorder.record(FaultKind::ReservedLine, row.line, expected, || {
            excerpt(line)
        })?;
        return Ok(None);
    }
    if lines.is_empty() {
        let found = || "none".into();
        recorder.record(FaultKind::BlankWord, row.line, "a word", found)?;
        return Ok(None);
    }
    lines.push('\n');
    Ok(Some(lines))
}

/// A line that is read as a comment or as the border of a document.
fn reserved(lines: &str) -> Option<&str> {
    let mut all = lines.lines();
    let first = all
        .clone()
        .next()
        .filter(|line| comment_of(line, true).is_some());
    first.or_else(|| all.find(|line| line.starts_with("-DOCSTART-")))
}

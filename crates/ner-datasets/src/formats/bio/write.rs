//! One sentence as lines of words and tags.

use crate::error::Error;
use crate::fault::FaultKind;
use crate::format::Format;
use crate::recorder::Recorder;
use crate::row::{ByteSpan, Row};
use crate::tags::tags;
use crate::words::{Splitter, whole_words, words_for};

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
    for i in left_out {
        let found = || format!("{} in words {:?}", mentions[i].label, mentions[i].words);
        let expected = "mentions that do not overlap";
        recorder.record(FaultKind::Overlap, row.line, expected, found)?;
    }
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
    if lines.is_empty() {
        let found = || "none".into();
        recorder.record(FaultKind::BlankWord, row.line, "a word", found)?;
        return Ok(None);
    }
    lines.push('\n');
    Ok(Some(lines))
}

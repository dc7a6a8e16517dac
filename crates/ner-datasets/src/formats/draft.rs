//! What a JSON format makes of one element: a row, and what was wrong with it.

use ner_types::{CharIndex, Span};
use serde::Deserialize;

use crate::fault::excerpt;
use crate::row::Row;

/// A row as decoded, and the offsets in it that do not give their mention's text.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) row: Row,
    /// One message for each.
    pub(super) wrong_offsets: Vec<String>,
}

/// Why bytes are not a row.
#[derive(Debug)]
pub(super) struct NotARow {
    /// Lines between the row's first line and the fault.
    pub(super) lines_below: usize,
    /// What stands there.
    pub(super) found: String,
}

impl NotARow {
    pub(super) fn new(found: impl Into<String>) -> Self {
        NotARow {
            lines_below: 0,
            found: found.into(),
        }
    }
}

/// Reads JSON, with the fault as this crate words it.
///
/// The encoding is checked for the element as a whole, which is faster than string by string.
pub(super) fn parse<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, NotARow> {
    let read = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    read.map_err(|error| {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        NotARow {
            lines_below: error.line().saturating_sub(1),
            found: message.strip_suffix(&place).unwrap_or(&message).into(),
        }
    })
}

impl Draft {
    /// Adds a mention with character offsets as a file states them: they are kept if they give its text, trimmed or
    /// not, and noted as wrong if not.
    pub(super) fn push_at(
        &mut self,
        text: &str,
        label: impl Into<String>,
        stated: Option<[i64; 2]>,
        index: &CharIndex,
    ) {
        let trimmed = text.trim();
        let span = stated.and_then(|stated| self.span(text, stated, index));
        if let (Some([start, end]), None) = (stated, &span) {
            let message = format!("[{start}, {end}] for {}", excerpt(text));
            self.wrong_offsets.push(message);
        }
        self.row.push(trimmed, label, span);
    }

    fn span(&self, text: &str, [start, end]: [i64; 2], index: &CharIndex) -> Option<Span> {
        let chars = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
        let span = index.span_of_chars(chars)?;
        let found = span.text(&self.row.example.sentence)?;
        if found.trim() != text.trim() {
            return None;
        }
        let start = span.byte_start + found.len() - found.trim_start().len();
        index.span_of_bytes(start..start + found.trim().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stated_offsets_are_kept_only_if_they_give_the_text() {
        let mut draft = Draft::default();
        draft.row.example.sentence = "é Brel ".into();
        let index = CharIndex::new(&draft.row.example.sentence);
        for stated in [[2, 6], [1, 7], [0, 4], [-1, 2], [2, 99], [6, 2]] {
            draft.push_at("Brel", "city", Some(stated), &index);
        }
        draft.push_at("Brel", "city", None, &index);
        let entities = &draft.row.example.entities;
        let spans: Vec<_> = entities.iter().map(|e| e.span.map(|s| s.bytes())).collect();
        assert_eq!(spans[..2], [Some(3..7), Some(3..7)]);
        assert!(spans[2..].iter().all(Option::is_none));
        assert_eq!(draft.wrong_offsets.len(), 4);
        assert_eq!(draft.wrong_offsets[0], "[0, 4] for \"Brel\"");
    }
}

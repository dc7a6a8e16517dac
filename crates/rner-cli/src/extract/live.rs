//! An answer on the terminal while it is written.

use std::io::Write;
use std::ops::ControlFlow;

use anyhow::{Context, Result};

/// What is printed while the model writes.
#[derive(Clone, Copy)]
pub(super) enum Show {
    /// The text.
    Everything,
    /// What stands between the tags of the reasoning.
    Reasoning,
    /// The answer is printed by somebody else, at the end.
    Nothing,
}

impl Show {
    /// What `--raw` and `--json` ask for.
    pub(super) fn chosen(raw: bool, json: bool) -> Self {
        match (raw, json) {
            (true, _) => Self::Everything,
            (false, true) => Self::Nothing,
            (false, false) => Self::Reasoning,
        }
    }

    /// The part of a text that can be printed; it only grows while the text does.
    fn of(self, text: &str) -> &str {
        match self {
            Self::Everything => text,
            Self::Reasoning => reasoning(text),
            Self::Nothing => "",
        }
    }
}

/// The first reasoning in a text that is still being written, without the space around it and without what may be the
/// beginning of its closing tag.
fn reasoning(text: &str) -> &str {
    const CLOSE: &str = "</think>";
    let Some((_, inner)) = text.split_once("<think>") else {
        return "";
    };
    if let Some((whole, _)) = inner.split_once(CLOSE) {
        return whole.trim();
    }
    let mut lengths = (1..CLOSE.len()).rev();
    let tag = lengths.find(|&length| inner.ends_with(&CLOSE[..length]));
    inner[..inner.len() - tag.unwrap_or(0)].trim()
}

/// Prints an answer while it grows.
pub(super) struct Live {
    text: String,
    show: Show,
    /// Bytes of the visible text that are printed.
    shown: usize,
    failed: Option<std::io::Error>,
}

impl Live {
    pub(super) fn new(show: Show) -> Self {
        Self {
            text: String::new(),
            show,
            shown: 0,
            failed: None,
        }
    }

    /// Adds to the text and prints what has become visible; an answer that cannot be printed need not go on.
    pub(super) fn add(&mut self, piece: &str) -> ControlFlow<()> {
        self.text.push_str(piece);
        let visible = self.show.of(&self.text);
        let new = visible.get(self.shown..).unwrap_or_default();
        if !new.is_empty() {
            let mut out = std::io::stdout().lock();
            let written = out.write_all(new.as_bytes()).and_then(|()| out.flush());
            self.failed = written.err();
            self.shown = visible.len();
        }
        if self.failed.is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Whether a part of the answer was printed.
    pub(super) fn finish(self) -> Result<bool> {
        match self.failed {
            Some(error) => Err(error).context("cannot write the answer"),
            None => Ok(self.shown > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use ner_types::parse;

    use super::*;

    #[test]
    fn reasoning_becomes_visible_as_it_is_written() {
        let text = "<think>\n a < b </thin\n c\n</think>\n{\"entities\": {}}";
        let mut shown = String::new();
        for end in 0..=text.len() {
            let visible = reasoning(&text[..end]);
            assert!(visible.starts_with(&shown), "{visible:?} after {shown:?}");
            assert!("a < b </thin\n c".starts_with(visible), "{visible:?}");
            shown = visible.to_owned();
        }
        assert_eq!(shown, "a < b </thin\n c");
        assert_eq!(reasoning("no tags"), "");
        assert_eq!(parse(text).reasoning.as_deref(), Some("a < b </thin\n c"));
    }
}

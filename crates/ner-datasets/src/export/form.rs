//! What every form of output does: it takes rows one after the other, and counts what it cannot hold.

use std::io;
use std::path::Path;

use super::mention::ExportMention;
use super::row::ExportRow;
use crate::fault::{FaultKind, FaultReport, Policy, excerpt};
use crate::recorder::Recorder;

/// A form of output being written.
pub trait Form {
    /// Writes a row.
    ///
    /// # Errors
    /// A place that cannot be written to.
    fn write(&mut self, row: &ExportRow) -> io::Result<()>;

    /// What the form could not hold so far.
    fn left_out(&self) -> &FaultReport;

    /// A second file that belongs beside the first; asked for behind the last row.
    fn beside(&self) -> Option<Beside> {
        None
    }

    /// Writes what stands behind the last row, and flushes.
    ///
    /// # Errors
    /// A place that cannot be written to.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A file that belongs beside another, such as the labels of an annotation tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Its ending, which takes the place of that of the other file.
    pub ending: &'static str,
    /// Its content.
    pub text: String,
}

/// Counts what a form does not hold. No form stops at such a fault.
#[derive(Debug)]
pub(crate) struct LeftOut {
    recorder: Recorder,
}

impl LeftOut {
    pub(crate) fn new(name: &Path) -> Self {
        Self {
            recorder: Recorder::new(name, Policy::lenient()),
        }
    }

    pub(crate) fn report(&self) -> &FaultReport {
        &self.recorder.report
    }

    pub(super) fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    pub(super) fn note(
        &mut self,
        kind: FaultKind,
        line: usize,
        expected: &str,
        found: impl FnOnce() -> String,
    ) {
        // A lenient recorder refuses nothing.
        let _ = self.recorder.record(kind, line, expected, found);
    }

    /// Whether a row has no answer, which is counted.
    pub(super) fn unanswered(&mut self, row: &ExportRow) -> bool {
        if let Some(error) = &row.error {
            let found = || excerpt(error);
            self.note(FaultKind::Unanswered, row.line, "an answer", found);
        }
        row.error.is_some()
    }

    /// Counts the mentions that stand nowhere.
    pub(super) fn ungrounded(&mut self, row: &ExportRow) {
        for mention in row.mentions.iter().filter(|mention| mention.span.is_none()) {
            let found = || format!("{} as a {}", excerpt(&mention.text), mention.label);
            let expected = "a mention of its sentence";
            self.note(FaultKind::Ungrounded, row.line, expected, found);
        }
    }

    /// Counts a mention that does not begin and end with a word.
    pub(super) fn no_words(&mut self, row: &ExportRow, mention: &ExportMention) {
        let found = || format!("{} as a {}", excerpt(&mention.text), mention.label);
        let expected = "a mention that begins and ends with a word";
        self.note(FaultKind::Ungrounded, row.line, expected, found);
    }
}

//! Hearing what happens while parts are worked on.

use std::path::Path;

use crate::error::Error;
use crate::manifest::Manifest;

/// Hears what happens.
pub trait Observer {
    /// A row has no answer.
    fn on_fault(&mut self, file: &Path, line: usize, fault: &str) {
        let _ = (file, line, fault);
    }

    /// Something is to be said about a file.
    fn on_note(&mut self, note: &str) {
        let _ = note;
    }

    /// A part is finished, by this run or before it.
    fn on_part(&mut self, part: &Manifest, was_there: bool) {
        let _ = (part, was_there);
    }

    /// A part cannot be made; others are gone on with.
    fn on_failure(&mut self, part: &str, error: &Error) {
        let _ = (part, error);
    }

    /// Other processes work on so many parts of this shard, which are waited for.
    fn on_wait(&mut self, parts: usize) {
        let _ = parts;
    }
}

impl Observer for () {}

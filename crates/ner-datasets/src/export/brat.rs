//! brat's standoff format: a folder with `NAME.txt` and `NAME.ann` for each row, the types in `annotation.conf` and
//! their true names in `visual.conf`.
//!
//! Places are characters. A mention over several lines is written in pieces, as brat does it. brat's types are ASCII
//! letters, digits, `_` and `-` (`projectconfig.py`), so other labels are written with `_`, which is counted;
//! confidence, grounding and the passage of the reasoning are notes of the annotator. A carriage return, which Python
//! would take away together with its place, becomes a blank.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use ner_types::Span;

use super::form::{Form, LeftOut};
use super::row::{ExportMention, ExportRow};
use crate::fault::{FaultKind, FaultReport, excerpt};

/// Longest part of an identifier in the name of a file.
const NAMED: usize = 40;

/// Writes two files for each row into a folder.
pub struct Brat {
    dir: PathBuf,
    n_rows: usize,
    labels: Labels,
    left_out: LeftOut,
}

impl std::fmt::Debug for Brat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Brat")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Brat {
    /// Writes into a folder that is there. What brat cannot hold is counted under `name`.
    pub fn new(dir: &Path, name: &Path) -> Self {
        Self {
            dir: dir.into(),
            n_rows: 0,
            labels: Labels::default(),
            left_out: LeftOut::new(name),
        }
    }

    fn annotations(&mut self, row: &ExportRow) -> String {
        let (mut lines, mut number) = (String::new(), 0);
        for (mention, span) in row.placed() {
            number += 1;
            let pieces = pieces(&row.sentence, &span);
            if pieces.is_empty() {
                self.left_out.no_words(row, mention);
                continue;
            }
            let label = self.labels.of(&mention.label, row.line, &mut self.left_out);
            lines += &entity(number, label, &pieces);
            lines += &note(number, mention);
        }
        lines
    }
}

impl Form for Brat {
    fn write(&mut self, row: &ExportRow) -> io::Result<()> {
        if self.left_out.unanswered(row) {
            return Ok(());
        }
        self.left_out.ungrounded(row);
        self.n_rows += 1;
        let name = file_name(self.n_rows, &row.name());
        if row.sentence.contains('\r') {
            let found = || "a carriage return, written as a blank".into();
            let expected = "line ends without it";
            self.left_out
                .note(FaultKind::Respelled, row.line, expected, found);
        }
        let annotations = self.annotations(row);
        atomic_files::fs::write(
            self.dir.join(format!("{name}.txt")),
            row.sentence.replace('\r', " "),
        )?;
        atomic_files::fs::write(self.dir.join(format!("{name}.ann")), annotations)
    }

    fn left_out(&self) -> &FaultReport {
        self.left_out.report()
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        atomic_files::fs::write(self.dir.join("annotation.conf"), self.labels.types())?;
        atomic_files::fs::write(self.dir.join("visual.conf"), self.labels.shown())
    }
}

/// The labels as brat has them: ASCII letters, digits, `_` and `-`, no two alike.
#[derive(Default)]
struct Labels {
    known: HashMap<String, String>,
    /// As they are written, each with the label.
    order: Vec<(String, String)>,
}

impl Labels {
    fn of(&mut self, label: &str, line: usize, left_out: &mut LeftOut) -> &str {
        if !self.known.contains_key(label) {
            let written = self.unused(label);
            if written != label {
                let found = || format!("{}, written as {written}", excerpt(label));
                let expected = "a label of letters, digits, _ and -";
                left_out.note(FaultKind::Respelled, line, expected, found);
            }
            self.order.push((written.clone(), label.into()));
            self.known.insert(label.into(), written);
        }
        self.known.get(label).map_or("", String::as_str)
    }

    fn unused(&self, label: &str) -> String {
        let mut name: String = label.chars().map(|c| allowed(c, "_-")).collect();
        if name.is_empty() {
            name.push('_');
        }
        let numbered = (2..).map(|n| format!("{name}_{n}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        let unused = candidates.find(|name| self.order.iter().all(|(known, _)| known != name));
        unused.unwrap_or(name)
    }

    /// The types of the annotation.
    fn types(&self) -> String {
        let types: String = self
            .order
            .iter()
            .map(|(name, _)| format!("{name}\n"))
            .collect();
        format!("[entities]\n{types}\n[relations]\n\n[events]\n\n[attributes]\n")
    }

    /// What brat shows of a type in place of its name.
    fn shown(&self) -> String {
        let label = |(name, label): &(String, String)| {
            let label = label.replace(['|', '\t', '\n', '\r'], " ");
            format!("{name} | {label}\n")
        };
        let labels: String = self.order.iter().map(label).collect();
        format!("[labels]\n{labels}\n[drawing]\n")
    }
}

/// A character, or `_` in place of one that is not allowed.
fn allowed(character: char, others: &str) -> char {
    if character.is_ascii_alphanumeric() || others.contains(character) {
        character
    } else {
        '_'
    }
}

/// What Python's `splitlines` ends a line at.
fn ends_line(character: char) -> bool {
    "\n\r\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}".contains(character)
}

/// The pieces of a mention between the ends of lines, with their first and last character; none if it is all ends of
/// lines.
fn pieces<'s>(sentence: &'s str, span: &Span) -> Vec<(&'s str, [usize; 2])> {
    let text = span.text(sentence).unwrap_or_default();
    let (mut pieces, mut at) = (Vec::new(), span.char_start);
    for piece in text.split(ends_line) {
        let end = at + piece.chars().count();
        if end > at {
            pieces.push((piece, [at, end]));
        }
        at = end + 1;
    }
    pieces
}

/// `T1⇥city 0 4;5 9⇥text`.
fn entity(number: usize, label: &str, pieces: &[(&str, [usize; 2])]) -> String {
    let places = pieces
        .iter()
        .map(|(_, [start, end])| format!("{start} {end}"));
    let places: Vec<String> = places.collect();
    let texts: Vec<&str> = pieces.iter().map(|(text, _)| *text).collect();
    format!(
        "T{number}\t{label} {}\t{}\n",
        places.join(";"),
        texts.join(" ")
    )
}

/// `#1⇥AnnotatorNotes T1⇥…`, if there is more to say than that the text stands there.
fn note(number: usize, mention: &ExportMention) -> String {
    let mut parts = Vec::new();
    if let Some(confidence) = mention.confidence {
        parts.push(format!("confidence {confidence}"));
    }
    if mention.grounding != "exact" {
        parts.push(mention.grounding.clone());
    }
    let answer = mention.answer.iter();
    parts.extend(answer.map(|answer| format!("the answer has {answer:?}")));
    let evidence = mention.evidence.iter();
    parts.extend(evidence.map(|passage| format!("because: {passage}")));
    if parts.is_empty() {
        return String::new();
    }
    let said = parts.join("; ").replace(ends_line, " ").replace('\t', " ");
    format!("#{number}\tAnnotatorNotes T{number}\t{said}\n")
}

/// A number, so that names are unique and in order, and what can be read of the row's name.
fn file_name(number: usize, name: &str) -> String {
    let name: String = name
        .chars()
        .take(NAMED)
        .map(|c| allowed(c, "._-"))
        .collect();
    format!("{number:06}-{name}")
}

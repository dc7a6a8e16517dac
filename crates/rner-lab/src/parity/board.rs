//! The lines of a comparison: shown as they come, or all at once as JSON.

use anyhow::{Result, bail};
use serde::Serialize;
use serde_json::json;

use super::compare::Comparison;
use super::rotary;

/// Width of the column of names.
const NAME: usize = 66;

/// One line.
#[derive(Clone, Debug, Serialize)]
struct Line {
    name: String,
    /// Nothing where there was nothing to compare with.
    ok: Option<bool>,
    values: usize,
    absolute: Option<f64>,
    relative: Option<f64>,
    tolerance: Option<String>,
    /// Where the largest error is.
    worst: Option<String>,
    /// A remark, or the reason why nothing could be compared.
    note: Option<String>,
}

/// Collects the lines.
pub(crate) struct Board {
    json: bool,
    lines: Vec<Line>,
}

impl Board {
    /// An empty board; with `json`, nothing is shown before the end.
    pub(crate) fn new(json: bool) -> Self {
        if !json {
            println!(
                "{:<NAME$} {:>7}  {:>8}  {:>8}  tolerance",
                "check", "values", "absolute", "relative"
            );
        }
        let lines = Vec::new();
        Self { json, lines }
    }

    /// Makes a comparison and adds its line; one that cannot be made has failed.
    pub(super) fn run(&mut self, name: String, check: impl FnOnce() -> Result<Comparison>) {
        match check() {
            Ok(comparison) => self.add(line(name, comparison)),
            Err(error) => self.broken(&name, &error),
        }
    }

    /// Adds a failed line for something that could not be compared.
    pub(super) fn broken(&mut self, name: &str, error: &anyhow::Error) {
        self.add(bare(name, Some(false), format!("{error:#}")));
    }

    /// Adds a line for something that is not there.
    pub(super) fn absent(&mut self, name: &str, reason: impl Into<String>) {
        self.add(bare(name, None, reason.into()));
    }

    /// Shows what is left to show.
    ///
    /// # Errors
    /// When a line has failed, or none was compared.
    pub(crate) fn finish(self, dir: &str, backend: &str) -> Result<()> {
        let compared: Vec<&Line> = self.lines.iter().filter(|line| line.ok.is_some()).collect();
        let failed: Vec<&str> = compared
            .iter()
            .filter(|line| line.ok == Some(false))
            .map(|line| &*line.name)
            .collect();
        let ok = failed.is_empty() && !compared.is_empty();
        if self.json {
            println!("{}", self.to_json(dir, backend, ok)?)
        } else {
            self.print_summary(backend, compared.len(), failed.len())
        }
        if !failed.is_empty() {
            let (failures, all) = (failed.len(), compared.len());
            bail!("{failures} of {all} checks failed: {}", failed.join("; "));
        }
        if compared.is_empty() {
            bail!("{dir}: there is nothing to compare with");
        }
        Ok(())
    }

    fn add(&mut self, line: Line) {
        if !self.json {
            println!("{}", line.to_text());
        }
        self.lines.push(line);
    }

    /// What must be said once.
    fn notes(&self) -> Vec<&'static str> {
        let rounded = |line: &Line| line.note.as_deref() == Some(rotary::ROUNDED);
        if self.lines.iter().any(rounded) {
            vec![rotary::EXPLANATION]
        } else {
            Vec::new()
        }
    }

    fn print_summary(&self, backend: &str, compared: usize, failed: usize) {
        println!("\n{compared} checks on {backend}, {failed} failed");
        for note in self.notes() {
            println!("note: {note}");
        }
    }

    fn to_json(&self, dir: &str, backend: &str, ok: bool) -> Result<String> {
        let value = json!({
            "dir": dir,
            "backend": backend,
            "ok": ok,
            "checks": self.lines,
            "notes": self.notes(),
        });
        Ok(serde_json::to_string_pretty(&value)?)
    }
}

fn line(name: String, comparison: Comparison) -> Line {
    Line {
        name,
        ok: Some(comparison.holds()),
        values: comparison.values,
        absolute: Some(comparison.absolute),
        relative: Some(comparison.relative),
        tolerance: Some(comparison.tolerance.to_string()),
        worst: comparison.worst,
        note: comparison.note,
    }
}

fn bare(name: &str, ok: Option<bool>, note: String) -> Line {
    Line {
        name: name.to_owned(),
        ok,
        values: 0,
        absolute: None,
        relative: None,
        tolerance: None,
        worst: None,
        note: Some(note),
    }
}

impl Line {
    fn to_text(&self) -> String {
        let verdict = match self.ok {
            Some(true) => "ok",
            Some(false) => "FAILED",
            None => "absent",
        };
        let note = self.note.as_ref().map(|note| format!(": {note}"));
        let note = note.unwrap_or_default();
        let (Some(absolute), Some(relative)) = (self.absolute, self.relative) else {
            return format!("{:<NAME$} {verdict}{note}", self.name);
        };
        let worst = match (self.ok, &self.worst) {
            (Some(false), Some(place)) => format!(" (worst: {place})"),
            _ => String::new(),
        };
        format!(
            "{:<NAME$} {:>7}  {:>8}  {:>8}  {:<20} {verdict}{worst}{note}",
            self.name,
            self.values,
            short(absolute),
            short(relative),
            self.tolerance.as_deref().unwrap_or_default(),
        )
    }
}

/// An error in few characters.
fn short(error: f64) -> String {
    match error {
        0.0 => "0".to_owned(),
        error => format!("{error:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::compare::Tolerance;
    use super::*;

    fn board(found: f64) -> Board {
        let mut board = Board::new(true);
        board.run("logits".into(), || {
            let mut comparison = Comparison::new(Tolerance::Absolute(1e-4));
            comparison.number(|| "token 3".into(), found, 1.0);
            Ok(comparison)
        });
        board.absent("benchmark", "not here");
        board
    }

    #[test]
    fn absent_is_neither_ok_nor_failed() {
        assert!(board(1.0).finish("dir", "flex").is_ok());
        let mut empty = Board::new(true);
        empty.absent("benchmark", "not here");
        assert!(empty.finish("dir", "flex").is_err());
    }

    #[test]
    fn a_failure_is_named_and_located() {
        let board = board(1.5);
        let text = board.lines[0].to_text();
        assert!(
            text.contains("5.0e-1") && text.contains("1e-4 absolute"),
            "{text}"
        );
        assert!(text.ends_with("FAILED (worst: token 3)"), "{text}");
        let error = board.finish("dir", "flex").unwrap_err().to_string();
        assert_eq!(error, "1 of 1 checks failed: logits");
    }

    #[test]
    fn what_cannot_be_compared_has_failed() {
        let mut board = Board::new(true);
        board.run("logits".into(), || bail!("no tensor"));
        assert!(board.lines[0].to_text().ends_with("FAILED: no tensor"));
        assert!(board.finish("dir", "flex").is_err());
    }
}

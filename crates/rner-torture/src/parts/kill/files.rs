//! The files of a folder, what of them may differ between two runs, and what dead processes left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ner_cot::Journal;
use rner::run_dir::read_metrics;
use serde_json::Value;

/// A number that no process has.
const DEAD: u32 = u32::MAX;

/// The content of each file below a folder, by its path there; folders without files too.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Files(BTreeMap<PathBuf, Vec<u8>>);

impl Files {
    /// Reads a folder.
    ///
    /// Equal runs differ in times, in what the machine was doing, and in the order of answers in a journal. So these
    /// are compared by their content without them: `metrics.jsonl` (a resumed run also logs a step again),
    /// `journal.jsonl`, `journal.lock` (the number of the last process), and the seconds in `done.json`, `report.json`
    /// and `report.html`.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let mut files = Self::default();
        files.add(dir, dir)?;
        Ok(files)
    }

    fn add(&mut self, root: &Path, dir: &Path) -> Result<()> {
        let (before, mut entries) = (self.0.len(), 0);
        for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
            let path = entry?.path();
            entries += 1;
            if path.is_dir() {
                self.add(root, &path)?;
            } else {
                let content = content(&path).with_context(|| path.display().to_string())?;
                let name = path.strip_prefix(root)?.to_owned();
                self.0.insert(name, content);
            }
        }
        if entries == 0 || self.0.len() == before {
            self.0.insert(dir.strip_prefix(root)?.join(""), Vec::new());
        }
        Ok(())
    }

    /// What sets the found files apart from the expected ones, in words.
    pub(super) fn differences(&self, found: &Self) -> Vec<String> {
        let missing = self.0.keys().filter(|name| !found.0.contains_key(*name));
        let missing = missing.map(|name| format!("{} is missing", name.display()));
        let more = found.0.keys().filter(|name| !self.0.contains_key(*name));
        let more = more.map(|name| format!("{} is left over", name.display()));
        let other = self.0.iter().filter_map(|(name, expected)| {
            let found = found.0.get(name).filter(|found| *found != expected)?;
            Some(format!("{}: {}", name.display(), apart(expected, found)))
        });
        missing.chain(more).chain(other).collect()
    }
}

/// The first place where two contents differ.
fn apart(expected: &[u8], found: &[u8]) -> String {
    let place = expected
        .iter()
        .zip(found)
        .take_while(|(a, b)| a == b)
        .count();
    let excerpt = |bytes: &[u8]| {
        let (from, to) = (place.saturating_sub(40), (place + 40).min(bytes.len()));
        String::from_utf8_lossy(&bytes[from.min(to)..to]).into_owned()
    };
    let (expected, found) = (excerpt(expected), excerpt(found));
    format!("expected {expected:?} around byte {place}, found {found:?}")
}

/// The content of a file without what may differ.
fn content(path: &Path) -> Result<Vec<u8>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let values = match &*name {
        "metrics.jsonl" => read_metrics(path)?,
        "journal.jsonl" => answers(path.parent().unwrap_or(Path::new(".")))?,
        "done.json" | "report.json" => vec![serde_json::from_slice(&std::fs::read(path)?)?],
        "journal.lock" => return Ok(b"the number of the last process".to_vec()),
        "report.html" => return Ok(b"a page about report.json".to_vec()),
        _ => return Ok(std::fs::read(path)?),
    };
    let lines = values.into_iter().map(|value| {
        let value = timeless(value);
        format!("{value}\n").into_bytes()
    });
    Ok(lines.collect::<Vec<_>>().concat())
}

/// The answers of a journal, sorted, without the times at which they came.
fn answers(dir: &Path) -> Result<Vec<Value>> {
    let mut lines = Vec::new();
    Journal::open_to_read(dir)?.for_each(|record| {
        lines.push(serde_json::json!([
            record.key,
            record.part,
            record.model,
            record.prompt,
            record.attempt,
            record.body
        ]));
    })?;
    lines.sort_by_key(ToString::to_string);
    Ok(lines)
}

/// A value without the members that measure time or memory.
fn timeless(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(name, _)| !is_measured(name));
            members
                .map(|(name, value)| (name, timeless(value)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(timeless).collect(),
        value => value,
    }
}

fn is_measured(name: &str) -> bool {
    let measured = [
        "time", "second", "created", "tflops", "mfu", "memory", "skipped",
    ];
    measured.iter().any(|part| name.contains(part))
}

/// Gives what this process has left in a folder the number of a process that does not exist: files that are being
/// written have their owner's number in their names, and the owner is to be dead.
pub(super) fn bury(dir: &Path) -> Result<()> {
    let (mine, dead) = (format!(".{}-", std::process::id()), format!(".{DEAD}-"));
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| dir.display().to_string())?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            bury(&path)?;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') && name.contains(&mine) {
            let buried = path.with_file_name(name.replace(&mine, &dead));
            std::fs::rename(&path, buried).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        dir
    }

    #[test]
    fn differences_are_named_and_times_are_none() {
        let done = r#"{"stage": "sft", "seconds": 1.5}"#;
        let one = folder(&[("a", "x"), ("b/c", "long ago"), ("d/done.json", done)]);
        let done = r#"{"stage": "sft", "seconds": 2.5}"#;
        let two = folder(&[("b/c", "long ahead"), ("d/done.json", done), (".e", "")]);
        let read = |dir: &tempfile::TempDir| Files::read(dir.path()).expect("read");
        let found = read(&one).differences(&read(&two));
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[..2], ["a is missing", ".e is left over"]);
        assert!(found[2].starts_with("b/c: expected \"long ago\" around byte 6"));
        assert!(read(&one).differences(&read(&one)).is_empty());
    }

    #[test]
    fn an_empty_folder_is_seen() {
        let (one, two) = (folder(&[("a", "")]), folder(&[("a", "")]));
        std::fs::create_dir(two.path().join("b")).expect("made");
        let read = |dir: &tempfile::TempDir| Files::read(dir.path()).expect("read");
        let found = read(&one).differences(&read(&two));
        assert_eq!(found, ["b/ is left over"]);
    }

    #[test]
    fn what_this_process_left_is_that_of_a_dead_one() {
        let mine = std::process::id();
        let left = format!("a/.model.{mine}-0.partial/.b.{mine}-1.partial");
        let dir = folder(&[(&left, ""), (&format!("c.{mine}-2.partial"), "")]);
        bury(dir.path()).expect("buried");
        let dead = "a/.model.4294967295-0.partial/.b.4294967295-1.partial";
        assert!(dir.path().join(dead).is_file());
        assert!(dir.path().join(format!("c.{mine}-2.partial")).is_file());
    }
}

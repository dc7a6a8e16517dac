//! A file of predictions against a suite: every line that does not fit is named, counted, and fatal or left out.

mod by_type;
pub(crate) mod kind;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use ner_types::{is_dropped_label, normalize_label};
use serde::Deserialize;

use self::by_type::Replies;
pub use self::kind::{Fault, FaultKind, Faults};
use crate::error::Error;
use crate::load::{LoadedSuite, OnFault};
use crate::prediction::Prediction;

/// Predictions that fit a suite, and what did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedPredictions {
    /// The usable predictions, in the order of the file.
    pub predictions: Vec<Prediction>,
    /// Everything else.
    pub faults: Faults,
}

/// Reads a file of predictions for a suite, line by line; a byte order mark and blank lines are passed over.
///
/// A line with a key `type` is the raw reply to the question for that one type, as UniversalNER gives it, read by
/// [`ner_types::parse_type_reply`]; the replies to a sentence together are its prediction.
///
/// A file that was made for another copy of a set, with or without its last sentence, is taken as it is: the other
/// copy's last sentence is left out of the suite or of the predictions, and `loaded.notes` says so. Everything else
/// that does not fit is a [`Fault`].
///
/// # Errors
///
/// If the file cannot be read; and if there is any fault, unless `on_fault` says to leave faulty lines out.
pub fn read_predictions_for(
    loaded: &mut LoadedSuite,
    path: &Path,
    on_fault: OnFault,
) -> Result<CheckedPredictions, Error> {
    let read = |source| Error::Read {
        path: path.into(),
        source,
    };
    let mut reader = BufReader::new(File::open(path).map_err(read)?);
    let mut matcher = Matcher::new(loaded, path);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(read)? == 0 {
            break;
        }
        matcher.line(line, &bytes);
    }
    let (mut checked, seen, note) = matcher.finish();
    loaded.notes.extend(note);
    fit_copies(loaded, &mut checked, &seen);
    find_missing(loaded, &mut checked.faults, &seen);
    if on_fault == OnFault::Fatal && checked.faults.total() > 0 {
        return Err(Error::Faults(Box::new(checked.faults)));
    }
    Ok(checked)
}

/// The line on which each sentence's prediction stands, by set and index.
type Seen = Vec<HashMap<usize, usize>>;

/// A line of the file.
#[derive(Deserialize)]
struct Line {
    dataset: String,
    index: usize,
    completion: String,
    #[serde(default)]
    truncated: bool,
    #[serde(default)]
    tokens: Option<usize>,
    /// The one type that was asked for; all types if it is not there.
    #[serde(default, rename = "type")]
    label: Option<String>,
}

impl From<Line> for Prediction {
    fn from(line: Line) -> Prediction {
        Prediction {
            dataset: line.dataset,
            index: line.index,
            completion: line.completion,
            truncated: line.truncated,
            tokens: line.tokens,
        }
    }
}

struct Matcher<'a> {
    sets: HashMap<&'a str, usize>,
    replies: Replies,
    loaded: &'a LoadedSuite,
    seen: Seen,
    checked: CheckedPredictions,
}

impl<'a> Matcher<'a> {
    fn new(loaded: &'a LoadedSuite, path: &Path) -> Self {
        let names = loaded.suite.sets.iter().map(|set| set.name.as_str());
        let mut checked = CheckedPredictions::default();
        checked.faults.path = path.into();
        Matcher {
            sets: names.enumerate().map(|(i, name)| (name, i)).collect(),
            replies: Replies::default(),
            seen: vec![HashMap::new(); loaded.suite.sets.len()],
            loaded,
            checked,
        }
    }

    fn line(&mut self, line: usize, bytes: &[u8]) {
        let bytes = match bytes.strip_prefix("\u{feff}".as_bytes()) {
            Some(rest) if line == 1 => rest,
            _ => bytes,
        };
        if bytes.trim_ascii().is_empty() {
            return;
        }
        let read = serde_json::from_slice(bytes).map_err(|error| not_a_prediction(&error));
        if let Err(kind) = read.and_then(|read: Line| self.place(line, read)) {
            self.checked.faults.add(Some(line), kind);
        }
    }

    /// Takes a prediction for its sentence, or says why it cannot.
    fn place(&mut self, line: usize, read: Line) -> Result<(), FaultKind> {
        let set = self.locate(&read)?;
        match (self.seen[set].get(&read.index), &read.label) {
            (None, None) => {
                self.seen[set].insert(read.index, line);
                self.checked.predictions.push(read.into());
                Ok(())
            }
            (first, Some(label)) if first.is_none() || self.replies.has(set, read.index) => {
                let label = self.loaded.label_of(set, label, &read)?;
                self.seen[set].entry(read.index).or_insert(line);
                self.replies.add(set, label, line, read)
            }
            (first_line, _) => Err(FaultKind::Duplicate {
                first_line: first_line.copied().unwrap_or(line),
                dataset: read.dataset,
                index: read.index,
            }),
        }
    }

    /// The set of a prediction, if it has such a sentence.
    fn locate(&self, read: &Line) -> Result<usize, FaultKind> {
        let (dataset, index) = (&read.dataset, read.index);
        let Some(&set) = self.sets.get(dataset.as_str()) else {
            return Err(FaultKind::UnknownDataset {
                dataset: dataset.clone(),
            });
        };
        let sentences = self.loaded.suite.sets[set].examples.len();
        // The last sentence of the longer copy is kept until it is known whether the file is for that copy.
        let longer = index == sentences && self.loaded.has_copy(set, sentences + 1);
        if index >= sentences && !longer {
            return Err(FaultKind::IndexOutOfRange {
                dataset: dataset.clone(),
                index,
                sentences,
            });
        }
        Ok(set)
    }

    /// What was found, on which lines, and a remark on the replies.
    fn finish(mut self) -> (CheckedPredictions, Seen, Option<String>) {
        let note = self.replies.note();
        for (set, source) in self.loaded.sources.iter().enumerate() {
            if let Some(kind) = self.replies.missing(set, &source.name, &source.schema) {
                self.checked.faults.add(None, kind);
            }
        }
        self.checked.predictions.extend(self.replies.predictions());
        (self.checked, self.seen, note)
    }
}

/// The message of `serde_json` without its line, which is always the first.
fn not_a_prediction(error: &serde_json::Error) -> FaultKind {
    let message = error.to_string();
    let found = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(what, _)| what);
    FaultKind::NotAPrediction {
        found: format!("{found} (column {})", error.column()),
    }
}

impl LoadedSuite {
    /// The type of a reply as the set names it. Placeholders such as `misc` are types too, which the gold does not
    /// have.
    fn label_of(&self, set: usize, label: &str, read: &Line) -> Result<String, FaultKind> {
        let label = normalize_label(label);
        if self.sources[set].schema.contains(&label) || is_dropped_label(&label) {
            return Ok(label);
        }
        Err(FaultKind::UnknownType {
            dataset: read.dataset.clone(),
            index: read.index,
            label,
        })
    }

    /// Whether a copy of the set with that many sentences is known.
    fn has_copy(&self, set: usize, sentences: usize) -> bool {
        self.sources[set].known_counts.contains(&sentences)
    }
}

/// Brings suite and predictions to the same copy of each set.
fn fit_copies(loaded: &mut LoadedSuite, checked: &mut CheckedPredictions, seen: &Seen) {
    for (set, seen) in seen.iter().enumerate() {
        let name = loaded.suite.sets[set].name.clone();
        let sentences = loaded.suite.sets[set].examples.len();
        if seen.contains_key(&sentences) {
            let is_extra = |p: &Prediction| p.dataset == name && p.index == sentences;
            checked
                .predictions
                .retain(|prediction| !is_extra(prediction));
            loaded.notes.push(format!(
                "{name}: the predictions are for the copy of {} sentences; the data has {sentences}, so the last \
                 prediction is left out",
                sentences + 1
            ));
        }
        let Some(shorter) = sentences.checked_sub(1) else {
            continue;
        };
        let lacks_last = seen.len() == shorter && !seen.contains_key(&shorter);
        if shorter > 0 && lacks_last && loaded.has_copy(set, shorter) {
            loaded.suite.sets[set].examples.truncate(shorter);
            loaded.notes.push(format!(
                "{name}: the predictions are for the copy of {shorter} sentences; the data has {sentences}, so its \
                 last sentence is left out"
            ));
        }
    }
}

fn find_missing(loaded: &LoadedSuite, faults: &mut Faults, seen: &Seen) {
    for (set, seen) in loaded.suite.sets.iter().zip(seen) {
        let is_missing = |index: &usize| !seen.contains_key(index);
        let mut missing = (0..set.examples.len()).filter(is_missing);
        if let Some(first) = missing.next() {
            let kind = FaultKind::Missing {
                dataset: set.name.clone(),
                sentences: 1 + missing.count(),
                first,
            };
            faults.add(None, kind);
        }
    }
}

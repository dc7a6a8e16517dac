//! A file of predictions against a suite: every line that does not fit is named, counted, and fatal or left out.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, LoadedSuite, OnFault, Prediction};

/// Faults that are kept by name; further ones are only counted.
const LISTED: usize = 100;
/// Faults that a message shows.
const SHOWN: usize = 10;

/// Something in a file of predictions that does not fit the suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Line, from 1; `None` for what is not in the file.
    pub line: Option<usize>,
    /// What is wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What can be wrong with a prediction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum FaultKind {
    /// A line is not an object with dataset, index and completion.
    NotAPrediction {
        /// What the reader says.
        found: String,
    },
    /// The suite has no such dataset.
    UnknownDataset {
        /// The name that was given.
        dataset: String,
    },
    /// The dataset has fewer sentences.
    IndexOutOfRange {
        /// The dataset.
        dataset: String,
        /// The index that was given, from 0.
        index: usize,
        /// Sentences of the dataset.
        sentences: usize,
    },
    /// The sentence has a prediction already; the first one counts.
    Duplicate {
        /// The dataset.
        dataset: String,
        /// The index, from 0.
        index: usize,
        /// Line of the first prediction.
        first_line: usize,
    },
    /// Sentences without a prediction.
    Missing {
        /// The dataset.
        dataset: String,
        /// How many there are.
        sentences: usize,
        /// Index of the first of them, from 0.
        first: usize,
    },
}

/// How many faults of each kind a file has, and the first of them by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// The file.
    pub path: PathBuf,
    /// Lines that are no predictions.
    pub not_a_prediction: usize,
    /// Predictions for datasets that the suite does not have.
    pub unknown_dataset: usize,
    /// Predictions for sentences that the dataset does not have.
    pub index_out_of_range: usize,
    /// Second and further predictions for a sentence.
    pub duplicate: usize,
    /// Sentences without a prediction.
    pub missing: usize,
    /// The faults, in the order of the file, the first hundred.
    pub listed: Vec<Fault>,
}

/// Predictions that fit a suite, and what did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedPredictions {
    /// The usable predictions, in the order of the file.
    pub predictions: Vec<Prediction>,
    /// Everything else.
    pub faults: Faults,
}

impl Faults {
    /// Faults of all kinds together.
    pub fn total(&self) -> usize {
        let lines = self.not_a_prediction + self.unknown_dataset + self.index_out_of_range;
        lines + self.duplicate + self.missing
    }

    fn add(&mut self, line: Option<usize>, kind: FaultKind) {
        match &kind {
            FaultKind::NotAPrediction { .. } => self.not_a_prediction += 1,
            FaultKind::UnknownDataset { .. } => self.unknown_dataset += 1,
            FaultKind::IndexOutOfRange { .. } => self.index_out_of_range += 1,
            FaultKind::Duplicate { .. } => self.duplicate += 1,
            FaultKind::Missing { sentences, .. } => self.missing += sentences,
        }
        if self.listed.len() < LISTED {
            self.listed.push(Fault { line, kind });
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::NotAPrediction { found } => write!(
                f,
                "expected a prediction {{dataset, index, completion}}, found {found}"
            ),
            FaultKind::UnknownDataset { dataset } => {
                write!(f, "expected a dataset of the suite, found {dataset:?}")
            }
            FaultKind::IndexOutOfRange {
                dataset,
                index,
                sentences,
            } => write!(
                f,
                "{dataset:?}: expected an index below {sentences}, found {index}"
            ),
            FaultKind::Duplicate {
                dataset,
                index,
                first_line,
            } => write!(
                f,
                "{dataset:?}, index {index}: expected one prediction, found a second one; the first is on line \
                 {first_line}"
            ),
            FaultKind::Missing {
                dataset,
                sentences,
                first,
            } => write!(
                f,
                "{dataset:?}: expected a prediction for every sentence, found none for {sentences}, the first of \
                 them index {first}"
            ),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        for (i, fault) in self.listed.iter().take(SHOWN).enumerate() {
            let line = fault
                .line
                .map(|line| format!(":{line}"))
                .unwrap_or_default();
            write!(f, "{}{path}{line}: {fault}", if i == 0 { "" } else { "\n" })?;
        }
        let counts = [
            (self.not_a_prediction, "lines that are no predictions"),
            (self.unknown_dataset, "of unknown datasets"),
            (self.index_out_of_range, "with an index out of range"),
            (self.duplicate, "given twice"),
            (self.missing, "sentences without a prediction"),
        ];
        let counts = counts.iter().filter(|(n, _)| *n > 0);
        let counts: Vec<String> = counts.map(|(n, what)| format!("{n} {what}")).collect();
        write!(f, "\n{path}: in all {}", counts.join(", "))
    }
}

/// Reads a file of predictions for a suite, line by line; a byte order mark and blank lines are passed over.
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
    let Matcher {
        mut checked, seen, ..
    } = matcher;
    fit_copies(loaded, &mut checked, &seen);
    find_missing(loaded, &mut checked.faults, &seen);
    if on_fault == OnFault::Fatal && checked.faults.total() > 0 {
        return Err(Error::Faults(Box::new(checked.faults)));
    }
    Ok(checked)
}

/// The line on which each sentence's prediction stands, by set and index.
type Seen = Vec<HashMap<usize, usize>>;

struct Matcher<'a> {
    sets: HashMap<&'a str, usize>,
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
        let prediction = serde_json::from_slice(bytes).map_err(|error| not_a_prediction(&error));
        match prediction.and_then(|prediction| self.place(line, prediction)) {
            Ok(prediction) => self.checked.predictions.push(prediction),
            Err(kind) => self.checked.faults.add(Some(line), kind),
        }
    }

    /// Takes the sentence of a prediction, or says why it cannot.
    fn place(&mut self, line: usize, prediction: Prediction) -> Result<Prediction, FaultKind> {
        let (dataset, index) = (&prediction.dataset, prediction.index);
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
        match self.seen[set].get(&index) {
            Some(&first_line) => Err(FaultKind::Duplicate {
                dataset: dataset.clone(),
                index,
                first_line,
            }),
            None => {
                self.seen[set].insert(index, line);
                Ok(prediction)
            }
        }
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

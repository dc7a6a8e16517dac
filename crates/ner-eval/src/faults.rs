//! A file of predictions against a suite: every line that does not fit is named, counted, and fatal or left out.

mod by_type;
pub(crate) mod kind;

use std::collections::HashMap;
use std::path::Path;

use ner_types::{is_dropped_label, normalize_label, render_answer};

use self::by_type::Replies;
pub use self::kind::{Fault, FaultKind, Faults};
use crate::error::Error;
use crate::load::{LoadedSuite, OnFault};
use crate::matching::{Keys, MatchedBy, Matcher};
use crate::prediction::Prediction;
use crate::rows::{PredictionRow, ReadRow, Said, read_rows};
use crate::suite::Suite;

/// Predictions that fit a suite, and what did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedPredictions {
    /// The usable predictions, in the order of the file.
    pub predictions: Vec<Prediction>,
    /// Everything else.
    pub faults: Faults,
}

/// Reads a file of predictions, as [`read_rows`] does, for a suite.
///
/// A prediction belongs to the sentence of its identifier, of its dataset and index, or of its text, by
/// [`Matcher::choose`]; only where it says none of them, to that of its line. [`Faults::matched_by`] tells which.
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
    let rows = read_rows(path)?;
    let mut checker = Checker::new(loaded, path, &rows);
    for (line, row) in rows {
        if let Err(kind) = checker.row(line, row) {
            checker.checked.faults.add(Some(line), kind);
        }
    }
    let (mut checked, seen, note) = checker.finish();
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

/// A prediction whose sentence is known.
struct Line {
    dataset: String,
    index: usize,
    completion: String,
    truncated: bool,
    tokens: Option<usize>,
    /// The one type that was asked for; all types if it is not there.
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
            thought: None,
        }
    }
}

struct Checker<'a> {
    sets: HashMap<&'a str, usize>,
    matcher: Matcher,
    by: MatchedBy,
    replies: Replies,
    loaded: &'a LoadedSuite,
    seen: Seen,
    checked: CheckedPredictions,
}

impl<'a> Checker<'a> {
    fn new(loaded: &'a LoadedSuite, path: &Path, rows: &[ReadRow]) -> Self {
        let names = loaded.suite.sets.iter().map(|set| set.name.as_str());
        let matcher = matcher(&loaded.suite);
        let read = rows.iter().filter_map(|(_, row)| row.as_ref().ok());
        let by = matcher.choose(&read.map(PredictionRow::keys).collect::<Vec<_>>());
        let mut checked = CheckedPredictions::default();
        checked.faults.path = path.into();
        checked.faults.matched_by = Some(by);
        Checker {
            sets: names.enumerate().map(|(i, name)| (name, i)).collect(),
            matcher,
            by,
            replies: Replies::default(),
            seen: vec![HashMap::new(); loaded.suite.sets.len()],
            loaded,
            checked,
        }
    }

    fn row(&mut self, line: usize, row: Result<PredictionRow, String>) -> Result<(), FaultKind> {
        let row = row.map_err(|found| FaultKind::NotAPrediction { found })?;
        let (dataset, index) = self.sentence(&row)?;
        let n_with_place = row.n_with_place();
        let completion = match row.said {
            Said::Completion(completion) => completion,
            Said::Entities(_) if row.label.is_some() => {
                return Err(FaultKind::NotAPrediction {
                    found: "\"type\" beside \"entities\"; it goes with a completion".into(),
                });
            }
            Said::Entities(entities) => {
                // An answer has no offsets.
                self.checked.faults.offsets_unused += n_with_place;
                render_answer(&entities)
            }
        };
        let line_of = Line {
            dataset,
            index,
            completion,
            truncated: row.truncated,
            tokens: row.tokens,
            label: row.label,
        };
        self.place(line, line_of)
    }

    /// Set and index of the sentence that a prediction belongs to.
    fn sentence(&mut self, row: &PredictionRow) -> Result<(String, usize), FaultKind> {
        let sets = &self.loaded.suite.sets;
        if let (MatchedBy::Index, Some(index)) = (self.by, row.index) {
            let dataset = match (&row.dataset, &sets[..]) {
                (Some(name), _) => name.clone(),
                (None, [set]) => set.name.clone(),
                (None, _) => {
                    let found = "no \"dataset\", of which the suite has several".into();
                    return Err(FaultKind::NotAPrediction { found });
                }
            };
            // What lies beyond the set may be of another copy; that is judged later.
            let set = self.sets.get(dataset.as_str());
            if set.is_none_or(|set| index >= sets[*set].examples.len()) {
                return Ok((dataset, index));
            }
        }
        let at = self.matcher.find(self.by, &row.keys());
        let mut at = at.map_err(|found| FaultKind::Unmatched { found })?;
        for set in sets {
            if at < set.examples.len() {
                return Ok((set.name.clone(), at));
            }
            at -= set.examples.len();
        }
        let found = format!("sentence {at}");
        Err(FaultKind::Unmatched { found })
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

/// All sentences of a suite, one set after the other. Identifiers that are there twice tell nothing apart.
fn matcher(suite: &Suite) -> Matcher {
    let sets = suite.sets.iter();
    let all = sets.flat_map(|set| set.examples.iter().map(|example| (&*set.name, example)));
    let keys = all.map(|(set, example)| Keys {
        id: example.guid.as_deref(),
        dataset: Some(set),
        sentence: Some(&example.sentence),
        ..Keys::default()
    });
    let without_ids = keys.clone().map(|keys| Keys { id: None, ..keys });
    let matcher = Matcher::new(keys).or_else(|_| Matcher::new(without_ids));
    matcher.unwrap_or_default()
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

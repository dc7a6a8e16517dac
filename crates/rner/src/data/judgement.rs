//! How training sentences stand to the sets that are scored: by the datasets that they come from, and by their words.

use std::collections::BTreeMap;

use ner_cot::leakage::{LeakKind, Leakage};
use ner_cot::near::NearDuplicates;
use ner_datasets::set_key;
use ner_eval::Suite;
use ner_types::Example;

use super::protocol::{Overlap, Protocol, Training};
use crate::error::{Error, Result};

/// The sets that are scored, as training data is compared with them.
pub(crate) struct Scored {
    /// Keys and names.
    sets: Vec<(String, String)>,
    leakage: Leakage,
    overlap: BTreeMap<String, Overlap>,
}

impl Scored {
    pub(crate) fn new(suite: &Suite) -> Result<Self> {
        let mut leakage = Leakage::new(NearDuplicates::DEFAULT_THRESHOLD)?;
        for set in &suite.sets {
            let sentences = set.examples.iter().map(|row| row.sentence.as_str());
            leakage.add_set(&set.name, sentences);
        }
        let names = suite.sets.iter().map(|set| &set.name);
        Ok(Self {
            sets: names.map(|name| (set_key(name), name.clone())).collect(),
            leakage,
            overlap: BTreeMap::new(),
        })
    }

    /// The set that a dataset is, if it is scored.
    fn of_dataset(&self, dataset: Option<&str>) -> Option<&str> {
        let key = set_key(dataset?);
        let found = self.sets.iter().find(|(known, _)| *known == key);
        found.map(|(_, name)| name.as_str())
    }

    /// Keeps the rows that are neither of a scored set nor a sentence of one; gives how many of each kind went.
    pub(crate) fn exclude(&self, rows: &mut Vec<Example>) -> (usize, usize) {
        let (mut of_set, mut same) = (0, 0);
        rows.retain(|row| {
            if self.of_dataset(row.dataset.as_deref()).is_some() {
                of_set += 1;
                return false;
            }
            let leak = self.leakage.check(&row.sentence);
            let is_same = leak.is_some_and(|leak| leak.kind == LeakKind::Exact);
            same += usize::from(is_same);
            !is_same
        });
        (of_set, same)
    }

    /// Compares the rows of one source with the sets.
    pub(crate) fn look(&mut self, rows: &[Example], mut training: Training) -> Training {
        let mut sets = Vec::new();
        for row in rows {
            let dataset = self.of_dataset(row.dataset.as_deref());
            sets.extend(dataset.map(str::to_owned));
            sets.sort_unstable();
            sets.dedup();
            let Some(leak) = self.leakage.check(&row.sentence) else {
                continue;
            };
            let overlap = self.overlap.entry(leak.set.to_owned()).or_default();
            leak.set.clone_into(&mut overlap.set);
            match leak.kind {
                LeakKind::Exact => overlap.exact += 1,
                LeakKind::Overlap => overlap.shared += 1,
                LeakKind::Near => overlap.near += 1,
            }
        }
        training.rows = rows.len();
        training.scored_sets = sets;
        training
    }

    /// What was found in all rows that were looked at.
    pub(crate) fn overlap(&self) -> Vec<Overlap> {
        self.overlap.values().cloned().collect()
    }
}

/// What a score means after all that was trained on.
pub(crate) fn protocol(held_out: &[String], training: &[Training]) -> Protocol {
    if !held_out.is_empty() {
        let domains = held_out.to_vec();
        return Protocol::HeldOut { domains };
    }
    let sets = training.iter().flat_map(|training| &training.scored_sets);
    let mut sets: Vec<String> = sets.cloned().collect();
    sets.sort_unstable();
    sets.dedup();
    if sets.is_empty() {
        Protocol::ZeroShot
    } else {
        Protocol::InDomain { sets }
    }
}

/// Keeps the sets of a benchmark that are held out; gives their names.
///
/// # Errors
/// A name that is none of the sets.
pub(crate) fn hold_out(suite: &mut Suite, names: &[String]) -> Result<Vec<String>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let known: Vec<&str> = suite.sets.iter().map(|set| set.name.as_str()).collect();
    for name in names {
        if !known.iter().any(|set| set_key(set) == set_key(name)) {
            let known = known.join(", ");
            let message = format!("data.hold_out (--hold-out): {name:?} is none of {known}");
            return Err(Error::usage(message));
        }
    }
    let is_held_out = |set: &str| names.iter().any(|name| set_key(name) == set_key(set));
    suite.sets.retain(|set| is_held_out(&set.name));
    Ok(suite.sets.iter().map(|set| set.name.clone()).collect())
}

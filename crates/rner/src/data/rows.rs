//! The rows of sources: read, drawn, shuffled and cut.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use ner_datasets::{Draw, FaultReport, LabelMap, SampleConfig, Split, draw};
use ner_types::Example;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::places::{Found, Located};
use super::protocol::SampledSet;
use crate::error::{Error, Result};

/// One set in memory.
pub(crate) struct ReadSet {
    pub(crate) name: String,
    pub(crate) examples: Vec<Example>,
}

/// Reads sets, and keeps what is to be said about them.
#[derive(Default)]
pub(crate) struct Reader {
    /// What was dropped or passed over, as sentences.
    pub(crate) notes: Vec<String>,
}

impl Reader {
    /// The rows of a split of all sets, `limit` of each; 0 takes all. A set without that split is passed over and named.
    ///
    /// # Errors
    /// A file that cannot be read or has a fault that is fatal, or no set with that split.
    pub(crate) fn sets(
        &mut self,
        found: &Found,
        split: Split,
        limit: usize,
    ) -> Result<Vec<ReadSet>> {
        let mut sets = Vec::new();
        for located in &found.sets {
            if !located.set.has(split) {
                self.notes.push(format!(
                    "{}: no {split} split, passed over",
                    located.set.name
                ));
                continue;
            }
            let mut examples = Vec::new();
            let mut rows = located.set.rows(split, located.policy)?;
            for row in rows.by_ref() {
                examples.push(row?.into_unplaced());
                if examples.len() == limit {
                    break;
                }
            }
            self.note(rows.faults());
            let name = located.set.name.clone();
            sets.push(ReadSet { name, examples });
        }
        if sets.is_empty() {
            let names: Vec<&str> = found.sets.iter().map(|l| l.set.name.as_str()).collect();
            let message = format!("no {split} split in {}", names.join(", "));
            return Err(Error::usage(message));
        }
        Ok(sets)
    }

    fn note(&mut self, faults: &[(PathBuf, FaultReport)]) {
        for (path, report) in faults {
            for (kind, n) in &report.counts {
                let path = path.display();
                let note = format!("{path}: {n} x {kind} ({})", kind.remedy());
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
            }
        }
    }

    /// The training rows of all sets in an order drawn by the seed, `limit` of each set.
    ///
    /// # Errors
    /// As [`Reader::sets`].
    pub(crate) fn shuffled(
        &mut self,
        found: &Found,
        limit: usize,
        seed: u64,
    ) -> Result<Vec<Example>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut examples = Vec::new();
        for mut set in self.sets(found, Split::Train, 0)? {
            set.examples.shuffle(&mut random);
            if limit > 0 {
                set.examples.truncate(limit);
            }
            examples.extend(set.examples.iter().map(Example::normalized));
        }
        examples.shuffle(&mut random);
        Ok(examples)
    }

    /// Draws the paper's sample from the training splits, with other names of labels.
    ///
    /// # Errors
    /// As [`Reader::sets`].
    pub(crate) fn sample(
        &mut self,
        found: &Found,
        config: &SampleConfig,
        limit: usize,
        labels: &LabelMap,
    ) -> Result<(Vec<Example>, Vec<SampledSet>)> {
        let mut sized = Vec::new();
        for located in &found.sets {
            let rows = self.count(located)?;
            let rows = if limit == 0 { rows } else { rows.min(limit) };
            sized.push((located.set.name.as_str(), rows));
        }
        let draws = draw(&sized, config);
        let mut renamed = 0;
        let mut rows = HashMap::with_capacity(draws.len());
        for (i, located) in found.sets.iter().enumerate() {
            for (at, mut example) in pick(located, i, &draws)? {
                let set = &located.set.name;
                renamed += usize::from(labels.apply(set, &mut example) > 0);
                rows.insert(at, example.normalized());
            }
        }
        if renamed > 0 {
            self.notes.push(format!(
                "GRPO prompts: labels of {renamed} rows have other names"
            ));
        }
        let drawn = |i| draws.iter().filter(|(set, _)| *set == i).count();
        let sampled = sized.iter().enumerate().map(|(i, (set, rows))| SampledSet {
            set: (*set).to_owned(),
            rows: *rows,
            drawn: drawn(i),
        });
        let sampled = sampled.collect();
        let changed = || Error::invalid("a file changed while it was read");
        let taken = draws.iter().map(|at| rows.remove(at).ok_or_else(changed));
        Ok((taken.collect::<Result<_>>()?, sampled))
    }

    fn count(&mut self, located: &Located) -> Result<usize> {
        let mut rows = located.set.rows(Split::Train, located.policy)?;
        let mut n = 0;
        for row in rows.by_ref() {
            row?;
            n += 1;
        }
        self.note(rows.faults());
        if n == 0 {
            self.notes
                .push(format!("{}: no train split, passed over", located.set.name));
        }
        Ok(n)
    }
}

/// The drawn rows of the `i`-th set.
fn pick(located: &Located, i: usize, draws: &[Draw]) -> Result<Vec<(Draw, Example)>> {
    let of_set = draws.iter().filter(|(set, _)| *set == i);
    let wanted: BTreeSet<usize> = of_set.map(|(_, row)| *row).collect();
    let Some(last) = wanted.last() else {
        return Ok(Vec::new());
    };
    let rows = located.set.rows(Split::Train, located.policy)?;
    let mut picked = Vec::with_capacity(wanted.len());
    for (k, row) in rows.take(last + 1).enumerate() {
        let row = row?;
        if wanted.contains(&k) {
            picked.push(((i, k), row.into_unplaced()));
        }
    }
    Ok(picked)
}

//! One run against another, set by set: what was gained, how sure that is, and in how many sentences.

use std::fs;
use std::path::{Path, PathBuf};

use ner_score::bootstrap::paired_bootstrap;
use ner_score::randomization::approximate_randomization;
use ner_score::{Counts, Scorer, holm, score_sentence, total};
use serde::{Deserialize, Serialize};

use crate::analysis::answers;
use crate::error::Error;
pub use crate::gain::{Comparison, Gain};
use crate::load::OnFault;
use crate::options::EvalOptions;
use crate::page;
use crate::prediction::Prediction;
use crate::suite::Suite;

/// Name of the file with a run's counts, beside its results.
pub const SCORES_FILE: &str = "scores.json";

/// Largest count of a sentence that is believed; the sums of a file stay far below what a number can hold.
const MOST: usize = 1 << 31;

/// The counts of every sentence of a run: what two runs are compared by, without the data and the answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunScores {
    /// The preset that counted.
    pub scorer: Scorer,
    /// The sets, in the order of the suite.
    pub sets: Vec<SetScores>,
}

/// The counts of a set's answered sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetScores {
    /// Name of the set.
    pub name: String,
    /// Positions of the sentences, ascending, from 0.
    pub index: Vec<usize>,
    /// True positives of each sentence, in the scorer's units.
    pub tp: Vec<usize>,
    /// Predicted items of each sentence.
    pub predicted: Vec<usize>,
    /// Gold items of each sentence.
    pub gold: Vec<usize>,
}

impl RunScores {
    /// Counts every answered sentence under a preset. Predictions must fit the suite.
    pub fn new(suite: &Suite, predictions: &[Prediction], scorer: Scorer) -> RunScores {
        let sets = suite.sets.iter().map(|set| {
            let mut scores = SetScores {
                name: set.name.clone(),
                ..SetScores::default()
            };
            for answer in answers(set, predictions) {
                let counts = score_sentence(scorer, &answer.sentence(scorer))
                    .tally
                    .counts(scorer);
                scores.push(answer.prediction.index, counts);
            }
            scores
        });
        RunScores {
            scorer,
            sets: sets.collect(),
        }
    }

    /// Reads the counts of a run: its folder, or the file itself.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not one.
    pub fn read(path: &Path) -> Result<RunScores, Error> {
        let path = if path.is_dir() {
            path.join(SCORES_FILE)
        } else {
            PathBuf::from(path)
        };
        let bytes = fs::read(&path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let scores: RunScores =
            serde_json::from_slice(&bytes).map_err(|error| Error::ScoresFile {
                path: path.clone(),
                found: error.to_string(),
            })?;
        let fault = scores
            .sets
            .iter()
            .find_map(|set| Some((&set.name, set.fault()?)));
        match fault {
            Some((name, fault)) => Err(Error::ScoresFile {
                found: format!("{name:?}, whose {fault}"),
                path,
            }),
            None => Ok(scores),
        }
    }

    /// The same without some sets.
    fn without(&self, names: &[String]) -> RunScores {
        let kept = self.sets.iter().filter(|set| !names.contains(&set.name));
        RunScores {
            scorer: self.scorer,
            sets: kept.cloned().collect(),
        }
    }

    /// Writes the counts into a run's folder, so that the file appears only when complete.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<PathBuf, Error> {
        let path = dir.join(SCORES_FILE);
        ner_datasets::write_atomic(&path, |out| {
            serde_json::to_writer(&mut *out, self)?;
            out.write_all(b"\n")
        })?;
        Ok(path)
    }
}

impl SetScores {
    fn push(&mut self, index: usize, counts: Counts) {
        self.index.push(index);
        self.tp.push(counts.tp);
        self.predicted.push(counts.predicted);
        self.gold.push(counts.gold);
    }

    fn counts(&self, at: usize) -> Counts {
        Counts {
            tp: self.tp[at],
            predicted: self.predicted[at],
            gold: self.gold[at],
        }
    }

    /// What cannot be, in a few words.
    fn fault(&self) -> Option<&'static str> {
        let lengths = [self.tp.len(), self.predicted.len(), self.gold.len()];
        let is_equal = lengths.iter().all(|n| *n == self.index.len());
        if !is_equal || !self.index.is_sorted_by(|a, b| a < b) {
            return Some("lists differ in length or order");
        }
        let can_be = |at| {
            let Counts {
                tp,
                predicted,
                gold,
            } = self.counts(at);
            let most = predicted.max(gold).max(tp);
            most <= MOST && 2 * tp <= predicted + gold
        };
        (!(0..self.index.len()).all(can_be))
            .then_some("counts cannot be: more is right than was found")
    }
}

/// Two runs on the sentences of one set that both answered.
pub(crate) struct Paired {
    pub(crate) name: String,
    pub(crate) first: Vec<Counts>,
    pub(crate) second: Vec<Counts>,
    unpaired: usize,
}

/// Compares two runs that were counted by the same preset on the same data: the gain of `second` over `first`.
///
/// Sets that one of the runs lacks or answered nothing of have no part in the mean, and are named in the result.
///
/// # Errors
///
/// If the runs were counted differently or on different gold, have no answered set in common, or, unless `on_fault`
/// says to leave such sentences out, if a sentence of a set that both answered is in one run only.
pub fn compare_runs(
    first: &RunScores,
    second: &RunScores,
    options: &EvalOptions,
    on_fault: OnFault,
) -> Result<Comparison, Error> {
    check_scorers(first, second)?;
    let mut unanswered_sets = unanswered_sets(first, second);
    let [first, second] = [first, second].map(|run| run.without(&unanswered_sets));
    let mut pairs = pairs_in_common(&first, &second, on_fault)?;
    let unpaired = pairs.iter().map(|pair| pair.unpaired).sum();
    // Both answered some of it, and never the same sentence.
    let disjoint = pairs.extract_if(.., |pair| pair.first.is_empty());
    unanswered_sets.extend(disjoint.map(|pair| pair.name));
    if pairs.is_empty() {
        return Err(Error::NothingInCommon);
    }
    let mut sets = Vec::new();
    for pair in &pairs {
        sets.push(gain(&pair.name, std::slice::from_ref(pair), options)?);
    }
    let p_values: Vec<f64> = sets.iter().map(|set| set.p_randomization).collect();
    for (set, corrected) in sets.iter_mut().zip(holm(&p_values)) {
        set.p_holm = corrected;
    }
    Ok(Comparison {
        scorer: first.scorer,
        mean: gain("mean", &pairs, options)?,
        sets,
        unpaired,
        unpaired_sets: unpaired_sets(&first, &second),
        unanswered_sets,
        resamples: options.resamples,
        seed: options.seed,
    })
}

/// Pairs two runs set by set, in the order of the first.
///
/// # Errors
///
/// As [`compare_runs`].
pub(crate) fn pair_sets(
    first: &RunScores,
    second: &RunScores,
    on_fault: OnFault,
) -> Result<Vec<Paired>, Error> {
    check_scorers(first, second)?;
    if let (Some(set), OnFault::Fatal) = (unpaired_sets(first, second).first(), on_fault) {
        return Err(Error::UnpairedSet { set: set.clone() });
    }
    pairs_in_common(first, second, on_fault)
}

fn check_scorers(first: &RunScores, second: &RunScores) -> Result<(), Error> {
    if first.scorer == second.scorer {
        return Ok(());
    }
    Err(Error::OtherScorer {
        expected: first.scorer.name(),
        found: second.scorer.name(),
    })
}

/// The sets that both runs have.
fn pairs_in_common(
    first: &RunScores,
    second: &RunScores,
    on_fault: OnFault,
) -> Result<Vec<Paired>, Error> {
    let mut pairs = Vec::new();
    for a in &first.sets {
        if let Some(b) = second.sets.iter().find(|b| b.name == a.name) {
            pairs.push(pair(a, b, on_fault)?);
        }
    }
    if pairs.is_empty() {
        return Err(Error::NothingInCommon);
    }
    Ok(pairs)
}

/// Names of the sets that both runs have and one of them, or both, answered nothing of.
fn unanswered_sets(first: &RunScores, second: &RunScores) -> Vec<String> {
    let is_empty = |run: &RunScores, name: &str| {
        let set = run.sets.iter().find(|set| set.name == name);
        set.map(|set| set.index.is_empty())
    };
    let names = first.sets.iter().map(|set| &set.name);
    let unanswered = names.filter(|name| {
        let sides = [is_empty(first, name), is_empty(second, name)];
        sides.contains(&Some(true)) && !sides.contains(&None)
    });
    unanswered.cloned().collect()
}

/// Names of the sets that one of the runs lacks.
fn unpaired_sets(first: &RunScores, second: &RunScores) -> Vec<String> {
    let lacking = |these: &RunScores, those: &RunScores| -> Vec<String> {
        let has = |name: &String| those.sets.iter().any(|set| set.name == *name);
        let names = these.sets.iter().map(|set| set.name.clone());
        names.filter(|name| !has(name)).collect()
    };
    let mut names = lacking(first, second);
    names.extend(lacking(second, first));
    names
}

fn pair(a: &SetScores, b: &SetScores, on_fault: OnFault) -> Result<Paired, Error> {
    let mut paired = Paired {
        name: a.name.clone(),
        first: Vec::new(),
        second: Vec::new(),
        unpaired: 0,
    };
    let (mut i, mut j) = (0, 0);
    while i < a.index.len() || j < b.index.len() {
        let next =
            [a.index.get(i), b.index.get(j)].map(|index| index.copied().unwrap_or(usize::MAX));
        let index = next[0].min(next[1]);
        if next[0] == next[1] {
            let (x, y) = (a.counts(i), b.counts(j));
            check_gold(&a.name, index, x, y)?;
            paired.first.push(x);
            paired.second.push(y);
        } else if on_fault == OnFault::Fatal {
            return Err(Error::Unpaired {
                dataset: a.name.clone(),
                index,
            });
        } else {
            paired.unpaired += 1;
        }
        i += usize::from(next[0] == index);
        j += usize::from(next[1] == index);
    }
    Ok(paired)
}

fn check_gold(name: &str, index: usize, a: Counts, b: Counts) -> Result<(), Error> {
    if a.gold == b.gold {
        Ok(())
    } else {
        Err(Error::OtherGold {
            dataset: name.into(),
            index,
            expected: a.gold,
            found: b.gold,
        })
    }
}

fn gain(name: &str, pairs: &[Paired], options: &EvalOptions) -> Result<Gain, Error> {
    let first: Vec<&[Counts]> = pairs.iter().map(|pair| pair.first.as_slice()).collect();
    let second: Vec<&[Counts]> = pairs.iter().map(|pair| pair.second.as_slice()).collect();
    let (seed, resamples) = (options.seed, options.resamples);
    let bootstrap = paired_bootstrap(&second, &first, seed, resamples)?;
    let shuffled = approximate_randomization(&second, &first, seed, resamples)?;
    let mean = |runs: &[&[Counts]]| {
        runs.iter().map(|set| total(set).f1_percent()).sum::<f64>() / runs.len() as f64
    };
    let sentences = pairs
        .iter()
        .flat_map(|pair| pair.first.iter().zip(&pair.second));
    let count = |test: fn(f64, f64) -> bool| {
        sentences
            .clone()
            .filter(|(a, b)| test(sentence_f1(a), sentence_f1(b)))
            .count()
    };
    Ok(Gain {
        name: name.into(),
        sentences: sentences.clone().count(),
        first: mean(&first),
        second: mean(&second),
        gain: bootstrap.difference * 100.0,
        interval: bootstrap.interval.percent(),
        p_bootstrap: bootstrap.p_value,
        p_randomization: shuffled.p_value,
        p_holm: shuffled.p_value,
        better: count(|a, b| b > a),
        worse: count(|a, b| b < a),
    })
}

/// F1 of one sentence; a rightly empty answer is as good as can be.
fn sentence_f1(counts: &Counts) -> f64 {
    match counts.gold + counts.predicted {
        0 => 1.0,
        _ => counts.f1(),
    }
}

impl Comparison {
    /// The comparison as a page: one file that needs no network and no script.
    ///
    /// # Errors
    ///
    /// If the template cannot be filled, which is a fault of this crate.
    pub fn to_html(&self, first: &str, second: &str) -> Result<String, Error> {
        page::render_comparison(self, first, second)
    }
}

//! What an evaluation found, as written to disk and read by the report.

use ner_score::mean::round_2;
use ner_score::{Counts, Filtered, Interval};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::prediction::{FailedRequest, Prediction};

/// The scores of one system on a suite. All F1, precision, recall and intervals are in percent.
///
/// Serialised, it begins with the object `f1`: F1 in percent by dataset name and their `average`, each rounded as in
/// the paper; `null` for a set without any answer. Read back, that object is passed over, as it repeats the sets.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct EvalResult {
    /// Name of the suite.
    pub suite: String,
    /// One result per set, in the order of the suite.
    pub sets: Vec<SetResult>,
    /// Mean of the sets' micro-F1, exactly; over the sets that have an answer.
    pub mean_f1: f64,
    /// The mean as the paper computes it: of scores rounded to two decimals, rounded again.
    pub mean_f1_paper: f64,
    /// 95 % bootstrap interval of `mean_f1`, over sentences.
    pub interval: Interval,
    /// Resamples of the bootstrap.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Whether every sentence of the suite was answered.
    pub complete: bool,
    /// Sentences that could not be answered although it was tried; they are among the unanswered ones.
    #[serde(default)]
    pub failures: Vec<FailedRequest>,
    /// The answers themselves; they have a file of their own and are not part of the serialised result.
    #[serde(skip)]
    pub predictions: Vec<Prediction>,
}

impl EvalResult {
    /// The result of a set by its name.
    pub fn set(&self, name: &str) -> Option<&SetResult> {
        self.sets.iter().find(|set| set.name == name)
    }

    /// Exact mean of the micro-F1 of those sets whose name is accepted, in percent; `None` if there is none. With
    /// `|name| name.starts_with("CrossNER_")` it leaves out the two MIT sets, whose training data the paper's
    /// reinforcement learning may have seen.
    pub fn mean_over(&self, accept: impl Fn(&str) -> bool) -> Option<f64> {
        let f1: Vec<f64> = self
            .sets
            .iter()
            .filter(|set| accept(&set.name))
            .map(|set| set.f1)
            .collect();
        (!f1.is_empty()).then(|| f1.iter().sum::<f64>() / f1.len() as f64)
    }
}

impl Serialize for EvalResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rounded = self.sets.iter().map(|set| {
            // Without an answer there is no score.
            let f1 = (set.sentences > 0).then(|| round_2(set.f1));
            (set.name.clone(), Value::from(f1))
        });
        let average = ("average".to_string(), Value::from(self.mean_f1_paper));
        let f1: Map<String, Value> = rounded.chain([average]).collect();
        let mut out = serializer.serialize_struct("EvalResult", 10)?;
        out.serialize_field("f1", &f1)?;
        out.serialize_field("suite", &self.suite)?;
        out.serialize_field("sets", &self.sets)?;
        out.serialize_field("mean_f1", &self.mean_f1)?;
        out.serialize_field("mean_f1_paper", &self.mean_f1_paper)?;
        out.serialize_field("interval", &self.interval)?;
        out.serialize_field("resamples", &self.resamples)?;
        out.serialize_field("seed", &self.seed)?;
        out.serialize_field("complete", &self.complete)?;
        out.serialize_field("failures", &self.failures)?;
        out.end()
    }
}

/// The scores of one system on one set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetResult {
    /// Name of the set.
    pub name: String,
    /// Sentences answered; the scores are over these.
    pub sentences: usize,
    /// Sentences without an answer, because the evaluation was stopped.
    pub unanswered: usize,
    /// Pairs of (normalised text, label), summed over the sentences.
    pub counts: Counts,
    /// Entities with labels such as `misc`, and which side they were left out of.
    #[serde(default)]
    pub filtered: Filtered,
    /// Precision in percent.
    pub precision: f64,
    /// Recall in percent.
    pub recall: f64,
    /// Micro-F1 in percent.
    pub f1: f64,
    /// 95 % bootstrap interval of `f1`, over sentences.
    pub interval: Interval,
    /// Answers that are not JSON of the shape asked for.
    pub parse_failures: usize,
    /// Predicted entities whose label is not in the schema. They are scored, as false positives.
    pub schema_violations: usize,
    /// Predicted entities whose text does not stand in the sentence, letter by letter. They are scored.
    pub hallucinated_entities: usize,
    /// Answers that reached the length limit.
    pub truncated: usize,
    /// Lengths of the reasoning in characters, over the answers that have any; `None` if none has.
    pub reasoning_chars: Option<Lengths>,
}

/// Median and 95th percentile of lengths, by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengths {
    /// How many lengths there are.
    pub count: usize,
    /// Half of them are at most this long.
    pub median: usize,
    /// 95 % of them are at most this long.
    pub p95: usize,
}

impl Lengths {
    /// `None` if there are no lengths.
    pub(crate) fn of(mut lengths: Vec<usize>) -> Option<Lengths> {
        lengths.sort_unstable();
        let rank = |percent: usize| {
            lengths
                .get((lengths.len() * percent).div_ceil(100).saturating_sub(1))
                .copied()
        };
        Some(Lengths {
            count: lengths.len(),
            median: rank(50)?,
            p95: rank(95)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_by_nearest_rank() {
        assert_eq!(Lengths::of(vec![]), None);
        assert_eq!(
            Lengths::of(vec![7]),
            Some(Lengths {
                count: 1,
                median: 7,
                p95: 7
            })
        );
        assert_eq!(
            Lengths::of((1..=100).rev().collect()),
            Some(Lengths {
                count: 100,
                median: 50,
                p95: 95
            })
        );
        assert_eq!(
            Lengths::of(vec![3, 1, 2, 9]),
            Some(Lengths {
                count: 4,
                median: 2,
                p95: 9
            })
        );
    }
}

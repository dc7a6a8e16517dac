//! F1 and schema rewards of a completion, with their weighted sum and its breakdown.
//!
//! The rewards of *A Reasoning Paradigm for Named Entity Recognition* (arXiv 2511.11978), as its code gives them:
//! R = 10·F1 + 1·schema, in [0, 11]. The F1 is that of one sentence, between the sets of (normalised text, label); the
//! schema reward is 1 if the answer is JSON that uses no label outside the schema.
//!
//! ```
//! use ner_rewards::{RewardWeights, score};
//! use ner_types::Entity;
//!
//! let schema = ["city".to_string()];
//! let gold = [Entity::new("Port Halvek", "city")];
//! let reward = |completion| score(completion, &schema, &gold, &RewardWeights::default()).total;
//!
//! assert_eq!(reward("<think>\nA port.\n</think>\n{\"entities\": {\"city\": [\"Port Halvek\"]}}"), 11.0);
//! assert_eq!(reward("{\"entities\": {}}"), 1.0);
//! assert_eq!(reward("I think it is Port Halvek."), 0.0);
//! ```
//!
//! # What malformed answers earn
//!
//! The answer is read by [`ner_types::parse`]; what is odd below is odd in the reference and kept, so that a run can
//! be compared with the paper's. Only its crashes are not kept: they earn 0.
//!
//! | completion | F1 | schema |
//! |---|---|---|
//! | no entities, and gold has none | 0 (0/0 counts as 0) | 1 |
//! | `{}`, `[]`, `42`, `null`, `NaN`: JSON without entities | 0 | 1 |
//! | a label outside the schema | false positives | 0 |
//! | a label outside the schema with an empty list | no effect | 1 |
//! | a label in another case, or padded | accepted | accepted |
//! | duplicates ("Ann", "ann", "the Ann") | collapse to one | – |
//! | items of a list that are not strings | skipped | skipped |
//! | a string instead of a list | each character is an entity | by its label |
//! | an object instead of a list | its keys are entities | by its label |
//! | `entities` a list or null, a label's value null or a number | 0 | 0 |
//! | not JSON, text around the JSON, a fence without `json`, truncated JSON | 0 | 0 |
//! | `<think>` never closed, text before a lone `</think>` | 0 | 0 |
//! | a JSON fence or `<answer>` never closed (the reference crashes) | 0 | 0 |

use std::collections::HashSet;

use ner_score::EntitySet;
use ner_types::{Completion, Entity, is_dropped_label, normalize_label, parse};
use serde::{Deserialize, Serialize};

/// How much each reward counts in the total.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RewardWeights {
    /// Weight of the F1, 10 in the paper.
    pub f1: f64,
    /// Weight of the schema reward, 1 in the paper.
    pub schema: f64,
}

impl Default for RewardWeights {
    fn default() -> Self {
        RewardWeights {
            f1: 10.0,
            schema: 1.0,
        }
    }
}

/// The rewards of one completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// F1 of the predicted entities of this sentence, unweighted, in [0, 1].
    pub f1: f64,
    /// 1 if the answer is JSON and no predicted label is outside the schema, else 0; unweighted.
    pub schema: f64,
    /// Weighted sum of the two.
    pub total: f64,
}

/// What the completions of one prompt are compared with: the schema and the gold entities, normalised once.
///
/// Labels are normalised and placeholder labels (`misc`, `other`, …) leave the schema, as in the paper's loader. The
/// gold entities are taken as they are, labels normalised: [`ner_types::Example::normalized`] is what removes those
/// outside the schema.
#[derive(Clone, Debug)]
pub struct Target {
    schema: HashSet<String>,
    gold: EntitySet,
}

impl Target {
    /// Normalises a schema and gold entities.
    pub fn new(schema: &[String], gold: &[Entity]) -> Self {
        let labels = schema.iter().map(|label| normalize_label(label));
        Target {
            schema: labels.filter(|label| !is_dropped_label(label)).collect(),
            gold: EntitySet::new(gold),
        }
    }

    /// Rewards of a completion's text. Defined for every text.
    pub fn score(&self, completion: &str, weights: &RewardWeights) -> Breakdown {
        self.score_parsed(&parse(completion), weights)
    }

    /// Rewards of a completion that has been read already.
    pub fn score_parsed(&self, completion: &Completion, weights: &RewardWeights) -> Breakdown {
        let f1 = self
            .gold
            .compare(&EntitySet::new(&completion.entities))
            .f1();
        let schema = f64::from(u8::from(self.follows_schema(completion)));
        Breakdown {
            f1,
            schema,
            total: weights.f1 * f1 + weights.schema * schema,
        }
    }

    fn follows_schema(&self, completion: &Completion) -> bool {
        let in_schema = |entity: &Entity| self.schema.contains(&normalize_label(&entity.label));
        completion.is_json && completion.entities.iter().all(in_schema)
    }
}

/// Rewards of one completion. Defined for every text; never panics.
pub fn score(
    completion: &str,
    schema: &[String],
    gold: &[Entity],
    weights: &RewardWeights,
) -> Breakdown {
    Target::new(schema, gold).score(completion, weights)
}

/// Rewards of a group: many completions of one prompt, in their order.
pub fn score_batch<T: AsRef<str>>(
    completions: &[T],
    schema: &[String],
    gold: &[Entity],
    weights: &RewardWeights,
) -> Vec<Breakdown> {
    let target = Target::new(schema, gold);
    completions
        .iter()
        .map(|completion| target.score(completion.as_ref(), weights))
        .collect()
}

#[cfg(test)]
mod tests;

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
//! Relations and events earn by the same formula: see [`Target::of`].
//!
//! Further rewards for length, format and grounding exist and are off: see [`RewardOptions`]. [`brevity()`] compares
//! the reasoning of the completions of one prompt.
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

mod batch;
mod brevity;
mod extra;
mod options;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use ner_score::EntitySet;
use ner_types::{Completion, Entity, Example, Placeholders, Problem, Task, normalize_label};
use serde::{Deserialize, Serialize};

pub use batch::{Item, score_batch, score_items};
pub use brevity::{brevity, reasoning_length};
pub use options::{ExtraWeights, LengthLimit, RewardOptions, RewardWeights};

/// The rewards of one completion. What is switched off is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Breakdown {
    /// F1 of the predicted entities of this sentence, unweighted, in [0, 1].
    pub f1: f64,
    /// 1 if the answer is JSON and no predicted label is outside the schema, else 0; unweighted.
    pub schema: f64,
    /// Unweighted, in [-1, 0]: see [`LengthLimit`].
    pub length: f64,
    /// Unweighted, 0 or 1: see [`ExtraWeights::format`].
    pub format: f64,
    /// Unweighted, in [0, 1]: see [`ExtraWeights::grounding`].
    pub grounding: f64,
    /// Weighted sum of them all.
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
    sentence: Option<String>,
    task: Task,
}

impl Target {
    /// Normalises a schema and gold entities.
    pub fn new(schema: &[String], gold: &[Entity]) -> Self {
        Self::with_placeholders(schema, gold, Placeholders::Drop)
    }

    /// As [`Target::new`], with the choice of keeping placeholder labels in the schema.
    pub fn with_placeholders(
        schema: &[String],
        gold: &[Entity],
        placeholders: Placeholders,
    ) -> Self {
        let labels = schema.iter().map(|label| normalize_label(label));
        Target {
            schema: labels.filter(|label| placeholders.keep(label)).collect(),
            gold: EntitySet::new(gold),
            sentence: None,
            task: Task::Entities,
        }
    }

    /// What the completions of an example's prompt are compared with, whatever is looked for in its sentence. The F1
    /// is that of the task's items: relations as (relation, head, tail), events as their triggers and arguments. A role
    /// that the schema's event does not have is a label outside the schema.
    ///
    /// ```
    /// use ner_rewards::{RewardWeights, Target};
    /// use ner_types::{Example, Relation};
    ///
    /// let relations = vec![Relation::new("works for", "Ann", "Acme"), Relation::new("owns", "Bo", "Acme")];
    /// let schema = vec!["works for".into(), "owns".into()];
    /// let target = Target::of(&Example { schema, relations: Some(relations), ..Example::default() });
    /// let reward = |completion| target.score(completion, &RewardWeights::default()).total;
    /// assert_eq!(reward(r#"{"relations": {"works for": [["Ann", "Acme"]], "owns": [["Bo", "Acme"]]}}"#), 11.0);
    /// assert_eq!(reward(r#"{"relations": {"works for": [["Acme", "Ann"]]}}"#), 1.0);
    /// ```
    pub fn of(example: &Example) -> Self {
        let items = example.as_items();
        let target = Target::new(&items.schema, &items.entities);
        Target {
            task: example.task(),
            ..target.in_sentence(&example.sentence)
        }
    }

    /// Adds the sentence, which the grounding reward needs.
    #[must_use]
    pub fn in_sentence(self, sentence: impl Into<String>) -> Self {
        Target {
            sentence: Some(sentence.into()),
            ..self
        }
    }

    /// The paper's rewards of a completion's text. Defined for every text.
    pub fn score(&self, completion: &str, weights: &RewardWeights) -> Breakdown {
        self.score_with(completion, &(*weights).into())
    }

    /// The paper's rewards of a completion that has been read already, by [`Task::read_items`] if it is not about
    /// entities.
    pub fn score_parsed(&self, completion: &Completion, weights: &RewardWeights) -> Breakdown {
        self.paper_rewards(completion, &(*weights).into())
    }

    /// Rewards of a completion's text, further ones included. Defined for every text.
    pub fn score_with(&self, completion: &str, options: &RewardOptions) -> Breakdown {
        let read = self.task.read_items(completion, options.read);
        let mut rewards = self.paper_rewards(&read, options);
        self.add_extra(completion, &read, options, &mut rewards);
        rewards
    }

    fn paper_rewards(&self, completion: &Completion, options: &RewardOptions) -> Breakdown {
        let f1 = self.f1(completion, options);
        let schema = f64::from(u8::from(self.follows_schema(completion, options)));
        Breakdown {
            f1,
            schema,
            total: options.weights.f1 * f1 + options.weights.schema * schema,
            ..Breakdown::default()
        }
    }

    fn f1(&self, completion: &Completion, options: &RewardOptions) -> f64 {
        let predicted = EntitySet::new(&completion.entities);
        let is_empty = self.gold.is_empty() && predicted.is_empty();
        if options.reward_empty && is_empty && has_entities_key(completion) {
            return 1.0;
        }
        self.gold.compare(&predicted).f1()
    }

    fn follows_schema(&self, completion: &Completion, options: &RewardOptions) -> bool {
        let in_schema = |entity: &Entity| self.schema.contains(&normalize_label(&entity.label));
        completion.is_json
            && (!options.require_shape || has_entities_key(completion))
            && completion.entities.iter().all(in_schema)
    }
}

/// Whether the answer is JSON of the shape that was asked for.
fn has_entities_key(completion: &Completion) -> bool {
    let is_wrong = |problem: &Problem| matches!(problem, Problem::WrongShape(_));
    completion.is_json && !completion.problems.iter().any(is_wrong)
}

/// The paper's rewards of one completion. Defined for every text; never panics.
pub fn score(
    completion: &str,
    schema: &[String],
    gold: &[Entity],
    weights: &RewardWeights,
) -> Breakdown {
    Target::new(schema, gold).score(completion, weights)
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

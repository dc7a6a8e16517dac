//! Relations and events under the rules of their fields, beside the one rule that everything is counted by.

use ner_score::structures::{count_events, count_relations};
use ner_score::{Counts, mean::mean_f1};
use ner_types::{Example, ReadMode, Task};
use serde::{Deserialize, Serialize};

use crate::analysis::answers;
use crate::prediction::Prediction;
use crate::suite::{EvalSet, Suite};

/// A rule of `ner_score::structures` and the score under it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleScore {
    /// Its name there, such as `boundaries`.
    pub rule: String,
    /// Counts of each set, in the order of the suite.
    pub counts: Vec<Counts>,
    /// Mean micro-F1 of the sets that have an answer, in percent.
    pub mean_f1: f64,
}

/// The scores of a suite of relations or events under each rule; none of a suite of entities.
pub(crate) fn rule_scores(suite: &Suite, predictions: &[Prediction]) -> Vec<RuleScore> {
    let mut examples = suite.sets.iter().flat_map(|set| &set.examples);
    let task = examples.next().map_or(Task::Entities, Example::task);
    if task.is_entities() {
        return Vec::new();
    }
    let sets: Vec<_> = suite
        .sets
        .iter()
        .map(|set| of_set(task, set, predictions))
        .collect();
    let rules = sets
        .first()
        .map_or(&[][..], |(_, rules)| rules)
        .iter()
        .enumerate();
    let score = |(i, (rule, _)): (usize, &(&'static str, Counts))| {
        let answered = sets.iter().filter(|(n_answers, _)| *n_answers > 0);
        let answered: Vec<Counts> = answered.map(|(_, rules)| rules[i].1).collect();
        RuleScore {
            rule: (*rule).to_owned(),
            counts: sets.iter().map(|(_, rules)| rules[i].1).collect(),
            mean_f1: mean_f1(&answered) * 100.0,
        }
    };
    rules.map(score).collect()
}

/// The scores in a line.
pub(crate) fn in_words(scores: &[RuleScore]) -> String {
    let words = scores
        .iter()
        .map(|score| format!("{} {:.2}", score.rule, score.mean_f1));
    let words: Vec<String> = words.collect();
    if words.is_empty() {
        return String::new();
    }
    format!("mean F1 by rule: {}\n", words.join(", "))
}

/// How many sentences of a set are answered, and the counts under each rule.
fn of_set(
    task: Task,
    set: &EvalSet,
    predictions: &[Prediction],
) -> (usize, Vec<(&'static str, Counts)>) {
    let answered = answers(set, predictions);
    let gold = |index: usize| set.examples[index].normalized();
    let read = answered.iter().map(|answer| {
        let text = &answer.prediction.completion;
        let found = task.read(text, ReadMode::Reference);
        (gold(answer.prediction.index), found)
    });
    let rules = if task == Task::Relations {
        let mut sum = ner_score::structures::RelationCounts::default();
        for (gold, found) in read {
            let relations = gold.relations.as_deref().unwrap_or_default();
            sum += count_relations(relations, &found.relations, &gold.schema);
        }
        vec![
            ("boundaries", sum.boundaries),
            ("strict", sum.strict),
            ("relaxed", sum.relaxed),
        ]
    } else {
        let mut sum = ner_score::structures::EventCounts::default();
        for (gold, found) in read {
            sum += count_events(gold.events.as_deref().unwrap_or_default(), &found.events);
        }
        vec![
            ("trigger_identification", sum.trigger_identification),
            ("trigger_classification", sum.trigger_classification),
            ("argument_identification", sum.argument_identification),
            ("argument_classification", sum.argument_classification),
            ("trigger_relaxed", sum.trigger_relaxed),
            ("argument_relaxed", sum.argument_relaxed),
        ]
    };
    (answered.len(), rules)
}

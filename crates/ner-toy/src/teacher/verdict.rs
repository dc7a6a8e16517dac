//! The simulated judge: does the answer follow from the reasoning, and is it right?

use std::collections::BTreeSet;

use ner_types::{Entity, normalize_label};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::teacher::gold::{GoldEntry, concluded, in_schema, is_about, steps};
use crate::teacher::prompt::Case;

/// A score from 0 to 10 and what it rests on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) score: u8,
    pub(super) reason: String,
}

/// Judges one case; `noise` is the share of scores on the wrong side of 9.
pub(super) fn judge(
    case: &Case<'_>,
    gold: &GoldEntry,
    noise: f64,
    rng: &mut ChaCha8Rng,
) -> Verdict {
    let (low, high, reason) = match objection(case, gold) {
        Some((Objection::Inconsistent, reason)) => (0, 3, reason),
        Some((Objection::Wrong, reason)) => (4, 6, reason),
        None => (
            9,
            10,
            "the answer follows from the reasoning and is complete".into(),
        ),
    };
    let score = match (rng.random_bool(noise), high < 9) {
        (false, _) => rng.random_range(low..=high),
        (true, true) => 9,
        (true, false) => rng.random_range(7..=8),
    };
    Verdict { score, reason }
}

enum Objection {
    Inconsistent,
    Wrong,
}

fn objection(case: &Case<'_>, gold: &GoldEntry) -> Option<(Objection, String)> {
    let read = ner_types::parse(case.answer).entities;
    let answer: BTreeSet<Entity> = read
        .iter()
        .map(|e| Entity::new(e.text.as_str(), normalize_label(&e.label)))
        .collect();
    if let Some(reason) = inconsistency(case, &answer) {
        return Some((Objection::Inconsistent, reason));
    }
    let gold = in_schema(&case.task.schema, &gold.entities)
        .into_iter()
        .collect();
    let missing = difference(&gold, &answer).map(|e| format!("{e} is missing"));
    let wrong = difference(&answer, &gold).map(|e| format!("{e} is wrong"));
    wrong.or(missing).map(|reason| (Objection::Wrong, reason))
}

/// Where answer and reasoning disagree.
fn inconsistency(case: &Case<'_>, answer: &BTreeSet<Entity>) -> Option<String> {
    let steps = steps(case.reasoning);
    let unexplained = answer.iter().find(|e| !case.reasoning.contains(&e.text));
    if let Some(entity) = unexplained {
        return Some(format!("the reasoning does not mention {}", show(entity)));
    }
    let labels: Vec<String> = case
        .task
        .schema
        .iter()
        .map(|l| normalize_label(l))
        .collect();
    for step in steps {
        let Some(label) = concluded(step).map(normalize_label) else {
            continue;
        };
        let subject = step
            .strip_prefix('"')
            .and_then(|rest| rest.split('"').next());
        let Some(text) = subject.filter(|_| labels.contains(&label)) else {
            continue;
        };
        let about: Vec<&Entity> = answer.iter().filter(|e| is_about(step, &e.text)).collect();
        if !about.iter().any(|e| e.label == label) {
            return Some(format!(
                "the reasoning calls {text:?} {label:?}, the answer does not"
            ));
        }
    }
    None
}

fn difference(left: &BTreeSet<Entity>, right: &BTreeSet<Entity>) -> Option<String> {
    left.difference(right).next().map(show)
}

fn show(entity: &Entity) -> String {
    format!("{:?} as {:?}", entity.text, entity.label)
}

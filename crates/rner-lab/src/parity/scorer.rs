//! The paper's parser and rewards on completions, many of them malformed.

use std::collections::BTreeSet;

use anyhow::Result;
use ner_rewards::{Breakdown, RewardWeights, score};
use ner_score::{Counts, EntitySet};
use ner_types::{Entity, Example, parse, render_answer};
use serde::Deserialize;

use super::board::Board;
use super::compare::{Comparison, Tolerance};
use super::files::read_json;
use super::layout::Part;

/// Of rewards: equal up to the last bits, which reading a number from JSON may change.
const REWARD: Tolerance = Tolerance::Absolute(1e-12);

#[derive(Deserialize)]
struct File {
    corpus_f1_of_cases_the_reference_parses: f64,
    cases: Vec<Case>,
}

/// Texts and labels, in this order.
type Pairs = BTreeSet<(String, String)>;

#[derive(Deserialize)]
struct Case {
    completion: String,
    schema_in: Vec<String>,
    schema: Vec<String>,
    gold_in: Vec<(String, String)>,
    gold: Pairs,
    gold_completion: String,
    parsed: Pairs,
    reference_crashed: bool,
    f1_reward: f64,
    schema_reward: f64,
}

/// Compares every case.
pub(super) fn check(part: &Part, board: &mut Board) -> Result<()> {
    let file: File = read_json(&part.path)?;
    let cases = &file.cases;
    let mut add = |what: &str, comparison: Comparison| {
        board.run(format!("{}: {what}", part.name), || Ok(comparison));
    };
    add("gold as the paper's loader sees it", gold(cases));
    add("entities of the completions", parsed(cases));
    add(
        "F1 reward",
        rewards(cases, |found| found.f1, |case| case.f1_reward),
    );
    add(
        "schema reward",
        rewards(cases, |found| found.schema, |case| case.schema_reward),
    );
    add(
        "corpus F1",
        corpus_f1(cases, file.corpus_f1_of_cases_the_reference_parses),
    );
    Ok(())
}

impl Case {
    fn example(&self) -> Example {
        let entities = self.gold_in.iter();
        let entities = entities.map(|(text, label)| Entity::new(text, label));
        Example {
            schema: self.schema_in.clone(),
            entities: entities.collect(),
            ..Example::default()
        }
        .normalized()
    }
}

fn pairs(set: &EntitySet) -> Pairs {
    let pairs = set.iter();
    pairs
        .map(|(label, text)| (text.to_owned(), label.to_owned()))
        .collect()
}

fn gold(cases: &[Case]) -> Comparison {
    let mut comparison = Comparison::new(Tolerance::Equal);
    for (i, case) in cases.iter().enumerate() {
        let example = case.example();
        let is_same = example.schema == case.schema
            && pairs(&EntitySet::new(&example.entities)) == case.gold
            && render_answer(&example.entities) == case.gold_completion;
        comparison.same(|| format!("case {i}"), is_same);
    }
    comparison
}

fn parsed(cases: &[Case]) -> Comparison {
    let mut comparison = Comparison::new(Tolerance::Equal);
    for (i, case) in cases.iter().enumerate() {
        if !case.reference_crashed {
            let found = EntitySet::new(&parse(&case.completion).entities);
            comparison.same(|| format!("case {i}"), pairs(&found) == case.parsed);
        }
    }
    comparison
}

fn rewards(
    cases: &[Case],
    found: impl Fn(&Breakdown) -> f64,
    expected: impl Fn(&Case) -> f64,
) -> Comparison {
    let mut comparison = Comparison::new(REWARD);
    for (i, case) in cases.iter().enumerate() {
        let example = case.example();
        let weights = RewardWeights::default();
        let reward = score(
            &case.completion,
            &example.schema,
            &example.entities,
            &weights,
        );
        comparison.number(|| format!("case {i}"), found(&reward), expected(case));
    }
    comparison
}

fn corpus_f1(cases: &[Case], expected: f64) -> Comparison {
    let mut counts = Counts::default();
    for case in cases.iter().filter(|case| !case.reference_crashed) {
        let predicted = EntitySet::new(&parse(&case.completion).entities);
        counts += EntitySet::new(&case.example().entities).compare(&predicted);
    }
    let mut comparison = Comparison::new(REWARD);
    comparison.number(|| "corpus".to_owned(), counts.f1(), expected);
    comparison
}

//! The paper's parser and rewards on 240 completions, many of them malformed.

use std::collections::BTreeSet;

use ner_rewards::{RewardWeights, score};
use ner_score::{Counts, EntitySet};
use ner_types::{Entity, Example, parse, render_answer};
use serde::Deserialize;

#[derive(Deserialize)]
struct Scorer {
    corpus_f1_of_cases_the_reference_parses: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    completion: String,
    schema_in: Vec<String>,
    schema: Vec<String>,
    gold_in: Vec<(String, String)>,
    gold: BTreeSet<(String, String)>,
    gold_completion: String,
    parsed: BTreeSet<(String, String)>,
    reference_crashed: bool,
    f1_reward: f64,
    schema_reward: f64,
}

/// The cases are part of the project, so no run goes without them.
fn scorer() -> Scorer {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/parity/format/scorer.json"
    );
    let text = std::fs::read_to_string(path).expect("readable");
    let scorer: Scorer = serde_json::from_str(&text).expect("cases of the expected shape");
    assert_eq!(scorer.cases.len(), 240);
    scorer
}

impl Case {
    fn example(&self) -> Example {
        let entities = self
            .gold_in
            .iter()
            .map(|(text, label)| Entity::new(text, label))
            .collect();
        Example {
            schema: self.schema_in.clone(),
            entities,
            ..Example::default()
        }
        .normalized()
    }
}

/// Equal up to the last bits, which reading a float from JSON may change.
fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

fn pairs(set: &EntitySet) -> BTreeSet<(String, String)> {
    set.iter()
        .map(|(label, text)| (text.to_string(), label.to_string()))
        .collect()
}

#[test]
fn gold_is_normalised_as_by_the_reference() {
    for case in scorer().cases {
        let example = case.example();
        assert_eq!(example.schema, case.schema, "{:?}", case.schema_in);
        assert_eq!(
            pairs(&EntitySet::new(&example.entities)),
            case.gold,
            "{:?}",
            case.gold_in
        );
        assert_eq!(render_answer(&example.entities), case.gold_completion);
    }
}

#[test]
fn rewards_are_those_of_the_reference() {
    for case in scorer().cases {
        let example = case.example();
        let reward = score(
            &case.completion,
            &example.schema,
            &example.entities,
            &RewardWeights::default(),
        );
        assert!(is_same(reward.f1, case.f1_reward), "{:?}", case.completion);
        assert_eq!(reward.schema, case.schema_reward, "{:?}", case.completion);
    }
}

#[test]
fn answers_are_read_as_by_the_reference() {
    let scorer = scorer();
    let mut counts = Counts::default();
    for case in scorer.cases.iter().filter(|case| !case.reference_crashed) {
        let predicted = EntitySet::new(&parse(&case.completion).entities);
        assert_eq!(pairs(&predicted), case.parsed, "{:?}", case.completion);
        counts += EntitySet::new(&case.example().entities).compare(&predicted);
    }
    assert!(is_same(
        counts.f1(),
        scorer.corpus_f1_of_cases_the_reference_parses
    ));
}

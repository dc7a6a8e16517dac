//! A file of scorer cases: completions with schema and gold, and what a reference says of each.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ner_rewards::{RewardWeights, score};
use ner_score::{Counts, EntitySet};
use ner_types::{Entity, Example, parse};
use serde::{Deserialize, Serialize};

/// How far a reward may be from the reference's: the last bits of a float that JSON has carried.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Cases {
    #[serde(rename = "corpus_f1_of_cases_the_reference_parses")]
    corpus_f1: Option<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    completion: String,
    schema_in: Vec<String>,
    gold_in: Vec<(String, String)>,
    parsed: Option<BTreeSet<(String, String)>>,
    #[serde(default)]
    reference_crashed: bool,
    f1_reward: Option<f64>,
    schema_reward: Option<f64>,
}

#[derive(Serialize)]
struct Output {
    cases: Vec<CaseOutput>,
    differing: Vec<usize>,
    corpus_f1: f64,
    corpus_f1_of_cases_the_reference_parses: f64,
    reference_corpus_f1: Option<f64>,
}

#[derive(Serialize)]
struct CaseOutput {
    parsed: BTreeSet<(String, String)>,
    f1_reward: f64,
    schema_reward: f64,
    agrees: bool,
    #[serde(skip)]
    counts: Counts,
}

/// Scores every case under the default preset and compares with what the file says.
pub(super) fn run(path: &Path, json: bool) -> Result<()> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let cases: Cases = serde_json::from_str(&text)
        .with_context(|| format!("{}: expected an object with scorer cases", path.display()))?;
    let output = score_cases(&cases);
    if json {
        println!("{}", serde_json::to_string_pretty(&output)?);
    } else {
        print(&output);
    }
    let is_same = |f1: f64| (f1 - output.corpus_f1_of_cases_the_reference_parses).abs() < TOLERANCE;
    if !output.differing.is_empty() || !cases.corpus_f1.is_none_or(is_same) {
        bail!(
            "{}: the scores are not those that the file expects",
            path.display()
        );
    }
    Ok(())
}

fn score_cases(cases: &Cases) -> Output {
    let scored: Vec<CaseOutput> = cases.cases.iter().map(score_case).collect();
    let all: Counts = scored.iter().map(|case| case.counts).sum();
    let read = scored
        .iter()
        .zip(&cases.cases)
        .filter(|(_, case)| !case.reference_crashed);
    let read: Counts = read.map(|(scored, _)| scored.counts).sum();
    let differing = scored.iter().enumerate().filter(|(_, case)| !case.agrees);
    Output {
        differing: differing.map(|(i, _)| i).collect(),
        corpus_f1: all.f1(),
        corpus_f1_of_cases_the_reference_parses: read.f1(),
        reference_corpus_f1: cases.corpus_f1,
        cases: scored,
    }
}

fn score_case(case: &Case) -> CaseOutput {
    let entities = case
        .gold_in
        .iter()
        .map(|(text, label)| Entity::new(text, label));
    let example = Example {
        schema: case.schema_in.clone(),
        entities: entities.collect(),
        ..Example::default()
    }
    .normalized();
    let (schema, gold) = (&example.schema, &example.entities);
    let reward = score(&case.completion, schema, gold, &RewardWeights::default());
    let predicted = EntitySet::new(&parse(&case.completion).entities);
    let pairs = predicted
        .iter()
        .map(|(label, text)| (text.to_owned(), label.to_owned()));
    let parsed: BTreeSet<_> = pairs.collect();
    let same = |expected: Option<f64>, found: f64| {
        expected.is_none_or(|expected| (expected - found).abs() < TOLERANCE)
    };
    // Where the reference crashed it has read nothing, whatever the file lists.
    let same_pairs = case.reference_crashed || case.parsed.as_ref().is_none_or(|p| *p == parsed);
    CaseOutput {
        agrees: same_pairs
            && same(case.f1_reward, reward.f1)
            && same(case.schema_reward, reward.schema),
        counts: EntitySet::new(gold).compare(&predicted),
        f1_reward: reward.f1,
        schema_reward: reward.schema,
        parsed,
    }
}

fn print(output: &Output) {
    println!("case      F1  schema");
    for (i, case) in output.cases.iter().enumerate() {
        let note = if case.agrees { "" } else { "  differs" };
        println!(
            "{i:>4}  {:.4}  {:>6}{note}",
            case.f1_reward, case.schema_reward
        );
    }
    let agreeing = output.cases.len() - output.differing.len();
    println!(
        "{agreeing} of {} cases agree with the file",
        output.cases.len()
    );
    println!("corpus F1 {}", output.corpus_f1);
    let reads = output.corpus_f1_of_cases_the_reference_parses;
    match output.reference_corpus_f1 {
        Some(expected) => {
            println!("corpus F1 of what the reference reads {reads}, expected {expected}")
        }
        None => println!("corpus F1 of what the reference reads {reads}"),
    }
}

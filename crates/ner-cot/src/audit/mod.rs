//! How often the rules are wrong: right answers that they reject, and contradictions that they miss.
//!
//! Right answers are made from gold annotation, with a reasoning in the manner of several teachers, and taken from
//! chains that were written by hand and are part of this crate. Contradictions are the same answers, spoilt in a known
//! way, and wrong answers written by hand beside the chains. Rows that bring a reasoning of their own are looked at as
//! they are.
//!
//! The generator was written by those who wrote the rules, so its rates are a lower bound of what a real teacher meets;
//! the hand-written chains are there to tell whether it flatters.

mod chains;
mod manner;
pub(crate) mod rate;
mod seeded;
mod teller;

use std::collections::BTreeMap;

use chat_client::{ChatAnswer, Finish, Usage};
use ner_types::{Entity, Example, render_answer};
use serde::Serialize;

use crate::rules::{Rule, Rules, validate};

pub use chains::{Chain, WrongAnswer, chains};
pub use manner::Manner;
pub use rate::Rate;
pub use seeded::Fault;
use seeded::{Dice, spoil};
use teller::tell;

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A chain that was written by hand.
    HandWritten,
    /// Made from the gold annotation of a row.
    Generated,
    /// The row's own reasoning.
    Own,
}

impl Origin {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::HandWritten => "hand-written",
            Self::Generated => "generated",
            Self::Own => "own",
        }
    }
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// Decides manners, variants and faults.
    pub seed: u64,
    /// The rules that are on.
    pub rules: Rules,
    /// Manners in which the reasoning is told.
    pub manners: Vec<Manner>,
    /// Most samples of each kind that are kept.
    pub samples: usize,
}

impl Default for AuditOptions {
    /// Seed 42, all rules, all manners, no samples.
    fn default() -> Self {
        Self {
            seed: 42,
            rules: Rules::default(),
            manners: Manner::ALL.into(),
            samples: 0,
        }
    }
}

/// How many answers broke a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Answers that broke any rule, of all.
    pub any: Rate,
    /// Answers that broke it, by rule.
    pub by_rule: BTreeMap<Rule, usize>,
}

impl Tally {
    fn add(&mut self, broken: &[Rule]) {
        self.any.add(!broken.is_empty());
        for rule in broken {
            *self.by_rule.entry(*rule).or_default() += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.any.merge(other.any);
        for (rule, count) in &other.by_rule {
            *self.by_rule.entry(*rule).or_default() += count;
        }
    }
}

/// Answers of one origin in one manner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Where they come from.
    pub origin: Origin,
    /// How the reasoning is told; `None` for a row's own.
    pub manner: Option<Manner>,
    /// Right answers: what the rules reject wrongly.
    pub right: Tally,
    /// Contradictions by kind: what the rules catch.
    pub wrong: BTreeMap<Fault, Tally>,
}

/// A verdict that was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditSample {
    /// Where the answer comes from.
    pub origin: Origin,
    /// How the reasoning is told.
    pub manner: Option<Manner>,
    /// The fault that was missed; `None` for a right answer that was rejected.
    pub missed: Option<Fault>,
    /// Why a right answer was rejected.
    pub findings: Vec<String>,
    /// The sentence.
    pub sentence: String,
    /// The reasoning.
    pub reasoning: String,
    /// The answer.
    pub answer: String,
}

/// An audit in progress, and its result.
#[derive(Clone, Debug)]
pub struct Audit {
    options: AuditOptions,
    rows: u64,
    skipped: BTreeMap<&'static str, usize>,
    groups: BTreeMap<(Origin, Option<Manner>), Group>,
    samples: Vec<AuditSample>,
}

/// One answer on its way to the rules.
struct Case<'a> {
    origin: Origin,
    manner: Option<Manner>,
    fault: Option<Fault>,
    schema: &'a [String],
    sentence: &'a str,
    reasoning: &'a str,
    entities: &'a [Entity],
}

impl Audit {
    /// An audit of nothing yet.
    pub fn new(options: AuditOptions) -> Self {
        Self {
            options,
            rows: 0,
            skipped: BTreeMap::new(),
            groups: BTreeMap::new(),
            samples: Vec::new(),
        }
    }

    /// Looks at the hand-written chains.
    pub fn hand_written(&mut self) {
        for chain in chains() {
            if !self.options.manners.contains(&chain.manner) {
                continue;
            }
            let case = Case {
                origin: Origin::HandWritten,
                manner: Some(chain.manner),
                fault: None,
                schema: &chain.schema,
                sentence: &chain.sentence,
                reasoning: &chain.reasoning,
                entities: &chain.answer,
            };
            self.judge(&case);
            for wrong in &chain.wrong {
                self.judge(&Case {
                    fault: Some(wrong.kind),
                    entities: &wrong.answer,
                    ..case
                });
            }
        }
    }

    /// Looks at a row: at its own reasoning if it has one, and at its gold told in each manner.
    ///
    /// A row whose annotation no right answer can have (a text that does not stand in the sentence) is only counted.
    pub fn row(&mut self, row: &Example) {
        self.rows += 1;
        let row = in_order(row);
        if let Some(reason) = unusable(&row) {
            *self.skipped.entry(reason).or_default() += 1;
            return;
        }
        if let Some(reasoning) = row.cot.clone().filter(|cot| !cot.trim().is_empty()) {
            let told = |denied: Option<usize>| denied.is_none().then(|| reasoning.clone());
            self.answers(Origin::Own, None, &row, told);
        }
        for manner in self.options.manners.clone() {
            let seed = self.options.seed;
            let dice = Dice::new(&[seed, self.rows, manner as u64]);
            let told = |denied: Option<usize>| Some(tell(manner, &row, denied, &mut dice.clone()));
            self.answers(Origin::Generated, Some(manner), &row, told);
        }
    }

    /// The right answer of a row and one of each fault.
    fn answers(
        &mut self,
        origin: Origin,
        manner: Option<Manner>,
        row: &Example,
        told: impl Fn(Option<usize>) -> Option<String>,
    ) {
        let Some(reasoning) = told(None) else {
            return;
        };
        let case = Case {
            origin,
            manner,
            fault: None,
            schema: &row.schema,
            sentence: &row.sentence,
            reasoning: &reasoning,
            entities: &row.entities,
        };
        self.judge(&case);
        let kind = manner.map_or(u64::MAX, |manner| manner as u64);
        let mut dice = Dice::new(&[self.options.seed, self.rows, kind, 1]);
        for fault in Fault::ALL {
            let Some(spoilt) = spoil(fault, row, &mut dice) else {
                continue;
            };
            let Some(reasoning) = (match spoilt.denied {
                Some(denied) => told(Some(denied)),
                None => Some(reasoning.clone()),
            }) else {
                continue;
            };
            self.judge(&Case {
                fault: Some(fault),
                reasoning: &reasoning,
                entities: &spoilt.entities,
                ..case
            });
        }
    }

    fn judge(&mut self, case: &Case<'_>) {
        let answer = ChatAnswer {
            reasoning: Some(case.reasoning.trim().into()),
            content: render_answer(case.entities),
            is_apart: false,
            finish: Finish::Stop,
            usage: Usage::default(),
        };
        let rules = &self.options.rules;
        let (_, findings) = validate(&answer, case.schema, case.sentence, rules);
        let broken: Vec<Rule> = findings.iter().map(|finding| finding.rule).collect();
        let group = self
            .groups
            .entry((case.origin, case.manner))
            .or_insert_with(|| Group {
                origin: case.origin,
                manner: case.manner,
                right: Tally::default(),
                wrong: BTreeMap::new(),
            });
        match case.fault {
            None => group.right.add(&broken),
            Some(fault) => group.wrong.entry(fault).or_default().add(&broken),
        }
        if broken.is_empty() != case.fault.is_none() {
            let findings = findings.into_iter();
            let findings = findings
                .map(|f| format!("{}: {}", f.rule, f.detail))
                .collect();
            self.sample(case, findings, &answer.content);
        }
    }

    fn sample(&mut self, case: &Case<'_>, findings: Vec<String>, answer: &str) {
        let same = |sample: &&AuditSample| {
            (sample.origin, sample.manner, sample.missed) == (case.origin, case.manner, case.fault)
        };
        if self.samples.iter().filter(same).count() < self.options.samples {
            self.samples.push(AuditSample {
                origin: case.origin,
                manner: case.manner,
                missed: case.fault,
                findings,
                sentence: case.sentence.into(),
                reasoning: case.reasoning.into(),
                answer: answer.into(),
            });
        }
    }

    /// Rows that were looked at, those that were skipped included.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows that were only counted, by reason.
    pub fn skipped(&self) -> &BTreeMap<&'static str, usize> {
        &self.skipped
    }

    /// The result by origin and manner.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// Wrong verdicts, at most as many of each kind as asked for.
    pub fn samples(&self) -> &[AuditSample] {
        &self.samples
    }

    /// All right answers and all contradictions of an origin.
    pub fn total(&self, origin: Origin) -> (Tally, Tally) {
        let (mut right, mut wrong) = (Tally::default(), Tally::default());
        for group in self.groups().filter(|group| group.origin == origin) {
            right.merge(&group.right);
            group.wrong.values().for_each(|tally| wrong.merge(tally));
        }
        (right, wrong)
    }
}

/// The row as a right answer has it: entities once each, in the order of the sentence.
fn in_order(row: &Example) -> Example {
    let mut row = row.normalized();
    let mut entities: Vec<Entity> = Vec::new();
    for entity in &row.entities {
        let entity = Entity::new(entity.text.as_str(), entity.label.as_str());
        if !entities.contains(&entity) {
            entities.push(entity);
        }
    }
    entities.sort_by_key(|entity| row.sentence.find(&entity.text));
    row.entities = entities;
    row
}

/// Why no right answer can be made of a row.
fn unusable(row: &Example) -> Option<&'static str> {
    let stands = |entity: &Entity| row.sentence.contains(&entity.text);
    if row.schema.is_empty() {
        Some("no type is asked for")
    } else if !row.entities.iter().all(stands) {
        Some("an entity does not stand in the sentence")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;

//! Whether the entities of a completion fit the schema and the sentence.

use std::collections::{HashMap, HashSet};

use super::{Completion, Problem};
use crate::example::Entity;
use crate::normalize::normalize_label;

impl Completion {
    /// What is wrong with the entities in view of the schema and the sentence.
    ///
    /// Labels are compared after [`normalize_label`]; a text must stand in the
    /// sentence literally ([`crate::Grounder`] is the tolerant way to look for
    /// it) and not be empty.
    pub fn check(&self, schema: &[String], sentence: &str) -> Vec<Problem> {
        let labels: HashSet<String> = schema.iter().map(|label| normalize_label(label)).collect();
        let mut checker = Checker {
            sentence,
            labels: &labels,
            seen: HashSet::new(),
            stands: HashMap::new(),
            problems: Vec::new(),
        };
        for entity in &self.entities {
            checker.check(entity);
        }
        checker.problems
    }
}

struct Checker<'a> {
    sentence: &'a str,
    labels: &'a HashSet<String>,
    seen: HashSet<(&'a str, &'a str)>,
    /// Whether a text stands in the sentence: looked for once, however often it is repeated.
    stands: HashMap<&'a str, bool>,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn check(&mut self, entity: &'a Entity) {
        let Entity { text, label, .. } = entity;
        if !self.labels.contains(&normalize_label(label)) {
            self.problems
                .push(Problem::LabelOutsideSchema(label.clone()));
        }
        if text.is_empty() {
            self.problems.push(Problem::EmptyText(label.clone()));
        } else if !self.stands_in_sentence(text) {
            self.problems.push(Problem::NotInSentence(text.clone()));
        }
        if !self.seen.insert((text, label)) {
            self.problems.push(Problem::Duplicate(text.clone()));
        }
    }

    fn stands_in_sentence(&mut self, text: &'a str) -> bool {
        let sentence = self.sentence;
        let search = || sentence.contains(text);
        *self.stands.entry(text).or_insert_with(search)
    }
}

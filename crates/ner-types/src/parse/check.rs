//! Whether the entities of a completion fit the schema and the sentence.

use std::collections::{HashMap, HashSet};

use super::{Completion, Problem};
use crate::example::Entity;
use crate::normalize::normalize_label;
use crate::structures::argument_label;
use crate::task::Task;

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

impl Completion {
    /// As [`Completion::check`], of relations or events if the task is to find them: a label, or `event: role`, that
    /// the schema does not have, a text that is empty or does not stand in the sentence, and what is given twice.
    pub fn check_as(&self, task: Task, schema: &[String], sentence: &str) -> Vec<Problem> {
        if task.is_entities() {
            return self.check(schema, sentence);
        }
        let labels = task.item_labels(schema);
        let labels: HashSet<String> = labels.iter().map(|it| normalize_label(it)).collect();
        let texts = self.labelled_texts();
        let (mut seen, mut problems) = (HashSet::new(), Vec::new());
        for (label, texts) in &texts {
            if !labels.contains(&normalize_label(label)) {
                problems.push(Problem::LabelOutsideSchema(label.clone()));
            }
            for text in texts {
                if text.is_empty() {
                    problems.push(Problem::EmptyText(label.clone()));
                } else if !sentence.contains(text) {
                    problems.push(Problem::NotInSentence((*text).to_owned()));
                }
            }
            if !seen.insert((label, texts)) {
                problems.push(Problem::Duplicate(texts.join(", ")));
            }
        }
        problems
    }

    /// What is compared, with its texts apart.
    fn labelled_texts(&self) -> Vec<(String, Vec<&str>)> {
        let pairs = self.relations.iter().map(|it| {
            let texts = vec![it.head.as_str(), it.tail.as_str()];
            (it.label.clone(), texts)
        });
        let events = self.events.iter().flat_map(|event| {
            let trigger = (event.label.clone(), vec![event.trigger.as_str()]);
            let arguments = event.arguments.iter().map(|it| {
                let label = argument_label(&event.label, &it.role);
                (label, vec![it.text.as_str()])
            });
            std::iter::once(trigger).chain(arguments)
        });
        pairs.chain(events).collect()
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

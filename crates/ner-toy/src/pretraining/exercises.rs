//! Reading exercises: a passage, kinds to look for, and the names found.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value};

use crate::corpus::domain::{Domain, renamed};
use crate::corpus::grammar::{Draft, article};
use crate::corpus::names::Pool;
use crate::corpus::reasoning::surroundings;
use crate::pretraining::lists::json;
use crate::pretraining::{Document, Documents};

/// Shares of exercises, in percent, whose kinds are coined or rare words.
const SHARES: [u32; 2] = [35, 35];

/// How the names are to be given.
#[derive(Clone, Copy)]
enum Form {
    /// A line each: the words that tell the kind, then the kind.
    Lines,
    /// Grouped by kind.
    Json,
    /// A sentence each, then grouped by kind.
    Both,
}

const LINES: &[&str] = &[
    "Name what is of these kinds",
    "List the names of these kinds, one a line",
    "What in the text is one of these",
];
const JSON: &[&str] = &[
    "Group the names by these kinds in JSON",
    "Which names have these kinds? Answer in JSON",
    "Sort the names of the text by kind, as JSON",
];
const BOTH: &[&str] = &[
    "Explain what each name is, then group them by these kinds in JSON",
    "First say why, then answer in JSON. The kinds",
    "Think about each name and its kind, then write JSON",
];
const TOP: &[&str] = &["names", "entities", "found"];

/// All wordings of the task, each followed by the kinds.
#[cfg(test)]
pub(super) fn wordings() -> Vec<&'static str> {
    [LINES, JSON, BOTH].concat()
}

impl Documents {
    /// A passage and kinds to look for, answered in one of the forms.
    pub(super) fn exercise(&mut self) -> Document {
        let (domain, draft) = self.reading();
        let asked = self.asked(&domain);
        let form = match self.rng.random_range(0..4) {
            0 => Form::Lines,
            1 => Form::Json,
            _ => Form::Both,
        };
        let user = self.task(form, &draft.text, &asked);
        let top = pick(TOP, self);
        let assistant = match form {
            Form::Lines => lines_of(&draft, &asked),
            Form::Json => groups_of(top, &draft, &asked),
            Form::Both => format!(
                "{}\n{}",
                self.sentences_of(&draft, &asked),
                groups_of(top, &draft, &asked)
            ),
        };
        Document::Turn { user, assistant }
    }

    /// An exercise that is answered in JSON after thinking about each name.
    pub(super) fn thought_exercise(&mut self) -> Document {
        let (domain, draft) = self.reading();
        let asked = self.asked(&domain);
        let user = self.task(Form::Json, &draft.text, &asked);
        let thought = self.sentences_of(&draft, &asked);
        let answer = groups_of(pick(TOP, self), &draft, &asked);
        Document::Turn {
            user,
            assistant: format!("<think>\n{thought}\n</think>\n{answer}"),
        }
    }

    fn reading(&mut self) -> (Domain, Draft) {
        let domain = &self.training[self.rng.random_range(0..self.training.len())];
        let domain = renamed(domain, SHARES, Pool::Pretraining, &mut self.rng);
        let draft = self.sentence(&domain);
        (domain, draft)
    }

    /// A word for each type that is asked for: its label or a near-synonym.
    fn asked(&mut self, domain: &Domain) -> Vec<Option<String>> {
        let kinds = domain.types.iter();
        kinds
            .map(|kind| self.rng.random_bool(0.8).then(|| self.cue(kind)))
            .collect()
    }

    fn task(&mut self, form: Form, text: &str, asked: &[Option<String>]) -> String {
        let mut kinds: Vec<String> = asked.iter().flatten().cloned().collect();
        if self.rng.random_bool(0.3) {
            kinds.push(self.other_kind());
        }
        kinds.sort_unstable();
        let list = if self.rng.random_bool(0.5) {
            kinds.join(", ")
        } else {
            Value::from(kinds).to_string()
        };
        let wording = pick(
            match form {
                Form::Lines => LINES,
                Form::Json => JSON,
                Form::Both => BOTH,
            },
            self,
        );
        if self.rng.random_bool(0.5) {
            format!("{wording}: {list}.\n{text}")
        } else {
            format!("{text}\n{wording}: {list}")
        }
    }

    fn sentences_of(&mut self, draft: &Draft, asked: &[Option<String>]) -> String {
        let wording = self.rng.random_range(0..3);
        let sentences: Vec<String> = draft
            .mentions
            .iter()
            .zip(surroundings(draft))
            .map(|(mention, shown)| match (&asked[mention.kind], wording) {
                (None, 0) => format!("{shown} is none of these."),
                (None, 1) => format!("{shown}: nothing that is asked for."),
                (None, _) => format!("{shown} has another kind."),
                (Some(kind), 0) => format!("{shown} is {} {kind}.", article(kind)),
                (Some(kind), 1) => format!("{shown}: the kind is {kind}."),
                (Some(kind), _) => format!("{shown} means that it is {} {kind}.", article(kind)),
            })
            .collect();
        sentences.join(" ")
    }
}

fn pick(words: &'static [&'static str], documents: &mut Documents) -> &'static str {
    words
        .choose(&mut documents.rng)
        .copied()
        .unwrap_or_default()
}

/// One line per name of a kind that is asked for, in order.
fn lines_of(draft: &Draft, asked: &[Option<String>]) -> String {
    let shown = surroundings(draft);
    let lines: Vec<String> = draft
        .mentions
        .iter()
        .zip(shown)
        .filter_map(|(mention, shown)| Some(format!("{shown}: {}", asked[mention.kind].as_ref()?)))
        .collect();
    if lines.is_empty() {
        "none".into()
    } else {
        lines.join("\n")
    }
}

fn groups_of(top: &str, draft: &Draft, asked: &[Option<String>]) -> String {
    let mut groups = Map::new();
    for mention in &draft.mentions {
        let Some(kind) = &asked[mention.kind] else {
            continue;
        };
        let group = groups.entry(kind.clone());
        if let Value::Array(texts) = group.or_insert_with(|| Value::Array(Vec::new())) {
            texts.push(Value::from(mention.text.as_str()));
        }
    }
    json(top, groups)
}

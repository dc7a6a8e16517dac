//! Lists of names: copied, recalled, rewritten and grouped as JSON.

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use serde_json::{Map, Value};

use crate::corpus::domain::lexicon;
use crate::corpus::names::{NameKind, Pool, name};
use crate::pretraining::{Document, Documents};

impl Documents {
    /// Any name of any kind.
    pub(super) fn any_name(&mut self) -> String {
        const KINDS: [NameKind; 6] = [
            NameKind::Person,
            NameKind::Place,
            NameKind::Org,
            NameKind::Title,
            NameKind::Code,
            NameKind::Word,
        ];
        let kind = KINDS[self.rng.random_range(0..KINDS.len())];
        let text = name(kind, Pool::Pretraining, &mut self.rng);
        if self.rng.random_bool(0.25) {
            text.to_lowercase()
        } else {
            text
        }
    }

    /// A key for JSON: a word for a type of any domain or a rare one, or a coined word.
    pub(super) fn any_key(&mut self) -> String {
        if self.rng.random_bool(0.3) {
            return self.coined_kind();
        }
        let words = self.near_synonyms();
        words.choose(&mut self.rng).unwrap_or(&words[0]).clone()
    }

    /// Labelled lists, to be rewritten as JSON.
    pub(super) fn lists_to_json(&mut self) -> Document {
        let mut groups = Map::new();
        let mut lines = Vec::new();
        for _ in 0..self.rng.random_range(1..5) {
            let key = self.any_key();
            let n = self.rng.random_range(1..4);
            let names: Vec<String> = (0..n).map(|_| self.any_name()).collect();
            if groups.contains_key(&key) {
                continue;
            }
            lines.push(format!("{key}: {}", names.join(", ")));
            groups.insert(key, Value::from(names));
        }
        let top = ["entities", "items", "names"][self.rng.random_range(0..3)];
        Document::Turn {
            user: format!(
                "Write these lists as JSON under \"{top}\".\n{}",
                lines.join("\n")
            ),
            assistant: json(top, groups),
        }
    }

    /// Statements of what each name is, to be grouped by kind. Kinds are coined
    /// or of training domains.
    pub(super) fn group_by_kind(&mut self) -> Document {
        let n = self.rng.random_range(1..4);
        let kinds: Vec<String> = (0..n).map(|_| self.other_kind()).collect();
        let mut groups = Map::new();
        let mut lines = Vec::new();
        for _ in 0..self.rng.random_range(1..6) {
            let kind = kinds[self.rng.random_range(0..kinds.len())].clone();
            let text = self.any_name();
            lines.push(self.restatement(&text, &kind));
            let group = groups
                .entry(kind)
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(texts) = group {
                texts.push(Value::from(text));
            }
        }
        Document::Turn {
            user: format!("{}\nGroup the names by kind in JSON.", lines.join(" ")),
            assistant: json("entities", groups),
        }
    }

    pub(super) fn coined_kind(&mut self) -> String {
        name(NameKind::Word, Pool::Pretraining, &mut self.rng).to_lowercase()
    }

    /// A word for a type that is not of the evaluation.
    pub(super) fn other_kind(&mut self) -> String {
        let words = match self.rng.random_range(0..3) {
            0 => return self.coined_kind(),
            1 => lexicon()[self.rng.random_range(0..lexicon().len())].clone(),
            _ => {
                let domain = &self.training[self.rng.random_range(0..self.training.len())];
                domain.types[self.rng.random_range(0..domain.types.len())]
                    .cues
                    .clone()
            }
        };
        words.choose(&mut self.rng).unwrap_or(&words[0]).clone()
    }

    pub(super) fn copying(&mut self) -> Document {
        let n = self.rng.random_range(2..6);
        let mut names: Vec<String> = (0..n).map(|_| self.any_name()).collect();
        let given = names.join("; ");
        let (task, answer) = match self.rng.random_range(0..3) {
            0 => ("Repeat the list.", given.clone()),
            1 => {
                names.reverse();
                ("Reverse the list.", names.join("; "))
            }
            _ => {
                let quoted: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
                ("Quote each name.", quoted.join(", "))
            }
        };
        Document::Turn {
            user: format!("{task}\n{given}"),
            assistant: answer,
        }
    }

    /// A list of introduced names and the question what one of them is.
    pub(super) fn recall(&mut self) -> Document {
        let n = self.rng.random_range(2..5);
        let mut facts: Vec<(String, String)> =
            (0..n).map(|_| (self.any_name(), self.any_key())).collect();
        let lines: Vec<String> = facts
            .iter()
            .map(|(name, kind)| format!("The {kind} {name}."))
            .collect();
        facts.shuffle(&mut self.rng);
        let (name, kind) = &facts[0];
        Document::Turn {
            user: format!("{}\nWhat is {name}?", lines.join(" ")),
            assistant: format!("{kind} \"{name}\""),
        }
    }
}

/// An object under one key, as the exercises want their answers.
pub(super) fn json(top: &str, groups: Map<String, Value>) -> String {
    let mut object = Map::new();
    object.insert(top.into(), Value::Object(groups));
    format!("{:#}", Value::Object(object))
}

//! What is read of names and words: passages, what they say of their names, questions, near-synonyms.

use rand::Rng;
use rand::seq::IndexedRandom;

use crate::corpus::domain::{EntityType, lexicon};
use crate::corpus::grammar::{Draft, article};
use crate::corpus::names::capitalize;
use crate::pretraining::{Document, Documents};

impl Documents {
    pub(super) fn restated_passage(&mut self) -> Document {
        let (domain, drafts) = self.passage(false);
        let mut text = join(&drafts);
        for mention in drafts.iter().flat_map(|draft| &draft.mentions) {
            if self.rng.random_bool(0.75) {
                let word = self.cue(&domain.types[mention.kind]);
                text.push(' ');
                text.push_str(&self.restatement(&mention.text, &word));
            }
        }
        Document::Plain(text)
    }

    pub(super) fn cue(&mut self, kind: &EntityType) -> String {
        if self.rng.random_bool(0.5) {
            return kind.label.clone();
        }
        kind.cues
            .choose(&mut self.rng)
            .unwrap_or(&kind.label)
            .clone()
    }

    pub(super) fn restatement(&mut self, text: &str, word: &str) -> String {
        match self.rng.random_range(0..4) {
            0 => format!("\"{text}\" is {} {word}.", article(word)),
            1 => format!("The {word} is called \"{text}\"."),
            2 => format!("\"{text}\": {word}."),
            _ => format!("{text} is {} {word}.", article(word)),
        }
    }

    pub(super) fn question(&mut self) -> Document {
        let (domain, drafts) = self.passage(true);
        let draft = &drafts[0];
        let asked = self.rng.random_range(0..domain.types.len());
        let word = self.cue(&domain.types[asked]);
        let names: Vec<String> = draft
            .mentions
            .iter()
            .filter(|mention| mention.kind == asked)
            .map(|mention| format!("\"{}\"", mention.text))
            .collect();
        let answer = if names.is_empty() {
            "none".into()
        } else {
            names.join(", ")
        };
        Document::Turn {
            user: format!("{}\nWhich {word} does the text name?", draft.text),
            assistant: answer,
        }
    }

    pub(super) fn synonyms(&mut self) -> Document {
        let mut lines = Vec::new();
        for _ in 0..self.rng.random_range(3..7) {
            let words = self.near_synonyms();
            let label = &words[0];
            let other = words[1..].choose(&mut self.rng).unwrap_or(label);
            lines.push(match self.rng.random_range(0..4) {
                0 => format!(
                    "{} {other} is a kind of {label}.",
                    capitalize(article(other))
                ),
                1 => format!("Another word for {label} is {other}."),
                2 => format!(
                    "{} {label} may be called {} {other}.",
                    capitalize(article(label)),
                    article(other)
                ),
                _ => format!("{label}: {}.", words.join(", ")),
            });
        }
        Document::Plain(lines.join("\n"))
    }

    /// A label of any domain, or a rare one, with its near-synonyms.
    pub(super) fn near_synonyms(&mut self) -> Vec<String> {
        if self.rng.random_bool(0.5) {
            return lexicon()[self.rng.random_range(0..lexicon().len())].clone();
        }
        let domain = &self.domains[self.rng.random_range(0..self.domains.len())];
        domain.types[self.rng.random_range(0..domain.types.len())]
            .cues
            .clone()
    }
}

fn join(drafts: &[Draft]) -> String {
    let texts: Vec<&str> = drafts.iter().map(|draft| draft.text.as_str()).collect();
    texts.join(" ")
}

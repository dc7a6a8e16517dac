//! Ambiguous names: nothing beside them tells their type, the end of the sentence does.
//!
//! Such a name is a single coined word that stands for different types in different sentences. What it is takes two
//! steps: from the name to its place among the names of the sentence, or to where it is named again, and from there to
//! the right one of the two types that are spoken of.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::corpus::domain::Style;
use crate::corpus::grammar::{Builder, Evidence, cue, with_article};
use crate::corpus::names::homonym;

/// The places of the first two names.
const PLACES: [&str; 2] = ["first", "second"];

impl Builder<'_> {
    /// A shape whose first names are ambiguous, two of them if their types differ; others are introduced as ever.
    pub(super) fn ambiguous_shape(&mut self, shape: &str, rng: &mut ChaCha8Rng) {
        let kinds = self.kinds_of(shape);
        let ambiguous = match kinds[..] {
            [first, second, ..] if first != second => &kinds[..2],
            [_, ..] => &kinds[..1],
            [] => &[],
        };
        let types = &self.domain.types;
        let cues: Vec<String> = ambiguous
            .iter()
            .map(|kind| cue(&types[*kind], rng).to_owned())
            .collect();
        self.fill(shape, &kinds, &cues, rng);
        match cues.as_slice() {
            [first, second] => self.tell_order([first, second], rng),
            [only] => self.tell_meaning(kinds[0], only, rng),
            _ => {}
        }
    }

    /// Fills the slots of a shape, as many of them with ambiguous names as there are cues to tell later.
    fn fill(&mut self, shape: &str, kinds: &[usize], cues: &[String], rng: &mut ChaCha8Rng) {
        for (i, part) in shape.split(['[', ']']).enumerate() {
            let slot = i / 2;
            match (i % 2, kinds.get(slot)) {
                (1, Some(kind)) if slot < cues.len() => {
                    let evidence = match cues.len() {
                        2 => Evidence::Order(PLACES[slot], cues[slot].clone()),
                        _ => Evidence::Meant(cues[slot].clone()),
                    };
                    self.ambiguous_name(*kind, evidence, rng);
                }
                (1, Some(kind)) => self.slot(*kind, rng),
                _ => self.push(part),
            }
        }
    }

    /// The types of a shape's slots, in order.
    fn kinds_of(&self, shape: &str) -> Vec<usize> {
        let slots = shape.split(['[', ']']).skip(1).step_by(2);
        let kind = |label| {
            self.domain
                .types
                .iter()
                .position(|kind| kind.label == label)
        };
        slots.filter_map(kind).collect()
    }

    fn ambiguous_name(&mut self, kind: usize, evidence: Evidence, rng: &mut ChaCha8Rng) {
        let text = loop {
            let text = homonym(self.pool, rng);
            if !self.text.contains(&text) {
                break text;
            }
        };
        self.place(text, kind, evidence);
    }

    /// Says what the first and the second name are, in either order.
    fn tell_order(&mut self, cues: [&String; 2], rng: &mut ChaCha8Rng) {
        let mut told = [0, 1];
        if rng.random_bool(0.5) {
            told.swap(0, 1);
        }
        let [a, b] = told.map(|at| (PLACES[at], with_article(cues[at])));
        self.end_clause();
        self.push(&format!("the {} is {} and the {} {}", a.0, a.1, b.0, b.1));
    }

    /// Says what is meant by the only ambiguous name, and what is not.
    fn tell_meaning(&mut self, kind: usize, right: &str, rng: &mut ChaCha8Rng) {
        let types = self.domain.types.len();
        let other = (kind + rng.random_range(1..types)) % types;
        let wrong = with_article(cue(&self.domain.types[other], rng));
        let right = with_article(right);
        let Some(name) = self.mentions.first().map(|mention| mention.text.clone()) else {
            return;
        };
        self.end_clause();
        self.push(&if rng.random_bool(0.5) {
            format!("by {name} {right} is meant, not {wrong}")
        } else {
            format!("by {name} not {wrong} is meant, but {right}")
        });
    }

    /// What the end of the sentence says begins after a semicolon in prose and after a comma in a query.
    fn end_clause(&mut self) {
        let comma = if self.text.ends_with(',') { " " } else { ", " };
        let semicolon = self.domain.style == Style::Prose && comma == ", ";
        self.push(if semicolon { "; " } else { comma });
    }
}

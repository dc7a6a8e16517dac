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
        let named: Vec<usize> = self.kinds_of(shape);
        let ambiguous = match named[..] {
            [first, second, ..] if first != second => 2,
            _ => 1,
        };
        let cues: Vec<String> = named
            .iter()
            .map(|kind| cue(&self.domain.types[*kind], rng).to_owned())
            .collect();
        let mut names = 0;
        for (i, part) in shape.split(['[', ']']).enumerate() {
            if i % 2 == 0 {
                self.push(part);
            } else if names < ambiguous {
                let evidence = match ambiguous {
                    2 => Evidence::Order(PLACES[names], cues[names].clone()),
                    _ => Evidence::Meant(cues[names].clone()),
                };
                self.ambiguous_name(named[names], evidence, rng);
                names += 1;
            } else if let Some(kind) = self.kind_of(part) {
                self.slot(kind, rng);
            }
        }
        match cues.as_slice() {
            [first, second, ..] if ambiguous == 2 => self.tell_order([first, second], rng),
            [only, ..] => self.tell_meaning(named[0], only, rng),
            [] => {}
        }
    }

    /// The types of a shape's slots, in order.
    fn kinds_of(&self, shape: &str) -> Vec<usize> {
        let slots = shape.split(['[', ']']).skip(1).step_by(2);
        slots.filter_map(|label| self.kind_of(label)).collect()
    }

    fn kind_of(&self, label: &str) -> Option<usize> {
        self.domain
            .types
            .iter()
            .position(|kind| kind.label == label)
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

    fn end_clause(&mut self) {
        let comma = if self.text.ends_with(',') { " " } else { ", " };
        let semicolon = self.domain.style == Style::Prose && comma == ", ";
        self.push(if semicolon { "; " } else { comma });
    }
}

//! Sentences with relations: who is the what of whom.
//!
//! The types of a domain become relations: `Ada Brel is the carrier of Osk Works` says that `carrier of` holds from
//! the first to the second. So the words, names and domains are those of the corpus for entities, and an evaluation is
//! zero-shot in the same sense: relations, names and sentence shapes that fine-tuning never saw. Head and tail come in
//! either order, a shape may name two heads or two tails, and some names stand in no relation.

use ner_types::{Example, Relation};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::corpus::domain::{Domain, Style};
use crate::corpus::general;
use crate::corpus::grammar::{Draft, Evidence, JOINTS, Mention, OPENINGS, cue, plural};
use crate::corpus::names::{Pool, capitalize, name};

/// Shapes of training. `H` and `G` are heads, `T` and `U` tails, `X` and `Y` names without a relation; `c` is the word
/// of the relation and `s` its plural; `p`, `e` and `n` are a verb, an ending and a noun of [`general`].
const SHAPES: &[&str] = &[
    "[H] is the [c] of [T]",
    "[H] has been the [c] of [T] for years",
    "[H], the [c] of [T], [e]",
    "the [c] of [T] is [H]",
    "the [c] of [T], [H], [p] the [n]",
    "[T] [p] its [c] [H]",
    "[T] has a new [c], [H]",
    "[H] and [G] are the [s] of [T]",
    "[H] is the [c] of both [T] and [U]",
    "[X] [p] [H], the [c] of [T]",
    "[X], not the [c] of anything, [p] [H], the [c] of [T]",
    "[X] [p] the [n] near [Y]",
    "[X] [p] [Y]",
    "when [X] [e], [Y] [p] the [n]",
    "[X] and [Y] [p] the [n]",
    "the [n] of [X] [e]",
    "it was [H] who was the [c] of [T]",
    "[H] [p] the [n] as the [c] of [T]",
    "[X] [e], and the [c] of [T] is [H]",
    "the [n] shows [H], the [c] of [T]",
    "only [H] can be the [c] of [T]",
    "the [n] [p] the [c] of [T], [H]",
    "with [H] as its [c], [T] [e]",
    "[T] and its [c], [H], [p] [X]",
    "[X] [e] since [H] is the [c] of [T]",
];

/// Shapes of the evaluation alone.
const HELD_OUT: &[&str] = &[
    "as the [c] of [T], [H] [p] the [n]",
    "last year [H] became the [c] of [T]",
    "[T] [e] because its [c] [H] [p] the [n]",
    "[H], and not [X], is the [c] of [T]",
    "both [H] and [G] are known as the [s] of [T]",
    "the [n] [p] [T] and its [c] [H]",
    "[X] [e] before [Y] [p] the [n]",
];

/// A relation as a sentence tells it.
struct Tie {
    /// Index of the type that is its relation.
    kind: usize,
    /// The word that tells of it.
    cue: String,
    head: String,
    tail: String,
}

/// A sentence under construction.
struct Scene<'a> {
    domain: &'a Domain,
    pool: Pool,
    text: String,
    ties: Vec<Tie>,
}

/// A sentence of a domain with its relations.
pub(super) struct Told {
    draft: Draft,
    ties: Vec<Tie>,
}

/// A sentence for training or, from the evaluation's pool, for the evaluation.
pub(super) fn sentence(domain: &Domain, pool: Pool, rng: &mut ChaCha8Rng) -> Told {
    let shapes = if pool == Pool::Evaluation {
        HELD_OUT
    } else {
        SHAPES
    };
    let mut scene = Scene {
        domain,
        pool,
        text: String::new(),
        ties: Vec::new(),
    };
    if rng.random_bool(0.3) {
        scene.text += pick(OPENINGS, rng);
    }
    scene.clause(pick(shapes, rng), rng);
    if rng.random_bool(0.35) {
        scene.text += pick(JOINTS, rng);
        scene.clause(pick(shapes, rng), rng);
    }
    scene.finish()
}

impl Scene<'_> {
    /// Adds a clause; both of its heads or tails, if there are two, stand in the same relation.
    fn clause(&mut self, shape: &str, rng: &mut ChaCha8Rng) {
        let kind = rng.random_range(0..self.domain.types.len());
        let other = rng.random_range(0..self.domain.types.len());
        let cue = cue(&self.domain.types[kind], rng).to_owned();
        let (mut heads, mut tails) = (Vec::new(), Vec::new());
        for (i, part) in shape.split(['[', ']']).enumerate() {
            if i % 2 == 0 {
                self.text += part;
                continue;
            }
            match part {
                "H" | "G" => heads.push(self.name(kind, rng)),
                "T" | "U" => tails.push(self.name(other, rng)),
                "X" | "Y" => drop(self.name(kind, rng)),
                "c" => self.text += &cue,
                "s" => self.text += &plural(&cue),
                "p" => self.text += &general::past(rng),
                "e" => self.text += general::ending(rng),
                _ => self.text += general::noun(rng),
            }
        }
        for head in &heads {
            for tail in &tails {
                self.ties.push(Tie {
                    kind,
                    cue: cue.clone(),
                    head: head.clone(),
                    tail: tail.clone(),
                });
            }
        }
    }

    /// Adds a name that the sentence does not have yet.
    fn name(&mut self, kind: usize, rng: &mut ChaCha8Rng) -> String {
        let name = loop {
            let name = name(self.domain.types[kind].names, self.pool, rng);
            if !self.text.contains(&name) {
                break name;
            }
        };
        self.text += &name;
        name
    }

    fn finish(mut self) -> Told {
        match self.domain.style {
            Style::Prose => self.text = format!("{}.", capitalize(&self.text)),
            Style::Query => {
                self.text = self.text.to_lowercase();
                for tie in &mut self.ties {
                    tie.head = tie.head.to_lowercase();
                    tie.tail = tie.tail.to_lowercase();
                }
            }
        }
        let mention = |tie: &Tie| Mention {
            text: tie.head.clone(),
            kind: tie.kind,
            evidence: Evidence::Context,
        };
        Told {
            draft: Draft {
                text: self.text,
                mentions: self.ties.iter().map(mention).collect(),
            },
            ties: self.ties,
        }
    }
}

impl Told {
    /// The sentence, with its heads as mentions of the types that are its relations.
    pub(super) fn draft(&self) -> &Draft {
        &self.draft
    }

    /// The example for a schema that goes by `labels`, one for each type, and asks for `extra` besides.
    pub(super) fn annotate(
        &self,
        domain: &Domain,
        labels: &[Option<String>],
        extra: Option<String>,
        guid: String,
    ) -> Example {
        let relation = |tie: &Tie| {
            let label = relation_name(labels[tie.kind].as_ref()?);
            Some(Relation::new(label, &tie.head, &tie.tail))
        };
        let schema = labels.iter().flatten().chain(&extra);
        Example {
            guid: Some(guid),
            dataset: Some(domain.name.clone()),
            sentence: self.draft.text.clone(),
            schema: schema.map(|label| relation_name(label)).collect(),
            cot: Some(self.reasoning(domain, labels)),
            relations: Some(self.ties.iter().filter_map(relation).collect()),
            ..Example::default()
        }
        .normalized()
    }

    /// One sentence of reasoning for each relation: who is the what of whom, and what the schema calls it.
    fn reasoning(&self, domain: &Domain, labels: &[Option<String>]) -> String {
        let step = |tie: &Tie| {
            let Tie {
                head, cue, tail, ..
            } = tie;
            let shown = format!("\"{head}\" is the {cue} of \"{tail}\"");
            match &labels[tie.kind] {
                Some(label) => format!("{shown}, so it is {}.", relation_name(label)),
                None => {
                    let label = relation_name(&domain.types[tie.kind].label);
                    format!("{shown}, so it is {label}, which is not asked for.")
                }
            }
        };
        let steps: Vec<String> = self.ties.iter().map(step).collect();
        if steps.is_empty() {
            return "No relation is told.".into();
        }
        steps.join(" ")
    }
}

/// The relation that a type stands for.
fn relation_name(label: &str) -> String {
    format!("{label} of")
}

fn pick<'a>(words: &[&'a str], rng: &mut ChaCha8Rng) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}

//! Sentences from shapes: slots filled with introduced names.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::corpus::domain::{Domain, EntityType, Style};
use crate::corpus::general;
use crate::corpus::names::{Pool, capitalize, name};

pub(super) const OPENINGS: &[&str] = &[
    "last year, ",
    "in March, ",
    "on Monday, ",
    "according to a report, ",
    "after the break, ",
    "in 1984, ",
    "to everyone's surprise, ",
    "as planned, ",
];
const ENDINGS: &[&str] = &[
    " despite the rain",
    " before the summer",
    " for the last time",
    " in May",
    " without a word",
    " after a long debate",
];
const POLITE: &[&str] = &[
    "please ",
    "can you tell me ",
    "i wonder ",
    "quick question ",
];
const PRAISE: &[&str] = &["famous", "young", "old", "little-known", "former"];
pub(super) const JOINTS: &[&str] = &[", and ", " while ", ", but "];

/// Why a mention has its type, as the sentence shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The name follows a cue word.
    Cue(String),
    /// An apposition calls the name by a cue word: `a famous carrier`.
    Apposition(String),
    /// The name is one of a pair introduced by a plural.
    Pair(String),
    /// Only the words around the name tell.
    Context,
    /// The name has no cue of its own; the end of the sentence says what the first and the second name are.
    Order(&'static str, String),
    /// The name has no cue of its own; the end of the sentence says what is meant by it, and what is not.
    Meant(String),
}

/// A name in a sentence under construction.
#[derive(Clone, Debug)]
pub(crate) struct Mention {
    /// The name as it stands in the sentence.
    pub(crate) text: String,
    /// Index of its type in [`Domain::types`].
    pub(crate) kind: usize,
    /// Why it has this type.
    pub(crate) evidence: Evidence,
}

/// A sentence with its mentions in order.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The sentence.
    pub(crate) text: String,
    /// The mentions, in order of appearance.
    pub(crate) mentions: Vec<Mention>,
}

/// One sentence of a domain, made of one shape or of two short ones.
pub(crate) fn sentence(
    domain: &Domain,
    shapes: &[String],
    pool: Pool,
    rng: &mut ChaCha8Rng,
) -> Draft {
    let mut builder = Builder::new(domain, pool);
    let prose = domain.style == Style::Prose;
    if rng.random_bool(0.35) {
        builder.push(pick(if prose { OPENINGS } else { POLITE }, rng));
    }
    let first = choose(shapes, rng);
    // The base model's text has no such sentences, and draws no number for them.
    if pool != Pool::Pretraining && rng.random_ratio(AMBIGUOUS, 100) {
        builder.ambiguous_shape(first, rng);
        return builder.finish();
    }
    builder.shape(first, rng);
    let second = choose(shapes, rng);
    if prose && second != first && slots(first) + slots(second) <= 4 && rng.random_bool(0.3) {
        builder.push(pick(JOINTS, rng));
        builder.shape(second, rng);
    } else if prose && rng.random_bool(0.25) {
        builder.push(pick(ENDINGS, rng));
    }
    builder.finish()
}

/// Share of sentences for fine-tuning and for the evaluation, in percent, whose names are ambiguous: about a fifth of
/// the entities are in them.
const AMBIGUOUS: u32 = 28;

/// Shares of general sentences, in percent, that are lower-case queries.
const QUERIES: u32 = 35;

/// One sentence about types of a domain in general shapes, in either style. Words
/// that introduce a name are the only sign of its type.
pub(crate) fn general_sentence(domain: &Domain, pool: Pool, rng: &mut ChaCha8Rng) -> Draft {
    let mut domain = domain.clone();
    domain.renamed = true;
    domain.style = if rng.random_ratio(QUERIES, 100) {
        Style::Query
    } else {
        Style::Prose
    };
    let shapes = [general::shape(&domain, rng), general::shape(&domain, rng)];
    sentence(&domain, &shapes, pool, rng)
}

fn slots(shape: &str) -> usize {
    shape.matches('[').count()
}

fn choose<'a>(shapes: &'a [String], rng: &mut ChaCha8Rng) -> &'a str {
    shapes.choose(rng).map_or("", String::as_str)
}

fn pick<'a>(words: &[&'a str], rng: &mut ChaCha8Rng) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}

/// The plural of a cue word.
pub(super) fn plural(word: &str) -> String {
    let vowel_before_y = |w: &str| w.ends_with("ay") || w.ends_with("ey");
    if let Some(stem) = word.strip_suffix('y').filter(|_| !vowel_before_y(word)) {
        format!("{stem}ies")
    } else if word.ends_with('s') || word.ends_with("ch") || word.ends_with("sh") {
        format!("{word}es")
    } else {
        format!("{word}s")
    }
}

/// `a` or `an`.
pub(crate) fn article(word: &str) -> &'static str {
    match word.chars().next() {
        Some('a' | 'e' | 'i' | 'o' | 'u') => "an",
        _ => "a",
    }
}

/// A sentence under construction.
pub(super) struct Builder<'a> {
    pub(super) domain: &'a Domain,
    pub(super) pool: Pool,
    pub(super) text: String,
    pub(super) mentions: Vec<Mention>,
}

impl<'a> Builder<'a> {
    fn new(domain: &'a Domain, pool: Pool) -> Self {
        Self {
            domain,
            pool,
            text: String::new(),
            mentions: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        // The comma that closes an apposition is not wanted before another one.
        if self.text.ends_with(',') && text.starts_with(',') {
            self.text.pop();
        }
        self.text.push_str(text);
    }

    fn shape(&mut self, shape: &str, rng: &mut ChaCha8Rng) {
        for (i, part) in shape.split(['[', ']']).enumerate() {
            if i % 2 == 0 {
                self.push(part);
            } else if let Some(kind) = self.domain.types.iter().position(|t| t.label == part) {
                self.slot(kind, rng);
            }
        }
    }

    pub(super) fn slot(&mut self, kind: usize, rng: &mut ChaCha8Rng) {
        let entity_type: &EntityType = &self.domain.types[kind];
        let cue = cue(entity_type, rng);
        // Shapes say nothing about types that were put in place of their own, and those of the evaluation were never
        // read: there only a cue can tell, or what the sentence says of an ambiguous name.
        let cued = self.domain.renamed || self.pool != Pool::Pretraining;
        let draw = rng.random_range(if cued { 20 } else { 0 }..100);
        match self.domain.style {
            _ if draw < 20 => self.mention(kind, Evidence::Context, rng),
            _ if draw < 32 => self.pair(kind, cue, rng),
            Style::Prose if draw < 52 => {
                let described = described(cue, rng);
                self.mention(kind, Evidence::Apposition(described.clone()), rng);
                self.push(&format!(", {described},"));
            }
            _ => {
                self.introduce(cue, rng);
                self.mention(kind, Evidence::Cue(cue.into()), rng);
            }
        }
    }

    fn introduce(&mut self, cue: &str, rng: &mut ChaCha8Rng) {
        let text = match rng.random_range(0..5) {
            0 => format!("the {} {cue} ", pick(PRAISE, rng)),
            _ => format!("the {cue} "),
        };
        self.push(&text);
    }

    fn pair(&mut self, kind: usize, cue: &str, rng: &mut ChaCha8Rng) {
        let cues = plural(cue);
        self.push(&format!("the {cues} "));
        self.mention(kind, Evidence::Pair(cues.clone()), rng);
        self.push(" and ");
        self.mention(kind, Evidence::Pair(cues), rng);
    }

    fn mention(&mut self, kind: usize, evidence: Evidence, rng: &mut ChaCha8Rng) {
        let text = loop {
            let text = name(self.domain.types[kind].names, self.pool, rng);
            if !self.text.contains(&text) {
                break text;
            }
        };
        self.place(text, kind, evidence);
    }

    pub(super) fn place(&mut self, text: String, kind: usize, evidence: Evidence) {
        self.push(&text);
        self.mentions.push(Mention {
            text,
            kind,
            evidence,
        });
    }

    fn finish(mut self) -> Draft {
        match self.domain.style {
            Style::Prose => {
                let text = self.text.trim_end_matches(',');
                self.text = format!("{}.", capitalize(text));
            }
            Style::Query => {
                self.text = self.text.to_lowercase();
                for mention in &mut self.mentions {
                    mention.text = mention.text.to_lowercase();
                }
            }
        }
        Draft {
            text: self.text,
            mentions: self.mentions,
        }
    }
}

/// A word with its article.
pub(crate) fn with_article(word: &str) -> String {
    format!("{} {word}", article(word))
}

/// A word that introduces a type: its label, or any of its cues.
pub(super) fn cue<'a>(kind: &'a EntityType, rng: &mut ChaCha8Rng) -> &'a str {
    if rng.random_bool(0.4) {
        return &kind.label;
    }
    kind.cues.choose(rng).unwrap_or(&kind.label)
}

/// `a carrier`, or `a famous carrier`.
fn described(cue: &str, rng: &mut ChaCha8Rng) -> String {
    if rng.random_bool(0.3) {
        format!("{} {cue}", with_article(pick(PRAISE, rng)))
    } else {
        with_article(cue)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::corpus::domain::domains;

    #[test]
    fn mentions_stand_in_the_sentence_in_order() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for domain in domains() {
            for _ in 0..200 {
                let draft = sentence(&domain, &domain.shapes, Pool::Training, &mut rng);
                let mut from = 0;
                for mention in &draft.mentions {
                    let at = draft.text[from..].find(&mention.text);
                    from += at.expect("mention after the one before it") + mention.text.len();
                }
                assert!(!draft.text.contains(['[', ']']), "{}", draft.text);
                assert!(!draft.text.contains(",,"), "{}", draft.text);
                let draft = general_sentence(&domain, Pool::Training, &mut rng);
                assert!(!draft.mentions.is_empty(), "{}", draft.text);
                assert!(!draft.text.contains(['[', ']']), "{}", draft.text);
                assert!(!draft.text.contains(",,"), "{}", draft.text);
            }
        }
    }

    #[test]
    fn plurals_and_articles() {
        assert_eq!(plural("company"), "companies");
        assert_eq!(plural("gallery"), "galleries");
        assert_eq!(plural("railway"), "railways");
        assert_eq!(plural("class"), "classes");
        assert_eq!(article("airline"), "an");
    }
}

//! General sentence shapes: ordinary phrases around the slots of any domain.
//!
//! The shapes of a domain are few, so a model can learn them by heart. General
//! shapes are put together from word lists, so that where a name ends and which
//! word introduces it must be read from the sentence.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use rand::Rng;
use rand::seq::{IndexedRandom, index};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::corpus::domain::{Domain, Style, domains};

const LISTS: &str = include_str!("phrases.toml");

/// The word lists; each is explained in `phrases.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Phrases {
    verbs: Vec<String>,
    endings: Vec<String>,
    adverbials: Vec<String>,
    nouns: Vec<String>,
    links: Vec<String>,
    auxiliaries: Vec<String>,
    questions: Vec<String>,
    requests: Vec<String>,
    amounts: Vec<String>,
    states: Vec<String>,
    times: Vec<String>,
    adjectives: Vec<String>,
    adverbs: Vec<String>,
    participles: Vec<String>,
    counts: Vec<String>,
    plurals: Vec<String>,
}

fn phrases() -> &'static Phrases {
    static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
        toml::from_str(LISTS).expect("the compiled-in phrases.toml is valid, as a test checks")
    });
    &PHRASES
}

/// A shape for some types of the domain, in the domain's style. It is none of the shapes
/// that are held out for the evaluation.
pub(crate) fn shape(domain: &Domain, rng: &mut ChaCha8Rng) -> String {
    loop {
        let mut words = Words::new(domain, rng);
        let shape = match domain.style {
            Style::Prose => words.prose(),
            Style::Query => words.query(),
        };
        if !held_out().contains(&skeleton(&shape)) {
            return shape;
        }
    }
}

/// The held-out shapes of all domains, with `_` for every slot.
fn held_out() -> &'static HashSet<String> {
    static SHAPES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let all = domains();
        let shapes = all.iter().flat_map(|domain| &domain.heldout);
        shapes.map(|shape| skeleton(shape)).collect()
    });
    &SHAPES
}

/// A shape with `_` for every slot.
fn skeleton(shape: &str) -> String {
    let parts = shape.split(['[', ']']).enumerate();
    parts
        .map(|(i, part)| if i % 2 == 0 { part } else { "_" })
        .collect()
}

/// Every word of the lists, with repetitions.
pub(crate) fn ordinary_words() -> Vec<String> {
    let lists: BTreeMap<String, Vec<String>> =
        toml::from_str(LISTS).expect("the compiled-in phrases.toml is valid, as a test checks");
    let entries = lists.into_values().flatten();
    let words = entries.flat_map(|entry| entry.split(' ').map(str::to_owned).collect::<Vec<_>>());
    words.collect()
}

/// Draws words and slots for one shape; no type occurs twice in it.
struct Words<'a> {
    phrases: &'static Phrases,
    slots: Vec<String>,
    rng: &'a mut ChaCha8Rng,
}

impl<'a> Words<'a> {
    fn new(domain: &Domain, rng: &'a mut ChaCha8Rng) -> Self {
        let order = index::sample(rng, domain.types.len(), domain.types.len());
        let slots = order
            .into_iter()
            .map(|i| format!("[{}]", domain.types[i].label))
            .collect();
        Self {
            phrases: phrases(),
            slots,
            rng,
        }
    }

    fn prose(&mut self) -> String {
        let (a, b) = (self.slot(), self.slot());
        match self.rng.random_range(0..16) {
            0 | 1 => format!("{a} {} {b}{}", self.past(), self.more()),
            2 | 3 => format!(
                "the {} {a} {} {b}{}",
                self.linked(),
                self.past(),
                self.more()
            ),
            4 => format!("{a} {}", self.ending()),
            5 => format!("{a} {} the {} {b}", self.past(), self.linked()),
            6 => format!("it was {a} that {} {b}{}", self.past(), self.more()),
            7 => format!("neither {a} nor {b} {}", self.ending()),
            8 => format!("a {} {a} {}", self.linked(), self.ending()),
            9 => format!(
                "when {a} {}, {b} {} the {}",
                self.ending(),
                self.past(),
                self.noun()
            ),
            10 => format!("{a}, which {} {b}, {}", self.past(), self.ending()),
            11 => format!("{a}, {} {b}, {}", self.participle(), self.ending()),
            12 => format!("{} {} {a}{}", self.many(), self.past(), self.more()),
            13 => format!("{} {} {b} {} {a}", self.many(), self.link(), self.past()),
            14 => format!(
                "{a} {} the {}{}",
                self.past(),
                self.described_noun(),
                self.more()
            ),
            _ => format!(
                "the {} {} {a} because {b} {}",
                self.noun(),
                self.past(),
                self.ending()
            ),
        }
    }

    fn query(&mut self) -> String {
        let (a, b) = (self.slot(), self.slot());
        match self.rng.random_range(0..12) {
            0 | 1 => format!(
                "{} {a} {} {b}{}",
                self.auxiliary(),
                self.base(),
                self.when()
            ),
            2 => format!(
                "{} {} {a} {} {b}",
                self.question(),
                self.auxiliary(),
                self.base()
            ),
            3 => format!("is {a} {}{}", self.state(), self.when()),
            4 => format!("is {a} {} {} {b}", self.state(), self.link()),
            5 | 6 => format!(
                "{} {} {} {a}{}",
                self.request(),
                self.amount(),
                self.linked(),
                self.when()
            ),
            7 => format!("{} {a} {} {b}{}", self.request(), self.link(), self.when()),
            10 => format!(
                "{} {} {} {} {a}{}",
                self.request(),
                self.amount(),
                self.described_noun(),
                self.participle(),
                self.when()
            ),
            11 => format!(
                "how many {} {} {a}{}",
                self.plural(),
                self.past(),
                self.when()
            ),
            8 => format!(
                "what {} {} {a} {} {b}",
                self.noun(),
                self.past(),
                self.link()
            ),
            _ => format!("who {} {a}{}", self.past(), self.more()),
        }
    }

    /// The next unused slot, or the last one again in a domain of few types.
    fn slot(&mut self) -> String {
        if self.slots.len() > 1 {
            return self.slots.pop().unwrap_or_default();
        }
        self.slots.first().cloned().unwrap_or_default()
    }

    /// Nothing, an adverbial or a third name.
    fn more(&mut self) -> String {
        match self.rng.random_range(0..4) {
            0 | 1 => String::new(),
            2 => format!(" {}", self.adverbial()),
            _ => format!(" {} {}", self.link(), self.slot()),
        }
    }

    fn when(&mut self) -> String {
        if self.rng.random_bool(0.5) {
            return String::new();
        }
        format!(" {}", pick(&self.phrases.times, self.rng))
    }

    fn linked(&mut self) -> String {
        format!("{} {}", self.described_noun(), self.link())
    }

    /// A common noun, one in three with an adjective.
    fn described_noun(&mut self) -> String {
        if self.rng.random_ratio(1, 3) {
            format!("{} {}", self.adjective(), self.noun())
        } else {
            self.noun().to_owned()
        }
    }

    /// A number of people or things.
    fn many(&mut self) -> String {
        format!("{} {}", pick(&self.phrases.counts, self.rng), self.plural())
    }

    fn base(&mut self) -> String {
        forms(pick(&self.phrases.verbs, self.rng)).0
    }

    /// A past form, one in five with an adverb.
    fn past(&mut self) -> String {
        let past = forms(pick(&self.phrases.verbs, self.rng)).1;
        if self.rng.random_ratio(1, 5) {
            format!("{} {past}", pick(&self.phrases.adverbs, self.rng))
        } else {
            past
        }
    }

    fn ending(&mut self) -> &'static str {
        pick(&self.phrases.endings, self.rng)
    }

    fn adverbial(&mut self) -> &'static str {
        pick(&self.phrases.adverbials, self.rng)
    }

    fn noun(&mut self) -> &'static str {
        pick(&self.phrases.nouns, self.rng)
    }

    fn adjective(&mut self) -> &'static str {
        pick(&self.phrases.adjectives, self.rng)
    }

    fn participle(&mut self) -> &'static str {
        pick(&self.phrases.participles, self.rng)
    }

    fn plural(&mut self) -> &'static str {
        pick(&self.phrases.plurals, self.rng)
    }

    fn link(&mut self) -> &'static str {
        pick(&self.phrases.links, self.rng)
    }

    fn auxiliary(&mut self) -> &'static str {
        pick(&self.phrases.auxiliaries, self.rng)
    }

    fn question(&mut self) -> &'static str {
        pick(&self.phrases.questions, self.rng)
    }

    fn request(&mut self) -> &'static str {
        pick(&self.phrases.requests, self.rng)
    }

    fn amount(&mut self) -> &'static str {
        pick(&self.phrases.amounts, self.rng)
    }

    fn state(&mut self) -> &'static str {
        pick(&self.phrases.states, self.rng)
    }
}

/// How many verbs there are.
pub(crate) fn n_verbs() -> usize {
    phrases().verbs.len()
}

/// Base and past form of a verb by its place in the list.
pub(crate) fn verb(place: usize) -> (String, String) {
    forms(&phrases().verbs[place])
}

/// What ends a clause: `after the war`.
pub(crate) fn adverbial(rng: &mut ChaCha8Rng) -> &'static str {
    pick(&phrases().adverbials, rng)
}

/// A past form of a verb.
pub(crate) fn past(rng: &mut ChaCha8Rng) -> String {
    forms(pick(&phrases().verbs, rng)).1
}

/// What ends a clause: `came first`.
pub(crate) fn ending(rng: &mut ChaCha8Rng) -> &'static str {
    pick(&phrases().endings, rng)
}

/// A common noun.
pub(crate) fn noun(rng: &mut ChaCha8Rng) -> &'static str {
    pick(&phrases().nouns, rng)
}

fn pick(words: &'static [String], rng: &mut ChaCha8Rng) -> &'static str {
    words.choose(rng).map_or("", String::as_str)
}

/// Base and past form: the halves of an entry such as `rely on relied on`.
fn forms(verb: &str) -> (String, String) {
    let words: Vec<&str> = verb.split(' ').collect();
    let (base, past) = words.split_at(words.len() / 2);
    (base.join(" "), past.join(" "))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::corpus::domain::DomainSplit;

    #[test]
    fn verbs_have_two_forms() {
        for verb in &phrases().verbs {
            let (base, past) = forms(verb);
            let words = |text: &str| text.split(' ').count();
            assert!(!base.is_empty(), "{verb}");
            assert_eq!(words(&base), words(&past), "{verb}");
        }
    }

    #[test]
    fn no_general_shape_is_a_held_out_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let all = domains();
        for domain in all.iter().filter(|d| d.split == DomainSplit::Train) {
            for _ in 0..2_000 {
                let text = skeleton(&shape(domain, &mut rng));
                assert!(text.contains('_'), "{text}");
                assert!(!held_out().contains(&text), "{text}");
            }
        }
    }

    #[test]
    fn shapes_are_many() {
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        let domain = &domains()[0];
        let shapes: std::collections::HashSet<String> =
            (0..1_000).map(|_| shape(domain, &mut rng)).collect();
        assert!(shapes.len() > 900, "{}", shapes.len());
    }
}

//! Sentences with events: what happened, and who took part as what.
//!
//! A verb in the past tells of an event, whose type is the verb's base form; the types of a domain are its roles, told
//! by the words that introduce names. `The carrier Brel hired the author Ada Holt` is a `hire` with a carrier and an
//! author. Every fourth verb occurs in the evaluation alone, as do the domain's types, names and the sentence shapes.

use ner_types::{Event, Example};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand_chacha::ChaCha8Rng;

use crate::corpus::display_label;
use crate::corpus::domain::{Domain, Style};
use crate::corpus::general;
use crate::corpus::grammar::{JOINTS, OPENINGS, cue};
use crate::corpus::names::{Pool, capitalize, name};

/// Shapes of training: `A` and `B` are names behind the words that introduce them, `v` is the verb, `n` a noun and `d`
/// an adverbial.
const SHAPES: &[&str] = &[
    "the [A] [v] the [B]",
    "the [A] [v] the [B] [d]",
    "it was the [A] that [v] the [B]",
    "the [n] shows how the [A] [v] the [B]",
    "the [A] [v] the [n]",
    "the [B], which the [A] [v], was there [d]",
    "the [A] was there [d]",
];

/// Shapes of the evaluation alone.
const HELD_OUT: &[&str] = &[
    "nobody but the [A] [v] the [B]",
    "before the [A] [v] the [B], the [n] was there",
    "as the [n] tells, the [A] [v] the [B] [d]",
    "the [B] was there when the [A] [v] the [n]",
    "the [A] and the [B] were there [d]",
];

/// Words of a verb that tell the types of the evaluation apart from those of training: every fourth verb.
const EVALUATION_VERBS: usize = 4;

/// What happened, as a sentence tells it.
struct Happening {
    base: String,
    past: String,
    parts: Vec<Part>,
}

/// Who took part: the type, the word that introduces the name, and the name.
struct Part {
    kind: usize,
    cue: String,
    text: String,
}

/// A sentence with its events.
pub(super) struct Told<'a> {
    domain: &'a Domain,
    pool: Pool,
    text: String,
    happened: Vec<Happening>,
}

/// The types of events and roles that a schema asks for.
pub(super) struct Asked {
    /// The events by their verbs.
    events: Vec<String>,
    /// What each type of the domain goes by as a role; nothing if it is not asked for.
    roles: Vec<Option<String>>,
}

/// A sentence for training or, from the evaluation's pool, for the evaluation.
pub(super) fn sentence<'a>(domain: &'a Domain, pool: Pool, rng: &mut ChaCha8Rng) -> Told<'a> {
    let shapes = if pool == Pool::Evaluation {
        HELD_OUT
    } else {
        SHAPES
    };
    let mut told = Told {
        domain,
        pool,
        text: String::new(),
        happened: Vec::new(),
    };
    if rng.random_bool(0.3) {
        told.text += pick(OPENINGS, rng);
    }
    told.clause(pick(shapes, rng), rng);
    if rng.random_bool(0.35) {
        told.text += pick(JOINTS, rng);
        told.clause(pick(shapes, rng), rng);
    }
    told.finish();
    told
}

/// A verb of the pool in its two forms.
fn verb(pool: Pool, rng: &mut ChaCha8Rng) -> (String, String) {
    loop {
        let place = rng.random_range(0..general::n_verbs());
        if place.is_multiple_of(EVALUATION_VERBS) == (pool == Pool::Evaluation) {
            return general::verb(place);
        }
    }
}

impl Told<'_> {
    fn clause(&mut self, shape: &str, rng: &mut ChaCha8Rng) {
        let (base, past) = verb(self.pool, rng);
        let n_types = self.domain.types.len();
        let kinds = index::sample(rng, n_types, 2.min(n_types)).into_vec();
        let mut parts = Vec::new();
        for (i, part) in shape.split(['[', ']']).enumerate() {
            match (i % 2, part) {
                (0, words) => self.text += words,
                (_, "A") => parts.push(self.part(kinds[0], rng)),
                (_, "B") => parts.push(self.part(kinds[kinds.len() - 1], rng)),
                (_, "v") => self.text += &past,
                (_, "d") => self.text += general::adverbial(rng),
                _ => self.text += general::noun(rng),
            }
        }
        if shape.contains("[v]") {
            // In the last of the held-out shapes the other name has no part in it.
            if shape.contains("[B] was there when") {
                parts.remove(0);
            }
            self.happened.push(Happening { base, past, parts });
        }
    }

    /// Adds a name that the sentence does not have yet behind a word that introduces it.
    fn part(&mut self, kind: usize, rng: &mut ChaCha8Rng) -> Part {
        let cue = cue(&self.domain.types[kind], rng).to_owned();
        let text = loop {
            let text = name(self.domain.types[kind].names, self.pool, rng);
            if !self.text.contains(&text) {
                break text;
            }
        };
        self.text += &format!("{cue} {text}");
        Part { kind, cue, text }
    }

    fn finish(&mut self) {
        if self.domain.style == Style::Prose {
            self.text = format!("{}.", capitalize(&self.text));
            return;
        }
        self.text = self.text.to_lowercase();
        for part in self.happened.iter_mut().flat_map(|it| &mut it.parts) {
            part.text = part.text.to_lowercase();
        }
    }

    /// A schema of training: most of what occurs, and some of what does not.
    pub(super) fn sample(&self, rng: &mut ChaCha8Rng) -> Asked {
        let occurs = |kind: usize| {
            let mut parts = self.happened.iter().flat_map(|it| &it.parts);
            parts.any(|part| part.kind == kind)
        };
        let role = |kind: usize, rng: &mut ChaCha8Rng| {
            let kept = rng.random_bool(if occurs(kind) { 0.88 } else { 0.5 });
            kept.then(|| display_label(&self.domain.types[kind], rng))
        };
        let roles = (0..self.domain.types.len()).map(|kind| role(kind, rng));
        let roles = roles.collect();
        let happened = self.happened.iter();
        let mut events: Vec<String> = happened
            .filter(|_| rng.random_bool(0.88))
            .map(|it| it.base.clone())
            .collect();
        for _ in 0..rng.random_range(1..4) {
            events.push(verb(self.pool, rng).0);
        }
        events.shuffle(rng);
        Asked { events, roles }
    }

    /// A schema of the evaluation: what occurs, two other events, and all roles.
    pub(super) fn all(&self, rng: &mut ChaCha8Rng) -> Asked {
        let mut events: Vec<String> = self.happened.iter().map(|it| it.base.clone()).collect();
        events.extend((0..2).map(|_| verb(self.pool, rng).0));
        let labels = self
            .domain
            .types
            .iter()
            .map(|kind| Some(kind.label.clone()));
        Asked {
            events,
            roles: labels.collect(),
        }
    }

    /// The example for a schema.
    pub(super) fn annotate(&self, asked: &Asked, guid: String) -> Example {
        let roles: Vec<&str> = asked.roles.iter().flatten().map(String::as_str).collect();
        let entry = |event: &String| format!("{event}({})", roles.join(", "));
        let happened = self.happened.iter();
        let happened = happened.filter(|it| asked.events.contains(&it.base));
        let event = |it: &Happening| {
            let event = Event::new(&it.base, &it.past);
            it.parts
                .iter()
                .fold(event, |event, part| match &asked.roles[part.kind] {
                    Some(role) => event.with(role, &part.text),
                    None => event,
                })
        };
        Example {
            guid: Some(guid),
            dataset: Some(self.domain.name.clone()),
            sentence: self.text.clone(),
            schema: asked.events.iter().map(entry).collect(),
            cot: Some(self.reasoning(asked)),
            events: Some(happened.map(event).collect()),
            ..Example::default()
        }
        .normalized()
    }

    /// One sentence of reasoning for each verb: what it tells of, and what each name beside it is.
    fn reasoning(&self, asked: &Asked) -> String {
        let step = |it: &Happening| {
            let Happening { base, past, .. } = it;
            if !asked.events.contains(base) {
                return format!("\"{past}\" tells of {base}, which is not asked for.");
            }
            let parts = it.parts.iter().map(|part| self.role_of(part, asked));
            let parts: Vec<String> = parts.collect();
            let colon = if parts.is_empty() { "" } else { ": " };
            format!("\"{past}\" tells of {base}{colon}{}.", parts.join(", "))
        };
        let steps: Vec<String> = self.happened.iter().map(step).collect();
        if steps.is_empty() {
            return "No event is told.".into();
        }
        steps.join(" ")
    }

    fn role_of(&self, part: &Part, asked: &Asked) -> String {
        let Part { kind, cue, text } = part;
        match &asked.roles[*kind] {
            Some(role) => format!("{cue} \"{text}\" is {role}"),
            None => format!("{cue} \"{text}\" is not asked for"),
        }
    }
}

fn pick<'a>(words: &[&'a str], rng: &mut ChaCha8Rng) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}

//! Contradictions that are made on purpose.

use ner_types::{Entity, Example};
use serde::{Deserialize, Serialize};

use crate::hashing::mix;

/// How an answer contradicts its reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// An entity has another type than the reasoning arrives at.
    OtherType,
    /// The reasoning says that a text is no entity, the answer has it.
    CalledNone,
    /// The answer leaves out what the reasoning arrives at.
    Missing,
    /// The answer has an entity that the reasoning says nothing of.
    Extra,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::OtherType,
        Self::CalledNone,
        Self::Missing,
        Self::Extra,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::OtherType => "other_type",
            Self::CalledNone => "called_none",
            Self::Missing => "missing",
            Self::Extra => "extra",
        }
    }
}

/// A row spoilt.
pub(super) struct Spoilt {
    /// The answer.
    pub(super) entities: Vec<Entity>,
    /// The entity that the reasoning has to call none.
    pub(super) denied: Option<usize>,
}

/// Spoils the answer of a row, if it has what the fault needs.
pub(super) fn spoil(fault: Fault, row: &Example, dice: &mut Dice) -> Option<Spoilt> {
    let mut entities = row.entities.clone();
    let denied = match fault {
        Fault::OtherType => {
            let at = dice.pick(&alone(row))?;
            let others = row
                .schema
                .iter()
                .filter(|label| **label != entities[at].label);
            entities[at].label = dice.pick(&others.collect::<Vec<_>>())?.clone();
            None
        }
        Fault::CalledNone => Some(dice.pick(&alone(row))?),
        Fault::Missing => {
            entities.remove(dice.pick(&alone(row))?);
            None
        }
        Fault::Extra => {
            let text = dice.pick(&other_words(row))?;
            let label = dice.pick(&row.schema)?;
            entities.push(Entity::new(text, label));
            None
        }
    };
    Some(Spoilt { entities, denied })
}

/// Entities whose text is no part of another one's, and has none.
fn alone(row: &Example) -> Vec<usize> {
    let apart = |at: usize| {
        let text = row.entities[at].text.to_lowercase();
        row.entities.iter().enumerate().all(|(other, e)| {
            let e = e.text.to_lowercase();
            other == at || !(e.contains(&text) || text.contains(&e))
        })
    };
    (0..row.entities.len()).filter(|&at| apart(at)).collect()
}

/// Words of at least four letters that are part of no entity.
fn other_words(row: &Example) -> Vec<&str> {
    let is_word = |word: &&str| word.chars().count() >= 4 && word.chars().all(char::is_alphabetic);
    let is_other = |word: &&str| !row.entities.iter().any(|e| e.text.contains(*word));
    let words = row.sentence.split_whitespace();
    words.filter(is_word).filter(is_other).collect()
}

/// A sequence of choices, the same on every machine: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// The sequence of these numbers.
    pub(super) fn new(seeds: &[u64]) -> Self {
        Self(
            seeds
                .iter()
                .fold(0, |sum, seed| mix(sum ^ mix(seed.wrapping_add(STEP)))),
        )
    }

    /// A number below `n`, 0 if that is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(STEP);
        (mix(self.0) % n.max(1) as u64) as usize
    }

    /// One of several.
    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let at = self.below(from.len());
        from.get(at).cloned()
    }
}

/// The increment of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

//! Which types a teacher is asked for, where the rows of a source state none.
//!
//! The types of a row's own mentions would give the answer away and never ask for what is absent, so rows are asked for
//! the types of their whole dataset; where these are too many for a prompt, for their own and some absent ones.

use std::collections::BTreeSet;

use ner_datasets::Types;
use ner_types::{is_dropped_label, normalize_label};
use serde::{Deserialize, Serialize};

use crate::inputs::MANY_TYPES;

/// Absent types of a row, where the dataset has too many to ask for all of them.
const NEGATIVES: usize = 20;

/// What is asked for, as a caller wants it.
#[derive(Clone, Debug, Default)]
pub struct WantedTypes {
    /// These types, in the place of the dataset's.
    pub named: Option<Vec<String>>,
    /// Of each row only its own types and so many absent ones.
    pub negatives: Option<usize>,
}

impl WantedTypes {
    pub(super) fn is_given(&self) -> bool {
        self.named.is_some() || self.negatives.is_some()
    }
}

/// The types that rows are asked for that state none; part of what a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AskedTypes {
    /// The types of the dataset, or those that were named. Without any a row is asked for the types of its own
    /// mentions, as programs before this setting did.
    types: Vec<String>,
    /// Whether they were named, and not found in the dataset.
    is_named: bool,
    /// Ask of each row only for its own and so many absent ones.
    negatives: Option<usize>,
}

impl AskedTypes {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The types for a reader; `seed` draws the absent ones.
    pub(super) fn for_reader(&self, seed: u64) -> Option<Types> {
        let of = self.types.clone();
        (!of.is_empty()).then_some(match self.negatives {
            None => Types::All(of),
            Some(negatives) => Types::Sampled {
                of,
                negatives,
                seed,
            },
        })
    }

    /// Whether there is nothing to ask for but what each row has.
    pub(super) fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// How many types there are as they are asked for: normalised, without placeholders such as `misc`.
    fn count(&self) -> usize {
        let labels = self.types.iter().map(|label| normalize_label(label));
        let labels: BTreeSet<String> = labels.filter(|label| !is_dropped_label(label)).collect();
        labels.len()
    }

    /// What is asked for, in words.
    pub fn words(&self) -> String {
        let n = self.count();
        let whose = if self.is_named {
            "that were named"
        } else {
            "of the dataset"
        };
        match self.negatives {
            _ if self.types.is_empty() => "those that each row has of its own".into(),
            None => format!("{n} {whose}"),
            Some(negatives) => {
                format!(
                    "those of each row's mentions and {negatives} absent ones, drawn from the {n} {whose}"
                )
            }
        }
    }
}

impl AskedTypes {
    /// The same way of asking, with the types that the dataset has now.
    pub(super) fn again(&self, found: &[String]) -> Self {
        let mut again = self.clone();
        if !self.is_named && !self.types.is_empty() {
            again.types = found.to_vec();
        }
        again
    }
}

/// What is asked for in a new folder, and why it is not all.
pub(super) fn asked(wanted: &WantedTypes, found: &[String]) -> (AskedTypes, &'static str) {
    let mut asked = AskedTypes {
        types: wanted.named.clone().unwrap_or_else(|| found.to_vec()),
        is_named: wanted.named.is_some(),
        negatives: wanted.negatives,
    };
    let many = asked.count() > MANY_TYPES && !wanted.is_given();
    if many {
        asked.negatives = Some(NEGATIVES);
        return (
            asked,
            ", as they are over 100 (--types or --negatives say otherwise)",
        );
    }
    (asked, "")
}

/// The first types that only one of the two has, for a message.
pub(super) fn difference(before: &AskedTypes, now: &AskedTypes) -> String {
    let only = |a: &AskedTypes, b: &AskedTypes| {
        let mut only = a.types.iter().filter(|label| !b.types.contains(label));
        only.next().cloned()
    };
    match (only(now, before), only(before, now)) {
        _ if before.types.is_empty() => String::new(),
        (Some(new), _) => format!(" ({new:?} is new)"),
        (None, Some(gone)) => format!(" ({gone:?} is gone)"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("type {i}")).collect()
    }

    #[test]
    fn many_types_are_sampled_unless_somebody_says_otherwise() {
        let wanted = WantedTypes::default();
        assert_eq!(asked(&wanted, &texts(100)).0.negatives, None);
        let (many, why) = asked(&wanted, &texts(101));
        assert_eq!((many.negatives, why.is_empty()), (Some(NEGATIVES), false));
        let named = WantedTypes {
            named: Some(texts(200)),
            negatives: None,
        };
        assert_eq!(asked(&named, &texts(3)).0.words(), "200 that were named");
        let few = WantedTypes {
            named: None,
            negatives: Some(2),
        };
        let words = asked(&few, &texts(3)).0.words();
        assert!(
            words.ends_with("2 absent ones, drawn from the 3 of the dataset"),
            "{words}"
        );
    }

    #[test]
    fn types_are_counted_as_they_are_asked_for() {
        let types = ["City", "city ", "MISC", "person"]
            .map(String::from)
            .to_vec();
        let asked = asked(&WantedTypes::default(), &types).0;
        assert_eq!(asked.words(), "2 of the dataset");
        assert_eq!(difference(&AskedTypes::default(), &asked), "");
        let fewer = AskedTypes {
            types: types[1..].to_vec(),
            ..asked.clone()
        };
        assert_eq!(difference(&asked, &fewer), " (\"City\" is gone)");
        assert_eq!(asked.again(&types[..1]).types, types[..1]);
    }

    /// A job of before the setting reads as one that asks for each row's own types, and is written as it was.
    #[test]
    fn jobs_of_before_are_read_and_written_as_they_were() {
        let asked: AskedTypes = serde_json::from_str("{}").expect("a choice");
        assert!(asked.is_default() && asked.for_reader(1).is_none());
        assert_eq!(asked.again(&texts(3)), asked);
    }
}

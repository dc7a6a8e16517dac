//! The manners in which teachers reason.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How a reasoning is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// One sentence for each entity, with the words beside it: that of the simulated teacher.
    Evidence,
    /// Hardly more than the entity and its type.
    Terse,
    /// As R1: questions, hypotheses, "wait", "no", talk of the instructions.
    SecondThoughts,
    /// Bullet points, headings, tables.
    Markdown,
    /// German, Spanish, French, Italian; by hand also Portuguese, Chinese and Japanese.
    OtherLanguage,
}

impl Manner {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Evidence,
        Self::Terse,
        Self::SecondThoughts,
        Self::Markdown,
        Self::OtherLanguage,
    ];

    /// Its name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Terse => "terse",
            Self::SecondThoughts => "second_thoughts",
            Self::Markdown => "markdown",
            Self::OtherLanguage => "other_language",
        }
    }
}

impl FromStr for Manner {
    type Err = Error;

    /// # Errors
    /// If there is none of this name; the message lists all.
    fn from_str(name: &str) -> Result<Self, Error> {
        let manner = Self::ALL.into_iter().find(|manner| manner.name() == name);
        manner.ok_or_else(|| Error::unknown("manner", &Self::ALL.map(Self::name), name))
    }
}

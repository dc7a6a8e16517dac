//! The parts, one file each.

mod teacher;

use anyhow::Result;
use clap::ValueEnum;

use crate::lab::Lab;
use crate::tally::Tally;

/// One way to break the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// A client with a budget against teachers that cheat, break off and echo the key.
    Teacher,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
        }
    }

    /// What is done, in a few words.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Teacher => "hostile teachers under a budget, on a simulated clock",
        }
    }

    /// Its share of the time, beside the others.
    pub(crate) fn weight(self) -> f64 {
        match self {
            Self::Teacher => 2.0,
        }
    }

    pub(crate) fn run(self, lab: &Lab, tally: &mut Tally) -> Result<()> {
        match self {
            Self::Teacher => teacher::run(lab, tally),
        }
    }

    /// The parts that are named, in their fixed order; all if none is.
    pub(crate) fn chosen(only: &[Self]) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        let is_chosen = |part: &Self| match only {
            [] => true,
            named => named.contains(part),
        };
        all.filter(is_chosen).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_flag_accepts() {
        for part in Part::value_variants() {
            let value = part.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), part.name());
        }
    }
}

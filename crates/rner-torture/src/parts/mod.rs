//! The parts, one file each.

mod damage;
mod folders;
mod fuzz;
mod growth;
mod kill;
mod memory;
mod mutants;
mod serve;
mod supply;
mod teacher;

use anyhow::Result;
use clap::ValueEnum;

use crate::lab::Lab;
use crate::tally::Tally;

/// One way to break the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The program dies at every call to the disk, and must go on as if nothing had been.
    Kill,
    /// Files that commands read back, damaged: an error or the same result.
    Damage,
    /// Full disks, two processes in one folder, signals.
    Folders,
    /// Inputs that nobody wrote, for every reader; with a time, libFuzzer too.
    Fuzz,
    /// A client with a budget against teachers that cheat, break off and echo the key.
    Teacher,
    /// The server against bad requests, bombs, slow clients and poison, beside load.
    Serve,
    /// Readers of what others decide, at growing sizes.
    Growth,
    /// Overflow checks, debug assertions and sanitizers.
    Memory,
    /// Advisories, licences and sources of all dependencies.
    Supply,
    /// Changes of the code that no test notices.
    Mutants,
}

/// Parts that take so long that they run only when they are named.
const WHEN_NAMED: [Part; 1] = [Part::Mutants];

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Damage => "damage",
            Self::Folders => "folders",
            Self::Fuzz => "fuzz",
            Self::Teacher => "teacher",
            Self::Serve => "serve",
            Self::Growth => "growth",
            Self::Memory => "memory",
            Self::Supply => "supply",
            Self::Mutants => "mutants",
        }
    }

    /// What is done, in a few words.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Kill => "stopped at each call to the disk, and killed for real",
            Self::Damage => "every kind of file that a command reads back, damaged",
            Self::Folders => "full disks, two processes in one folder, signals",
            Self::Fuzz => "inputs that nobody wrote, for every reader",
            Self::Teacher => "hostile teachers under a budget, on a simulated clock",
            Self::Serve => "bad requests, bombs, slow clients and poison, beside load",
            Self::Growth => "twice the input, at most so many times the work",
            Self::Memory => "overflow checks, debug assertions, sanitizers",
            Self::Supply => "advisories, licences and sources of all dependencies",
            Self::Mutants => "changes of the code that no test notices",
        }
    }

    /// Its share of the time, beside the others.
    pub(crate) fn weight(self) -> f64 {
        match self {
            Self::Kill => 4.0,
            Self::Damage => 4.0,
            Self::Folders => 2.0,
            Self::Fuzz => 6.0,
            Self::Teacher => 2.0,
            Self::Serve => 3.0,
            Self::Growth => 1.0,
            Self::Memory => 1.0,
            Self::Supply => 0.5,
            Self::Mutants => 10.0,
        }
    }

    pub(crate) fn run(self, lab: &Lab, tally: &mut Tally) -> Result<()> {
        match self {
            Self::Kill => kill::run(lab, tally),
            Self::Damage => damage::run(lab, tally),
            Self::Folders => folders::run(lab, tally),
            Self::Fuzz => fuzz::run(lab, tally),
            Self::Teacher => teacher::run(lab, tally),
            Self::Serve => serve::run(lab, tally),
            Self::Growth => growth::run(lab, tally),
            Self::Memory => memory::run(lab, tally),
            Self::Supply => supply::run(lab, tally),
            Self::Mutants => mutants::run(lab, tally),
        }
    }

    /// The parts that are named, in their fixed order; all but [`WHEN_NAMED`] if none is.
    pub(crate) fn chosen(only: &[Self]) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        let is_chosen = |part: &Self| match only {
            [] => !WHEN_NAMED.contains(part),
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

//! Folders and files that `rner` writes, in real processes: full disks, two processes at once, signals.
//!
//! A case is one trouble for one command. Whatever happens, the same command ends with the bytes that an undisturbed
//! one ends with, once nothing stands in its way, and nothing hidden stays behind.

mod command;
mod full;
mod process;
mod signals;
mod tree;
mod two;
mod world;

use anyhow::Result;

use crate::lab::Lab;
use crate::tally::Tally;
use command::Command;
use world::World;

/// How often CI meets each kind, in some 20 s.
const ROUNDS: u64 = 3;

/// What happens to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The disk has not enough room for what it writes.
    Full,
    /// The same command is started beside it.
    Two,
    /// It is asked to end, several times.
    Signals,
}

pub(crate) fn run(lab: &Lab, tally: &mut Tally) -> Result<()> {
    let mut world = World::new(lab)?;
    let kinds = kinds();
    for seed in lab.cases(ROUNDS * kinds.len() as u64) {
        let (trouble, command) = kinds[(seed % kinds.len() as u64) as usize];
        let outcome = match trouble {
            Trouble::Full => full::case(&mut world, command, seed, tally),
            Trouble::Two => two::case(&mut world, command, seed, tally),
            Trouble::Signals => signals::case(&mut world, command, seed, tally),
        };
        world.clear(seed)?;
        let name = command.name();
        tally.case(seed, || {
            outcome.map_err(|error| error.context(format!("{trouble:?}, {name}")))
        });
    }
    world.conclude(tally);
    Ok(())
}

/// Every trouble for every command that it can meet.
fn kinds() -> Vec<(Trouble, Command)> {
    let all = |trouble| Command::ALL.map(|command| (trouble, command));
    let signals = Command::LONG.map(|command| (Trouble::Signals, command));
    let kinds = all(Trouble::Full).into_iter().chain(all(Trouble::Two));
    kinds.chain(signals).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amount_of_ci_meets_each_kind_once() {
        let kinds = kinds();
        let once = |kind| kinds.iter().filter(|other| *other == kind).count() == 1;
        assert!(kinds.iter().all(once));
        assert_eq!(kinds.len(), 2 * Command::ALL.len() + Command::LONG.len());
    }
}

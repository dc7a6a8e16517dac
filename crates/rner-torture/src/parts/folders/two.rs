//! Two processes with the same command in the same place.

use anyhow::{Result, ensure};
use rand::Rng;

use super::command::Command;
use super::process::Ended;
use super::world::World;
use crate::lab::random;
use crate::tally::Tally;

/// The second one starts somewhere in the time of the first.
pub(super) fn case(
    world: &mut World,
    command: Command,
    seed: u64,
    tally: &mut Tally,
) -> Result<()> {
    let (time, _) = world.undisturbed(command)?;
    let folder = world.case_folder(seed)?;
    let mut first = world.start(command, &folder)?;
    first.run_for(time.mul_f64(random(seed).random_range(0.0..1.0)));
    let second = world.start(command, &folder)?;
    let numbers = [first.number(), second.number()];
    let ended = [first.wait()?, second.wait()?];
    tally.count("pairs of processes", 1);
    let done = ended.iter().filter(|one| one.is_success()).count();
    ensure!(
        done > 0,
        "neither was done: {} {}",
        ended[0].said,
        ended[1].said
    );
    for (one, other) in [(0, 1), (1, 0)] {
        ended[one].check()?;
        if !ended[one].is_success() {
            tally.count("of them refused one", 1);
            check_refusal(&ended[one], numbers[other])?;
        }
    }
    world.check_result(command, &folder)
}

/// The one that was refused says who holds the place.
fn check_refusal(ended: &Ended, owner: u32) -> Result<()> {
    let Ended { status, said } = ended;
    ensure!(status.code() == Some(1), "ended with {status}: {said}");
    // The first one may have taken the place and not yet written its number there.
    let is_named = said.contains(&owner.to_string()) || said.contains("(owner unknown)");
    let names = said.contains("in use by another process") && is_named;
    ensure!(
        names,
        "expected the number of process {owner}, said: {said}"
    );
    Ok(())
}

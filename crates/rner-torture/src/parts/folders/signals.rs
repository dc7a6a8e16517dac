//! Signals that ask a command to end.

use std::os::unix::process::ExitStatusExt;
use std::time::Instant;

use anyhow::{Result, ensure};
use rand::Rng;

use super::command::Command;
use super::process::Ended;
use super::world::World;
use crate::lab::random;
use crate::tally::Tally;

/// The signals by name, with their numbers on Linux.
const SIGNALS: [(&str, i32); 6] = [
    ("INT", 2),
    ("TERM", 15),
    ("HUP", 1),
    ("USR1", 10),
    ("USR2", 12),
    ("XCPU", 24),
];

/// Signals in a row, until the command is left alone.
const IN_A_ROW: usize = 3;

/// Seconds that the end may take.
const LIMIT: f64 = 30.0;

/// Asks the command to end some times, each time at another moment, and then lets it go on.
pub(super) fn case(
    world: &mut World,
    command: Command,
    seed: u64,
    tally: &mut Tally,
) -> Result<()> {
    let (time, _) = world.undisturbed(command)?;
    let folder = world.case_folder(seed)?;
    let (mut random, mut kept) = (random(seed), 0);
    for _ in 0..IN_A_ROW {
        let signal = SIGNALS[random.random_range(0..SIGNALS.len())];
        let mut process = world.start(command, &folder)?;
        process.run_for(time.mul_f64(random.random_range(0.0..1.0)));
        let begun = Instant::now();
        process.send(signal.0)?;
        let ended = process.wait()?;
        let seconds = begun.elapsed().as_secs_f64();
        tally.count("signals", 1);
        tally.measure(
            "seconds from a signal to the end",
            seconds,
            Some(LIMIT),
            seed,
        );
        ended.check()?;
        check_end(&ended, signal, tally)?;
        let before = std::mem::replace(&mut kept, command.kept(&folder));
        let (name, is_over) = (signal.0, ended.is_success());
        ensure!(
            is_over || kept >= before,
            "{name}: {kept} steps or answers are kept, after {before}"
        );
    }
    world.check_recovered(command, &folder)
}

/// Stopped at a safe point, ended in the middle of something, or done before it heard of it.
fn check_end(ended: &Ended, (name, number): (&str, i32), tally: &mut Tally) -> Result<()> {
    let Ended { status, said } = ended;
    let is_safe = status.code() == Some(128 + number) && said.contains("same command");
    let is_late = status.success();
    // The system ends a process that does not listen yet, in its first milliseconds.
    let is_early = status.signal() == Some(number) && said.is_empty();
    let is_forced = status.code() == Some(128 + number);
    tally.count("of them met at a safe point", u64::from(is_safe));
    ensure!(
        is_safe || is_late || is_early || is_forced,
        "{name}: ended with {status}: {said}"
    );
    Ok(())
}

//! A run of the pipeline against teachers that cheat, break off and repeat the key, on a simulated clock.
//!
//! Each case is a manner of the server, streamed or whole, with 1, 32 or 256 requests in flight, under a budget that does
//! not suffice. A first run spends it, a second one starts again with the same budget, a third meets a good server and
//! money enough. Then: what the server billed never passed the budget, no answer that was delivered is asked for again,
//! the key is in no file, and each run came to its end.

mod manner;
mod run;
mod server;

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::lab::Lab;
use crate::tally::Tally;
use manner::Manner;
use run::{Found, Setting};

/// Pairs of a manner and a way to ask.
const STANDARD: u64 = 80;

/// Ways to ask: in pieces or whole, with so many requests in flight.
const WAYS: [(bool, usize); 6] = [
    (false, 1),
    (true, 32),
    (false, 256),
    (true, 1),
    (false, 32),
    (true, 256),
];

pub(crate) fn run(lab: &Lab, tally: &mut Tally) -> Result<()> {
    let mut pairs = BTreeSet::new();
    for seed in lab.cases(STANDARD) {
        let setting = setting(seed);
        pairs.insert((setting.manner, setting.stream, setting.in_flight));
        let dir = lab.folder(&format!("case-{seed}"))?;
        let mut found = Found::default();
        tally.case(seed, || {
            found = simulated(run::case(&setting, &dir))?;
            Ok(())
        });
        enter(&found, seed, tally);
        std::fs::remove_dir_all(&dir).with_context(|| dir.display().to_string())?;
    }
    tally.count("pairs", pairs.len() as u64);
    Ok(())
}

/// Neighbouring seeds meet all manners; after those, each manner meets another way.
fn setting(seed: u64) -> Setting {
    let manners = Manner::ALL.len() as u64;
    let (number, round) = (seed % manners, seed / manners);
    let way = ((number + round) % WAYS.len() as u64) as usize;
    let (stream, in_flight) = WAYS[way];
    Setting {
        seed,
        manner: Manner::ALL[number as usize],
        stream,
        in_flight,
    }
}

fn enter(found: &Found, seed: u64, tally: &mut Tally) {
    tally.count("runs", 3);
    tally.count("requests", found.requests);
    tally.count("simulated hours", found.seconds / 3600);
    tally.measure("billed / budget", found.billed_of_budget, Some(1.0), seed);
    for fault in &found.faults {
        tally.fail(seed, fault);
    }
}

/// Runs on a clock that jumps to the next thing that will happen.
fn simulated<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .context("cannot start a runtime")?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amount_of_ci_meets_every_manner_in_two_ways_and_six_rounds_all_pairs() {
        let pairs = |seeds: u64| {
            let settings = (1..=seeds).map(setting);
            let pairs = settings.map(|one| (one.manner, one.stream, one.in_flight));
            pairs.collect::<BTreeSet<_>>()
        };
        let manners = Manner::ALL.len();
        assert_eq!((manners, pairs(STANDARD).len()), (40, 2 * manners));
        assert_eq!(pairs(6 * manners as u64).len(), 6 * manners);
    }
}

//! The bodies in this process: over stored inputs, and over changes of them that depend on a seed alone.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use rner_fuzz::mutate::Mutator;
use rner_fuzz::{TARGETS, Target};

use super::{crashes, create, files, peak};
use crate::lab::Lab;
use crate::tally::Tally;

/// Cases in CI. Each changes an input of every target.
const STANDARD: u64 = 6000;

/// Longest time of an input in seconds.
const MOST_SECONDS: f64 = 2.0;

/// Most memory in MiB beside what the process had before, of all inputs that are tried at the same time.
const MOST_MEMORY: f64 = 256.0;

thread_local! {
    /// What the last panic of this thread said. Those of foreign parsers that a reader catches mean nothing.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A target, and the inputs that changes begin with.
struct Bench {
    target: &'static Target,
    stored: Vec<Vec<u8>>,
}

/// An input that broke a target.
struct Fault {
    seed: u64,
    target: &'static Target,
    input: Vec<u8>,
    words: String,
}

/// What some inputs came to.
#[derive(Default)]
struct Found {
    inputs: u64,
    /// Seconds, and the seed.
    slowest: (f64, u64),
    faults: Vec<Fault>,
}

pub(super) fn run(lab: &Lab, kept: &Path, tally: &mut Tally) -> Result<()> {
    let benches = TARGETS.iter().map(|target| bench(target, lab, kept));
    let benches = benches.collect::<Result<Vec<_>>>()?;
    let before = peak::reset();
    let hook = take_hook();
    set_hook(Box::new(|info| {
        LAST_PANIC.with(|last| last.replace(info.to_string()));
    }));
    let mut found = stored(&benches, lab.seed());
    found.add(changed(&benches, lab));
    set_hook(hook);
    if let (Some(before), Some(after)) = (before, peak::most()) {
        tally.measure("MiB", after - before, Some(MOST_MEMORY), lab.seed());
    }
    enter(&found, kept, tally)
}

fn enter(found: &Found, kept: &Path, tally: &mut Tally) -> Result<()> {
    tally.count("inputs in process", found.inputs);
    let (seconds, seed) = found.slowest;
    tally.measure("slowest input in s", seconds, Some(MOST_SECONDS), seed);
    for fault in &found.faults {
        let folder = crashes(kept, fault.target);
        create(&folder)?;
        let path = folder.join(format!("seed-{}", fault.seed));
        std::fs::write(&path, &fault.input).with_context(|| path.display().to_string())?;
        let (name, words) = (fault.target.name, &fault.words);
        tally.fail(
            fault.seed,
            format!("{name}: {words}; the input is {}", path.display()),
        );
    }
    Ok(())
}

fn bench(target: &'static Target, lab: &Lab, kept: &Path) -> Result<Bench> {
    let mut paths = files(&lab.source("fixtures/fuzz").join(target.name))?;
    paths.extend(files(&crashes(kept, target))?);
    let read = |path: PathBuf| std::fs::read(&path).with_context(|| path.display().to_string());
    let stored = paths.into_iter().map(read).collect::<Result<_>>()?;
    Ok(Bench { target, stored })
}

/// The stored inputs as they are.
fn stored(benches: &[Bench], seed: u64) -> Found {
    let mut found = Found::default();
    for bench in benches {
        for input in &bench.stored {
            found.try_one(bench.target, seed, input.clone());
        }
    }
    found
}

/// Changed inputs, on all processors.
fn changed(benches: &[Bench], lab: &Lab) -> Found {
    let seeds = Mutex::new(lab.cases(STANDARD).take(STANDARD as usize));
    let next = || seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut found = Found::default();
        while let Some(seed) = next() {
            for bench in benches {
                found.try_one(bench.target, seed, Mutator::new(&bench.stored).input(seed));
            }
        }
        found
    };
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        let mut found = Found::default();
        for worker in workers {
            found.add(worker.join().expect("panics are caught inside"));
        }
        found
    })
}

impl Found {
    /// Tries an input; a target that has failed already is left alone.
    fn try_one(&mut self, target: &'static Target, seed: u64, input: Vec<u8>) {
        if self
            .faults
            .iter()
            .any(|fault| fault.target.name == target.name)
        {
            return;
        }
        let start = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| (target.body)(&input)));
        let seconds = start.elapsed().as_secs_f64();
        self.inputs += 1;
        if seconds > self.slowest.0 {
            self.slowest = (seconds, seed);
        }
        if ended.is_err() {
            self.faults.push(Fault {
                seed,
                target,
                input,
                words: LAST_PANIC.with(RefCell::take),
            });
        }
    }

    fn add(&mut self, other: Self) {
        self.inputs += other.inputs;
        if other.slowest.0 > self.slowest.0 {
            self.slowest = other.slowest;
        }
        self.faults.extend(other.faults);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_breaks_a_target_is_kept_and_the_target_left_alone() {
        const BROKEN: Target = Target {
            name: "broken",
            body: |bytes| assert!(bytes.is_empty(), "some bytes"),
        };
        let mut found = Found::default();
        for (seed, input) in [(1, &b""[..]), (2, b"x"), (3, b"y")] {
            found.try_one(&BROKEN, seed, input.to_vec());
        }
        let faults: Vec<_> = found.faults.iter().map(|f| (f.seed, &*f.input)).collect();
        assert_eq!((found.inputs, faults), (2, vec![(2, &b"x"[..])]));
    }
}

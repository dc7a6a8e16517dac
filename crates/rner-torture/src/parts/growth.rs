//! Readers of what a model, a server or a file decides: twice the input may cost two and a half times the work at most.
//!
//! The inputs are the worst that are known of each kind: repeats, one byte at a time, nothing but line feeds, lines
//! that never end. Work is processor time, the least of several runs, at sizes that take a quarter of a millisecond and
//! more. One doubling says little, because a larger input may leave the cache or get its memory anew, so the limit
//! holds for the mean of four. Tests that count steps in place of time are in the crates.

mod answers;
mod clock;
mod documents;
mod files;
mod streams;

use anyhow::{Context, Result};

use crate::lab::Lab;
use crate::tally::Tally;
use clock::seconds;

/// What twice the input may cost at most.
const LIMIT: f64 = 2.5;

/// Work that is long enough to be measured, in seconds. Longer work is on inputs that no cache holds, and memory that
/// is twice as slow looks like a loop that is twice as long.
const MEASURABLE: f64 = 0.25e-3;

/// Largest size that is tried for a reader that is never slow.
const LARGEST: usize = 1 << 15;

/// How often a size is doubled once it can be measured.
const DOUBLINGS: u32 = 4;

/// Runs of the larger input, of which the fastest counts.
const RUNS: usize = 4;

/// How often a factor above the limit is measured again.
const RETRIES: usize = 4;

/// Largest step towards a size that can be measured: a reader that is quadratic must not take it for minutes.
const LARGEST_STEP: f64 = 8.0;

/// Does the work once. What it returns keeps the compiler from leaving the work out.
pub(crate) type Work = Box<dyn FnMut() -> usize>;

/// A reader with a kind of input.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    /// The work on an input of this size.
    pub(crate) of: fn(usize) -> Result<Work>,
}

/// One reader; `of` makes an input of a size and hands back the work on it.
pub(crate) const fn reader(name: &'static str, of: fn(usize) -> Result<Work>) -> Reader {
    Reader { name, of }
}

fn readers() -> Vec<&'static Reader> {
    let all = [
        streams::READERS,
        answers::READERS,
        files::READERS,
        documents::READERS,
    ];
    all.into_iter().flatten().collect()
}

pub(crate) fn run(lab: &Lab, tally: &mut Tally) -> Result<()> {
    let readers = readers();
    for seed in lab.cases(readers.len() as u64) {
        let reader = readers[(seed % readers.len() as u64) as usize];
        let mut found = None;
        tally.case(seed, || {
            found = growth(reader).with_context(|| reader.name)?;
            Ok(())
        });
        tally.count("readers", 1);
        let Some((factor, size)) = found else {
            tally.count("never slow", 1);
            continue;
        };
        tally.measure("work of twice the input", factor, None, seed);
        if factor > LIMIT {
            let name = reader.name;
            let times = times(reader, size)?;
            let words = format!(
                "{name}: {factor:.2} times the work for twice the input from size {size} on, expected at most {LIMIT}; \
                 each size is twice the one before: {times}"
            );
            tally.fail(seed, words);
        }
    }
    Ok(())
}

/// The factor of the work when the input is doubled, and the size from which on; none if no size takes long.
fn growth(reader: &Reader) -> Result<Option<(f64, usize)>> {
    let (mut size, mut once) = (32, 0.0);
    while once < MEASURABLE {
        if size >= LARGEST {
            return Ok(None);
        }
        let step = (1.5 * MEASURABLE / once).clamp(2.0, LARGEST_STEP);
        size = ((size as f64 * step) as usize).min(LARGEST);
        once = seconds(&mut (reader.of)(size)?, RUNS);
    }
    let factor = || -> Result<f64> {
        let more = seconds(&mut (reader.of)(size << DOUBLINGS)?, RUNS);
        let once = seconds(&mut (reader.of)(size)?, 4 * RUNS);
        Ok((more / once).powf(1.0 / f64::from(DOUBLINGS)))
    };
    let mut found = factor()?;
    for _ in 0..RETRIES {
        if found <= LIMIT {
            break;
        }
        // Somebody else may have used the machine.
        found = found.min(factor()?);
    }
    Ok(Some((found, size)))
}

/// How long some sizes take, for whoever looks for the reason.
fn times(reader: &Reader, size: usize) -> Result<String> {
    let mut all = Vec::new();
    for doublings in 0..=DOUBLINGS {
        let time = seconds(&mut (reader.of)(size << doublings)?, 2 * RUNS);
        all.push(format!("{:.2} ms", 1e3 * time));
    }
    Ok(all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_takes_an_input_and_no_name_is_there_twice() {
        let mut names = std::collections::BTreeSet::new();
        for reader in readers() {
            assert!(names.insert(reader.name), "{}", reader.name);
            let mut work = (reader.of)(8).expect("an input");
            work();
        }
        assert!(names.len() > 40, "{}", names.len());
    }
}

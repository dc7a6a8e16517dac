//! What a part tried, measured and found.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;
use serde::Serialize;

/// A failure, with the seed that shows it again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Fault {
    pub(crate) seed: u64,
    pub(crate) words: String,
}

/// A quantity with its unit; with a limit, if one is promised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) limit: Option<f64>,
}

/// What a part tried, measured and found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tally {
    #[serde(skip)]
    part: &'static str,
    counts: Vec<(&'static str, u64)>,
    measures: Vec<Measure>,
    skipped: Vec<String>,
    faults: Vec<Fault>,
}

impl Tally {
    pub(crate) fn new(part: &'static str) -> Self {
        Self {
            part,
            counts: Vec::new(),
            measures: Vec::new(),
            skipped: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Adds to the number of things of a kind that were tried, such as "real kills".
    pub(crate) fn count(&mut self, what: &'static str, number: u64) {
        match self.counts.iter_mut().find(|(name, _)| *name == what) {
            Some((_, sum)) => *sum += number,
            None => self.counts.push((what, number)),
        }
    }

    /// Keeps the largest value of a quantity. Above its limit, it is a failure of the case with this seed.
    pub(crate) fn measure(
        &mut self,
        name: &'static str,
        value: f64,
        limit: Option<f64>,
        seed: u64,
    ) {
        match self.measures.iter_mut().find(|known| known.name == name) {
            Some(known) => known.value = known.value.max(value),
            None => self.measures.push(Measure { name, value, limit }),
        }
        if let Some(limit) = limit.filter(|limit| value > *limit) {
            self.fail(
                seed,
                format!("{name}: {value:.3}, expected at most {limit}"),
            );
        }
    }

    /// Says what was not tried, and why.
    pub(crate) fn skip(&mut self, what: impl Into<String>) {
        let what = what.into();
        eprintln!("torture {}: not tried: {what}", self.part);
        self.skipped.push(what);
    }

    /// Enters a failure, and prints at once how to see it again.
    pub(crate) fn fail(&mut self, seed: u64, words: impl Into<String>) {
        let words = words.into();
        let part = self.part;
        eprintln!("FAILED {part}, seed {seed}: {words}");
        eprintln!("  again: cargo xtask torture --only {part} --seed {seed} --cases 1");
        self.faults.push(Fault { seed, words });
    }

    /// Runs one case; an error or a panic is a failure.
    pub(crate) fn case(&mut self, seed: u64, case: impl FnOnce() -> Result<()>) {
        match catch_unwind(AssertUnwindSafe(case)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(seed, format!("{error:#}")),
            Err(panic) => self.fail(seed, format!("panic: {}", said(&*panic))),
        }
    }

    pub(crate) fn counts(&self) -> &[(&'static str, u64)] {
        &self.counts
    }

    pub(crate) fn measures(&self) -> &[Measure] {
        &self.measures
    }

    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// The words of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_owned()));
    text.unwrap_or_else(|| "without words".into())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn errors_and_panics_are_failures_with_their_seed() {
        let mut tally = Tally::new("test");
        tally.case(1, || Ok(()));
        tally.case(2, || bail!("no"));
        tally.case(3, || panic!("{}", "oh"));
        let fault = |seed, words: &str| Fault {
            seed,
            words: words.into(),
        };
        assert_eq!(tally.faults(), [fault(2, "no"), fault(3, "panic: oh")]);
    }

    #[test]
    fn a_measure_keeps_its_largest_value_and_fails_above_its_limit() {
        let mut tally = Tally::new("test");
        tally.measure("ms", 3.0, Some(5.0), 1);
        tally.measure("ms", 2.0, Some(5.0), 2);
        assert_eq!(tally.measures()[0].value, 3.0);
        assert!(tally.faults().is_empty());
        tally.measure("ms", 6.0, Some(5.0), 3);
        assert_eq!(tally.faults()[0].seed, 3);
    }

    #[test]
    fn counts_add_up() {
        let mut tally = Tally::new("test");
        tally.count("kills", 2);
        tally.count("files", 1);
        tally.count("kills", 3);
        assert_eq!(tally.counts(), [("kills", 5), ("files", 1)]);
    }
}

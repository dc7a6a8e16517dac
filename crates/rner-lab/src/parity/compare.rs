//! How far found values are from expected ones, and how far they may be.

use std::fmt;

use anyhow::{Result, ensure};

/// How far apart values may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tolerance {
    /// Difference of every value.
    Absolute(f64),
    /// Difference of every value, as a share of it.
    Relative(f64),
    /// Difference of every value, as a share of the largest one of its tensor.
    OfLargest(f64),
    /// Not at all, for numbers.
    Identical,
    /// Not at all, for everything else; the error is the number of differences.
    Equal,
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tolerance::Absolute(most) => write!(f, "{most:e} absolute"),
            Tolerance::Relative(most) => write!(f, "{most:e} relative"),
            Tolerance::OfLargest(most) => write!(f, "{most:e} of the largest"),
            Tolerance::Identical | Tolerance::Equal => f.write_str("identical"),
        }
    }
}

/// The largest errors of many values.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    pub(super) tolerance: Tolerance,
    /// How many values were compared.
    pub(super) values: usize,
    /// Largest difference; for [`Tolerance::Equal`] the number of differences.
    pub(super) absolute: f64,
    /// Largest difference as a share of what the tolerance is a share of.
    pub(super) relative: f64,
    /// Where the largest error is.
    pub(super) worst: Option<String>,
    /// What else a reader must know.
    pub(super) note: Option<String>,
}

impl Comparison {
    /// A comparison of nothing yet.
    pub(super) fn new(tolerance: Tolerance) -> Self {
        Self {
            tolerance,
            values: 0,
            absolute: 0.0,
            relative: 0.0,
            worst: None,
            note: None,
        }
    }

    /// Compares two numbers; the relative error is a share of the expected one.
    pub(super) fn number(&mut self, place: impl FnOnce() -> String, found: f64, expected: f64) {
        self.add(place, found, expected, expected.abs());
    }

    /// Compares two lists of numbers; the relative error is a share of the largest expected one.
    ///
    /// # Errors
    /// When they have different lengths.
    pub(super) fn numbers<T>(&mut self, place: &str, found: &[T], expected: &[f64]) -> Result<()>
    where
        T: Copy + Into<f64>,
    {
        let lengths = (found.len(), expected.len());
        ensure!(
            lengths.0 == lengths.1,
            "{place}: expected {} values, found {}",
            lengths.1,
            lengths.0
        );
        // `f64::max` passes over what is not a number, so that only its own place is blamed.
        let largest = expected
            .iter()
            .fold(0.0, |most: f64, value| most.max(value.abs()));
        for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
            self.add(
                || format!("{place}, value {i}"),
                found.into(),
                expected,
                largest,
            );
        }
        Ok(())
    }

    /// Counts one comparison of things that are not numbers.
    pub(super) fn same(&mut self, place: impl FnOnce() -> String, is_same: bool) {
        self.values += 1;
        if !is_same {
            self.absolute += 1.0;
            self.worst.get_or_insert_with(place);
        }
        self.relative = self.absolute / self.values as f64;
    }

    /// Compares two lists item by item; items that one of them lacks are different.
    pub(super) fn items<T: PartialEq>(&mut self, place: &str, found: &[T], expected: &[T]) {
        for i in 0..found.len().max(expected.len()) {
            let is_same = found.get(i) == expected.get(i);
            self.same(|| format!("{place}, item {i}"), is_same);
        }
    }

    /// Adds another comparison under this one's tolerance.
    pub(super) fn merge(&mut self, other: Self) {
        self.values += other.values;
        if other.absolute > self.absolute || other.absolute.is_nan() {
            self.worst = other.worst;
        }
        self.absolute = worse(self.absolute, other.absolute);
        self.relative = worse(self.relative, other.relative);
    }

    /// The same comparison with a remark.
    pub(super) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Whether something was compared and the errors are within the tolerance.
    pub(super) fn holds(&self) -> bool {
        let within = match self.tolerance {
            Tolerance::Absolute(most) => self.absolute <= most,
            Tolerance::Relative(most) | Tolerance::OfLargest(most) => self.relative <= most,
            Tolerance::Identical | Tolerance::Equal => self.absolute == 0.0,
        };
        within && self.values > 0
    }

    fn add(&mut self, place: impl FnOnce() -> String, found: f64, expected: f64, scale: f64) {
        let absolute = (found - expected).abs();
        let relative = if absolute == 0.0 {
            0.0
        } else {
            absolute / scale
        };
        let (next, most) = match self.tolerance {
            Tolerance::Relative(_) | Tolerance::OfLargest(_) => (relative, self.relative),
            _ => (absolute, self.absolute),
        };
        if next > most || (next.is_nan() && !most.is_nan()) {
            self.worst = Some(place());
        }
        self.values += 1;
        self.absolute = worse(self.absolute, absolute);
        self.relative = worse(self.relative, relative);
    }
}

/// The larger of two errors; not a number is the largest of all.
fn worse(most: f64, next: f64) -> f64 {
    if next > most || next.is_nan() {
        next
    } else {
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(tolerance: Tolerance, found: &[f64], expected: &[f64]) -> Comparison {
        let mut comparison = Comparison::new(tolerance);
        comparison
            .numbers("x", found, expected)
            .expect("equal lengths");
        comparison
    }

    #[test]
    fn every_tolerance_has_its_measure() {
        let (found, expected) = ([1.0, 10.001], [1.0, 10.0]);
        for (tolerance, holds) in [
            (Tolerance::Absolute(1.1e-3), true),
            (Tolerance::Absolute(0.9e-3), false),
            (Tolerance::OfLargest(1.1e-4), true),
            (Tolerance::OfLargest(0.9e-4), false),
            (Tolerance::Identical, false),
        ] {
            let comparison = compared(tolerance, &found, &expected);
            assert_eq!(comparison.holds(), holds, "{tolerance}");
            assert_eq!(comparison.worst.as_deref(), Some("x, value 1"));
        }
        assert!(compared(Tolerance::Identical, &expected, &expected).holds());
    }

    #[test]
    fn what_is_not_a_number_never_holds() {
        for found in [[f64::NAN, 1.0], [1.0, f64::NAN], [f64::INFINITY, 1.0]] {
            for tolerance in [Tolerance::Absolute(1.0), Tolerance::OfLargest(1.0)] {
                assert!(!compared(tolerance, &found, &[1.0, 1.0]).holds());
            }
        }
        assert!(!compared(Tolerance::OfLargest(1.0), &[1e-9], &[0.0]).holds());
        let comparison = compared(Tolerance::OfLargest(1.0), &[1.5, 2.5], &[1.0, f64::NAN]);
        assert_eq!(comparison.worst.as_deref(), Some("x, value 1"));
    }

    #[test]
    fn nothing_compared_is_nothing_shown() {
        assert!(!Comparison::new(Tolerance::Identical).holds());
        let mut comparison = Comparison::new(Tolerance::Absolute(1.0));
        assert!(comparison.numbers("x", &[1.0], &[]).is_err());
    }

    #[test]
    fn items_are_counted() {
        let mut comparison = Comparison::new(Tolerance::Equal);
        comparison.items("ids", &[1, 2, 3], &[1, 5]);
        assert_eq!((comparison.values, comparison.absolute), (3, 2.0));
        assert_eq!(comparison.worst.as_deref(), Some("ids, item 1"));
        assert!(!comparison.holds());
    }
}

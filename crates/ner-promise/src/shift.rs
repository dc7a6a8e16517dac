//! Whether new rows look like those of calibration: a promise about other rows is none.

use crate::scored::Row;

/// What a shift is looked for in, one number for a row: the mean confidence of what it names, or −1 if it names
/// nothing. So rows that name nothing more often are seen as well as rows that are less sure, and rows, not entities,
/// are compared, since those of one row hang together.
pub fn summary(confidences: impl IntoIterator<Item = f64>) -> f64 {
    let (n, sum) = confidences
        .into_iter()
        .fold((0_usize, 0.0), |(n, sum), it| (n + 1, sum + it));
    if n == 0 { -1.0 } else { sum / n as f64 }
}

/// The summaries of calibration rows.
pub fn summaries(rows: &[Row]) -> Vec<f64> {
    let of = |row: &Row| summary(row.iter().map(|it| it.confidence));
    rows.iter().map(of).collect()
}

/// Outcome of the Kolmogorov-Smirnov test of two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The greatest distance between the two distribution functions.
    pub distance: f64,
    /// The probability of such a distance between samples of one distribution; too large where numbers are equal, as
    /// the test is made for continuous ones.
    pub p_value: f64,
    /// Rows that were compared with those of calibration.
    pub rows: usize,
}

/// With fewer rows on either side nothing is said.
pub const FEWEST_ROWS: usize = 20;

/// Below this p-value a shift is warned about: one bulk in a hundred without a shift is warned about for nothing.
pub const LEVEL: f64 = 0.01;

impl Shift {
    /// Compares two samples; `None` of fewer than [`FEWEST_ROWS`] on either side, which show little.
    pub fn between(calibration: &[f64], new: &[f64]) -> Option<Self> {
        if calibration.len().min(new.len()) < FEWEST_ROWS {
            return None;
        }
        let (a, b) = (sorted(calibration), sorted(new));
        let distance = distance(&a, &b);
        let (n, m) = (a.len() as f64, b.len() as f64);
        let root = (n * m / (n + m)).sqrt();
        // Stephens' correction of the asymptotic distribution for small samples (Numerical Recipes, section 14.3).
        let p_value = kolmogorov((root + 0.12 + 0.11 / root) * distance);
        let rows = b.len();
        Some(Self {
            distance,
            p_value,
            rows,
        })
    }

    /// Whether the rows are others than those of calibration.
    pub fn is_found(&self) -> bool {
        self.p_value < LEVEL
    }
}

fn sorted(sample: &[f64]) -> Vec<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j, mut greatest) = (0, 0, 0.0_f64);
    while let (Some(&x), Some(&y)) = (a.get(i), b.get(j)) {
        let next = x.min(y);
        i += a[i..].iter().take_while(|&&it| it <= next).count();
        j += b[j..].iter().take_while(|&&it| it <= next).count();
        let gap = i as f64 / a.len() as f64 - j as f64 / b.len() as f64;
        greatest = greatest.max(gap.abs());
    }
    greatest
}

/// The tail of Kolmogorov's distribution, 2 Σ (−1)^(k−1) exp(−2 k² x²).
fn kolmogorov(x: f64) -> f64 {
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * x * x).exp()
    };
    (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn distances_and_tails_are_those_of_the_tables() {
        let a: Vec<f64> = (0..40).map(f64::from).collect();
        let b: Vec<f64> = (10..50).map(f64::from).collect();
        let shift = Shift::between(&a, &b).expect("enough rows");
        assert!((shift.distance - 0.25).abs() < 1e-12, "{shift:?}");
        assert!((kolmogorov(1.3581) - 0.05).abs() < 1e-4);
        assert!((kolmogorov(1.6276) - 0.01).abs() < 1e-4);
        let same = Shift::between(&[1.0; 30], &[1.0; 25]).expect("enough rows");
        assert!((same.distance, same.p_value) == (0.0, 1.0), "{same:?}");
        assert_eq!(Shift::between(&a, &b[..FEWEST_ROWS - 1]), None);
    }

    /// Shares of 400 pairs of samples in which a shift is found.
    fn found(mut draw: impl FnMut(&mut ChaCha8Rng, bool) -> f64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut found = 0;
        for _ in 0..400 {
            let a: Vec<f64> = (0..100).map(|_| draw(&mut rng, false)).collect();
            let b: Vec<f64> = (0..100).map(|_| draw(&mut rng, true)).collect();
            found += usize::from(Shift::between(&a, &b).is_some_and(|it| it.is_found()));
        }
        found as f64 / 400.0
    }

    #[test]
    fn a_shift_is_found_and_seldom_where_there_is_none() {
        let same = found(|rng, _| rng.random::<f64>());
        assert!(same <= 0.025, "{same}");
        let unsure = found(|rng, is_new| rng.random::<f64>().powf(if is_new { 2.0 } else { 1.0 }));
        assert!(unsure > 0.8, "{unsure}");
        // The same confidences, but half of the rows name nothing.
        let empty = found(|rng, is_new| match rng.random::<f64>() {
            share if is_new && share < 0.5 => -1.0,
            _ => rng.random::<f64>(),
        });
        assert!(empty > 0.95, "{empty}");
    }
}

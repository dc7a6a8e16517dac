//! The paired t-test over seeds: would training again with other seeds show the difference?

use std::f64::consts::FRAC_2_PI;

use serde::{Deserialize, Serialize};

/// Outcome of a paired t-test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TTest {
    /// The mean difference over its standard error.
    pub t: f64,
    /// Degrees of freedom: the number of differences less one.
    pub df: usize,
    /// Two-sided p-value.
    pub p_value: f64,
}

/// Student's test of "the mean of the differences is 0", one difference for each seed.
///
/// It takes the seeds for a random sample and the test sentences for given, the other way round than
/// [`pooled_test`](crate::pooled::pooled_test). `None` of fewer than three differences, of which a standard deviation
/// says next to nothing, and of differences without any spread.
pub fn paired_t_test(differences: &[f64]) -> Option<TTest> {
    let n = differences.len() as f64;
    if differences.len() < 3 {
        return None;
    }
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    let (t, df) = (mean / error, differences.len() - 1);
    t.is_finite().then(|| TTest {
        t,
        df,
        p_value: two_sided(t, df),
    })
}

/// Probability that Student's t with `df` degrees of freedom is at least as far from 0 as `t`: the finite sums of
/// Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
fn two_sided(t: f64, df: usize) -> f64 {
    let theta = (t.abs() / (df as f64).sqrt()).atan();
    let (sin, cos) = theta.sin_cos();
    // Terms cos^k, each times the ratio of its index and the next: 1·3/(2·4) or 2·4/(3·5).
    let first = i32::from(!df.is_multiple_of(2));
    let (mut term, mut sum) = (cos.powi(first), 0.0);
    for k in (first as usize..df.saturating_sub(1)).step_by(2) {
        sum += term;
        term *= cos * cos * (k + 1) as f64 / (k + 2) as f64;
    }
    let inside = if df.is_multiple_of(2) {
        sin * sum
    } else {
        FRAC_2_PI * (theta + sin * sum)
    };
    (1.0 - inside).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Critical values of printed tables: at df degrees of freedom, t has the two-sided p-value.
    #[test]
    fn p_values_are_those_of_the_tables() {
        let table = [
            (1, 12.706, 0.05),
            (1, 1.0, 0.5),
            (2, 4.303, 0.05),
            (2, 9.925, 0.01),
            (3, 3.182, 0.05),
            (4, 2.776, 0.05),
            (4, 4.604, 0.01),
            (5, 2.571, 0.05),
            (7, 3.499, 0.01),
            (9, 2.262, 0.05),
            (10, 2.228, 0.05),
            (29, 2.045, 0.05),
        ];
        for (df, t, p) in table {
            assert!(
                (two_sided(t, df) - p).abs() < 2e-4,
                "{df} {t}: {}",
                two_sided(t, df)
            );
            assert_eq!(two_sided(-t, df), two_sided(t, df));
        }
        assert_eq!(two_sided(0.0, 4), 1.0);
    }

    #[test]
    fn a_test_by_hand() {
        // Mean 2, standard deviation 1, standard error 1/√3: t = 2√3 = 3.4641 with 2 degrees of freedom, where
        // p = 1 - t/√(t² + 2) = 1 - √(12/14).
        let test = paired_t_test(&[1.0, 2.0, 3.0]).expect("three differences");
        assert!((test.t - 12_f64.sqrt()).abs() < 1e-12 && test.df == 2);
        assert!((test.p_value - (1.0 - (12.0_f64 / 14.0).sqrt())).abs() < 1e-12);
    }

    #[test]
    fn too_few_or_equal_differences_say_nothing() {
        assert_eq!(paired_t_test(&[1.0, 2.0]), None);
        assert_eq!(paired_t_test(&[1.0, 1.0, 1.0]), None);
        assert_eq!(paired_t_test(&[0.0, 0.0, 0.0]), None);
    }
}

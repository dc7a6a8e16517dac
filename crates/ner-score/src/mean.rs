//! The mean of the sets' micro-F1, exactly and as the paper rounds it.

use crate::counts::Counts;

/// Mean of the sets' micro-F1, as a fraction and without any rounding; 0 if there is no set.
pub fn mean_f1(sets: &[Counts]) -> f64 {
    mean(sets.iter().map(Counts::f1))
}

/// The paper's average, in percent: each set's F1 is rounded to two decimals before they are averaged, and the
/// average is rounded again. It can differ from [`mean_f1`] by up to 0.01.
pub fn paper_mean_f1_percent(sets: &[Counts]) -> f64 {
    round_2(mean(sets.iter().map(|set| round_2(set.f1_percent()))))
}

/// Rounds to two decimals as Python's `round(x, 2)` does: correctly, from the exact value of the double, ties to even.
pub fn round_2(value: f64) -> f64 {
    // Multiplying by 100 first would round twice: 2.675 is a little less than it looks, 267.5 is a tie.
    format!("{value:.2}").parse().unwrap_or(value)
}

pub(crate) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    match values.len() {
        0 => 0.0,
        n => values.sum::<f64>() / n as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_as_python_does() {
        let cases = [
            (2.675, 2.67),
            (0.125, 0.12),
            (0.375, 0.38),
            (76.254999, 76.25),
            (-0.125, -0.12),
            (100.0, 100.0),
        ];
        for (value, expected) in cases {
            assert_eq!(round_2(value), expected, "{value}");
        }
        assert!(round_2(f64::NAN).is_nan());
    }

    #[test]
    fn the_papers_mean_is_a_mean_of_rounded_scores() {
        // F1 of 1/3, 1/3 and 0: the rounded scores are 33.33, 33.33 and 0.
        let sets = [Counts {
            tp: 1,
            predicted: 3,
            gold: 3,
        }; 2]
            .into_iter()
            .chain([Counts::default()]);
        let sets: Vec<_> = sets.collect();
        assert!((mean_f1(&sets) - 2.0 / 9.0).abs() < 1e-12);
        assert_eq!(paper_mean_f1_percent(&sets), 22.22);
        assert_eq!((mean_f1(&[]), paper_mean_f1_percent(&[])), (0.0, 0.0));
    }
}

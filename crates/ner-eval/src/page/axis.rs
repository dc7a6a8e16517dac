//! Axes with round ends, for the drawings of all pages.

/// A stretch of values whose ends and ticks are multiples of 1, 2 or 5 times a power of ten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Its beginning.
    pub low: f64,
    /// Its end, above `low`.
    pub high: f64,
    /// From one tick to the next.
    pub step: f64,
}

impl Axis {
    /// The smallest axis around the finite ones of the values, with about as many steps as asked for.
    pub fn around(values: impl Iterator<Item = f64>, steps: f64) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return Self {
                low: 0.0,
                high: 1.0,
                step: 0.5,
            };
        }
        let span = if high > low {
            high - low
        } else {
            low.abs().max(1.0)
        };
        let step = round_step(span / steps);
        // Rounding must not push a value that is a tick already to the next one.
        let low = (low / step + 1e-9).floor() * step;
        let high = ((high / step - 1e-9).ceil() * step).max(low + step);
        Self { low, high, step }
    }

    /// Values of the ticks, both ends among them.
    pub fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let Self { low, high, step } = *self;
        let count = ((high - low) / step).round() as usize;
        (0..=count).map(move |i| low + i as f64 * step)
    }

    /// Where a value lies, from 0 to 1.
    pub fn part(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// A tick with as many decimals as the step needs; the minus sign is U+2212.
    pub fn label(&self, value: f64) -> String {
        let decimals = (-self.step.log10().floor()).clamp(0.0, 9.0) as usize;
        let text = format!("{value:.decimals$}");
        if text.chars().all(|c| matches!(c, '-' | '0' | '.')) {
            return "0".to_owned();
        }
        text.replace('-', "\u{2212}")
    }
}

fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let axis = Axis::around([0.13, 0.94].into_iter(), 4.0);
        assert_eq!((axis.low, axis.high, axis.step), (0.0, 1.0, 0.5));
        let axis = Axis::around([-6.9, 1.0, f64::NAN].into_iter(), 4.0);
        assert_eq!((axis.low, axis.high, axis.step), (-8.0, 2.0, 2.0));
        let labels: Vec<String> = axis.ticks().map(|tick| axis.label(tick)).collect();
        assert_eq!(labels, ["−8", "−6", "−4", "−2", "0", "2"]);
        let small = Axis::around([0.0012, 0.0018].into_iter(), 4.0);
        assert_eq!(small.label(small.low), "0.0012");
    }

    #[test]
    fn one_value_or_none_still_has_an_axis() {
        for values in [vec![], vec![5.0], vec![f64::INFINITY]] {
            let axis = Axis::around(values.into_iter(), 4.0);
            assert!(
                axis.high > axis.low && axis.ticks().count() >= 2,
                "{axis:?}"
            );
        }
    }
}

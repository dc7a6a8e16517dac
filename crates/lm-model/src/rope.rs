//! Rotary position embedding: the angles of every position.
//!
//! Su et al., *RoFormer*, 2021. Pair `i` of a head of width D turns by
//! `position · theta^(-2i/D)`. The steps and their precision are those of `transformers`:
//! frequencies and angles are rounded to single precision, because pretrained weights were fitted
//! to exactly these angles, and at position 10,000 the rounding is visible in the third decimal.

use half::bf16;

/// Cosines and sines for a list of positions, row after row of D/2 values.
pub(crate) struct Angles {
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
}

/// The frequencies of one configuration.
pub(crate) struct Rope {
    inverse_frequencies: Vec<f32>,
}

impl Rope {
    /// Frequencies `theta^(-2i/D)` for `i` in `0..D/2`.
    pub(crate) fn new(theta: f64, head_dim: usize) -> Self {
        let frequency = |i: usize| {
            let exponent = (2 * i) as f32 / head_dim as f32;
            1.0 / (theta.powf(f64::from(exponent)) as f32)
        };
        Self {
            inverse_frequencies: (0..head_dim / 2).map(frequency).collect(),
        }
    }

    /// The same frequencies in the precision of BF16.
    pub(crate) fn rounded_to_bf16(mut self) -> Self {
        for frequency in &mut self.inverse_frequencies {
            *frequency = bf16::from_f32(*frequency).to_f32();
        }
        self
    }

    /// The angles of `0..length` for each of `lengths`, end to end.
    pub(crate) fn packed(&self, lengths: &[usize]) -> Angles {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let table = self.at(0..longest);
        let half = self.inverse_frequencies.len();
        let gather = |table: &[f32]| {
            let rows = lengths.iter().map(|&length| &table[..length * half]);
            rows.collect::<Vec<_>>().concat()
        };
        Angles {
            cos: gather(&table.cos),
            sin: gather(&table.sin),
        }
    }

    /// The angles of the given positions.
    pub(crate) fn at(&self, positions: impl IntoIterator<Item = usize>) -> Angles {
        let (cos, sin) = positions
            .into_iter()
            .flat_map(|position| {
                let turn = move |frequency: &f32| f64::from(position as f32 * frequency).sin_cos();
                self.inverse_frequencies.iter().map(turn)
            })
            .map(|(sin, cos)| (cos as f32, sin as f32))
            .unzip();
        Angles { cos, sin }
    }
}

#[cfg(test)]
mod tests {
    use super::Rope;

    #[test]
    fn first_pair_turns_by_one_radian_per_position() {
        let angles = Rope::new(10_000.0, 4).at([0, 2]);
        let slow = 2.0 * 10_000f64.powf(-0.5);
        let expected = [1.0, 1.0, 2f64.cos(), slow.cos()];
        for (found, expected) in angles.cos.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6);
        }
        assert!((f64::from(angles.sin[3]) - slow.sin()).abs() < 1e-6);
    }

    #[test]
    fn rounded_frequencies_have_eight_bits() {
        let angles = Rope::new(1e6, 4).rounded_to_bf16().at([1]);
        // 1e6^(-1/2) is 0.001; the nearest number with eight significant bits is 131 / 2^17.
        assert_eq!(angles.sin[0], 1f64.sin() as f32);
        assert_eq!(angles.sin[1], (131.0 / 131_072f64).sin() as f32);
    }

    #[test]
    fn every_packed_sequence_starts_at_position_zero() {
        let rope = Rope::new(1e6, 8);
        let packed = rope.packed(&[2, 3]);
        let separate = rope.at([0, 1, 0, 1, 2]);
        assert_eq!(packed.cos, separate.cos);
        assert_eq!(packed.sin, separate.sin);
    }
}

//! Rotary position embedding: the angles of every position.
//!
//! Su et al., *RoFormer*, 2021. Pair `i` of a head of width D turns by
//! `position · theta^(-2i/D)`. The steps and their precision are those of `transformers`:
//! frequencies and angles are rounded to single precision, because pretrained weights were fitted
//! to exactly these angles, and at position 10,000 the rounding is visible in the third decimal.
//!
//! [`RopeScaling`] changes the frequencies, and YaRN multiplies cosines and sines, which no longer are those of an
//! angle: queries and keys grow by the factor, and attention scores by its square.

use std::f64::consts::PI;

use half::bf16;

use crate::config::{Llama3Scaling, Qwen3Config, RopeScaling, Yarn};

/// Cosines and sines for a list of positions, row after row of D/2 values.
pub(crate) struct Angles {
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
}

/// The frequencies of one configuration.
pub(crate) struct Rope {
    inverse_frequencies: Vec<f32>,
    /// Factor of cosines and sines.
    attention_factor: f32,
}

impl Rope {
    /// The frequencies that a configuration asks for.
    pub(crate) fn of(config: &Qwen3Config) -> Self {
        let plain = wavelengths(config.rope_theta, config.head_dim);
        let inverse = plain.iter().map(|w| 1.0 / w);
        match &config.rope_scaling {
            None => Self {
                inverse_frequencies: inverse.collect(),
                attention_factor: 1.0,
            },
            Some(RopeScaling::Linear { factor }) => Self {
                inverse_frequencies: inverse.map(|f| f / *factor as f32).collect(),
                attention_factor: 1.0,
            },
            Some(RopeScaling::Yarn(yarn)) => Self {
                inverse_frequencies: yarn_frequencies(yarn, &plain, config.rope_theta),
                attention_factor: yarn.attention_factor() as f32,
            },
            Some(RopeScaling::Llama3(bands)) => Self {
                inverse_frequencies: inverse.map(|f| banded(bands, f)).collect(),
                attention_factor: 1.0,
            },
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
        let factor = self.attention_factor;
        let (cos, sin) = positions
            .into_iter()
            .flat_map(|position| {
                let turn = move |frequency: &f32| f64::from(position as f32 * frequency).sin_cos();
                self.inverse_frequencies.iter().map(turn)
            })
            .map(|(sin, cos)| (cos as f32 * factor, sin as f32 * factor))
            .unzip();
        Angles { cos, sin }
    }
}

/// `theta^(2i/D)` for `i` in `0..D/2`: the positions of one radian.
fn wavelengths(theta: f64, head_dim: usize) -> Vec<f32> {
    let wavelength = |i: usize| {
        let exponent = (2 * i) as f32 / head_dim as f32;
        theta.powf(f64::from(exponent)) as f32
    };
    (0..head_dim / 2).map(wavelength).collect()
}

/// A frequency after the scaling of Llama 3.1, in the precision of `transformers`: PyTorch divides a number by a tensor
/// as the product with the tensor's reciprocal.
fn banded(bands: &Llama3Scaling, frequency: f32) -> f32 {
    let original = bands.original_max_position_embeddings as f64;
    let (low, high) = (bands.low_freq_factor, bands.high_freq_factor);
    let factor = bands.factor as f32;
    let wavelength = frequency.recip() * (2.0 * PI) as f32;
    if wavelength < (original / high) as f32 {
        return frequency;
    }
    if wavelength > (original / low) as f32 {
        return frequency / factor;
    }
    let kept = (wavelength.recip() * original as f32 - low as f32) / (high - low) as f32;
    (1.0 - kept) * frequency / factor + kept * frequency
}

/// Equations 17 to 20 of the paper, in the precision of `transformers`.
fn yarn_frequencies(yarn: &Yarn, wavelengths: &[f32], theta: f64) -> Vec<f32> {
    let (low, high) = ramp(yarn, 2 * wavelengths.len(), theta);
    let frequency = |(i, wavelength): (usize, &f32)| {
        let kept = 1.0 - ((i as f32 - low) / (high - low)).clamp(0.0, 1.0);
        let divided = 1.0 / (yarn.factor as f32 * wavelength);
        divided * (1.0 - kept) + 1.0 / wavelength * kept
    };
    wavelengths.iter().enumerate().map(frequency).collect()
}

/// The pairs between which frequencies go over from kept to divided.
fn ramp(yarn: &Yarn, head_dim: usize, theta: f64) -> (f32, f32) {
    let original = yarn.original_max_position_embeddings as f64;
    // The pair that makes so many turns within the original length.
    let pair =
        |turns: f64| head_dim as f64 * (original / (turns * 2.0 * PI)).ln() / (2.0 * theta.ln());
    let low = pair(yarn.beta_fast).floor().max(0.0);
    let high = pair(yarn.beta_slow).ceil().min(head_dim as f64 - 1.0);
    // A ramp without width would divide by zero.
    let high = if high == low { high + 0.001 } else { high };
    (low as f32, high as f32)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::Rope;
    use crate::Qwen3Config;

    fn rope(theta: f64, head_dim: usize) -> Rope {
        Rope::of(&Qwen3Config {
            rope_theta: theta,
            head_dim,
            ..Qwen3Config::default()
        })
    }

    fn floats(value: &Value) -> Vec<f64> {
        let values = value.as_array().expect("an array").iter();
        values.map(|x| x.as_f64().expect("a number")).collect()
    }

    fn check(what: &str, found: &[f32], expected: &Value, tolerance: f64) {
        let expected = floats(expected);
        assert_eq!(found.len(), expected.len(), "{what}");
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let distance = (f64::from(*found) - expected).abs();
            assert!(
                distance <= tolerance * expected.abs(),
                "{what}, number {i}: {found} instead of {expected}"
            );
        }
    }

    /// `config.json` of the checkpoint, with the changes of a case.
    fn config(base: &Map<String, Value>, change: &Value) -> Qwen3Config {
        let mut config = base.clone();
        for (key, value) in change.as_object().expect("changes") {
            config.insert(key.clone(), value.clone());
        }
        config.retain(|_, value| !value.is_null());
        serde_json::from_value(config.into()).expect("a configuration")
    }

    #[test]
    fn scaled_frequencies_equal_those_of_transformers() {
        let fixtures =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/parity");
        let read = |path: &str| -> Value {
            let text = std::fs::read(fixtures.join(path)).expect("a fixture");
            serde_json::from_slice(&text).expect("JSON")
        };
        let file = read("rope/rope.json");
        let folder = file["checkpoint"].as_str().expect("a name");
        let base = read(&format!("{folder}/config.json"));
        let base = base.as_object().expect("an object");
        let positions: Vec<usize> = floats(&file["positions"])
            .iter()
            .map(|p| *p as usize)
            .collect();
        let cases = file["cases"].as_object().expect("cases");
        assert!(!cases.is_empty());
        for (name, case) in cases {
            let rope = Rope::of(&config(base, &case["change"]));
            let frequencies = &case["inverse_frequencies"];
            check(name, &rope.inverse_frequencies, frequencies, 1.2e-7);
            let factor = json!([case["attention_factor"]]);
            check(name, &[rope.attention_factor], &factor, 1e-7);
            let angles = rope.at(positions.iter().copied());
            for (kind, found) in [("cos", &angles.cos), ("sin", &angles.sin)] {
                let expected = floats(&case[kind]);
                assert_eq!(found.len(), expected.len(), "{name}, {kind}");
                let pairs = found.iter().zip(expected);
                let distances = pairs.map(|(found, expected)| (f64::from(*found) - expected).abs());
                let largest = distances.fold(0.0, f64::max);
                assert!(largest < 1e-5, "{name}, {kind}: off by {largest}");
            }
        }
    }

    #[test]
    fn first_pair_turns_by_one_radian_per_position() {
        let angles = rope(10_000.0, 4).at([0, 2]);
        let slow = 2.0 * 10_000f64.powf(-0.5);
        let expected = [1.0, 1.0, 2f64.cos(), slow.cos()];
        for (found, expected) in angles.cos.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6);
        }
        assert!((f64::from(angles.sin[3]) - slow.sin()).abs() < 1e-6);
    }

    #[test]
    fn rounded_frequencies_have_eight_bits() {
        let angles = rope(1e6, 4).rounded_to_bf16().at([1]);
        // 1e6^(-1/2) is 0.001; the nearest number with eight significant bits is 131 / 2^17.
        assert_eq!(angles.sin[0], 1f64.sin() as f32);
        assert_eq!(angles.sin[1], (131.0 / 131_072f64).sin() as f32);
    }

    #[test]
    fn every_packed_sequence_starts_at_position_zero() {
        let rope = rope(1e6, 8);
        let packed = rope.packed(&[2, 3]);
        let separate = rope.at([0, 1, 0, 1, 2]);
        assert_eq!(packed.cos, separate.cos);
        assert_eq!(packed.sin, separate.sin);
    }
}

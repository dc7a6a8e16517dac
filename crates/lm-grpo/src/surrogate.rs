//! Surrogates beside the clipped one: SAPO's gate, and the weight that VESPO gives to a completion.

use crate::ratio::{MAX_LOG_RATIO, clamped_exp};

/// Least ratio of a completion, or of a token of the engine, that VESPO tells apart from 0.
const LEAST_RATIO: f64 = 1e-8;

/// Least decay of [`Gamma`].
const LEAST_LAMBDA: f64 = 1e-4;

/// What rewards make of the ratio `ρ` of a token or completion with advantage `A`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Surrogate {
    /// `−min(ρ·A, clip(ρ, 1 − ε, 1 + ε_high)·A)`, as in PPO and GRPO.
    Clipped,
    /// `−min(ρ, ε_high)·A·log π`, where the weight has no gradient: every token teaches, also where the ratio is cut.
    /// From MiniMax, *MiniMax-M1* (2025). `ε_high` is the greatest weight itself, not its distance from 1.
    Cispo,
    /// `−A·4/τ·σ(τ(ρ − 1))`: a gate that closes softly, with a temperature `τ` for each sign of the advantage. From Gao
    /// et al., *Soft adaptive policy optimization* (2025).
    Sapo {
        /// Where the advantage is positive.
        temperature_pos: f64,
        /// Where it is not.
        temperature_neg: f64,
    },
    /// `−φ(w)·A·log π`, where `w` is the likelihood ratio of the whole completion and the weight has no gradient. From
    /// *VESPO: variational sequence-level soft policy optimization* (2026).
    Vespo {
        /// `φ` where the advantage is not negative.
        pos: Gamma,
        /// `φ` where it is.
        neg: Gamma,
    },
}

/// `φ(w) = e^λ · w^k · e^(−λw)`, which is 1 at `w = 1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gamma {
    /// How fast it falls towards `w = 0`.
    pub k: f64,
    /// How fast it falls towards large `w`.
    pub lambda: f64,
}

impl Gamma {
    /// `φ` of a completion, from the log-ratios of its tokens to the old policy and the weights of the
    /// [`EngineCorrection`](crate::EngineCorrection), which are a factor of `w` here. Clamped as in the authors' code.
    pub fn weight(self, tokens: impl Iterator<Item = (f64, f64)>) -> f64 {
        let least = LEAST_RATIO.ln();
        let log_ratio = |(log_ratio, correction): (f64, f64)| {
            let engine = correction.ln().clamp(least, MAX_LOG_RATIO);
            log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO) + engine
        };
        let sum: f64 = tokens.map(log_ratio).sum();
        let log_w = sum.clamp(least, MAX_LOG_RATIO);
        let lambda = self.lambda.max(LEAST_LAMBDA);
        let phi = (lambda + self.k * log_w - lambda * log_w.exp()).exp();
        if phi.is_infinite() { 0.0 } else { phi }
    }
}

/// SAPO's loss of a token and its derivative with respect to the log-ratio.
pub(crate) fn sapo(log_ratio: f64, advantage: f64, temperature: f64) -> (f64, f64) {
    let (ratio, slope) = clamped_exp(log_ratio);
    let gate = 1.0 / (1.0 + (-temperature * (ratio - 1.0)).exp());
    let loss = -4.0 / temperature * gate * advantage;
    (loss, -4.0 * gate * (1.0 - gate) * slope * advantage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_one_on_policy_and_falls_on_both_sides() {
        let gamma = Gamma {
            k: 2.0,
            lambda: 3.0,
        };
        let at = |ratio: f64| gamma.weight([(ratio.ln(), 1.0)].into_iter());
        assert!((at(1.0) - 1.0).abs() < 1e-12);
        assert!(at(0.1) < 0.2 && at(4.0) < 0.1);
        // Half of the ratio from the policy, half from the engine.
        let both = gamma.weight([(0.2, 1.0), (0.1, 0.3_f64.exp())].into_iter());
        assert!((both - at(0.6_f64.exp())).abs() < 1e-12);
        assert!(
            gamma
                .weight([(0.0, 0.0), (900.0, 1.0)].into_iter())
                .is_finite()
        );
        assert!(at(f64::NAN).is_nan(), "a weight must not hide NaN");
    }

    #[test]
    fn the_gate_has_the_slope_of_the_plain_ratio_on_policy() {
        for temperature in [0.5, 1.0, 3.0] {
            let (_, slope) = sapo(0.0, 2.0, temperature);
            assert!((slope + 2.0).abs() < 1e-12);
            let h = 1e-6;
            let at = |x: f64| sapo(x, -1.5, temperature).0;
            let expected = (at(0.4 + h) - at(0.4 - h)) / (2.0 * h);
            assert!((sapo(0.4, -1.5, temperature).1 - expected).abs() < 1e-8);
        }
    }
}

//! The objective away from the reference values: derivatives, extremes, weights, corrections.

use crate::{
    Clipped, EngineCorrection, EngineWeight, Gamma, ImportanceSamplingLevel, KlEstimator, LossType,
    Objective, Surrogate, TokenInput, TokenTerm,
};

pub(crate) const OBJECTIVE: Objective = Objective {
    epsilon: 0.2,
    epsilon_high: 0.28,
    delta: None,
    beta: 0.1,
    kl_estimator: KlEstimator::K3,
    kl_bias_correction: false,
    importance_sampling_level: ImportanceSamplingLevel::Token,
    surrogate: Surrogate::Clipped,
};

/// One of each kind.
const SURROGATES: [Surrogate; 4] = [
    Surrogate::Clipped,
    Surrogate::Cispo,
    Surrogate::Sapo {
        temperature_pos: 1.0,
        temperature_neg: 1.05,
    },
    Surrogate::Vespo {
        pos: Gamma {
            k: 2.0,
            lambda: 3.0,
        },
        neg: Gamma {
            k: 3.0,
            lambda: 2.0,
        },
    },
];

fn input(policy: f64, old: f64, reference: Option<f64>) -> TokenInput {
    TokenInput {
        policy,
        old,
        reference,
        correction: 1.0,
    }
}

fn term(
    objective: Objective,
    policy: f64,
    old: f64,
    reference: Option<f64>,
    advantage: f64,
) -> TokenTerm {
    objective.token(&input(policy, old, reference), advantage)
}

#[test]
fn gradients_are_the_derivatives_of_the_loss() {
    let h = 1e-6;
    for old in [-3.0, -1.0, -0.9, -0.6] {
        for reference in [None, Some(-0.2), Some(-2.0), Some(-40.0)] {
            for advantage in [-1.5, 0.0, 2.0] {
                let at = |policy| term(OBJECTIVE, policy, old, reference, advantage);
                let slope = (at(-0.8 + h).loss - at(-0.8 - h).loss) / (2.0 * h);
                let found = at(-0.8).gradient;
                assert!(
                    (found - slope).abs() < 1e-6 * (1.0 + slope.abs()),
                    "{found} instead of {slope}"
                );
            }
        }
    }
}

#[test]
fn on_policy_the_ratio_is_one_at_both_levels() {
    for importance_sampling_level in [
        ImportanceSamplingLevel::Token,
        ImportanceSamplingLevel::Sequence,
    ] {
        let objective = Objective {
            beta: 0.0,
            importance_sampling_level,
            ..OBJECTIVE
        };
        for advantage in [-2.0, 0.5] {
            for term in objective.completion(&[input(-1.3, -1.3, None); 3], advantage) {
                assert_eq!(
                    (term.loss, term.gradient, term.clipped),
                    (-advantage, -advantage, None)
                );
            }
        }
    }
}

#[test]
fn a_clipped_token_has_no_gradient_and_the_other_direction_does() {
    let objective = Objective {
        beta: 0.0,
        ..OBJECTIVE
    };
    let term = |policy, old, advantage| term(objective, policy, old, None, advantage);
    let up = term(-1.0, -1.5, 1.0);
    assert_eq!((up.gradient, up.clipped), (0.0, Some(Clipped::High)));
    let down = term(-1.5, -1.0, -1.0);
    assert_eq!((down.gradient, down.clipped), (0.0, Some(Clipped::Low)));
    assert!(term(-1.0, -1.5, -1.0).gradient > 0.0);
    assert!(term(-1.5, -1.0, 1.0).gradient < 0.0);
}

#[test]
fn two_sided_clipping_bounds_how_hard_a_token_is_pushed_down() {
    let objective = Objective {
        beta: 0.0,
        delta: Some(2.0),
        ..OBJECTIVE
    };
    let term = |ratio: f64, advantage| term(objective, ratio.ln(), 0.0, None, advantage);
    let bounded = term(5.0, -3.0);
    assert_eq!(
        (bounded.loss, bounded.gradient, bounded.clipped),
        (6.0, 0.0, Some(Clipped::Delta))
    );
    let free = term(1.9, -3.0);
    assert!((free.loss - 5.7).abs() < 1e-12 && (free.gradient - 5.7).abs() < 1e-12);
    // A positive advantage is bounded by the clipping range before.
    assert!((term(5.0, 3.0).loss + 3.84).abs() < 1e-12);
}

#[test]
fn a_sequence_has_one_ratio_and_one_derivative() {
    let objective = Objective {
        beta: 0.0,
        importance_sampling_level: ImportanceSamplingLevel::Sequence,
        ..OBJECTIVE
    };
    // Log-ratios 0.3, -0.1 and 0.1, whose mean is 0.1. By itself the first token would be clipped.
    let tokens = [
        input(-0.7, -1.0, None),
        input(-1.1, -1.0, None),
        input(-0.9, -1.0, None),
    ];
    for term in objective.completion(&tokens, 2.0) {
        let expected = -2.0 * 0.1_f64.exp();
        assert!((term.loss - expected).abs() < 1e-12);
        assert!((term.gradient - expected).abs() < 1e-12);
        assert_eq!(term.clipped, None);
    }
}

#[test]
fn estimators_of_the_divergence_have_their_formulas() {
    let d = -0.4_f64;
    for (estimator, value, slope) in [
        (KlEstimator::K1, 0.4, 1.0),
        (KlEstimator::K2, 0.08, 0.4),
        (KlEstimator::K3, d.exp() - d - 1.0, 1.0 - d.exp()),
    ] {
        let (found, derivative) = estimator.estimate(d);
        assert!((found - value).abs() < 1e-12, "{estimator:?}");
        assert!((derivative - slope).abs() < 1e-12, "{estimator:?}");
    }
}

#[test]
fn corrections_are_capped_and_leave_the_penalty_alone() {
    let of = |correction, cap, log_ratio| {
        let weight = EngineWeight {
            correction,
            cap,
            floor: Some(0.5),
        };
        weight.of_tokens(&[log_ratio, 0.0])[0]
    };
    let weight = |correction, cap| of(correction, cap, 4.0_f64.ln());
    assert_eq!(weight(EngineCorrection::None, 2.0), 1.0);
    assert_eq!(weight(EngineCorrection::Truncate, 2.0), 2.0);
    assert_eq!(weight(EngineCorrection::Mask, 2.0), 0.0);
    assert!((weight(EngineCorrection::Mask, 5.0) - 4.0).abs() < 1e-12);
    let low = |correction| of(correction, 2.0, 0.25_f64.ln());
    assert_eq!(low(EngineCorrection::Truncate), 0.5);
    assert_eq!(low(EngineCorrection::SequenceMask), 0.0);
    for correction in [
        EngineCorrection::Truncate,
        EngineCorrection::Mask,
        EngineCorrection::SequenceTruncate,
        EngineCorrection::SequenceMask,
    ] {
        let nan = of(correction, 2.0, f64::NAN);
        assert!(nan.is_nan(), "a weight must not hide NaN");
    }

    let with = |correction| {
        let token = TokenInput {
            correction,
            ..input(-1.0, -1.0, Some(-2.0))
        };
        OBJECTIVE.token(&token, 3.0)
    };
    let (whole, half) = (with(1.0), with(0.5));
    assert_eq!(whole.kl, half.kl);
    assert!((whole.loss - half.loss + 1.5).abs() < 1e-12);
    assert!((whole.gradient - half.gradient + 1.5).abs() < 1e-12);
}

#[test]
fn extreme_log_ratios_stay_finite() {
    for (policy, old, reference) in [
        (0.0, -900.0, -900.0),
        (-900.0, 0.0, 0.0),
        (-900.0, -900.0, 0.0),
    ] {
        for advantage in [-3.0, 3.0] {
            for importance_sampling_level in [
                ImportanceSamplingLevel::Token,
                ImportanceSamplingLevel::Sequence,
            ] {
                for surrogate in SURROGATES {
                    let objective = Objective {
                        importance_sampling_level,
                        surrogate,
                        ..OBJECTIVE
                    };
                    let tokens = [input(policy, old, Some(reference)); 2];
                    for term in objective.completion(&tokens, advantage) {
                        let all = [term.loss, term.gradient, term.kl];
                        assert!(all.iter().all(|x| x.is_finite()), "{term:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn nan_is_not_hidden() {
    for surrogate in SURROGATES {
        let objective = Objective {
            surrogate,
            ..OBJECTIVE
        };
        for (policy, old) in [(f64::NAN, -1.0), (-1.0, f64::NAN)] {
            assert!(term(objective, policy, old, None, 1.0).loss.is_nan());
        }
    }
    let reference = Some(f64::NAN);
    assert!(term(OBJECTIVE, -1.0, -1.0, reference, 1.0).loss.is_nan());
}

#[test]
fn masked_completions_count_where_completions_are_counted() {
    let weights = |loss: LossType| loss.weights(&[4, 6, 2], &[false, true, false], 10);
    assert_eq!(weights(LossType::Grpo), [1.0 / 12.0, 0.0, 1.0 / 6.0]);
    assert_eq!(weights(LossType::DrGrpo), [1.0 / 30.0, 0.0, 1.0 / 30.0]);
    assert_eq!(weights(LossType::Bnpo), [1.0 / 6.0, 0.0, 1.0 / 6.0]);
    assert_eq!(weights(LossType::Luspo), [1.0 / 3.0, 0.0, 1.0 / 3.0]);
    for loss in [LossType::Dapo, LossType::Cispo, LossType::Vespo] {
        assert_eq!(weights(loss), weights(LossType::Bnpo));
    }
    assert_eq!(weights(LossType::Sapo), weights(LossType::Grpo));
}

#[test]
fn mini_batches_are_optimizer_batches_of_their_own() {
    let weights = |loss: LossType, parts| {
        let (lengths, masked) = ([4, 6, 2, 3], [false, true, false, false]);
        loss.weights_of_mini_batches(&lengths, &masked, 10, parts)
    };
    for loss in [
        LossType::Grpo,
        LossType::DrGrpo,
        LossType::Bnpo,
        LossType::Dapo,
    ] {
        let whole = loss.weights(&[4, 6, 2, 3], &[false, true, false, false], 10);
        assert_eq!(weights(loss, 1), whole);
    }
    let (a, b) = (1.0 / 8.0, 1.0 / 4.0);
    assert_eq!(weights(LossType::Grpo, 2), [a, 0.0, b, 1.0 / 6.0]);
    assert_eq!(weights(LossType::DrGrpo, 2), [0.05, 0.0, 0.05, 0.05]);
    assert_eq!(weights(LossType::Bnpo, 2), [0.25, 0.0, 0.2, 0.2]);
    // Nine tokens count, in two updates.
    let each = 1.0 / 9.0 * 2.0;
    assert_eq!(weights(LossType::Dapo, 2), [each, 0.0, each, each]);
}

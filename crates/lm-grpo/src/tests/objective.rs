//! The objective away from the reference values: derivatives, extremes, weights.

use crate::{Clipped, LossType, Objective};

const OBJECTIVE: Objective = Objective {
    epsilon: 0.2,
    epsilon_high: 0.28,
    beta: 0.1,
};

#[test]
fn gradients_are_the_derivatives_of_the_loss() {
    let h = 1e-6;
    for old in [-3.0, -1.0, -0.9, -0.6] {
        for reference in [None, Some(-0.2), Some(-2.0), Some(-40.0)] {
            for advantage in [-1.5, 0.0, 2.0] {
                let loss = |log_prob| OBJECTIVE.token(log_prob, old, reference, advantage).loss;
                let slope = (loss(-0.8 + h) - loss(-0.8 - h)) / (2.0 * h);
                let found = OBJECTIVE.token(-0.8, old, reference, advantage).gradient;
                assert!(
                    (found - slope).abs() < 1e-6 * (1.0 + slope.abs()),
                    "{found} instead of {slope}"
                );
            }
        }
    }
}

#[test]
fn on_policy_the_ratio_is_one() {
    let objective = Objective {
        beta: 0.0,
        ..OBJECTIVE
    };
    for advantage in [-2.0, 0.5] {
        let term = objective.token(-1.3, -1.3, None, advantage);
        assert_eq!(
            (term.loss, term.gradient, term.clipped),
            (-advantage, -advantage, None)
        );
    }
}

#[test]
fn a_clipped_token_has_no_gradient_and_the_other_direction_does() {
    let objective = Objective {
        beta: 0.0,
        ..OBJECTIVE
    };
    let up = objective.token(-1.0, -1.5, None, 1.0);
    assert_eq!((up.gradient, up.clipped), (0.0, Some(Clipped::High)));
    let down = objective.token(-1.5, -1.0, None, -1.0);
    assert_eq!((down.gradient, down.clipped), (0.0, Some(Clipped::Low)));
    assert!(objective.token(-1.0, -1.5, None, -1.0).gradient > 0.0);
    assert!(objective.token(-1.5, -1.0, None, 1.0).gradient < 0.0);
}

#[test]
fn extreme_log_ratios_stay_finite() {
    for (log_prob, old, reference) in [
        (0.0, -900.0, -900.0),
        (-900.0, 0.0, 0.0),
        (-900.0, -900.0, 0.0),
    ] {
        for advantage in [-3.0, 3.0] {
            let term = OBJECTIVE.token(log_prob, old, Some(reference), advantage);
            assert!(
                term.loss.is_finite() && term.gradient.is_finite() && term.kl.is_finite(),
                "{term:?}"
            );
        }
    }
}

#[test]
fn nan_is_not_hidden() {
    assert!(OBJECTIVE.token(f64::NAN, -1.0, None, 1.0).loss.is_nan());
    assert!(
        OBJECTIVE
            .token(-1.0, -1.0, Some(f64::NAN), 1.0)
            .loss
            .is_nan()
    );
}

#[test]
fn masked_completions_count_where_completions_are_counted() {
    let lengths = [4, 0, 2];
    assert_eq!(LossType::Grpo.weights(&lengths, 10)[0], 1.0 / 12.0);
    assert_eq!(LossType::DrGrpo.weights(&lengths, 10), [1.0 / 30.0; 3]);
    assert_eq!(LossType::Bnpo.weights(&lengths, 10), [1.0 / 6.0; 3]);
}

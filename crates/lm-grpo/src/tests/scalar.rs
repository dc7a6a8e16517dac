//! The objective a second time, one number after the other, written from the formulas alone: TRL's losses as
//! *DeepSeekMath*, *DAPO*, *Dr. GRPO*, *GSPO*, *MiniMax-M1* (CISPO), *SAPO*, *LUSPO* and *VESPO* have them, with
//! gradients by finite differences. Weights that have no gradient are those of the batch that is not moved.

use proptest::prelude::*;

use crate::{
    EngineCorrection, EngineWeight, GrpoConfig, ImportanceSamplingLevel, KlEstimator, LossType,
    Objective, ScaleRewards, TokenInput, advantages,
};

const GROUP: usize = 3;
const LONGEST: usize = 8;
const EPSILON: f64 = 0.2;
const EPSILON_HIGH: f64 = 0.28;
const BETA: f64 = 0.07;

/// Log-probabilities of a token under the policy, the old policy, the reference and the engine.
type Token = [f64; 4];

#[derive(Clone, Debug)]
struct Completion {
    reward: f64,
    truncated: bool,
    tokens: Vec<Token>,
}

#[derive(Clone, Copy, Debug)]
struct Choice {
    loss: LossType,
    level: ImportanceSamplingLevel,
    delta: Option<f64>,
    kl: KlEstimator,
    kl_bias_correction: bool,
    scale: ScaleRewards,
    mask_truncated: bool,
    correction: EngineWeight,
    mini_batches: usize,
}

fn mean(xs: &[f64]) -> f64 {
    xs.iter().sum::<f64>() / xs.len() as f64
}

fn deviation(xs: &[f64]) -> f64 {
    let mean = mean(xs);
    let squares: f64 = xs.iter().map(|x| (x - mean) * (x - mean)).sum();
    (squares / (xs.len() as f64 - 1.0)).sqrt()
}

fn plain_advantage(batch: &[Completion], i: usize, scale: ScaleRewards) -> f64 {
    let rewards: Vec<f64> = batch.iter().map(|c| c.reward).collect();
    let start = i / GROUP * GROUP;
    let group = &rewards[start..start + GROUP];
    let centred = rewards[i] - mean(group);
    match scale {
        ScaleRewards::None => centred,
        ScaleRewards::Group => centred / (deviation(group) + 1e-4),
        ScaleRewards::Batch => centred / (deviation(&rewards) + 1e-4),
    }
}

fn ratio_of(tokens: &[Token], t: usize, level: ImportanceSamplingLevel) -> f64 {
    match level {
        ImportanceSamplingLevel::Token => tokens[t][0].exp() / tokens[t][1].exp(),
        // The likelihood of the whole completion, to the power of one over its length.
        ImportanceSamplingLevel::Sequence => {
            let product: f64 = tokens.iter().map(|x| x[0].exp() / x[1].exp()).product();
            product.powf(1.0 / tokens.len() as f64)
        }
    }
}

/// The weight of a token for what the engine and the trainer disagree about.
fn plain_correction(tokens: &[Token], t: usize, choice: Choice) -> f64 {
    let EngineWeight {
        correction,
        cap,
        floor,
    } = choice.correction;
    let of_token = |x: &Token| x[1].exp() / x[3].exp();
    let of_all: f64 = tokens.iter().map(of_token).product();
    let (own, floor) = (of_token(&tokens[t]), floor.unwrap_or(0.0));
    let inside = |w: f64| f64::from(w <= cap && w >= floor) * w;
    match correction {
        EngineCorrection::None => 1.0,
        EngineCorrection::Truncate => own.min(cap).max(floor),
        EngineCorrection::Mask => inside(own),
        EngineCorrection::SequenceTruncate => of_all.min(cap).max(floor),
        EngineCorrection::SequenceMask => inside(of_all),
    }
}

/// VESPO's weight of a completion, with TRL's default parameters.
fn plain_phi(tokens: &[Token], advantage: f64, choice: Choice) -> f64 {
    let (k, lambda) = if advantage >= 0.0 {
        (2.0, 3.0)
    } else {
        (3.0, 2.0)
    };
    let mut w = 1.0;
    for (t, x) in tokens.iter().enumerate() {
        w *= x[0].exp() / x[1].exp() * plain_correction(tokens, t, choice).max(1e-8);
    }
    let w: f64 = w.max(1e-8);
    f64::exp(lambda) * w.powf(k) * (-lambda * w).exp()
}

/// For CISPO the greatest weight, not its distance from 1.
fn epsilon_high(choice: Choice) -> f64 {
    EPSILON_HIGH + f64::from(choice.loss == LossType::Cispo)
}

/// The loss of a token. `still` is the completion whose weights without a gradient count.
fn plain_token(tokens: &[Token], still: &[Token], t: usize, advantage: f64, choice: Choice) -> f64 {
    let ratio = ratio_of(tokens, t, choice.level);
    let (p, q) = (tokens[t][0], tokens[t][2]);
    let weight = plain_correction(tokens, t, choice);
    let surrogate = match choice.loss {
        LossType::Cispo => {
            let fixed = ratio_of(still, t, choice.level).min(epsilon_high(choice));
            -fixed * advantage * p * weight
        }
        LossType::Sapo => {
            let temperature = if advantage > 0.0 { 1.0 } else { 1.05 };
            let gate = 1.0 / (1.0 + f64::exp(-temperature * (ratio - 1.0)));
            -4.0 / temperature * gate * advantage * weight
        }
        LossType::Vespo => -plain_phi(still, advantage, choice) * advantage * p,
        _ => {
            let first = ratio.min(choice.delta.unwrap_or(f64::INFINITY));
            let second = ratio.clamp(1.0 - EPSILON, 1.0 + EPSILON_HIGH);
            -(first * advantage).min(second * advantage) * weight
        }
    };
    let kl = match choice.kl {
        KlEstimator::K1 => p - q,
        KlEstimator::K2 => (p - q) * (p - q) / 2.0,
        KlEstimator::K3 => (q - p).exp() - (q - p) - 1.0,
    };
    let factor = if choice.kl_bias_correction {
        ratio
    } else {
        1.0
    };
    surrogate + BETA * kl * factor
}

/// The sum of the losses of the mini-batches of a batch.
fn plain_loss(
    batch: &[Completion],
    still: &[Completion],
    advantages: &[f64],
    choice: Choice,
) -> f64 {
    let counts = |c: &Completion| !(choice.mask_truncated && c.truncated);
    let tokens_of = |part: &[Completion]| -> f64 {
        let counted = part.iter().filter(|c| counts(c));
        counted.map(|c| c.tokens.len() as f64).sum()
    };
    let size = batch.len() / choice.mini_batches;
    let b = size as f64;
    let mut loss = 0.0;
    for (i, completion) in batch.iter().enumerate().filter(|(_, c)| counts(c)) {
        let (tokens, still) = (&completion.tokens, &still[i].tokens);
        let terms = (0..tokens.len()).map(|t| plain_token(tokens, still, t, advantages[i], choice));
        let sum: f64 = terms.sum();
        let start = i / size * size;
        let own = &batch[start..start + size];
        loss += match choice.loss {
            LossType::Grpo | LossType::Sapo => sum / tokens.len() as f64 / b,
            LossType::DrGrpo => sum / (b * LONGEST as f64),
            LossType::Luspo => sum / b,
            LossType::Bnpo => sum / tokens_of(own),
            LossType::Dapo | LossType::Cispo | LossType::Vespo => {
                sum / (tokens_of(batch) / choice.mini_batches as f64)
            }
        };
    }
    loss
}

/// The loss and its gradients as the trainer computes them.
fn ours(batch: &[Completion], choice: Choice) -> (Vec<f64>, f64, Vec<Vec<f64>>) {
    let rewards: Vec<f64> = batch.iter().map(|c| c.reward).collect();
    let advantages = advantages(&rewards, GROUP, choice.scale).values;
    let lengths: Vec<usize> = batch.iter().map(|c| c.tokens.len()).collect();
    let masked = batch.iter().map(|c| choice.mask_truncated && c.truncated);
    let masked: Vec<bool> = masked.collect();
    let (loss, parts) = (choice.loss, choice.mini_batches);
    let weights = loss.weights_of_mini_batches(&lengths, &masked, LONGEST, parts);
    let objective = Objective::from(&GrpoConfig {
        epsilon: EPSILON,
        epsilon_high: epsilon_high(choice),
        delta: choice.delta,
        beta: BETA,
        kl_estimator: choice.kl,
        kl_bias_correction: choice.kl_bias_correction,
        importance_sampling_level: choice.level,
        loss_type: choice.loss,
        ..GrpoConfig::default()
    });
    let inputs = |tokens: &[Token]| -> Vec<TokenInput> {
        let log_ratios: Vec<f64> = tokens.iter().map(|x| x[1] - x[3]).collect();
        let corrections = choice.correction.of_tokens(&log_ratios);
        let input = |(&[policy, old, reference, _], correction): (&Token, f64)| TokenInput {
            policy,
            old,
            reference: Some(reference),
            correction,
        };
        tokens.iter().zip(corrections).map(input).collect()
    };
    let (mut loss, mut gradients) = (0.0, Vec::new());
    for (i, completion) in batch.iter().enumerate() {
        let terms = objective.completion(&inputs(&completion.tokens), advantages[i]);
        loss += terms.iter().map(|term| weights[i] * term.loss).sum::<f64>();
        let scaled = terms.iter().map(|term| weights[i] * term.gradient);
        gradients.push(scaled.collect());
    }
    (advantages, loss, gradients)
}

/// The derivative of the plain loss; `None` near a kink, where it has none.
fn slope(
    batch: &[Completion],
    advantages: &[f64],
    choice: Choice,
    i: usize,
    t: usize,
) -> Option<f64> {
    let h = 1e-5;
    let kinks = [1.0 - EPSILON, 1.0 + EPSILON_HIGH];
    let mut kinks = kinks.into_iter().chain(choice.delta);
    let ratio = ratio_of(&batch[i].tokens, t, choice.level);
    if kinks.any(|kink| (ratio - kink).abs() < 1e-4) {
        return None;
    }
    let at = |x: f64| {
        let mut moved = batch.to_vec();
        moved[i].tokens[t][0] += x;
        plain_loss(&moved, batch, advantages, choice)
    };
    Some((at(h) - at(-h)) / (2.0 * h))
}

#[track_caller]
fn close(what: &str, choice: Choice, found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-6 * (1.0 + expected.abs()),
        "{what}: {found} instead of {expected} for {choice:?}"
    );
}

fn check(batch: &[Completion], choice: Choice) {
    let (found, loss, gradients) = ours(batch, choice);
    let plain = |i| plain_advantage(batch, i, choice.scale);
    let expected: Vec<f64> = (0..batch.len()).map(plain).collect();
    for (found, expected) in found.iter().zip(&expected) {
        close("advantage", choice, *found, *expected);
    }
    close(
        "loss",
        choice,
        loss,
        plain_loss(batch, batch, &expected, choice),
    );
    for (i, gradients) in gradients.iter().enumerate() {
        for (t, &found) in gradients.iter().enumerate() {
            if let Some(expected) = slope(batch, &expected, choice, i, t) {
                close("gradient", choice, found, expected);
            }
        }
    }
}

/// Combinations of the options.
fn choices() -> Vec<Choice> {
    let losses = [
        LossType::Grpo,
        LossType::DrGrpo,
        LossType::Bnpo,
        LossType::Dapo,
        LossType::Cispo,
        LossType::Sapo,
        LossType::Luspo,
        LossType::Vespo,
    ];
    let levels = [
        ImportanceSamplingLevel::Token,
        ImportanceSamplingLevel::Sequence,
    ];
    let estimators = [KlEstimator::K1, KlEstimator::K2, KlEstimator::K3];
    let scales = [ScaleRewards::None, ScaleRewards::Group, ScaleRewards::Batch];
    let corrections = [
        EngineCorrection::None,
        EngineCorrection::Truncate,
        EngineCorrection::Mask,
        EngineCorrection::SequenceTruncate,
        EngineCorrection::SequenceMask,
    ];
    let count = losses.len() * levels.len() * 2 * estimators.len() * scales.len() * 2 * 5 * 8;
    let choice = |mut n: usize| {
        let mut next = |of: usize| {
            let index = n % of;
            n /= of;
            index
        };
        Choice {
            loss: losses[next(8)],
            level: levels[next(2)],
            delta: [None, Some(1.6)][next(2)],
            kl: estimators[next(3)],
            scale: scales[next(3)],
            mask_truncated: next(2) == 1,
            correction: EngineWeight {
                correction: corrections[next(5)],
                cap: 1.3,
                floor: [None, Some(0.8)][next(2)],
            },
            mini_batches: 1 + next(2),
            kl_bias_correction: next(2) == 1,
        }
    };
    // Seven has no factor in common with the numbers of choices, so that all pairs of them occur.
    (0..count).step_by(7).map(choice).collect()
}

fn tokens() -> impl Strategy<Value = Vec<Token>> {
    let token = (-3.0..-0.01, -0.9..0.9, -0.7..0.7, -0.5..0.5);
    // Near to the policy, so that all branches occur: inside the clipping range and on both sides of it.
    let token = token.prop_map(|(policy, old, reference, engine): (f64, f64, f64, f64)| {
        let old = policy + old;
        [policy, old, policy + reference, old + engine]
    });
    prop::collection::vec(token, 1..5)
}

fn batch() -> impl Strategy<Value = Vec<Completion>> {
    let completion = (0.0..11.0, any::<bool>(), tokens());
    let completion = completion.prop_map(|(reward, truncated, tokens)| Completion {
        reward,
        truncated,
        tokens,
    });
    prop::collection::vec(completion, 2 * GROUP)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_objective_equals_the_formulas(batch in batch()) {
        for choice in choices() {
            check(&batch, choice);
        }
    }
}

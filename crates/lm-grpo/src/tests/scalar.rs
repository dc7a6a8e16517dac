//! The objective a second time, one number after the other, written from the formulas alone: TRL's losses as
//! *DeepSeekMath*, *DAPO*, *Dr. GRPO* and *GSPO* have them, with gradients by finite differences.

use proptest::prelude::*;

use crate::choices::EngineWeight;
use crate::{
    EngineCorrection, ImportanceSamplingLevel, KlEstimator, LossType, Objective, ScaleRewards,
    TokenInput, advantages,
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
    scale: ScaleRewards,
    mask_truncated: bool,
    correction: EngineWeight,
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

fn plain_token(tokens: &[Token], t: usize, advantage: f64, choice: Choice) -> f64 {
    let ratio = ratio_of(tokens, t, choice.level);
    let first = ratio.min(choice.delta.unwrap_or(f64::INFINITY));
    let second = ratio.clamp(1.0 - EPSILON, 1.0 + EPSILON_HIGH);
    let surrogate = -(first * advantage).min(second * advantage);
    let mismatch = tokens[t][1].exp() / tokens[t][3].exp();
    let cap = choice.correction.cap;
    let weight = match choice.correction.correction {
        EngineCorrection::None => 1.0,
        EngineCorrection::Truncate => mismatch.min(cap),
        EngineCorrection::Mask => f64::from(mismatch <= cap) * mismatch,
    };
    let (p, q) = (tokens[t][0], tokens[t][2]);
    let kl = match choice.kl {
        KlEstimator::K1 => p - q,
        KlEstimator::K2 => (p - q) * (p - q) / 2.0,
        KlEstimator::K3 => (q - p).exp() - (q - p) - 1.0,
    };
    surrogate * weight + BETA * kl
}

/// The whole loss of a batch.
fn plain_loss(batch: &[Completion], advantages: &[f64], choice: Choice) -> f64 {
    let b = batch.len() as f64;
    let counts = |c: &Completion| !(choice.mask_truncated && c.truncated);
    let all: f64 = batch.iter().map(|c| c.tokens.len() as f64).sum();
    let counted = batch.iter().filter(|c| counts(c));
    let counted: f64 = counted.map(|c| c.tokens.len() as f64).sum();
    let mut loss = 0.0;
    for (i, completion) in batch.iter().enumerate().filter(|(_, c)| counts(c)) {
        let terms = (0..completion.tokens.len())
            .map(|t| plain_token(&completion.tokens, t, advantages[i], choice));
        let sum: f64 = terms.sum();
        loss += match choice.loss {
            LossType::Grpo => sum / completion.tokens.len() as f64 / b,
            LossType::DrGrpo => sum / (b * LONGEST as f64),
            LossType::Bnpo => sum / counted,
            LossType::Dapo => sum / all,
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
    let weights = choice.loss.weights(&lengths, &masked, LONGEST);
    let objective = Objective {
        epsilon: EPSILON,
        epsilon_high: EPSILON_HIGH,
        delta: choice.delta,
        beta: BETA,
        kl_estimator: choice.kl,
        importance_sampling_level: choice.level,
    };
    let input = |&[policy, old, reference, engine]: &Token| TokenInput {
        policy,
        old,
        reference: Some(reference),
        correction: choice.correction.of(old, engine),
    };
    let (mut loss, mut gradients) = (0.0, Vec::new());
    for (i, completion) in batch.iter().enumerate() {
        let inputs: Vec<TokenInput> = completion.tokens.iter().map(input).collect();
        let terms = objective.completion(&inputs, advantages[i]);
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
        plain_loss(&moved, advantages, choice)
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
    close("loss", choice, loss, plain_loss(batch, &expected, choice));
    for (i, gradients) in gradients.iter().enumerate() {
        for (t, &found) in gradients.iter().enumerate() {
            if let Some(expected) = slope(batch, &expected, choice, i, t) {
                close("gradient", choice, found, expected);
            }
        }
    }
}

/// Every combination of the options, with corrections in turn.
fn choices() -> Vec<Choice> {
    let losses = [
        LossType::Grpo,
        LossType::DrGrpo,
        LossType::Bnpo,
        LossType::Dapo,
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
    ];
    let count = losses.len() * levels.len() * 2 * estimators.len() * scales.len() * 2 * 3;
    let choice = |mut n: usize| {
        let mut next = |of: usize| {
            let index = n % of;
            n /= of;
            index
        };
        Choice {
            loss: losses[next(4)],
            level: levels[next(2)],
            delta: [None, Some(1.6)][next(2)],
            kl: estimators[next(3)],
            scale: scales[next(3)],
            mask_truncated: next(2) == 1,
            correction: EngineWeight {
                correction: corrections[next(3)],
                cap: 1.3,
            },
        }
    };
    (0..count).map(choice).collect()
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

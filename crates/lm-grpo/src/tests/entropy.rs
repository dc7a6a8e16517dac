//! The entropy bonus: its gradient against ordinary tensor operations, and what it does to a policy.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use lm_model::Qwen3;
use lm_train::{GradientAccumulator, Recompute, RunFiles};

use super::pass::{Gradients, all_close, complete, context, flat, micro_batches, off_policy};
use super::toy::{Fixed, Setup, Watch, config};
use super::{Train, policy, prompts, values};
use crate::batch::Trajectory;
use crate::metrics::PassStats;
use crate::pass::{PassContext, scoring};
use crate::{GrpoConfig, LossType};

const COEF: f64 = 0.3;

fn pass(
    model: &Qwen3<Train>,
    coef: f64,
    tokens: usize,
    recompute: Recompute,
) -> (Gradients, PassStats) {
    let mut batch = off_policy(model, LossType::Grpo);
    let (micro_batches, prompts) = (micro_batches(&batch, tokens), prompts());
    let context = PassContext {
        entropy_coef: coef,
        recompute,
        ..context(&prompts)
    };
    complete(model, &mut batch, &micro_batches, context)
}

/// `−c Σ weight · H`, from all logits.
fn composed_bonus(model: &Qwen3<Train>) -> Tensor<Train, 1> {
    let batch = off_policy(model, LossType::Grpo);
    let counted: Vec<&Trajectory> = batch.trajectories.iter().filter(|t| !t.masked).collect();
    let prompts = prompts();
    let context = context(&prompts);
    let scoring = scoring(model, &counted, context);
    let logits = model.logits(&scoring.batch).select(0, scoring.rows);
    let log_probs = log_softmax(logits / context.temperature, 1);
    let entropy = -(log_probs.clone().exp() * log_probs)
        .sum_dim(1)
        .squeeze_dim::<1>(1);
    let weights = counted
        .iter()
        .flat_map(|t| vec![t.weight as f32; t.completion.len()]);
    let weights: Vec<f32> = weights.collect();
    let weights = Tensor::from_floats(weights.as_slice(), &model.device());
    (entropy * weights).sum() * -COEF
}

#[test]
fn its_gradient_is_that_of_tensor_operations() {
    let model = policy();
    let (plain, without) = pass(&model, 0.0, 30, Recompute::Nothing);
    let bonus = composed_bonus(&model);
    let value = f64::from(bonus.clone().into_scalar());
    let mut accumulator = GradientAccumulator::<Train>::new();
    accumulator.add(&model, bonus.backward());
    let bonus = flat(&accumulator.finish());
    let expected: Vec<f32> = flat(&plain)
        .iter()
        .zip(&bonus)
        .map(|(a, b)| a + b)
        .collect();
    for recompute in [Recompute::Nothing, Recompute::Segments(1)] {
        for tokens in [1, 30, 10_000] {
            let (found, with) = pass(&model, COEF, tokens, recompute);
            assert_eq!(found.len(), plain.len());
            let same_order: Vec<f32> = plain
                .iter()
                .flat_map(|(id, _)| {
                    let found = found.get(id).expect("a gradient of every parameter");
                    found.to_data().iter::<f32>().collect::<Vec<_>>()
                })
                .collect();
            all_close(&same_order, &expected);
            let (loss, wanted) = (with.loss, without.loss + value);
            assert!((loss - wanted).abs() < 1e-5, "{loss} instead of {wanted}");
            assert!((with.entropy - without.entropy).abs() < 1e-5);
        }
    }
}

/// With equal rewards and no penalty, nothing but the bonus moves the policy.
#[test]
fn it_alone_raises_the_entropy() {
    let trained = |entropy_coef| {
        let config = GrpoConfig {
            entropy_coef,
            beta: 0.0,
            max_steps: Some(6),
            ..config()
        };
        let setup = Setup {
            reward: &Fixed(|count| vec![1.0; count]),
            ..Default::default()
        };
        let mut watch = Watch::default();
        let outcome = setup.run(&config, &RunFiles::default(), &mut watch);
        let entropy = |step: usize| watch.metrics[step].get("entropy").expect("a number");
        (
            values(&outcome.expect("a run").model),
            entropy(0),
            entropy(5),
        )
    };
    let (unchanged, _, _) = trained(0.0);
    assert!(unchanged == values(&policy()));
    let (moved, first, last) = trained(0.1);
    assert!(moved != unchanged);
    assert!(last > first + 0.01, "{first} to {last}");
}

//! One pass over a batch: what splitting it must not change, and its gradients against ordinary tensor operations.

use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use lm_model::Qwen3;
use lm_train::{GradientAccumulator, ParamGradients, Recompute};
use tokio_util::sync::CancellationToken;

use super::{Train, VOCAB, objective, policy, prompts};
use crate::batch::{Batch, Trajectory};
use crate::metrics::{PassStats, RolloutStats};
use crate::pass::{PassContext, PassEnd, accumulate, log_probs_under, scoring};
use crate::workers::accumulate_on;
use crate::{GrpoConfig, ImportanceSamplingLevel, KlEstimator, LossType, Objective, Prompt};

const OBJECTIVE: Objective = Objective {
    beta: 0.04,
    ..objective::OBJECTIVE
};
const EVERYTHING: usize = 10_000;

pub(crate) type Gradients = ParamGradients<burn::backend::Flex>;

/// Eleven completions of made-up tokens with made-up advantages, one of them masked.
fn batch(loss_type: LossType) -> Batch {
    let lengths = [3, 9, 1, 5, 12, 2, 7, 4, 4, 6, 8];
    let masked: Vec<bool> = (0..lengths.len()).map(|i| i == 4).collect();
    let weights = loss_type.weights(&lengths, &masked, 16);
    let trajectory = |(i, &length): (usize, &usize)| Trajectory {
        // Neighbours share a prompt, so the cuts of a batch fall inside groups and between them.
        prompt: i / 3,
        completion: (0..length)
            .map(|t| ((i * 5 + t * 3 + 1) % VOCAB) as u32)
            .collect(),
        sampled: Vec::new(),
        advantage: (i as f64 * 1.7).sin(),
        weight: weights[i],
        masked: i == 4,
        reference: Vec::new(),
        old: Vec::new(),
    };
    let trajectories = lengths.iter().enumerate().map(trajectory).collect();
    Batch {
        trajectories,
        rollout: RolloutStats::default(),
        passes: Vec::new(),
        staleness: 0,
    }
}

pub(crate) fn context(prompts: &[Prompt]) -> PassContext<'_> {
    PassContext {
        prompts,
        objective: OBJECTIVE,
        correction: GrpoConfig::default().engine_weight(),
        temperature: 0.9,
        recompute: Recompute::Nothing,
        entropy_coef: 0.0,
    }
}

pub(crate) fn micro_batches(batch: &Batch, tokens: usize) -> Vec<Vec<usize>> {
    let lengths: Vec<usize> = prompts().iter().map(|prompt| prompt.ids.len()).collect();
    batch.micro_batches(batch.whole(), &lengths, tokens)
}

pub(crate) fn pass(
    model: &Qwen3<Train>,
    batch: &mut Batch,
    tokens: usize,
) -> (Gradients, PassStats) {
    pass_with(OBJECTIVE, model, batch, tokens)
}

fn pass_with(
    objective: Objective,
    model: &Qwen3<Train>,
    batch: &mut Batch,
    tokens: usize,
) -> (Gradients, PassStats) {
    let (micro_batches, prompts) = (micro_batches(batch, tokens), prompts());
    let context = PassContext {
        objective,
        ..context(&prompts)
    };
    complete(model, batch, &micro_batches, context)
}

/// The same with so many further workers.
pub(crate) fn pass_on(
    others: usize,
    model: &Qwen3<Train>,
    batch: &mut Batch,
    tokens: usize,
) -> (Gradients, PassStats) {
    let (micro_batches, prompts) = (micro_batches(batch, tokens), prompts());
    let others = vec![Default::default(); others];
    let end = accumulate_on(
        &others,
        model,
        batch,
        &micro_batches,
        context(&prompts),
        &CancellationToken::new(),
        &mut (),
    );
    finish(end, batch)
}

/// A pass and what it leaves in the batch.
pub(crate) fn complete(
    model: &Qwen3<Train>,
    batch: &mut Batch,
    micro_batches: &[Vec<usize>],
    context: PassContext<'_>,
) -> (Gradients, PassStats) {
    let end = accumulate(
        model,
        batch,
        micro_batches,
        context,
        &CancellationToken::new(),
        &mut (),
    );
    finish(end, batch)
}

fn finish(end: PassEnd<Train>, batch: &mut Batch) -> (Gradients, PassStats) {
    let PassEnd::Complete(passed) = end else {
        panic!("expected a complete pass");
    };
    batch.record_old(passed.log_probs);
    let stats = passed.sums.per_token(batch.counted_tokens(batch.whole()));
    (passed.gradients, stats)
}

/// Fills in log-probabilities as if the policy had sampled the batch a while ago.
fn make_off_policy(batch: &mut Batch) {
    for (i, trajectory) in batch.trajectories.iter_mut().enumerate() {
        for t in 0..trajectory.old.len() {
            trajectory.old[t] += ((i + 3 * t) as f32 * 0.9).sin() * 0.4;
        }
    }
}

/// A batch with a reference and old log-probabilities that differ from the policy's.
pub(crate) fn off_policy(model: &Qwen3<Train>, loss_type: LossType) -> Batch {
    let mut batch = batch(loss_type);
    pass(model, &mut batch, EVERYTHING);
    make_off_policy(&mut batch);
    let reference = model.valid();
    let (micro_batches, prompts) = (micro_batches(&batch, EVERYTHING), prompts());
    let context = context(&prompts);
    let log_probs = log_probs_under(
        &reference,
        &batch,
        &micro_batches,
        context,
        &CancellationToken::new(),
        &mut (),
    );
    batch.record_reference(log_probs.expect("nobody stops"));
    batch
        .trajectories
        .iter_mut()
        .flat_map(|t| &mut t.reference)
        .for_each(|x| *x -= 0.3);
    batch
}

pub(crate) fn flat(gradients: &Gradients) -> Vec<f32> {
    gradients
        .iter()
        .flat_map(|(_, tensor)| tensor.to_data().iter::<f32>().collect::<Vec<_>>())
        .collect()
}

#[track_caller]
pub(crate) fn all_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    assert!(scale > 0.0);
    for (a, b) in found.iter().zip(expected) {
        assert!(
            (a - b).abs() <= 1e-5 * scale,
            "{a} instead of {b}, greatest {scale}"
        );
    }
}

#[test]
fn splitting_micro_batches_changes_nothing() {
    let sequence = Objective {
        importance_sampling_level: ImportanceSamplingLevel::Sequence,
        epsilon: 0.02,
        epsilon_high: 0.02,
        delta: Some(1.1),
        kl_estimator: KlEstimator::K2,
        ..OBJECTIVE
    };
    let losses = [
        LossType::Grpo,
        LossType::DrGrpo,
        LossType::Bnpo,
        LossType::Dapo,
    ];
    for loss_type in losses {
        for objective in [OBJECTIVE, sequence] {
            check_splitting(loss_type, objective);
        }
    }
}

fn check_splitting(loss_type: LossType, objective: Objective) {
    let model = policy();
    let mut whole = off_policy(&model, loss_type);
    let (gradients, stats) = pass_with(objective, &model, &mut whole, EVERYTHING);
    assert!(stats.clip_low > 0.0 && stats.clip_high > 0.0 && stats.kl > 0.0);
    for tokens in [1, 10, 25] {
        let mut split = off_policy(&model, loss_type);
        assert!(micro_batches(&split, tokens).len() > 2);
        let (found, other) = pass_with(objective, &model, &mut split, tokens);
        all_close(&flat(&found), &flat(&gradients));
        assert!((other.loss - stats.loss).abs() <= 1e-5 * (1.0 + stats.loss.abs()));
        assert!((other.entropy - stats.entropy).abs() <= 1e-5 * stats.entropy);
        assert!((other.kl - stats.kl).abs() <= 1e-5 * stats.kl);
    }
}

#[test]
fn layers_that_are_computed_again_change_nothing() {
    let model = policy();
    let run = |recompute| {
        let mut batch = off_policy(&model, LossType::DrGrpo);
        let micro_batches = micro_batches(&batch, 25);
        let prompts = prompts();
        let context = PassContext {
            recompute,
            ..context(&prompts)
        };
        complete(&model, &mut batch, &micro_batches, context)
    };
    let (kept, stats) = run(Recompute::Nothing);
    let (again, other) = run(Recompute::Segments(1));
    assert_eq!(again.len(), kept.len());
    for (id, expected) in kept.iter() {
        let found = again.get(id).expect("a gradient of every parameter");
        let values = |x: &Tensor<_, 1>| x.to_data().iter::<f32>().collect::<Vec<_>>();
        all_close(&values(found), &values(expected));
    }
    assert_eq!(other.loss, stats.loss);
}

/// The same completions as rows of one length, each with its whole prompt, and what lies beyond the end never read.
#[test]
fn padded_rows_have_the_log_probabilities_of_packed_groups() {
    let model = policy().valid();
    let (batch, prompts) = (batch(LossType::DrGrpo), prompts());
    let context = context(&prompts);
    let packed = log_probs_under(
        &model,
        &batch,
        &micro_batches(&batch, 60),
        context,
        &CancellationToken::new(),
        &mut (),
    );
    let packed = packed.expect("nobody stops");
    let sequence = |t: &Trajectory| [&prompts[t.prompt].ids, &t.completion[..]].concat();
    let counted: Vec<&Trajectory> = packed
        .iter()
        .map(|(i, _)| &batch.trajectories[*i])
        .collect();
    let longest = counted
        .iter()
        .map(|t| sequence(t).len())
        .max()
        .expect("some");
    for fill in [0, 9] {
        let filled = |t: &&Trajectory| {
            let mut ids = sequence(t);
            ids.resize(longest, fill);
            ids
        };
        let rows: Vec<Vec<u32>> = counted.iter().map(filled).collect();
        let rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        let batch = model.pack(&rows);
        let (mut at, mut targets) = (Vec::new(), Vec::new());
        for (row, t) in counted.iter().enumerate() {
            let start = row * longest + prompts[t.prompt].ids.len() - 1;
            at.extend((start..start + t.completion.len()).map(|i| i as i32));
            targets.extend(t.completion.iter().map(|id| *id as i32));
        }
        let ints = |values: &[i32]| Tensor::from_ints(values, &Default::default());
        let scored = model.log_probs(&batch, ints(&at), ints(&targets), context.temperature);
        let padded: Vec<f32> = scored.log_probs.into_data().iter::<f32>().collect();
        let packed: Vec<f32> = packed.iter().flat_map(|(_, own)| own.clone()).collect();
        all_close(&padded, &packed);
    }
}

#[test]
fn the_first_pass_is_on_policy() {
    let model = policy();
    let mut batch = batch(LossType::DrGrpo);
    let (gradients, stats) = pass(&model, &mut batch, 20);
    let counted = batch.trajectories.iter().filter(|t| !t.masked);
    let expected: f64 = counted
        .map(|t| -t.advantage * t.weight * t.completion.len() as f64)
        .sum();
    assert!(
        (stats.loss - expected).abs() < 1e-12,
        "{} instead of {expected}",
        stats.loss
    );
    assert_eq!((stats.clip_low, stats.clip_high, stats.kl), (0.0, 0.0, 0.0));
    assert!(gradients.norm() > 0.0);
    for trajectory in &batch.trajectories {
        let recorded = if trajectory.masked {
            0
        } else {
            trajectory.completion.len()
        };
        assert_eq!(trajectory.old.len(), recorded);
    }
}

#[test]
fn gradients_equal_those_of_tensor_operations() {
    let model = policy();
    let mut batch = off_policy(&model, LossType::Grpo);
    let counted: Vec<Trajectory> = batch
        .trajectories
        .iter()
        .filter(|t| !t.masked)
        .cloned()
        .collect();
    let trajectories: Vec<&Trajectory> = counted.iter().collect();
    let prompts = prompts();
    let scoring = scoring(&model, &trajectories, context(&prompts));
    let log_probs = scoring.log_probs(&model).log_probs;
    let mut accumulator = GradientAccumulator::<Train>::new();
    accumulator.add(&model, composed_loss(log_probs, &counted).backward());
    let (gradients, _) = pass(&model, &mut batch, 30);
    all_close(&flat(&gradients), &flat(&accumulator.finish()));
}

/// The loss as the formula has it, for ratios far from the clamp.
fn composed_loss(log_probs: Tensor<Train, 1>, trajectories: &[Trajectory]) -> Tensor<Train, 1> {
    let device = log_probs.device();
    let tensor = |values: Vec<f32>| Tensor::<Train, 1>::from_floats(values.as_slice(), &device);
    let per_token = |value: fn(&Trajectory) -> f64| {
        tensor(
            trajectories
                .iter()
                .flat_map(|t| vec![value(t) as f32; t.completion.len()])
                .collect(),
        )
    };
    let old = tensor(trajectories.iter().flat_map(|t| t.old.clone()).collect());
    let reference = tensor(
        trajectories
            .iter()
            .flat_map(|t| t.reference.clone())
            .collect(),
    );
    let (advantage, weight) = (per_token(|t| t.advantage), per_token(|t| t.weight));
    let ratio = (log_probs.clone() - old).exp();
    let bounded = ratio
        .clone()
        .clamp(1.0 - OBJECTIVE.epsilon, 1.0 + OBJECTIVE.epsilon_high);
    let surrogate = (ratio * advantage.clone()).min_pair(bounded * advantage);
    let d = reference - log_probs;
    let kl = d.clone().exp() - d - 1.0;
    ((kl * OBJECTIVE.beta - surrogate) * weight).sum()
}

#[test]
fn micro_batches_respect_the_budget_and_leave_out_the_masked() {
    let batch = batch(LossType::Bnpo);
    let found = micro_batches(&batch, 20);
    let rows = |micro_batch: &[usize]| -> usize {
        let members: Vec<&Trajectory> = micro_batch
            .iter()
            .map(|&i| &batch.trajectories[i])
            .collect();
        let shared = members.chunk_by(|a, b| a.prompt == b.prompt);
        let of_prompts: usize = shared.map(|same| prompts()[same[0].prompt].ids.len()).sum();
        of_prompts + members.iter().map(|t| t.inputs().len()).sum::<usize>()
    };
    assert!(found.iter().all(|m| m.len() == 1 || rows(m) <= 20));
    assert!(found.iter().any(|m| m.len() > 1));
    assert_eq!(found.concat(), [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]);
    assert_eq!(batch.counted_tokens(batch.whole()), 49);
}

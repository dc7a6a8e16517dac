//! One pass over a rollout batch: forward, loss on the host, backward, micro-batch by micro-batch.

use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Int, Tensor, TensorData};
use lm_kernels::ops::TokenLogProbs;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::{Prefixed, Qwen3};
use lm_train::{GradientAccumulator, ParamGradients, Recompute, Scoring, backpropagate};
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, LogProbs, Trajectory};
use crate::config::GrpoConfig;
use crate::correction::EngineWeight;
use crate::environment::Prompt;
use crate::error::Error;
use crate::metrics::{Observer, PassStats};
use crate::objective::{Clipped, Objective, TokenInput, TokenTerm};

/// What stays the same from micro-batch to micro-batch.
#[derive(Clone, Copy)]
pub(crate) struct PassContext<'a> {
    pub(crate) prompts: &'a [Prompt],
    pub(crate) objective: Objective,
    pub(crate) correction: EngineWeight,
    pub(crate) temperature: f64,
    pub(crate) recompute: Recompute,
    pub(crate) entropy_coef: f64,
}

impl<'a> PassContext<'a> {
    /// What `config` says about the passes of `policy`.
    pub(crate) fn new<B: LmOps>(
        policy: &Qwen3<B>,
        prompts: &'a [Prompt],
        config: &GrpoConfig,
    ) -> Result<Self, Error> {
        Ok(Self {
            prompts,
            objective: Objective::from(config),
            correction: config.engine_weight(),
            temperature: config.temperature,
            recompute: Recompute::for_model(config.recompute_layers, policy)?,
            entropy_coef: config.entropy_coef,
        })
    }
}

/// What a pass over micro-batches found.
pub(crate) struct Passed<B: AutodiffBackend> {
    pub(crate) gradients: ParamGradients<B::InnerBackend>,
    /// Sums over the tokens; the norm is not known yet.
    pub(crate) sums: PassStats,
    /// Under the policy of the pass.
    pub(crate) log_probs: LogProbs,
}

/// How a pass ended.
pub(crate) enum PassEnd<B: AutodiffBackend> {
    /// With every micro-batch.
    Complete(Passed<B>),
    /// Because the run is stopped; the gradients are gone.
    Stopped,
    /// Because the loss of a micro-batch or its derivative is not finite.
    NonFinite(Culprit),
}

/// Where a loss is not finite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Culprit {
    /// The loss of the completion, or, if that is finite, the derivative that is not.
    pub(crate) value: f64,
    /// Index into the rollout batch of the first such completion.
    pub(crate) completion: usize,
    /// The prompts of the micro-batch.
    pub(crate) prompts: Vec<usize>,
}

/// The loss of a micro-batch and the derivative with respect to each log-probability, in the order of the tokens.
#[derive(Default)]
struct Evaluation {
    /// Sums over the tokens, except for the gradient norm.
    sums: PassStats,
    gradients: Vec<f32>,
    /// The first trajectory with a loss or derivative that is not finite, as a position in the micro-batch, and that
    /// value.
    bad: Option<(usize, f64)>,
}

/// What is to be scored: the tokens of `trajectories`, end to end.
///
/// The last token of a completion predicts nothing that counts, so it is not an input. Neighbours with the same prompt
/// share its rows.
pub(crate) fn scoring<B: LmOps>(
    model: &Qwen3<B>,
    trajectories: &[&Trajectory],
    context: PassContext<'_>,
) -> Scoring<B> {
    let (mut groups, mut rows, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    let mut end = 0;
    for same in trajectories.chunk_by(|a, b| a.prompt == b.prompt) {
        let prefix: &[u32] = &context.prompts[same[0].prompt].ids;
        end += prefix.len();
        let last_of_prompt = end - 1;
        let mut rest = Vec::with_capacity(same.len());
        for trajectory in same {
            let inputs = trajectory.inputs();
            rows.push(last_of_prompt as i64);
            rows.extend((end..end + inputs.len()).map(|row| row as i64));
            targets.extend(trajectory.completion.iter().map(|id| i64::from(*id)));
            end += inputs.len();
            rest.push(inputs);
        }
        groups.push(Prefixed { prefix, rest });
    }
    let device = model.device();
    let ints = |values: Vec<i64>| {
        let shape = [values.len()];
        Tensor::<B, 1, Int>::from_data(TensorData::new(values, shape), &device)
    };
    Scoring {
        batch: model.pack_prefixed(&groups),
        rows: ints(rows),
        targets: ints(targets),
        temperature: context.temperature,
        entropy_gradient: None,
    }
}

/// Forward and backward passes over micro-batches, given as indices of trajectories.
pub(crate) fn accumulate<B: TrainBackend>(
    model: &Qwen3<B>,
    batch: &Batch,
    micro_batches: &[Vec<usize>],
    context: PassContext<'_>,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> PassEnd<B> {
    let mut gradients = GradientAccumulator::<B>::new();
    let (mut sums, mut all) = (PassStats::default(), LogProbs::new());
    let device = model.device();
    for (index, micro_batch) in micro_batches.iter().enumerate() {
        observer.on_micro_batch(index, micro_batches.len());
        if stop.is_cancelled() {
            return PassEnd::Stopped;
        }
        let trajectories: Vec<&Trajectory> = micro_batch
            .iter()
            .map(|&i| &batch.trajectories[i])
            .collect();
        let (mut evaluation, mut log_probs) = (Evaluation::default(), Vec::new());
        let bonus = EntropyBonus::new(&trajectories, context.entropy_coef);
        let upstream = |scored: TokenLogProbs<B::InnerBackend>| {
            log_probs = read(scored.log_probs);
            evaluation = evaluate(context, &trajectories, &log_probs);
            if evaluation.bad.is_some() {
                return None;
            }
            let entropies = read(scored.entropy);
            evaluation.sums.entropy = total(&entropies);
            evaluation.sums.loss += bonus.loss(&entropies);
            let gradients = std::mem::take(&mut evaluation.gradients);
            let shape = [gradients.len()];
            let data = TensorData::new(gradients, shape);
            Some(Tensor::from_data(data, &device))
        };
        let scoring = Scoring {
            entropy_gradient: bonus.gradient(&device),
            ..scoring(model, &trajectories, context)
        };
        backpropagate(model, scoring, context.recompute, upstream, &mut gradients);
        if let Some((position, value)) = evaluation.bad {
            return PassEnd::NonFinite(culprit(batch, micro_batch, position, value));
        }
        sums = sums.plus(evaluation.sums);
        all.extend(split(batch, micro_batch, &log_probs));
    }
    PassEnd::Complete(Passed {
        gradients: gradients.finish(),
        sums,
        log_probs: all,
    })
}

/// What the entropies of the tokens of some trajectories, end to end, add to the loss: `−c · weight · H` each.
struct EntropyBonus {
    /// Empty without a bonus.
    gradients: Vec<f32>,
}

impl EntropyBonus {
    fn new(trajectories: &[&Trajectory], coef: f64) -> Self {
        let of_tokens = |one: &&Trajectory| {
            let gradient = (-coef * one.weight) as f32;
            std::iter::repeat_n(gradient, one.completion.len())
        };
        let gradients = match coef {
            0.0 => Vec::new(),
            _ => trajectories.iter().flat_map(of_tokens).collect(),
        };
        Self { gradients }
    }

    fn loss(&self, entropies: &[f32]) -> f64 {
        let pairs = self.gradients.iter().zip(entropies);
        pairs.map(|(g, h)| f64::from(*g) * f64::from(*h)).sum()
    }

    fn gradient<B: LmOps>(&self, device: &B::Device) -> Option<Tensor<B, 1>> {
        let values = self.gradients.clone();
        let shape = [values.len()];
        (!values.is_empty()).then(|| Tensor::from_data(TensorData::new(values, shape), device))
    }
}

fn culprit(batch: &Batch, micro_batch: &[usize], position: usize, value: f64) -> Culprit {
    let prompts = micro_batch.iter().map(|&i| batch.trajectories[i].prompt);
    let mut prompts: Vec<usize> = prompts.collect();
    prompts.dedup();
    Culprit {
        value,
        completion: micro_batch[position],
        prompts,
    }
}

/// The loss of the trajectories' tokens, whose log-probabilities under the policy lie end to end in `log_probs`.
fn evaluate(
    context: PassContext<'_>,
    trajectories: &[&Trajectory],
    log_probs: &[f32],
) -> Evaluation {
    let mut evaluation = Evaluation::default();
    let mut rest = log_probs;
    for (position, trajectory) in trajectories.iter().enumerate() {
        let (own, others) = rest.split_at(trajectory.completion.len());
        rest = others;
        let inputs = inputs(context.correction, trajectory, own);
        let terms = context.objective.completion(&inputs, trajectory.advantage);
        evaluation.add(position, trajectory.weight, &terms);
    }
    evaluation
}

/// What the objective looks at. In the first pass the policy is the one that sampled.
fn inputs(correction: EngineWeight, trajectory: &Trajectory, log_probs: &[f32]) -> Vec<TokenInput> {
    let old = if trajectory.old.is_empty() {
        log_probs
    } else {
        &trajectory.old
    };
    let weights = correction.of_tokens(&trajectory.engine_log_ratios(old));
    let input = |(i, &policy): (usize, &f32)| TokenInput {
        policy: policy.into(),
        old: old[i].into(),
        reference: trajectory.reference.get(i).map(|x| f64::from(*x)),
        correction: weights.get(i).copied().unwrap_or(1.0),
    };
    log_probs.iter().enumerate().map(input).collect()
}

impl Evaluation {
    /// Adds the terms of a completion, each of whose tokens has this weight.
    fn add(&mut self, position: usize, weight: f64, terms: &[TokenTerm]) {
        for term in terms {
            let (loss, gradient) = (weight * term.loss, (weight * term.gradient) as f32);
            let bad = |x: f64| (!x.is_finite()).then_some((position, x));
            self.bad = self.bad.or(bad(loss)).or(bad(gradient.into()));
            self.sums.loss += loss;
            self.sums.kl += term.kl;
            match term.clipped {
                Some(Clipped::Low) => self.sums.clip_low += 1.0,
                Some(Clipped::High) => self.sums.clip_high += 1.0,
                Some(Clipped::Delta) => self.sums.clip_delta += 1.0,
                None => {}
            }
            self.gradients.push(gradient);
        }
    }
}

impl PassStats {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            loss: self.loss + other.loss,
            grad_norm: self.grad_norm,
            entropy: self.entropy + other.entropy,
            kl: self.kl + other.kl,
            clip_low: self.clip_low + other.clip_low,
            clip_high: self.clip_high + other.clip_high,
            clip_delta: self.clip_delta + other.clip_delta,
        }
    }

    /// Turns sums into means over `tokens`. The loss is weighted already.
    pub(crate) fn per_token(self, tokens: usize) -> Self {
        let share = 1.0 / tokens.max(1) as f64;
        Self {
            entropy: self.entropy * share,
            kl: self.kl * share,
            clip_low: self.clip_low * share,
            clip_high: self.clip_high * share,
            clip_delta: self.clip_delta * share,
            ..self
        }
    }
}

/// Log-probabilities of the trajectories of all micro-batches under `model`, without a gradient; `None` if the run is
/// stopped.
pub(crate) fn log_probs_under<B: LmOps>(
    model: &Qwen3<B>,
    batch: &Batch,
    micro_batches: &[Vec<usize>],
    context: PassContext<'_>,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Option<LogProbs> {
    let mut all = LogProbs::new();
    for (index, micro_batch) in micro_batches.iter().enumerate() {
        observer.on_micro_batch(index, micro_batches.len());
        if stop.is_cancelled() {
            return None;
        }
        let trajectories: Vec<&Trajectory> = micro_batch
            .iter()
            .map(|&i| &batch.trajectories[i])
            .collect();
        let scored = scoring(model, &trajectories, context).log_probs(model);
        all.extend(split(batch, micro_batch, &read(scored.log_probs)));
    }
    Some(all)
}

/// Cuts what lies end to end into the parts of the trajectories.
fn split(batch: &Batch, micro_batch: &[usize], values: &[f32]) -> LogProbs {
    let mut start = 0;
    let part = |&i: &usize| {
        let end = start + batch.trajectories[i].completion.len();
        let own = values[start..end].to_vec();
        start = end;
        (i, own)
    };
    micro_batch.iter().map(part).collect()
}

fn total(values: &[f32]) -> f64 {
    values.iter().copied().map(f64::from).sum()
}

/// Brings a tensor to the host; waits for the device.
fn read<B: LmOps>(tensor: Tensor<B, 1>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

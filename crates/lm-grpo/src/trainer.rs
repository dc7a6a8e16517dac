//! The training loop: rollouts, passes, checkpoints.

use std::ops::Range;
use std::path::PathBuf;
use std::slice;
use std::time::Instant;

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use lm_kernels::TrainBackend;
use lm_model::Qwen3;
use lm_train::{Candidates, Checkpoints, Optimizer, RunFiles, Schedule};
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::checkpoint::{Rollouts, Saved};
use crate::collect::Collector;
use crate::config::GrpoConfig;
use crate::environment::{Environment, Flow, trainable};
use crate::error::Error;
use crate::metrics::{Observer, PassStats, StepFacts, step_metrics};
use crate::pass::{PassContext, PassEnd};
use crate::plausible::Bounds;
use crate::state::{BestEvaluation, State};
use crate::workers::accumulate_on;

/// How a run ended.
#[derive(Debug)]
pub struct Outcome<B: AutodiffBackend> {
    /// The trained model: the last, or the best with [`GrpoConfig::load_best`] unless the run was stopped.
    pub model: Qwen3<B>,
    /// Steps done, those before a resume included.
    pub steps: usize,
    /// Whether the run was stopped before its last step.
    pub stopped: bool,
    /// Whether it ended early because evaluations did not get better.
    pub early_stopped: bool,
    /// The best evaluation, if the run evaluates. Its model is in the folder `best` of the checkpoints.
    pub best: Option<BestEvaluation>,
    /// The last checkpoint, if the run writes any.
    pub checkpoint: Option<PathBuf>,
}

/// Trains `policy` to earn higher rewards.
///
/// With [`RunFiles::resume`], the weights come from a checkpoint instead and the run continues as if it had never
/// ended; configuration, prompts and reference must be the same. With [`RunFiles::checkpoints`], a checkpoint is
/// written every [`GrpoConfig::save_every`] steps, at the end, when the run is stopped, and when a rollout or an update
/// fails.
///
/// Cancelling `stop` ends the run before its next micro-batch, or the rollout that it is in. `observer` is told what
/// happens.
///
/// # Errors
/// [`lm_train::Error::Config`], [`Error::NoPrompts`], [`Error::NoHeldOut`], [`Error::NowhereToKeep`] and
/// [`Error::MissingReference`] before the first step, and [`Error::Train`] if layers of a model with dropout should be
/// computed again; [`Error::Rollout`], [`Error::RolloutShape`], [`Error::NoEngineLogProbs`], [`Error::RewardCount`],
/// [`Error::RewardNotFinite`] and [`Error::RewardPanicked`] when engine or reward fail; [`Error::NonFinite`] if the
/// loss or the gradient norm is not finite; [`Error::Train`] for a checkpoint that is not of this run, cannot be read
/// or cannot be written.
pub fn train_grpo<'a, B: TrainBackend>(
    policy: Qwen3<B>,
    environment: Environment<'a, B::InnerBackend>,
    config: &'a GrpoConfig,
    files: &'a RunFiles,
    stop: &'a CancellationToken,
    observer: &mut dyn Observer,
) -> Result<Outcome<B>, Error> {
    let device = policy.device();
    let devices = slice::from_ref(&device);
    train_grpo_on(devices, policy, environment, config, files, stop, observer)
}

/// [`train_grpo`] with its passes on several devices at once: each takes a share of the micro-batches, and the
/// trajectory stays that of one device, up to rounding. The same device may be given several times.
///
/// `policy` and the reference are on the first device, which also samples, evaluates, updates and writes; the others
/// hold the policy and its gradients during a pass. If there would be fewer micro-batches than devices, they are made
/// smaller.
///
/// # Errors
/// Those of [`train_grpo`], and [`lm_train::Error::Config`] without a device.
pub fn train_grpo_on<'a, B: TrainBackend>(
    devices: &[B::Device],
    policy: Qwen3<B>,
    mut environment: Environment<'a, B::InnerBackend>,
    config: &'a GrpoConfig,
    files: &'a RunFiles,
    stop: &'a CancellationToken,
    observer: &mut dyn Observer,
) -> Result<Outcome<B>, Error> {
    let [_, others @ ..] = devices else {
        return Err(Error::Train(lm_train::Error::Config {
            field: "devices",
            expected: "at least one",
            found: "none".into(),
        }));
    };
    config.validate()?;
    if environment.prompts.is_empty() {
        return Err(Error::NoPrompts);
    }
    environment.reference = environment.reference.filter(|_| config.beta > 0.0);
    if config.beta > 0.0 && environment.reference.is_none() {
        return Err(Error::MissingReference { beta: config.beta });
    }
    let trainable = trainable(&environment, config, files)?;
    let mut candidates = Candidates::find(files).map_err(Error::Train)?;
    let steps = config.total_steps(trainable.len());
    let saved = start(policy, &environment, config, steps, &mut candidates)?;
    for checkpoint in candidates.passed_over() {
        observer.on_damaged_checkpoint(&checkpoint);
    }
    let mut collector = Collector {
        context: PassContext::new(&saved.model, environment.prompts, config)?,
        environment,
        trainable,
        config,
    };
    let resumed = saved.from.clone().map(|dir| (saved.optimizer.steps(), dir));
    let checkpoints = Checkpoints::new(files, config.save_total_limit, resumed);
    let (model, trainer) = Trainer::new(saved, &collector, others, checkpoints, stop);
    trainer.run(model, &mut collector, observer)
}

/// The state at the beginning, or that of the checkpoint to go on from.
fn start<B: TrainBackend>(
    policy: Qwen3<B>,
    environment: &Environment<'_, B::InnerBackend>,
    config: &GrpoConfig,
    total_steps: usize,
    candidates: &mut Candidates<'_>,
) -> Result<Saved<B>, Error> {
    let fresh = State::new(config, environment.prompts, environment.held_out);
    let bounds = Bounds {
        config,
        total_steps,
        prompts: environment.prompts.len(),
        vocab: policy.config().vocab_size,
    };
    let saved = if candidates.is_empty() {
        Saved::fresh(policy, fresh)
    } else {
        Saved::resume(candidates, &fresh, policy, bounds)?
    };
    let model = if config.optim.freeze_embeddings {
        saved.model.freeze_embeddings()
    } else {
        saved.model
    };
    Ok(Saved { model, ..saved })
}

/// Everything but the policy, which the optimizer must own while it updates it.
pub(crate) struct Trainer<'a, B: TrainBackend> {
    pub(crate) config: &'a GrpoConfig,
    pub(crate) checkpoints: Checkpoints<'a>,
    /// Ends the run when it is cancelled.
    pub(crate) stop: &'a CancellationToken,
    /// What the passes use beside the first device.
    others: Vec<B::Device>,
    context: PassContext<'a>,
    /// Prompts that are trained on.
    trainable: usize,
    prompt_lengths: Vec<usize>,
    schedule: Schedule,
    /// Rollout batches of the whole run.
    pub(crate) total_steps: usize,
    pub(crate) optimizer: Optimizer<B>,
    pub(crate) state: State,
    pub(crate) rollouts: Rollouts<B>,
}

impl<'a, B: TrainBackend> Trainer<'a, B> {
    fn new(
        saved: Saved<B>,
        collector: &Collector<'a, B::InnerBackend>,
        others: &[B::Device],
        checkpoints: Checkpoints<'a>,
        stop: &'a CancellationToken,
    ) -> (Qwen3<B>, Self) {
        let config = collector.config;
        let prompts = collector.environment.prompts.iter();
        let total_steps = config.total_steps(collector.trainable.len());
        let trainer = Self {
            config,
            checkpoints,
            stop,
            others: others.to_vec(),
            context: collector.context,
            trainable: collector.trainable.len(),
            prompt_lengths: prompts.map(|prompt| prompt.ids.len()).collect(),
            schedule: config
                .optim
                .schedule(total_steps * config.updates_per_step()),
            total_steps,
            optimizer: saved.optimizer,
            state: saved.state,
            rollouts: saved.rollouts,
        };
        (saved.model, trainer)
    }

    fn run(
        mut self,
        mut model: Qwen3<B>,
        collector: &mut Collector<'a, B::InnerBackend>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome<B>, Error> {
        loop {
            if self.evaluation_is_due() {
                let evaluated = self.evaluate(&mut collector.environment, &model, observer);
                if self.saving_on_failure(evaluated, &model, observer)? == Flow::Stopped {
                    return self.finish(model, true, observer);
                }
            }
            self.save_if_due(&model, observer)?;
            if self.state.global_step >= self.total_steps || self.is_out_of_patience() {
                return self.finish(model, false, observer);
            }
            let collected = self.collect(collector, &model, observer);
            if self.saving_on_failure(collected, &model, observer)? == Flow::Stopped {
                return self.finish(model, true, observer);
            }
            let flow;
            (model, flow) = if self.samples_ahead() {
                self.improve_and_sample(model, collector, observer)?
            } else {
                self.improve(model, observer)?
            };
            if flow == Flow::Stopped {
                return self.finish(model, true, observer);
            }
            self.report(observer);
        }
    }

    /// Samples and scores the batch of the next step, unless one is in progress or sampled already.
    fn collect(
        &mut self,
        collector: &mut Collector<'a, B::InnerBackend>,
        model: &Qwen3<B>,
        observer: &mut dyn Observer,
    ) -> Result<Flow, Error> {
        let rollouts = &mut self.rollouts;
        rollouts.batch = rollouts.batch.take().or_else(|| rollouts.next.take());
        if rollouts.batch.is_some() {
            return Ok(Flow::Done);
        }
        let step = self.state.global_step;
        match collector.collect(&model.valid(), step, 0, self.stop, observer)? {
            Some(fresh) => {
                fresh.announce(step, observer);
                self.rollouts.batch = Some(fresh.batch);
            }
            None => return Ok(Flow::Stopped),
        }
        Ok(Flow::Done)
    }

    /// Makes the updates that the batch in progress still lacks.
    pub(crate) fn improve(
        &mut self,
        mut model: Qwen3<B>,
        observer: &mut dyn Observer,
    ) -> Result<(Qwen3<B>, Flow), Error> {
        let Some(mut batch) = self.rollouts.batch.take() else {
            return Ok((model, Flow::Done));
        };
        while batch.passes.len() < self.config.updates_per_step() {
            let started = Instant::now();
            let part = batch.next_mini_batch(self.config.mini_batches);
            let micro_batches = self.micro_batches(&batch, &part);
            let (others, context, stop) = (&self.others, self.context, self.stop);
            let end = accumulate_on(
                others,
                &model,
                &batch,
                &micro_batches,
                context,
                stop,
                observer,
            );
            let passed = match end {
                PassEnd::Complete(passed) => passed,
                PassEnd::Stopped => {
                    self.rollouts.batch = Some(batch);
                    return Ok((model, Flow::Stopped));
                }
                PassEnd::NonFinite(bad) => {
                    return Err(self.refuse_loss(&model, bad, &batch, observer)?);
                }
            };
            let lr = self.schedule.lr(self.updates(&batch));
            let norm;
            (model, norm) = self.optimizer.step(model, passed.gradients, lr);
            if !norm.is_finite() {
                return Err(self.refuse_norm(&model, norm, &batch, observer)?);
            }
            batch.record_old(passed.log_probs);
            batch.passes.push(PassStats {
                grad_norm: norm,
                ..passed.sums.per_token(batch.counted_tokens(part))
            });
            batch.rollout.seconds.training += started.elapsed().as_secs_f64();
        }
        self.rollouts.batch = Some(batch);
        Ok((model, Flow::Done))
    }

    /// The micro-batches of a part of a batch, at least one for each device if possible.
    fn micro_batches(&self, batch: &Batch, part: &Range<usize>) -> Vec<Vec<usize>> {
        let lengths = &self.prompt_lengths;
        let most = self.config.micro_batch_tokens;
        let tokens = batch.packed_tokens(part.clone(), lengths);
        let each = tokens.div_ceil(self.others.len() + 1);
        let budget = if self.others.is_empty() {
            most
        } else {
            most.min(each.max(1))
        };
        batch.micro_batches(part.clone(), lengths, budget)
    }

    /// Updates made so far.
    fn updates(&self, batch: &Batch) -> usize {
        self.state.global_step * self.config.updates_per_step() + batch.passes.len()
    }

    /// Moves on to the next step and tells the observer about this one.
    fn report(&mut self, observer: &mut dyn Observer) {
        let Some(batch) = self.rollouts.batch.take() else {
            return;
        };
        let learning_rate = self.schedule.lr(self.updates(&batch).saturating_sub(1));
        self.state.global_step += 1;
        self.state.num_tokens = self.state.num_tokens.saturating_add(batch.rollout.tokens);
        let prompts = self.state.global_step * self.config.prompts_per_step;
        let facts = StepFacts {
            global_step: self.state.global_step,
            total_steps: self.total_steps,
            epoch: prompts as f64 / self.trainable as f64,
            num_tokens: self.state.num_tokens,
            learning_rate,
            penalised: self.config.beta > 0.0,
            two_sided: self.config.delta.is_some(),
            correction: self.config.engine_weight(),
            mini_batches: self.config.mini_batches,
            may_be_stale: self.config.one_step_off_policy,
        };
        observer.on_step(&step_metrics(&batch, &facts));
    }

    fn finish(
        mut self,
        model: Qwen3<B>,
        stopped: bool,
        observer: &mut dyn Observer,
    ) -> Result<Outcome<B>, Error> {
        let checkpoint = self.save(&model, observer)?;
        let model = if self.config.load_best && !stopped {
            self.checkpoints.load_best(model)?
        } else {
            model
        };
        let steps = self.state.global_step;
        Ok(Outcome {
            model,
            steps,
            stopped,
            early_stopped: !stopped && steps < self.total_steps,
            best: self.state.evaluations.best,
            checkpoint,
        })
    }
}

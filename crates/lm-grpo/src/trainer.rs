//! The training loop: rollouts, passes, checkpoints.

use std::path::PathBuf;
use std::slice;
use std::time::Instant;

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;
use lm_train::{Optimizer, RunFiles, Schedule};

use crate::batch::Batch;
use crate::checkpoint::{self, Saved, State};
use crate::collect::Collector;
use crate::evaluation::trainable;
use crate::metrics::{PassStats, StepFacts, step_metrics};
use crate::pass::{PassContext, PassEnd};
use crate::workers::accumulate_on;
use crate::{BestEvaluation, Error, GrpoConfig, Monitor, Reward, RolloutEngine, TextDecoder};

/// A prompt to sample completions of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its token ids, chat markup included; at least one.
    pub ids: Vec<u32>,
}

/// The task: what is asked, how answers are made, read and scored. `B` is the backend without autodiff.
pub struct Environment<'a, B: LmOps> {
    /// The prompts; the reward is told their indices.
    pub prompts: &'a [Prompt],
    /// Those of the prompts that are only evaluated on, as indices; may be empty.
    pub held_out: &'a [usize],
    /// Turns tokens into the text that the reward sees.
    pub decoder: &'a dyn TextDecoder,
    /// Scores completions.
    pub reward: &'a dyn Reward,
    /// Samples completions.
    pub engine: &'a mut dyn RolloutEngine<B>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome<B: AutodiffBackend> {
    /// The trained model: the last, or the best with [`GrpoConfig::load_best`] unless the run was stopped.
    pub model: Qwen3<B>,
    /// Steps done, those before a resume included.
    pub steps: usize,
    /// Whether the monitor ended the run before its last step.
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
/// `reference` is the model that the KL penalty is measured against, usually a copy of the first policy
/// (`policy.valid()`); it may be `None` when [`GrpoConfig::beta`] is 0, and is not used then.
///
/// With [`RunFiles::resume`], the weights come from that checkpoint instead and the run continues as if it had never
/// ended; configuration, prompts and reference must be the same. With [`RunFiles::checkpoints`], a checkpoint is written
/// every [`GrpoConfig::save_every`] steps, at the end, when the monitor stops the run, and when a rollout or an update fails.
///
/// # Errors
/// [`Error::Config`], [`Error::NoPrompts`], [`Error::NoHeldOut`], [`Error::NowhereToKeep`] and [`Error::MissingReference`]
/// before the first step, and [`Error::Train`] if
/// layers of a model with dropout should be computed again; [`Error::ResumeMismatch`] and [`Error::Corrupt`] for a
/// checkpoint that does not fit; [`Error::Rollout`], [`Error::RolloutShape`], [`Error::NoEngineLogProbs`],
/// [`Error::RewardCount`], [`Error::RewardNotFinite`] and [`Error::RewardPanicked`] when engine or reward fail; [`Error::NonFinite`] if the loss or the gradient norm is not
/// finite; [`Error::Io`], [`Error::Model`] and [`Error::Train`] when files cannot be read or written.
pub fn train_grpo<'a, B: TrainBackend>(
    policy: Qwen3<B>,
    reference: Option<Qwen3<B::InnerBackend>>,
    environment: Environment<'a, B::InnerBackend>,
    config: &'a GrpoConfig,
    files: &'a RunFiles,
    monitor: &mut dyn Monitor,
) -> Result<Outcome<B>, Error> {
    let device = policy.device();
    let devices = slice::from_ref(&device);
    train_grpo_on(
        devices,
        policy,
        reference,
        environment,
        config,
        files,
        monitor,
    )
}

/// [`train_grpo`] with its passes on several devices at once: each takes a share of the micro-batches, and the trajectory
/// stays that of one device, up to rounding. The same device may be given several times.
///
/// `policy` and `reference` are on the first device, which also samples, evaluates, updates and writes; the others hold the
/// policy and its gradients during a pass. If there would be fewer micro-batches than devices, they are made smaller.
///
/// # Errors
/// Those of [`train_grpo`], and [`Error::Config`] without a device.
pub fn train_grpo_on<'a, B: TrainBackend>(
    devices: &[B::Device],
    policy: Qwen3<B>,
    reference: Option<Qwen3<B::InnerBackend>>,
    environment: Environment<'a, B::InnerBackend>,
    config: &'a GrpoConfig,
    files: &'a RunFiles,
    monitor: &mut dyn Monitor,
) -> Result<Outcome<B>, Error> {
    let [_, others @ ..] = devices else {
        return Err(Error::Config {
            field: "devices",
            expected: "at least one",
            found: "none".into(),
        });
    };
    config.validate()?;
    if environment.prompts.is_empty() {
        return Err(Error::NoPrompts);
    }
    let reference = reference.filter(|_| config.beta > 0.0);
    if config.beta > 0.0 && reference.is_none() {
        return Err(Error::MissingReference { beta: config.beta });
    }
    let trainable = trainable(&environment, config, files)?;
    let saved = start(policy, &environment, config, files)?;
    let mut collector = Collector {
        context: PassContext::new(&saved.model, environment.prompts, config)?,
        environment,
        trainable,
        reference,
        config,
    };
    let (model, trainer) = Trainer::new(saved, &collector, others, config, files);
    trainer.run(model, &mut collector, monitor)
}

/// The state at the beginning, or that of the checkpoint to resume from.
fn start<B: TrainBackend>(
    policy: Qwen3<B>,
    environment: &Environment<'_, B::InnerBackend>,
    config: &GrpoConfig,
    files: &RunFiles,
) -> Result<Saved<B>, Error> {
    let fresh = State::new(config, environment.prompts, environment.held_out);
    let saved = match &files.resume {
        Some(dir) => {
            tracing::info!(from = %dir.display(), "resuming");
            checkpoint::read(dir, &fresh, policy)?
        }
        None => Saved::fresh(policy, fresh),
    };
    let model = match config.freeze_embeddings {
        true => saved.model.freeze_embeddings(),
        false => saved.model,
    };
    Ok(Saved { model, ..saved })
}

/// Everything but the policy, which the optimizer must own while it updates it.
pub(crate) struct Trainer<'a, B: TrainBackend> {
    pub(crate) config: &'a GrpoConfig,
    pub(crate) files: &'a RunFiles,
    /// What the passes use beside the first device.
    others: Vec<B::Device>,
    context: PassContext<'a>,
    /// Prompts that are trained on.
    trainable: usize,
    prompt_lengths: Vec<usize>,
    schedule: Schedule,
    pub(crate) optimizer: Optimizer<B>,
    pub(crate) state: State,
    /// The batch in progress.
    pub(crate) batch: Option<Batch>,
    /// The batch of the step after it, sampled already.
    pub(crate) next: Option<Batch>,
    /// The policy that is to sample the batch of the step after it, if updates were made since. Only for the time between a
    /// stop in the middle of a step and the end of the run, or between its resumption and the next rollout.
    pub(crate) rollout_policy: Option<Qwen3<B::InnerBackend>>,
    /// The last checkpoint and the number of updates that it holds, to tell whether the weights are saved already.
    pub(crate) saved: Option<(usize, PathBuf)>,
}

/// Whether a part of the run came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Done,
    Stopped,
}

impl<'a, B: TrainBackend> Trainer<'a, B> {
    fn new(
        saved: Saved<B>,
        collector: &Collector<'a, B::InnerBackend>,
        others: &[B::Device],
        config: &'a GrpoConfig,
        files: &'a RunFiles,
    ) -> (Qwen3<B>, Self) {
        let prompts = collector.environment.prompts.iter();
        let trainer = Self {
            config,
            files,
            others: others.to_vec(),
            context: collector.context,
            trainable: collector.trainable.len(),
            prompt_lengths: prompts.map(|prompt| prompt.ids.len()).collect(),
            schedule: config.lr_schedule(),
            saved: files
                .resume
                .clone()
                .map(|dir| (saved.optimizer.steps(), dir)),
            optimizer: saved.optimizer,
            state: saved.state,
            batch: saved.batch,
            next: saved.next,
            rollout_policy: saved.rollout_policy,
        };
        (saved.model, trainer)
    }

    fn run(
        mut self,
        mut model: Qwen3<B>,
        collector: &mut Collector<'a, B::InnerBackend>,
        monitor: &mut dyn Monitor,
    ) -> Result<Outcome<B>, Error> {
        loop {
            if self.evaluation_is_due() {
                let evaluated = self.evaluate(&mut collector.environment, &model, monitor);
                if self.saving_on_failure(evaluated, &model, monitor)? == Flow::Stopped {
                    return self.finish(model, true, monitor);
                }
            }
            self.save_if_due(&model, monitor)?;
            if self.state.global_step >= self.config.steps || self.is_out_of_patience() {
                return self.finish(model, false, monitor);
            }
            let collected = self.collect(collector, &model, monitor);
            if self.saving_on_failure(collected, &model, monitor)? == Flow::Stopped {
                return self.finish(model, true, monitor);
            }
            let flow;
            (model, flow) = match self.samples_ahead() {
                true => self.improve_and_sample(model, collector, monitor)?,
                false => self.improve(model, monitor)?,
            };
            if flow == Flow::Stopped {
                return self.finish(model, true, monitor);
            }
            self.report(monitor);
        }
    }

    /// Samples and scores the batch of the next step, unless one is in progress or sampled already.
    fn collect(
        &mut self,
        collector: &mut Collector<'a, B::InnerBackend>,
        model: &Qwen3<B>,
        monitor: &mut dyn Monitor,
    ) -> Result<Flow, Error> {
        self.batch = self.batch.take().or_else(|| self.next.take());
        if self.batch.is_some() {
            return Ok(Flow::Done);
        }
        let step = self.state.global_step;
        match collector.collect(&model.valid(), step, 0, monitor)? {
            Some(fresh) => {
                fresh.announce(step, monitor);
                self.batch = Some(fresh.batch);
            }
            None => return Ok(Flow::Stopped),
        }
        Ok(Flow::Done)
    }

    /// Makes the passes that the batch in progress still lacks.
    pub(crate) fn improve(
        &mut self,
        mut model: Qwen3<B>,
        monitor: &mut dyn Monitor,
    ) -> Result<(Qwen3<B>, Flow), Error> {
        let Some(mut batch) = self.batch.take() else {
            return Ok((model, Flow::Done));
        };
        let micro_batches = self.micro_batches(&batch);
        while batch.passes.len() < self.config.iterations {
            let started = Instant::now();
            let (others, context) = (&self.others, self.context);
            let end = accumulate_on(others, &model, &batch, &micro_batches, context, monitor);
            let passed = match end {
                PassEnd::Complete(passed) => passed,
                PassEnd::Stopped => {
                    self.batch = Some(batch);
                    return Ok((model, Flow::Stopped));
                }
                PassEnd::NonFinite(bad) => {
                    return Err(self.refuse_loss(&model, bad, &batch, monitor)?);
                }
            };
            let lr = self.schedule.lr(self.updates(&batch));
            let norm;
            (model, norm) = self.optimizer.step(model, passed.gradients, lr);
            if !norm.is_finite() {
                return Err(self.refuse_norm(&model, norm, &batch, monitor)?);
            }
            batch.record_old(passed.log_probs);
            batch.passes.push(PassStats {
                grad_norm: norm,
                ..passed.sums.per_token(batch.counted_tokens())
            });
            batch.rollout.seconds.training += started.elapsed().as_secs_f64();
        }
        self.batch = Some(batch);
        Ok((model, Flow::Done))
    }

    /// The micro-batches of a batch, at least one for each device if possible.
    fn micro_batches(&self, batch: &Batch) -> Vec<Vec<usize>> {
        let lengths = &self.prompt_lengths;
        let most = self.config.micro_batch_tokens;
        let each = batch.packed_tokens(lengths).div_ceil(self.others.len() + 1);
        match self.others.is_empty() {
            true => batch.micro_batches(lengths, most),
            false => batch.micro_batches(lengths, most.min(each.max(1))),
        }
    }

    /// Updates made so far.
    fn updates(&self, batch: &Batch) -> usize {
        self.state.global_step * self.config.iterations + batch.passes.len()
    }

    /// Moves on to the next step and tells the monitor about this one.
    fn report(&mut self, monitor: &mut dyn Monitor) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        let learning_rate = self.schedule.lr(self.updates(&batch).saturating_sub(1));
        self.state.global_step += 1;
        self.state.num_tokens += batch.rollout.tokens;
        let prompts = self.state.global_step * self.config.prompts_per_step;
        let facts = StepFacts {
            global_step: self.state.global_step,
            total_steps: self.config.steps,
            epoch: prompts as f64 / self.trainable as f64,
            num_tokens: self.state.num_tokens,
            learning_rate,
            penalised: self.config.beta > 0.0,
            two_sided: self.config.delta.is_some(),
            correction: self.config.engine_correction,
            may_be_stale: self.config.one_step_off_policy,
        };
        monitor.on_step(&step_metrics(&batch, &facts));
    }

    fn finish(
        mut self,
        model: Qwen3<B>,
        stopped: bool,
        monitor: &mut dyn Monitor,
    ) -> Result<Outcome<B>, Error> {
        let checkpoint = self.save(&model, monitor)?;
        let model = match stopped {
            true => model,
            false => self.choose(model)?,
        };
        let steps = self.state.global_step;
        Ok(Outcome {
            model,
            steps,
            stopped,
            early_stopped: !stopped && steps < self.config.steps,
            best: self.state.evaluations.best,
            checkpoint,
        })
    }
}

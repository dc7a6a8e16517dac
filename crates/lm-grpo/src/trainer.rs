//! The training loop: rollouts, passes, checkpoints.

use std::path::PathBuf;
use std::time::Instant;

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use lm_kernels::LmOps;
use lm_model::Qwen3;
use lm_train::{Optimizer, RunFiles, Schedule};

use crate::batch::Batch;
use crate::checkpoint::{self, Saved, State};
use crate::collect::{Collected, Collector};
use crate::evaluation::trainable;
use crate::metrics::{PassStats, StepFacts, step_metrics};
use crate::pass::{PassContext, PassEnd, accumulate};
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
/// every [`GrpoConfig::save_every`] steps, at the end, when the monitor stops the run, and when an update fails.
///
/// # Errors
/// [`Error::Config`], [`Error::NoPrompts`], [`Error::NoHeldOut`], [`Error::NowhereToKeep`] and [`Error::MissingReference`]
/// before the first step, and [`Error::Train`] if
/// layers of a model with dropout should be computed again; [`Error::ResumeMismatch`] and [`Error::Corrupt`] for a
/// checkpoint that does not fit; [`Error::Rollout`], [`Error::RolloutShape`], [`Error::NoEngineLogProbs`],
/// [`Error::RewardCount`], [`Error::RewardNotFinite`] and [`Error::RewardPanicked`] when engine or reward fail; [`Error::NonFinite`] if the loss or the gradient norm is not
/// finite; [`Error::Io`], [`Error::Model`] and [`Error::Train`] when files cannot be read or written.
pub fn train_grpo<'a, B>(
    policy: Qwen3<B>,
    reference: Option<Qwen3<B::InnerBackend>>,
    environment: Environment<'a, B::InnerBackend>,
    config: &'a GrpoConfig,
    files: &'a RunFiles,
    monitor: &mut dyn Monitor,
) -> Result<Outcome<B>, Error>
where
    B: AutodiffBackend + LmOps,
    B::InnerBackend: LmOps,
{
    config.validate()?;
    if environment.prompts.is_empty() {
        return Err(Error::NoPrompts);
    }
    let reference = reference.filter(|_| config.beta > 0.0);
    if config.beta > 0.0 && reference.is_none() {
        return Err(Error::MissingReference { beta: config.beta });
    }
    let trainable = trainable(&environment, config, files)?;
    let (model, trainer) =
        Trainer::start(policy, reference, environment, trainable, config, files)?;
    trainer.run(model, monitor)
}

/// Everything but the policy, which the optimizer must own while it updates it.
pub(crate) struct Trainer<'a, B: AutodiffBackend>
where
    B::InnerBackend: LmOps,
{
    pub(crate) config: &'a GrpoConfig,
    pub(crate) files: &'a RunFiles,
    pub(crate) collector: Collector<'a, B::InnerBackend>,
    prompt_lengths: Vec<usize>,
    schedule: Schedule,
    pub(crate) optimizer: Optimizer<B>,
    pub(crate) state: State,
    /// The batch in progress.
    pub(crate) batch: Option<Batch>,
    /// The last checkpoint and the number of updates that it holds, to tell whether the weights are saved already.
    pub(crate) saved: Option<(usize, PathBuf)>,
}

/// Whether a part of the run came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Done,
    Stopped,
}

impl<'a, B> Trainer<'a, B>
where
    B: AutodiffBackend + LmOps,
    B::InnerBackend: LmOps,
{
    fn start(
        policy: Qwen3<B>,
        reference: Option<Qwen3<B::InnerBackend>>,
        environment: Environment<'a, B::InnerBackend>,
        trainable: Vec<usize>,
        config: &'a GrpoConfig,
        files: &'a RunFiles,
    ) -> Result<(Qwen3<B>, Self), Error> {
        let fresh = State::new(config, environment.prompts, environment.held_out);
        let Saved {
            model,
            optimizer,
            state,
            batch,
        } = match &files.resume {
            Some(dir) => {
                tracing::info!(from = %dir.display(), "resuming");
                checkpoint::read(dir, &fresh, policy)?
            }
            None => Saved {
                model: policy,
                optimizer: Optimizer::new(config.adamw()),
                state: fresh,
                batch: None,
            },
        };
        let model = match config.freeze_embeddings {
            true => model.freeze_embeddings(),
            false => model,
        };
        let trainer = Self {
            config,
            files,
            prompt_lengths: environment
                .prompts
                .iter()
                .map(|prompt| prompt.ids.len())
                .collect(),
            collector: Collector {
                context: PassContext::new(&model, environment.prompts, config)?,
                environment,
                trainable,
                reference,
                config,
            },
            schedule: config.lr_schedule(),
            saved: files.resume.clone().map(|dir| (optimizer.steps(), dir)),
            optimizer,
            state,
            batch,
        };
        Ok((model, trainer))
    }

    fn run(mut self, mut model: Qwen3<B>, monitor: &mut dyn Monitor) -> Result<Outcome<B>, Error> {
        loop {
            if self.evaluation_is_due() && self.evaluate(&model, monitor)? == Flow::Stopped {
                return self.finish(model, true, monitor);
            }
            self.save_if_due(&model, monitor)?;
            if self.state.global_step >= self.config.steps || self.is_out_of_patience() {
                return self.finish(model, false, monitor);
            }
            if self.collect(&model, monitor)? == Flow::Stopped {
                return self.finish(model, true, monitor);
            }
            let flow;
            (model, flow) = self.improve(model, monitor)?;
            if flow == Flow::Stopped {
                return self.finish(model, true, monitor);
            }
            self.report(monitor);
        }
    }

    /// Samples and scores the batch of the next step, unless one is in progress.
    fn collect(&mut self, model: &Qwen3<B>, monitor: &mut dyn Monitor) -> Result<Flow, Error> {
        if self.batch.is_some() {
            return Ok(Flow::Done);
        }
        match self
            .collector
            .collect(&model.valid(), self.state.global_step, monitor)?
        {
            Collected::Batch(batch) => self.batch = Some(batch),
            Collected::Stopped => return Ok(Flow::Stopped),
        }
        Ok(Flow::Done)
    }

    /// Makes the passes that the batch in progress still lacks.
    fn improve(
        &mut self,
        mut model: Qwen3<B>,
        monitor: &mut dyn Monitor,
    ) -> Result<(Qwen3<B>, Flow), Error> {
        let Some(mut batch) = self.batch.take() else {
            return Ok((model, Flow::Done));
        };
        let micro_batches =
            batch.micro_batches(&self.prompt_lengths, self.config.micro_batch_tokens);
        while batch.passes.len() < self.config.iterations {
            let started = Instant::now();
            let context = self.collector.context;
            let end = accumulate(&model, &mut batch, &micro_batches, context, monitor);
            let (gradients, stats) = match end {
                PassEnd::Complete(gradients, stats) => (gradients, stats),
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
            (model, norm) = self.optimizer.step(model, gradients, lr);
            if !norm.is_finite() {
                return Err(self.refuse_norm(&model, norm, &batch, monitor)?);
            }
            batch.passes.push(PassStats {
                grad_norm: norm,
                ..stats
            });
            batch.rollout.seconds.training += started.elapsed().as_secs_f64();
        }
        self.batch = Some(batch);
        Ok((model, Flow::Done))
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
            epoch: prompts as f64 / self.collector.trainable.len() as f64,
            num_tokens: self.state.num_tokens,
            learning_rate,
            penalised: self.config.beta > 0.0,
            two_sided: self.config.delta.is_some(),
            correction: self.config.engine_correction,
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

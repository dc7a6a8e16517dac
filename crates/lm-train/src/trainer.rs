//! The training loop.

use std::path::{Path, PathBuf};

use burn::tensor::backend::AutodiffBackend;
use lm_kernels::LmOps;
use lm_model::Qwen3;

use crate::batching::steps_in;
use crate::clock::Clock;
use crate::sample::fingerprint;
use crate::step::{Accumulated, Measured, accumulate};
use crate::{
    EpochPlan, Error, Monitor, Optimizer, Sample, Schedule, Sequence, SftConfig, StepMetrics,
    TrainState, checkpoint, peak_memory_bytes, prepare,
};

/// What a run reads and writes.
#[derive(Clone, Debug, Default)]
pub struct RunFiles {
    /// Directory for checkpoints, `step-<n>` each; without it, nothing is written.
    pub checkpoints: Option<PathBuf>,
    /// A checkpoint directory to continue from, such as that of
    /// [`latest_checkpoint`](crate::latest_checkpoint).
    pub resume: Option<PathBuf>,
    /// Files to copy into every checkpoint, such as the tokenizer's, so that each is a usable model.
    pub attach: Vec<PathBuf>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome<B: AutodiffBackend> {
    /// The trained model.
    pub model: Qwen3<B>,
    /// Optimizer steps done, those before a resume included.
    pub steps: usize,
    /// Whether the monitor ended the run before its last step.
    pub stopped: bool,
    /// The last checkpoint, if the run writes any.
    pub checkpoint: Option<PathBuf>,
}

/// Fine-tunes `model` on `samples`.
///
/// With [`RunFiles::resume`], the weights come from that checkpoint instead and the run continues as if it
/// had never ended; configuration and samples must be the same. With [`RunFiles::checkpoints`], a
/// checkpoint is written every [`SftConfig::save_every`] steps, at the end, when the monitor stops the
/// run, and when a step fails.
///
/// # Errors
/// [`Error::Config`], [`Error::Sample`] and [`Error::NoSamples`] before the first step;
/// [`Error::ResumeMismatch`] and [`Error::Corrupt`] for a checkpoint that does not fit;
/// [`Error::NonFinite`] if the loss or the gradient norm is not finite; [`Error::Io`] and
/// [`Error::Model`] when files cannot be read or written.
pub fn train_sft<B>(
    model: Qwen3<B>,
    samples: &[Sample],
    config: &SftConfig,
    files: &RunFiles,
    monitor: &mut dyn Monitor,
) -> Result<Outcome<B>, Error>
where
    B: AutodiffBackend + LmOps,
    B::InnerBackend: LmOps,
{
    config.validate()?;
    let sequences = prepare(
        samples,
        model.config().vocab_size,
        config.max_length,
        config.over_length,
    )?;
    let (model, trainer) = Trainer::start(model, sequences, config, files)?;
    trainer.run(model, monitor)
}

/// Everything but the model, which the optimizer must own while it updates it.
struct Trainer<'a, B: AutodiffBackend> {
    config: &'a SftConfig,
    files: &'a RunFiles,
    sequences: Vec<Sequence<'a>>,
    lengths: Vec<usize>,
    /// The plan of `state.epoch`, which has at least one step left.
    plan: EpochPlan,
    schedule: Schedule,
    optimizer: Optimizer<B>,
    state: TrainState,
    /// The last checkpoint and the step it was written (or resumed from) at.
    saved: Option<(usize, PathBuf)>,
    clock: Clock,
}

impl<'a, B> Trainer<'a, B>
where
    B: AutodiffBackend + LmOps,
    B::InnerBackend: LmOps,
{
    fn start(
        model: Qwen3<B>,
        sequences: Vec<Sequence<'a>>,
        config: &'a SftConfig,
        files: &'a RunFiles,
    ) -> Result<(Qwen3<B>, Self), Error> {
        let lengths: Vec<usize> = sequences
            .iter()
            .map(|sequence| sequence.ids.len())
            .collect();
        let fresh = fresh_state(config, &lengths, fingerprint(&sequences));
        let (model, optimizer, state) = match &files.resume {
            Some(dir) => resume(model, config, &fresh, dir)?,
            None => (model, Optimizer::new(config.adamw()), fresh),
        };
        let model = match config.freeze_embeddings {
            true => model.freeze_embeddings(),
            false => model,
        };
        if model.num_trainable() == 0 {
            return Err(Error::NothingToTrain {
                parameters: model.config().num_parameters(),
            });
        }
        let trainer = Self {
            plan: plan(config, &lengths, state.epoch),
            schedule: config.schedule(state.total_steps),
            saved: files.resume.clone().map(|dir| (state.global_step, dir)),
            clock: Clock::default(),
            config,
            files,
            sequences,
            lengths,
            optimizer,
            state,
        };
        Ok((model, trainer))
    }

    fn run(mut self, mut model: Qwen3<B>, monitor: &mut dyn Monitor) -> Result<Outcome<B>, Error> {
        while self.state.global_step < self.state.total_steps {
            self.clock.start_step();
            seed_dropout(&model, self.config.seed, self.state.global_step);
            let Some(step) = self.accumulate(&model, monitor) else {
                return self.finish(model, true, monitor);
            };
            let measured = step.measure();
            self.refuse_non_finite(&model, &measured, monitor)?;
            let lr = self.schedule.lr(self.state.global_step);
            let tokens = step.tokens;
            let clip = self.optimizer.clip_factor(measured.grad_norm);
            model = self.optimizer.update(model, step.gradients, lr, clip);
            self.clock.end_step();
            self.report(&measured, lr, tokens, monitor);
            if self
                .config
                .save_every
                .is_some_and(|every| self.state.global_step.is_multiple_of(every))
            {
                self.save(&model, monitor)?;
            }
        }
        self.finish(model, false, monitor)
    }

    /// Forward and backward passes of the next step; `None` if the monitor wants to stop.
    fn accumulate(&self, model: &Qwen3<B>, monitor: &dyn Monitor) -> Option<Accumulated<B>> {
        let sequences =
            |batch: &[usize]| batch.iter().map(|&index| self.sequences[index]).collect();
        let batches = self.plan.step(self.state.step_in_epoch);
        let batches: Vec<Vec<Sequence<'_>>> = batches.into_iter().map(sequences).collect();
        accumulate(model, &batches, || monitor.should_stop())
    }

    /// Ends the run before a bad update, with the state before it saved.
    fn refuse_non_finite(
        &mut self,
        model: &Qwen3<B>,
        measured: &Measured,
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        let quantities = [("loss", measured.loss), ("grad_norm", measured.grad_norm)];
        let Some((quantity, value)) = quantities.into_iter().find(|(_, value)| !value.is_finite())
        else {
            return Ok(());
        };
        let checkpoint = self.save(model, monitor)?;
        Err(Error::NonFinite {
            step: self.state.global_step + 1,
            quantity,
            value,
            checkpoint,
        })
    }

    /// Moves on to the next step and tells the monitor about this one.
    fn report(
        &mut self,
        measured: &Measured,
        learning_rate: f64,
        tokens: u64,
        monitor: &mut dyn Monitor,
    ) {
        let epoch = self.advance(tokens);
        let TrainState {
            global_step,
            total_steps,
            num_tokens,
            ..
        } = self.state;
        if !global_step.is_multiple_of(self.config.log_every) && global_step != total_steps {
            return;
        }
        let step_time = self.clock.last();
        monitor.on_step(&StepMetrics {
            loss: measured.loss,
            grad_norm: measured.grad_norm,
            learning_rate,
            entropy: measured.entropy,
            epoch,
            global_step,
            total_steps,
            num_tokens,
            tokens_per_second: tokens as f64 / step_time,
            step_time,
            eta_seconds: self.clock.eta(total_steps - global_step),
            peak_memory_bytes: peak_memory_bytes(),
        });
    }

    /// Counts a step that was applied; returns the passes over the samples so far.
    fn advance(&mut self, tokens: u64) -> f64 {
        self.state.global_step += 1;
        self.state.step_in_epoch += 1;
        self.state.num_tokens += tokens;
        let steps = self.plan.steps();
        let passes = self.state.epoch as f64 + self.state.step_in_epoch as f64 / steps as f64;
        if self.state.step_in_epoch == steps {
            self.state.epoch += 1;
            self.state.step_in_epoch = 0;
            self.plan = plan(self.config, &self.lengths, self.state.epoch);
        }
        passes
    }

    /// Writes a checkpoint unless this state is saved already; returns the last one.
    fn save(
        &mut self,
        model: &Qwen3<B>,
        monitor: &mut dyn Monitor,
    ) -> Result<Option<PathBuf>, Error> {
        let done = self.state.global_step;
        if let Some(root) = &self.files.checkpoints
            && self.saved.as_ref().is_none_or(|(step, _)| *step != done)
        {
            let path = checkpoint::write(
                root,
                model,
                &self.optimizer,
                &self.state,
                &self.files.attach,
            )?;
            if let Some(keep) = self.config.save_total_limit {
                checkpoint::prune(root, keep)?;
            }
            monitor.on_checkpoint(&path);
            self.saved = Some((done, path));
        }
        Ok(self.saved.as_ref().map(|(_, path)| path.clone()))
    }

    fn finish(
        mut self,
        model: Qwen3<B>,
        stopped: bool,
        monitor: &mut dyn Monitor,
    ) -> Result<Outcome<B>, Error> {
        let checkpoint = self.save(&model, monitor)?;
        Ok(Outcome {
            model,
            steps: self.state.global_step,
            stopped,
            checkpoint,
        })
    }
}

/// The state before the first step.
fn fresh_state(config: &SftConfig, lengths: &[usize], data_hash: String) -> TrainState {
    let steps_of = |epoch| plan(config, lengths, epoch).steps();
    TrainState {
        global_step: 0,
        epoch: 0,
        step_in_epoch: 0,
        num_tokens: 0,
        total_steps: config
            .max_steps
            .unwrap_or_else(|| steps_in(config.epochs, steps_of)),
        seed: config.seed,
        config_hash: config.fingerprint(),
        data_hash,
    }
}

fn plan(config: &SftConfig, lengths: &[usize], epoch: usize) -> EpochPlan {
    let seed = config.shuffle.then_some(config.seed);
    EpochPlan::new(
        lengths,
        config.batch_limits(),
        config.grad_accumulation,
        seed,
        epoch,
    )
}

/// Makes the dropout of a step depend on seed and step alone, so that a resumed run repeats it.
fn seed_dropout<B: LmOps>(model: &Qwen3<B>, seed: u64, step: usize) {
    if model.has_dropout() {
        // The multiplier (of SplitMix64) keeps runs with neighbouring seeds apart.
        let mixed = seed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(step as u64);
        B::seed(&model.device(), mixed);
    }
}

/// Replaces the fresh parts of a run by those of the checkpoint in `dir`.
fn resume<B>(
    model: Qwen3<B>,
    config: &SftConfig,
    fresh: &TrainState,
    dir: &Path,
) -> Result<(Qwen3<B>, Optimizer<B>, TrainState), Error>
where
    B: AutodiffBackend + LmOps,
    B::InnerBackend: LmOps,
{
    let state = TrainState::read(dir)?;
    state.check_same_run(fresh, dir)?;
    let (model, optimizer) = checkpoint::read(dir, config.adamw(), model)?;
    tracing::info!(step = state.global_step, from = %dir.display(), "resumed");
    Ok((model, optimizer, state))
}

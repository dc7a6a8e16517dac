//! The training loop of one worker.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;
use tokio_util::sync::CancellationToken;

use crate::accumulated::{Measured, PassTimes};
use crate::backprop::Recompute;
use crate::batching::{EpochPlan, steps_in};
use crate::checkpoint::Checkpoints;
use crate::clock::Clock;
use crate::config::SftConfig;
use crate::error::Error;
use crate::evaluation::SftData;
use crate::flops::training_flops;
use crate::metrics::{Observer, StepMetrics, peak_memory_bytes};
use crate::optimizer::Optimizer;
use crate::outcome::{Outcome, RunFiles};
use crate::resume::SetAside;
use crate::sample::{Sample, Sequence, fingerprint, prepare};
use crate::schedule::Schedule;
use crate::state::TrainState;
use crate::step::{StepBatches, accumulate};
use crate::team::Team;

mod counts;
mod evaluation;
mod start;

use evaluation::check_evaluation;
use start::Start;

/// Everything but the model, which the optimizer must own while it updates it.
pub(crate) struct Run<'a, B: AutodiffBackend> {
    config: &'a SftConfig,
    checkpoints: Checkpoints<'a>,
    /// Ends the run when it is cancelled.
    stop: &'a CancellationToken,
    team: Team<'a, B::InnerBackend>,
    /// What was given to train on.
    samples: &'a [Sample],
    /// What of it is trained on.
    sequences: Vec<Sequence<'a>>,
    /// What is evaluated on.
    held_out: Vec<Sequence<'a>>,
    lengths: Vec<usize>,
    /// Whether full weights are trained, not adapters on frozen ones.
    weights_trained: bool,
    recompute: Recompute,
    /// The plan of `state.epoch`, which has at least one step left.
    plan: EpochPlan,
    schedule: Schedule,
    optimizer: Optimizer<B>,
    state: TrainState,
    clock: Clock,
    /// Checkpoints that were passed over.
    set_aside: Vec<SetAside>,
}

impl<'a, B: TrainBackend> Run<'a, B> {
    /// Prepares the samples and the model, which is returned because the optimizer must own it.
    pub(crate) fn start(
        model: Qwen3<B>,
        data: SftData<'a>,
        config: &'a SftConfig,
        files: &'a RunFiles,
        stop: &'a CancellationToken,
        team: Team<'a, B::InnerBackend>,
    ) -> Result<(Self, Qwen3<B>), Error> {
        config.validate()?;
        check_evaluation(config, files, data.eval, team.rank == 0)?;
        let recompute = Recompute::for_model(config.recompute_layers, &model)?;
        let vocab_size = model.config().vocab_size;
        let fit = |samples| prepare(samples, vocab_size, config.max_length, config.over_length);
        let sequences = fit(data.train)?;
        let held_out = match config.eval_every {
            Some(_) if team.rank == 0 => fit(data.eval)?,
            _ => Vec::new(),
        };
        let lengths: Vec<usize> = sequences.iter().map(|s| s.ids.len()).collect();
        let fresh = fresh_state(config, &lengths, fingerprint(&sequences));
        let Start {
            model,
            optimizer,
            state,
            from,
            set_aside,
        } = Start::find(model, config, files, fresh, &lengths, team.rank == 0)?;
        let model = freeze(model, config)?;
        let run = Self {
            plan: plan(config, &lengths, state.epoch),
            schedule: config.optim.schedule(state.total_steps),
            checkpoints: Checkpoints::new(
                files,
                config.save_total_limit,
                from.map(|dir| (optimizer.steps(), dir)),
            ),
            set_aside,
            clock: Clock::default(),
            weights_trained: model.lora().is_none(),
            recompute,
            team,
            config,
            stop,
            samples: data.train,
            sequences,
            held_out,
            lengths,
            optimizer,
            state,
        };
        Ok((run, model))
    }

    /// The checkpoint that the run went on from or wrote last.
    pub(crate) fn last_checkpoint(&self) -> Option<PathBuf> {
        self.checkpoints.last()
    }

    /// Does the steps that are left.
    pub(crate) fn finish_training(
        mut self,
        mut model: Qwen3<B>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome<B>, Error> {
        for checkpoint in &self.set_aside {
            observer.on_damaged_checkpoint(checkpoint);
        }
        loop {
            if self.evaluation_is_due() && !self.evaluate(&model, observer)? {
                self.team.stop(&model.device())?;
                return self.finish(model, true, observer);
            }
            // After the evaluation, so that the checkpoint knows of it.
            if self.checkpoint_is_due() {
                self.save(&model, observer)?;
            }
            if self.state.global_step >= self.state.total_steps {
                return self.finish(model, false, observer);
            }
            if self.is_out_of_patience() {
                self.team.stop(&model.device())?;
                return self.finish(model, false, observer);
            }
            let applied;
            (model, applied) = self.step(model, observer)?;
            if !applied {
                return self.finish(model, true, observer);
            }
        }
    }

    /// As [`Run::finish_training`], among other workers, who are set free if this one fails.
    pub(crate) fn in_team(
        self,
        model: Qwen3<B>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome<B>, Error> {
        let attendance = self.team.attend();
        let outcome = self.finish_training(model, observer)?;
        attendance.leave();
        Ok(outcome)
    }

    fn checkpoint_is_due(&self) -> bool {
        let step = self.state.global_step;
        step > 0
            && self
                .config
                .save_every
                .is_some_and(|n| step.is_multiple_of(n))
    }

    /// One optimizer step. The flag is false, and the model as it was, if the run is stopped.
    fn step(
        &mut self,
        model: Qwen3<B>,
        observer: &mut dyn Observer,
    ) -> Result<(Qwen3<B>, bool), Error> {
        self.clock.start_step();
        seed_dropout(&model, self.config.seed, self.state.global_step);
        let batches = self.next_batches();
        let (lengths, targets) = (batches.lengths(), batches.targets());
        let own = accumulate(&model, &batches, self.team, self.stop, observer);
        let Some(step) = self.team.merge(own, &model, &model.device())? else {
            return Ok((model, false));
        };
        let measured = step.measure();
        self.refuse_non_finite(&model, &measured, observer)?;
        let lr = self.schedule.lr(self.state.global_step);
        let (tokens, times) = (step.tokens, step.times);
        let clip = self.optimizer.clip_factor(measured.grad_norm);
        let flops = training_flops(model.config(), &lengths, targets, self.weights_trained);
        let model = self.optimizer.update(model, step.gradients, lr, clip);
        self.clock.end_step();
        let work = Work {
            tokens,
            flops,
            times,
        };
        self.report(&measured, lr, work, observer);
        Ok((model, true))
    }

    /// The micro-batches of the next step.
    fn next_batches(&self) -> StepBatches<'a> {
        let sequences =
            |batch: &[usize]| batch.iter().map(|&index| self.sequences[index]).collect();
        let batches = self.plan.step(self.state.step_in_epoch);
        StepBatches {
            micro_batches: batches.into_iter().map(sequences).collect(),
            layout: self.config.layout,
            recompute: self.recompute,
        }
    }

    /// Ends the run before a bad update, with the state before it saved.
    fn refuse_non_finite(
        &mut self,
        model: &Qwen3<B>,
        measured: &Measured,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let quantities = [("loss", measured.loss), ("grad_norm", measured.grad_norm)];
        let Some((quantity, value)) = quantities.into_iter().find(|(_, value)| !value.is_finite())
        else {
            return Ok(());
        };
        let checkpoint = self.save(model, observer)?;
        Err(Error::NonFinite {
            step: self.state.global_step + 1,
            quantity,
            value,
            checkpoint,
        })
    }

    /// Moves on to the next step and tells the observer about this one.
    fn report(
        &mut self,
        measured: &Measured,
        learning_rate: f64,
        work: Work,
        observer: &mut dyn Observer,
    ) {
        let epoch = self.advance(work.tokens);
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
        let [forward_time, backward_time] =
            [work.times.forward, work.times.backward].map(|time| time.as_secs_f64());
        observer.on_step(&StepMetrics {
            loss: measured.loss,
            grad_norm: measured.grad_norm,
            learning_rate,
            entropy: measured.entropy,
            epoch,
            global_step,
            total_steps,
            num_tokens,
            tokens_per_second: work.tokens as f64 / step_time,
            step_time,
            forward_time,
            backward_time,
            optimizer_time: step_time - forward_time - backward_time,
            model_tflops: work.flops / step_time / 1e12,
            mfu: self
                .config
                .peak_flops
                .map(|peak| work.flops / step_time / peak),
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
        observer: &mut dyn Observer,
    ) -> Result<Option<PathBuf>, Error> {
        let (optimizer, state) = (&self.optimizer, &self.state);
        let written = self.checkpoints.save(model, optimizer, state, |_| Ok(()))?;
        if let Some(path) = written {
            observer.on_checkpoint(&path);
        }
        Ok(self.checkpoints.last())
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
        Ok(Outcome {
            best: self.state.best,
            samples: self.counts(),
            model,
            steps: self.state.global_step,
            stopped,
            checkpoint,
        })
    }
}

/// How much a step was.
struct Work {
    /// Tokens, prompts included.
    tokens: u64,
    /// Floating-point operations.
    flops: f64,
    times: PassTimes,
}

/// Freezes what the configuration says.
fn freeze<B>(model: Qwen3<B>, config: &SftConfig) -> Result<Qwen3<B>, Error>
where
    B: TrainBackend,
{
    let model = if config.optim.freeze_embeddings {
        model.freeze_embeddings()
    } else {
        model
    };
    match model.num_trainable() {
        0 => Err(Error::NothingToTrain {
            parameters: model.config().num_parameters(),
        }),
        _ => Ok(model),
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
        config: config.clone(),
        data_hash,
        evaluated_at: 0,
        best: None,
        evaluations_without_gain: 0,
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

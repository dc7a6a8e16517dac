//! Evaluations of a run: when, what counts as a gain, and when to give up.

use burn::module::AutodiffModule;
use lm_kernels::TrainBackend;
use lm_model::Qwen3;

use super::Run;
use crate::config::SftConfig;
use crate::error::Error;
use crate::evaluation::{Score, score};
use crate::metrics::{EvalMetrics, Observer};
use crate::outcome::RunFiles;
use crate::sample::Sample;
use crate::state::BestEvaluation;

impl<B: TrainBackend> Run<'_, B> {
    /// Whether the first worker should evaluate now: every n steps and at the end, once each. A run that
    /// was stopped while it evaluated resumes with that.
    pub(super) fn evaluation_is_due(&self) -> bool {
        let step = self.state.global_step;
        let due = |every: usize| step.is_multiple_of(every) || step == self.state.total_steps;
        self.team.rank == 0
            && step > self.state.evaluated_at
            && self.config.eval_every.is_some_and(due)
    }

    /// Whether too many evaluations in a row brought nothing.
    pub(super) fn is_out_of_patience(&self) -> bool {
        let patience = self.config.early_stopping_patience;
        patience.is_some_and(|patience| self.state.evaluations_without_gain >= patience)
    }

    /// Scores the model on the held-out samples and keeps it if it is the best; false if the run is
    /// stopped meanwhile, and then nothing is counted.
    pub(super) fn evaluate(
        &mut self,
        model: &Qwen3<B>,
        observer: &mut dyn Observer,
    ) -> Result<bool, Error> {
        let limits = self.config.batch_limits();
        let frozen = model.valid();
        let layout = self.config.layout;
        let score = score(&frozen, &self.held_out, limits, layout, self.stop, observer);
        let Some(score) = score else {
            return Ok(false);
        };
        drop(frozen);
        let is_best = self.count(&score);
        if is_best {
            self.checkpoints.save_best(model)?;
        }
        observer.on_evaluation(&EvalMetrics {
            eval_loss: score.loss,
            eval_entropy: score.entropy,
            eval_num_tokens: score.targets,
            eval_runtime: score.seconds,
            global_step: self.state.global_step,
            total_steps: self.state.total_steps,
            is_best,
        });
        Ok(true)
    }

    /// Enters a score into the state; returns whether it is the best so far.
    fn count(&mut self, score: &Score) -> bool {
        let state = &mut self.state;
        state.evaluated_at = state.global_step;
        let below = |margin: f64| {
            let best = state.best.map_or(f64::INFINITY, |best| best.eval_loss);
            score.loss < best - margin
        };
        let (is_best, is_gain) = (below(0.0), below(self.config.early_stopping_threshold));
        state.evaluations_without_gain = if is_gain {
            0
        } else {
            state.evaluations_without_gain + 1
        };
        if is_best {
            state.best = Some(BestEvaluation {
                global_step: state.global_step,
                eval_loss: score.loss,
            });
        }
        is_best
    }
}

/// Refuses to evaluate on nothing, and to load a best model that is written nowhere.
pub(super) fn check_evaluation(
    config: &SftConfig,
    files: &RunFiles,
    eval: &[Sample],
    is_first: bool,
) -> Result<(), Error> {
    let missing = |field, expected| Error::Config {
        field,
        expected,
        found: "none".into(),
    };
    if config.eval_every.is_some() && eval.is_empty() {
        return Err(missing("eval_every", "samples to evaluate on"));
    }
    if config.load_best && files.checkpoints.is_none() && is_first {
        return Err(missing("load_best", "a directory for checkpoints"));
    }
    Ok(())
}

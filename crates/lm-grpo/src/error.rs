//! The one error type of this crate.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::rollout::BoxError;

/// What can go wrong while preparing, running, saving or resuming a GRPO run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to sample from.
    #[error("no prompts to train on; expected at least one")]
    NoPrompts,

    /// A KL penalty was asked for without a model to measure it against.
    #[error("configuration field `beta` is {beta}: expected a reference model, found none")]
    MissingReference {
        /// The weight of the penalty.
        beta: f64,
    },

    /// An evaluation was asked for without prompts to answer.
    #[error(
        "configuration field `eval_every` is set: expected held-out prompts besides those to train on, found {held_out} of {prompts}"
    )]
    NoHeldOut {
        /// Prompts held out.
        held_out: usize,
        /// All prompts.
        prompts: usize,
    },

    /// The best model can only be returned if it is kept somewhere.
    #[error("configuration field `load_best`: expected a directory for checkpoints, found none")]
    NowhereToKeep,

    /// The rollout engine failed.
    #[error("step {step}: rollout: {source}")]
    Rollout {
        /// The step, counted from 1 as in the metrics.
        step: usize,
        /// The engine's reason.
        source: BoxError,
    },

    /// The rollout engine returned something else than a group of completions per prompt.
    #[error("step {step}: rollout: expected {expected}, found {found}")]
    RolloutShape {
        /// The step, counted from 1.
        step: usize,
        /// What was asked for.
        expected: String,
        /// What came back.
        found: String,
    },

    /// The engine gave no log-probabilities, and the correction of its mismatch needs them.
    #[error(
        "step {step}: rollout: expected log-probabilities, which `engine_correction` needs, for group {group}, found none"
    )]
    NoEngineLogProbs {
        /// The step, counted from 1.
        step: usize,
        /// The group, counted from 0.
        group: usize,
    },

    /// The reward returned another number of values than there are completions.
    #[error("{at}: reward: expected {expected} values, one per completion, found {found}{}", missing_from(.first_without))]
    RewardCount {
        /// When it was asked.
        at: Scoring,
        /// Completions scored.
        expected: usize,
        /// Values returned.
        found: usize,
        /// The first completion without a value, if there are too few.
        first_without: Option<Place>,
    },

    /// A reward is NaN or infinite.
    #[error("{at}: reward: expected a finite number for {place}, found {value}{}", of_part(.part.as_deref()))]
    RewardNotFinite {
        /// When it was asked.
        at: Scoring,
        /// The completion.
        place: Place,
        /// The value.
        value: f64,
        /// The component that has it; `None` if it is the total.
        part: Option<String>,
    },

    /// The reward panicked. The weights are those before the step.
    #[error("{at}: reward: panicked with {message:?}{}", at_completion(.place))]
    RewardPanicked {
        /// When it was asked.
        at: Scoring,
        /// What the panic said.
        message: String,
        /// The first completion that makes it panic alone; `None` if only all of them together do.
        place: Option<Place>,
    },

    /// The loss, one of its derivatives or the gradient norm became infinite or NaN. The weights are those before this
    /// update.
    #[error(
        "step {step}: {quantity} is {value} in the batch of prompts {prompts:?}{}; the update was not applied{}",
        first_bad(*.completion), kept(.checkpoint.as_deref())
    )]
    NonFinite {
        /// The step, counted from 1.
        step: usize,
        /// `loss` or `grad_norm`.
        quantity: &'static str,
        /// The value found.
        value: f64,
        /// The prompts of the micro-batch; of the whole batch for the gradient norm.
        prompts: Vec<usize>,
        /// The first completion whose loss is not finite, as an index into the rollout batch.
        completion: Option<usize>,
        /// Where the last good state was saved, if the run has a checkpoint directory.
        checkpoint: Option<PathBuf>,
    },

    /// A field of the configuration has a value that no run can use, or a checkpoint is not of this run, or cannot be
    /// read or written.
    #[error(transparent)]
    Train(#[from] lm_train::Error),
}

/// A completion among those that were scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the prompt.
    pub prompt: usize,
    /// Index of the completion in its group.
    pub completion: usize,
    /// How the completion begins.
    pub beginning: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            prompt,
            completion,
            beginning,
        } = self;
        write!(
            f,
            "completion {completion} of prompt {prompt} ({beginning:?})"
        )
    }
}

/// When completions were scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoring {
    /// For this step, counted from 1.
    Step(usize),
    /// In the evaluation after so many steps.
    Evaluation(usize),
}

impl fmt::Display for Scoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => write!(f, "step {step}"),
            Self::Evaluation(steps) => write!(f, "evaluation after step {steps}"),
        }
    }
}

fn kept(checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => format!(" and the last good state is in {}", path.display()),
        None => String::new(),
    }
}

fn missing_from(place: &Option<Place>) -> String {
    let said = |place| format!("; the first without a value is {place}");
    place.as_ref().map_or_else(String::new, said)
}

fn at_completion(place: &Option<Place>) -> String {
    let said = |place| format!(" at {place}");
    place.as_ref().map_or_else(String::new, said)
}

fn of_part(part: Option<&str>) -> String {
    part.map_or_else(String::new, |part| format!(" as its `{part}`"))
}

fn first_bad(completion: Option<usize>) -> String {
    let said = |completion| format!(", first at completion {completion}");
    completion.map_or_else(String::new, said)
}

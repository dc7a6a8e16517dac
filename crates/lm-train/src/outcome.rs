//! What a run reads and writes, and what it returns.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use lm_model::Qwen3;

use crate::resume::Resume;
use crate::sample::SampleCounts;
use crate::state::BestEvaluation;

/// What a run reads and writes.
#[derive(Clone, Debug, Default)]
pub struct RunFiles {
    /// Directory for checkpoints, `step-<n>` each, and for `best`, the model with the best evaluation;
    /// without it, nothing is written.
    pub checkpoints: Option<PathBuf>,
    /// Which checkpoint the run goes on from.
    pub resume: Resume,
    /// Files to copy into every checkpoint, such as the tokenizer's, so that each is a usable model.
    pub attach: Vec<PathBuf>,
    /// Files to write into every checkpoint: their names and their texts.
    pub texts: Vec<(String, String)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome<B: AutodiffBackend> {
    /// The trained model.
    pub model: Qwen3<B>,
    /// Optimizer steps done, those before a resume included.
    pub steps: usize,
    /// How many samples these steps have seen, and what became of the others.
    pub samples: SampleCounts,
    /// Whether the run was stopped before its last step.
    pub stopped: bool,
    /// The best evaluation, if the run evaluates.
    pub best: Option<BestEvaluation>,
    /// The last checkpoint, if the run writes any.
    pub checkpoint: Option<PathBuf>,
}

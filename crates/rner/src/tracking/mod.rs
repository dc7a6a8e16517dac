//! Where the numbers of a training go beside `metrics.jsonl`: files that other programs draw curves from.

use std::path::{Path, PathBuf};

use crate::tensorboard;

/// The folders below a run's in which the curves of a stage are.
pub(crate) fn folders(run: &Path, stage: &str, seed: u64) -> Vec<PathBuf> {
    vec![run.join(tensorboard::FOLDER).join(name(stage, seed))]
}

/// What the curves of a stage are called.
pub(crate) fn name(stage: &str, seed: u64) -> String {
    format!("{stage}-seed-{seed}")
}

//! One row of the table with one seed.

use ner_eval::EvalResult;
use serde::{Deserialize, Serialize};

/// The scores of one model trained with one seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelResult {
    /// Row of the table, such as `SFT with CoT`.
    pub name: String,
    /// Seed of the run.
    pub seed: u64,
    /// Its scores.
    pub result: EvalResult,
}

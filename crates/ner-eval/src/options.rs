//! How an evaluation is run and how the model is asked.

use ner_types::PromptTemplate;
use serde::{Deserialize, Serialize};

/// How an evaluation is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalOptions {
    /// Prompts handed to the completer at once.
    pub batch_size: usize,
    /// Resamples of the bootstrap.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Default for EvalOptions {
    fn default() -> Self {
        EvalOptions {
            batch_size: 256,
            resamples: 1_000,
            seed: 42,
        }
    }
}

/// How the model was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prompting {
    /// The prompt as it is; what tuned models expect.
    #[default]
    Direct,
    /// With a sentence in front that asks an untrained model to reason first.
    StepByStep,
}

impl Prompting {
    /// The template to ask with.
    pub fn apply(self, template: &PromptTemplate) -> PromptTemplate {
        match self {
            Prompting::Direct => template.clone(),
            Prompting::StepByStep => template.step_by_step(),
        }
    }
}

//! `[grpo.rollout]`: a server that samples the completions of reinforcement learning.

use serde::{Deserialize, Serialize};

use super::error::{RecipeError, range};

/// `[grpo.rollout]`: who samples the completions, if it is not this program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Base address of an OpenAI-compatible server (vLLM, SGLang, `rner serve`); empty: this program samples. Several
    /// engines go behind one address.
    pub url: String,
    /// Name of the base model on that server.
    pub model: String,
    /// Environment variable that holds the API key; where it is not set, no key is sent.
    pub key_env: String,
    /// How the server gets the policy: `adapter` (LoRA, by /v1/load_lora_adapter), `never`, or the method that makes
    /// it read a folder again.
    pub sync: String,
    /// Largest mean difference between the server's log-probabilities and the trainer's, in nats, at which a batch
    /// counts; 0 means the trainer's own.
    pub tolerance: f64,
}

impl Rollout {
    /// Whether a server samples.
    pub fn is_remote(&self) -> bool {
        !self.url.is_empty()
    }

    pub(super) fn validate(&self) -> Result<(), RecipeError> {
        let named = !self.is_remote() || !self.model.is_empty();
        let expected = "the name of the base model on the server (--rollout-model)";
        range("grpo.rollout.model", "none", named, expected)?;
        let tolerance = self.tolerance;
        let expected = "a number of at least 0";
        range(
            "grpo.rollout.tolerance",
            tolerance,
            tolerance >= 0.0,
            expected,
        )
    }
}

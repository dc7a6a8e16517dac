//! Who samples the completions: this program, or a server.

use std::path::Path;

use chat_client::Endpoint;
use lm_grpo::{BuiltinEngine, RemoteEngine, RolloutEngine, WeightSync};
use lm_kernels::LmOps;

use crate::error::Result;

/// Requests in flight at a server.
const CONCURRENCY: usize = 64;

/// A server that samples the completions of reinforcement learning.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Base address of an OpenAI-compatible server (vLLM, SGLang, `rner serve`).
    pub url: String,
    /// Name of the base model on that server.
    pub model: String,
    /// How the server gets the policy: `adapter` (LoRA, by /v1/load_lora_adapter), `never`, or the method that makes
    /// it read a folder again.
    pub sync: String,
    /// Largest mean difference between the server's log-probabilities and the trainer's, in nats, at which a batch
    /// counts; the trainer's own if left out.
    pub tolerance: Option<f64>,
}

/// The engine that is asked for; adapters and models for a server are handed over in a folder of `out`.
pub(super) fn choose<B: LmOps>(
    rollout: Option<&Rollout>,
    batch: usize,
    out: &Path,
) -> Result<Box<dyn RolloutEngine<B>>> {
    let Some(rollout) = rollout else {
        return Ok(Box::new(BuiltinEngine::new(batch)));
    };
    let folder = out.join("policy");
    let sync = match rollout.sync.as_str() {
        "adapter" => WeightSync::Adapter(folder),
        "never" => WeightSync::Never,
        method => WeightSync::Reload(folder, method.to_owned()),
    };
    let mut endpoint = Endpoint::new(&rollout.url, &rollout.model);
    endpoint.concurrency = CONCURRENCY;
    let tolerance = rollout.tolerance.unwrap_or(RemoteEngine::TOLERANCE);
    Ok(Box::new(RemoteEngine::new(endpoint, sync, tolerance)?))
}

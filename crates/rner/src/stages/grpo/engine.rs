//! Who samples the completions: this program, or a server.

use std::path::Path;

use chat_client::Endpoint;
use lm_grpo::{BuiltinEngine, RemoteEngine, RolloutEngine, WeightSync};
use lm_kernels::LmOps;

use crate::cot::key_of;
use crate::error::Result;
use crate::recipe::Rollout;

/// Requests in flight at a server.
const CONCURRENCY: usize = 64;

/// The engine that is asked for; adapters and models for a server are handed over in a folder of `out`.
pub(super) fn choose<B: LmOps>(
    rollout: &Rollout,
    batch: usize,
    out: &Path,
) -> Result<Box<dyn RolloutEngine<B>>> {
    if !rollout.is_remote() {
        return Ok(Box::new(BuiltinEngine::new(batch)));
    }
    let folder = out.join("policy");
    let sync = match rollout.sync.as_str() {
        "adapter" => WeightSync::Adapter(folder),
        "never" => WeightSync::Never,
        method => WeightSync::Reload(folder, method.to_owned()),
    };
    let mut endpoint = endpoint(rollout);
    endpoint.concurrency = CONCURRENCY;
    let tolerance = if rollout.tolerance > 0.0 {
        rollout.tolerance
    } else {
        RemoteEngine::TOLERANCE
    };
    Ok(Box::new(RemoteEngine::new(endpoint, sync, tolerance)?))
}

/// How the server is asked.
pub(crate) fn endpoint(rollout: &Rollout) -> Endpoint {
    let mut endpoint = Endpoint::new(&rollout.url, &rollout.model);
    endpoint.key = key_of(&rollout.key_env);
    endpoint
}

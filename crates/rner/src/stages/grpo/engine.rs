//! Who samples the completions: this program, or a server.

use std::path::Path;

use anyhow::Result;
use chat_client::Endpoint;
use lm_grpo::{BuiltinEngine, RemoteEngine, RolloutEngine, WeightSync};
use lm_kernels::LmOps;

use crate::cli::RolloutArgs;
use crate::exit::usage;

/// Requests in flight at a server.
const CONCURRENCY: usize = 64;

/// The engine that the flags ask for; adapters and models for a server are handed over in a folder of `out`.
pub(super) fn choose<B: LmOps>(
    args: Option<&RolloutArgs>,
    batch: usize,
    out: &Path,
) -> Result<Box<dyn RolloutEngine<B>>> {
    let Some((args, url)) = args.and_then(|args| Some((args, args.rollout_url.as_ref()?))) else {
        return Ok(Box::new(BuiltinEngine::new(batch)));
    };
    let model = args.rollout_model.as_deref().ok_or_else(|| {
        usage("--rollout-model: expected the name of the base model on the server, found none")
    })?;
    let folder = out.join("policy");
    let sync = match args.rollout_sync.as_str() {
        "adapter" => WeightSync::Adapter(folder),
        "never" => WeightSync::Never,
        method => WeightSync::Reload(folder, method.to_owned()),
    };
    let mut endpoint = Endpoint::new(url, model);
    endpoint.concurrency = CONCURRENCY;
    let tolerance = args.rollout_tolerance.unwrap_or(RemoteEngine::TOLERANCE);
    Ok(Box::new(RemoteEngine::new(endpoint, sync, tolerance)?))
}

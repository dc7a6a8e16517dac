//! What the thread with the weights is asked, and what it answers.

use std::path::PathBuf;

use lm_generate::Request;
use lm_model::StopMatcher;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Why a job is not carried out: whose fault it is, and the words.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such model.
    UnknownModel(String),
    /// The request cannot be carried out as it is.
    Wrong(String),
    /// Something failed here.
    Failed(String),
}

/// One completion as it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Completion {
    pub(crate) text: String,
    pub(crate) ids: Vec<u32>,
    /// The text of each token.
    pub(crate) tokens: Vec<String>,
    pub(crate) log_probs: Vec<f32>,
    /// In the protocol's words.
    pub(crate) finish: &'static str,
}

/// Completions to be made.
pub(crate) struct Generation {
    pub(crate) model: String,
    pub(crate) requests: Vec<Request>,
    /// The token ids that end the completions of each request, once it is generated.
    pub(crate) stop_ids: Vec<Vec<u32>>,
    pub(crate) stops: StopMatcher,
    pub(crate) reply: oneshot::Sender<Result<Vec<Vec<Completion>>, Refusal>>,
    /// Its place among those that wait, which another may take when this one is gone.
    #[expect(dead_code, reason = "it is held, not read")]
    pub(crate) place: OwnedSemaphorePermit,
}

/// What the thread is asked to do.
pub(crate) enum Job {
    Generate(Generation),
    Load {
        name: String,
        path: PathBuf,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    Unload {
        name: String,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
}

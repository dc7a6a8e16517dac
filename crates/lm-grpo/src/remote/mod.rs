//! Completions of a server with the OpenAI protocol: vLLM, SGLang, `rner serve`.
//!
//! Before every rollout the server gets the policy: its adapter is saved and loaded there by `/v1/load_lora_adapter`,
//! or the whole model is saved and the server told to read it again. Then it is asked by token ids, so that no
//! tokenizer can come between the two, and its log-probabilities are compared with the trainer's own before the batch
//! counts.

mod adapters;
mod agreement;
#[cfg(test)]
mod server_tests;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chat_client::{ChatClient, Endpoint};
use lm_generate::{Generated, Observer, Progress, Request};
use lm_kernels::LmOps;
use lm_model::Qwen3;
use lm_model::checkpoint::{SaveDtype, save, save_adapter};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::adapters::Names;
use crate::groups::other_token;
use crate::rollout::{BoxError, RolloutEngine};

/// How often a waiting rollout tells how far it is.
const POLL: Duration = Duration::from_millis(100);

/// Why a server is of no use for rollouts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// It cannot be asked, or refuses.
    #[error(transparent)]
    Client(#[from] chat_client::Error),
    /// It does not understand what is asked for.
    #[error(
        "{0}; rollouts need a server that completes token ids and gives token ids and log-probabilities back, as vLLM, SGLang \
         and `rner serve` do (a server of chat completions alone can be evaluated, but not trained with)"
    )]
    Unsuited(#[source] chat_client::Error),
    /// The policy cannot be written to where the server reads it.
    #[error("cannot hand the policy over: {0}")]
    Policy(#[from] lm_model::Error),
    /// Its folder cannot be made.
    #[error("cannot hand the policy over in {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The answer cannot be read.
    #[error("expected the answer of /v1/completions, found something else: {0}")]
    Answer(String),
    /// There are more or fewer completions than asked for.
    #[error("expected {expected} completions, found {found}")]
    Choices {
        /// How many were asked for.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// The server does not give token ids.
    #[error(
        "expected token ids (return_token_ids) with every completion, found none: the server is too old"
    )]
    NoTokenIds,
    /// The server does not give log-probabilities.
    #[error("expected log-probabilities (logprobs) of every token, found none")]
    NoLogProbs,
    /// The server read another prompt.
    #[error(
        "expected a completion of the prompt that was sent, found one of an other prompt: has the server another tokenizer?"
    )]
    OtherPrompt,
    /// The server has tokens that the policy does not have.
    #[error(
        "expected token ids below {vocab}, found {id}: has the server another model or tokenizer?"
    )]
    OtherToken {
        /// The first such token.
        id: u32,
        /// Size of the policy's vocabulary.
        vocab: usize,
    },
    /// Ids and log-probabilities do not belong together.
    #[error(
        "expected 1 to {most} tokens with as many log-probabilities, found {ids} token ids and {log_probs} log-probabilities"
    )]
    Lengths {
        /// Token ids of a completion.
        ids: usize,
        /// Its log-probabilities.
        log_probs: usize,
        /// Most tokens that were asked for.
        most: usize,
    },
    /// The server's probabilities are not those of the policy.
    #[error(
        "the server's log-probabilities differ from the trainer's by {mean:.4} in the mean over {tokens} tokens, expected at most \
         {tolerance}: it may have another model, other weights, or give them without the temperature"
    )]
    Disagrees {
        /// Mean absolute difference, in nats.
        mean: f64,
        /// Tokens that were compared.
        tokens: usize,
        /// What is allowed.
        tolerance: f64,
    },
    /// The rollout was stopped.
    #[error("stopped")]
    Stopped,
    /// A task ended without a result.
    #[error("a request ended early: {0}")]
    Task(String),
    /// There is no network runtime.
    #[error("cannot start the network runtime: {0}")]
    Runtime(std::io::Error),
}

/// How the server gets the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightSync {
    /// The policy's adapter is written to a new folder in this one, which both must reach, and loaded under a new name:
    /// one that no process has given before, as a server refuses a name that it has. What an earlier process of the run
    /// left there is taken off the server and the disk.
    Adapter(PathBuf),
    /// The whole policy is written to this folder, and the server told to read it again by posting `{"path": …}` to
    /// this method.
    Reload(PathBuf, String),
    /// Not at all: the server has a policy of its own, and the rollouts are off-policy.
    Never,
}

/// A server as a rollout engine.
#[derive(Debug)]
pub struct RemoteEngine {
    client: Arc<ChatClient>,
    runtime: Runtime,
    sync: WeightSync,
    tolerance: f64,
    names: Names,
    /// The adapter that the server has.
    current: Option<String>,
    /// How often the policy had to be handed over again, because the server had lost it.
    reloads: usize,
}

impl RemoteEngine {
    /// Largest mean difference of log-probabilities that is taken for rounding, in nats, between engines of the same
    /// precision.
    pub const TOLERANCE: f64 = 0.02;

    /// Checks the settings. Sends nothing.
    ///
    /// `tolerance` is the largest mean absolute difference of log-probabilities, in nats, at which a rollout counts;
    /// infinity accepts everything.
    ///
    /// # Errors
    /// For an unusable address or setting.
    pub fn new(endpoint: Endpoint, sync: WeightSync, tolerance: f64) -> Result<Self, RemoteError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(RemoteError::Runtime)?;
        Ok(Self {
            client: Arc::new(ChatClient::new(endpoint)?),
            runtime,
            sync,
            tolerance,
            names: Names::new(),
            current: None,
            reloads: 0,
        })
    }

    /// How often the policy had to be handed over again, because the server had lost it.
    pub fn reloads(&self) -> usize {
        self.reloads
    }

    /// Hands the policy over and gives the name to ask for.
    fn publish<B: LmOps>(&mut self, policy: &Qwen3<B>) -> Result<String, RemoteError> {
        let base = self.client.model().to_owned();
        let stop = CancellationToken::new();
        match &self.sync {
            WeightSync::Never => Ok(base),
            WeightSync::Adapter(root) => {
                let root = root.clone();
                if self.names.is_unused() {
                    self.forget_former(&root);
                }
                let adapter = self.names.next();
                let (name, dir) = (format!("{base}-{adapter}"), root.join(&adapter));
                save_adapter(policy, &dir)?;
                let path = dir.canonicalize().map_err(|source| RemoteError::Folder {
                    path: dir.clone(),
                    source,
                })?;
                let body = serde_json::json!({"lora_name": name, "lora_path": path}).to_string();
                let load = self.client.call("load_lora_adapter", &body, &stop);
                self.runtime.block_on(load)?;
                if let Some(previous) = self.current.replace(adapter) {
                    self.forget(&root, &previous);
                }
                Ok(name)
            }
            WeightSync::Reload(dir, method) => {
                let whole = policy.merged();
                save(&whole, whole.config(), dir, SaveDtype::F32)?;
                let body = serde_json::json!({"path": dir}).to_string();
                self.runtime
                    .block_on(self.client.call(method, &body, &stop))?;
                Ok(base)
            }
        }
    }

    /// Takes an adapter off the server and the disk. That it cannot be done is no reason to end a run.
    fn forget(&self, root: &Path, adapter: &str) {
        let name = format!("{}-{adapter}", self.client.model());
        let body = serde_json::json!({"lora_name": name}).to_string();
        let stop = CancellationToken::new();
        let unload = self.client.call("unload_lora_adapter", &body, &stop);
        match self.runtime.block_on(unload).map_err(RemoteError::from) {
            Err(error) if !is_lost(&error) => {
                tracing::warn!(%error, name, "the server keeps an old adapter");
            }
            _ => {}
        }
        if let Err(error) = atomic_files::remove_dir(&root.join(adapter)) {
            tracing::warn!(%error, "an old adapter stays on the disk");
        }
    }

    /// Does that with the adapters of an earlier process of the same run.
    fn forget_former(&self, root: &Path) {
        for adapter in adapters::former(root) {
            self.forget(root, &adapter);
        }
    }

    /// Asks for all completions at once; how many requests are in flight is the client's business.
    fn ask(
        &self,
        model: &str,
        requests: &[Request],
        stopped: &CancellationToken,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<Generated>>, RemoteError> {
        let stop = CancellationToken::new();
        let total: usize = requests.iter().map(|request| request.n).sum();
        let mut groups: Vec<Vec<Generated>> = vec![Vec::new(); requests.len()];
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for (i, request) in requests.iter().enumerate() {
                let (client, stop) = (self.client.clone(), stop.clone());
                let (body, request) = (wire::body(model, request)?, request.clone());
                tasks.spawn(async move {
                    let answer = client.call("completions", &body, &stop).await;
                    let answer = answer.map_err(refusal)?;
                    Ok::<_, RemoteError>((i, wire::read(&answer, &request)?))
                });
            }
            let mut finished = 0;
            loop {
                tokio::select! {
                    joined = tasks.join_next() => match joined {
                        None => return Ok(()),
                        Some(Err(error)) => return Err(RemoteError::Task(error.to_string())),
                        Some(Ok(done)) => {
                            let (i, group) = done?;
                            finished += group.len();
                            groups[i] = group;
                        }
                    },
                    () = stopped.cancelled() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
                observer.on_step(Progress {
                    finished,
                    total,
                    active: total - finished,
                    tokens: groups.iter().flatten().map(|one| one.ids.len()).sum(),
                });
                if stopped.is_cancelled() {
                    // Dropping the tasks closes their connections, which ends the work of the server.
                    return Err(RemoteError::Stopped);
                }
            }
        })?;
        Ok(groups)
    }
}

/// The statuses 400 (bad request) and 422 (unprocessable) are about the form of the request, which is the same for all.
fn refusal(error: chat_client::Error) -> RemoteError {
    match error {
        chat_client::Error::Refused {
            status: 400 | 422, ..
        } => RemoteError::Unsuited(error),
        other => other.into(),
    }
}

/// Before the trainer's own log-probabilities of the tokens are asked for, which only tokens of the policy have.
fn check_tokens(groups: &[Vec<Generated>], vocab: usize) -> Result<(), RemoteError> {
    let mut completions = groups.iter().flatten();
    match completions.find_map(|one| other_token(&one.ids, vocab)) {
        None => Ok(()),
        Some(id) => Err(RemoteError::OtherToken { id, vocab }),
    }
}

/// Whether the server says that it has no such model: it was started anew and has lost the adapter.
fn is_lost(error: &RemoteError) -> bool {
    matches!(
        error,
        RemoteError::Client(chat_client::Error::Refused { status: 404, .. })
    )
}

impl<B: LmOps> RolloutEngine<B> for RemoteEngine {
    fn rollout(
        &mut self,
        model: &Qwen3<B>,
        requests: &[Request],
        stop: &CancellationToken,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<Generated>>, BoxError> {
        let name = self.publish(model)?;
        let groups = match self.ask(&name, requests, stop, observer) {
            Err(error) if is_lost(&error) && self.sync != WeightSync::Never => {
                self.reloads += 1;
                tracing::warn!(%error, "handing the policy over again");
                let name = self.publish(model)?;
                self.ask(&name, requests, stop, observer)
            }
            other => other,
        }?;
        check_tokens(&groups, model.config().vocab_size)?;
        agreement::check(model, requests, &groups, self.tolerance)?;
        Ok(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> RemoteError {
        refusal(chat_client::Error::Refused {
            url: "http://localhost:8000/v1/completions".into(),
            status,
            model: "tiny".into(),
            // What `transformers serve` answers.
            message: r#"{"detail":"Unexpected fields in the request: {'return_token_ids'}"}"#
                .into(),
            hint: "",
        })
    }

    #[test]
    fn a_server_without_token_ids_is_named_as_such() {
        for status in [400, 422] {
            let said = refused(status).to_string();
            for part in ["return_token_ids", "rollouts need", "`rner serve`"] {
                assert!(said.contains(part), "{status}: {said}");
            }
        }
        // A lost adapter is another matter: it is handed over again.
        assert!(is_lost(&refused(404)));
        assert!(!is_lost(&refused(422)));
    }
}

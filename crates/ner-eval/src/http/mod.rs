//! Answers of an OpenAI-compatible server: many requests at once, each tried again, none lost without a word.

mod client;
mod config;
mod reply;
mod retry;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::{Answer, BoxError, Completer, Outcome};
use client::{Client, End};
pub use config::{UrlConfig, UrlError};
use config::{check_settings, completions_url, http_client, read_key};
pub use retry::Retry;

/// How often a waiting evaluation looks whether it should stop.
const STOP_POLL: Duration = Duration::from_millis(100);

/// A [`Completer`] that asks a server, in the OpenAI chat-completions protocol.
///
/// A request that fails is tried again as [`Retry`] says, and then given up alone: its sentence is named among the
/// failures of the result. Only what concerns every request (a wrong key, an unknown model, a server that no longer
/// answers) ends the evaluation; answers that came before it are kept.
pub struct UrlCompleter {
    runtime: Runtime,
    client: Arc<Client>,
    concurrency: usize,
    give_up_after: usize,
    failures_in_a_row: usize,
    stop: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for UrlCompleter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlCompleter")
            .field("url", &self.client.url.as_str())
            .field("model", &self.client.model)
            .finish_non_exhaustive()
    }
}

impl UrlCompleter {
    /// Checks the settings and reads the key from the environment. Sends nothing.
    ///
    /// # Errors
    ///
    /// For an unusable address or setting, and for a key that is asked for and missing.
    pub fn new(config: &UrlConfig) -> Result<UrlCompleter, UrlError> {
        let url = completions_url(&config.url)?;
        check_settings(config)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| UrlError::Client(error.to_string()))?;
        let client = Client {
            http: http_client(config, &url)?,
            key: config.api_key_env.as_deref().map(read_key).transpose()?,
            model: config.model.clone(),
            max_tokens: config.max_tokens,
            temperature: config.temperature,
            retry: config.retry,
            slots: Semaphore::new(config.concurrency),
            stopped: AtomicBool::new(false),
            reached: AtomicBool::new(false),
            url,
        };
        Ok(UrlCompleter {
            runtime,
            client: Arc::new(client),
            concurrency: config.concurrency,
            give_up_after: config.give_up_after.max(1),
            failures_in_a_row: 0,
            stop: Arc::new(|| false),
        })
    }

    /// Looks at `stop` while it waits: once it is true, nothing more is sent and the answers so far are given back.
    #[must_use]
    pub fn stop_when(mut self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.stop = Arc::new(stop);
        self
    }

    /// The address that requests go to.
    pub fn url(&self) -> &str {
        self.client.url.as_str()
    }

    /// Model and address, to tell runs apart.
    pub fn source(&self) -> String {
        format!("{} at {}", self.client.model, self.url())
    }

    /// A batch size that keeps all slots busy: batches end with their slowest request.
    pub fn batch_size(&self) -> usize {
        self.concurrency.saturating_mul(8)
    }

    /// Counts failures in a row and says when there are too many.
    fn check_failures(&mut self, outcomes: &[Outcome]) -> Result<(), UrlError> {
        for outcome in outcomes {
            match outcome {
                Outcome::Answered(_) => self.failures_in_a_row = 0,
                Outcome::Failed(reason) => {
                    self.failures_in_a_row += 1;
                    if self.failures_in_a_row >= self.give_up_after {
                        return Err(UrlError::GaveUp {
                            url: self.url().into(),
                            failures: self.failures_in_a_row,
                            reason: reason.clone(),
                        });
                    }
                }
                Outcome::NotAsked => {}
            }
        }
        Ok(())
    }
}

impl Completer for UrlCompleter {
    fn complete(&mut self, prompts: &[String]) -> Result<Vec<Answer>, BoxError> {
        let outcomes = self.attempt(prompts)?.into_iter();
        let answers = outcomes.map(|outcome| match outcome {
            Outcome::Answered(answer) => Ok(answer),
            Outcome::Failed(reason) => Err(reason.into()),
            Outcome::NotAsked => Err("stopped".into()),
        });
        answers.collect()
    }

    fn attempt(&mut self, prompts: &[String]) -> Result<Vec<Outcome>, BoxError> {
        if Handle::try_current().is_ok() {
            return Err(UrlError::InsideRuntime.into());
        }
        let asked = ask_all(&self.client, prompts, &*self.stop);
        let outcomes = self.runtime.block_on(asked)?;
        // A batch with answers is handed on first; the count goes on with the next one.
        let has_answer = outcomes.iter().any(|o| matches!(o, Outcome::Answered(_)));
        let checked = self.check_failures(&outcomes);
        if !has_answer {
            checked?;
        }
        Ok(outcomes)
    }
}

async fn ask_all(
    client: &Arc<Client>,
    prompts: &[String],
    stop: &(dyn Fn() -> bool + Send + Sync),
) -> Result<Vec<Outcome>, UrlError> {
    let mut outcomes = vec![Outcome::NotAsked; prompts.len()];
    client.stopped.store(stop(), Ordering::Relaxed);
    let mut tasks = JoinSet::new();
    for (i, prompt) in prompts.iter().enumerate() {
        let (client, prompt) = (Arc::clone(client), prompt.clone());
        tasks.spawn(async move { (i, client.ask(&prompt).await) });
    }
    let mut fatal = None;
    loop {
        tokio::select! {
            joined = tasks.join_next() => match joined {
                None => break,
                Some(Ok((i, End::Outcome(outcome)))) => outcomes[i] = outcome,
                Some(Ok((_, End::Fatal(error)))) => {
                    client.stopped.store(true, Ordering::Relaxed);
                    fatal.get_or_insert(error);
                }
                Some(Err(error)) => return Err(UrlError::Task(error.to_string())),
            },
            () = tokio::time::sleep(STOP_POLL) => {
                if stop() {
                    // What is being written at this moment is given up; the run asks again when it goes on.
                    client.stopped.store(true, Ordering::Relaxed);
                    tasks.abort_all();
                    break;
                }
            }
        }
    }
    // Answers that came before a refusal are kept; the next batch meets the refusal again, without any.
    match fatal {
        Some(error) if !outcomes.iter().any(|o| matches!(o, Outcome::Answered(_))) => Err(error),
        _ => Ok(outcomes),
    }
}

#[cfg(test)]
mod tests;

//! Answers of an OpenAI-compatible server: many requests at once, each tried again, none lost without a word.

mod ask;
mod config;
mod retry;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chat_client::Stop;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;

use crate::{Answer, BoxError, Completer, Outcome};
use ask::{Asker, End};
pub use config::{UrlConfig, UrlError};
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
    asker: Arc<Asker>,
    concurrency: usize,
    give_up_after: usize,
    failures_in_a_row: usize,
    stop: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for UrlCompleter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlCompleter")
            .field("url", &self.url())
            .field("model", &self.asker.client.model())
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
        let client = config.client()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| UrlError::Client(error.to_string()))?;
        let asker = Asker {
            client,
            config: config.clone(),
        };
        Ok(UrlCompleter {
            runtime,
            asker: Arc::new(asker),
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
        self.asker.client.url()
    }

    /// Model and address, to tell runs apart.
    pub fn source(&self) -> String {
        format!("{} at {}", self.asker.client.model(), self.url())
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
        let asked = ask_all(&self.asker, prompts, &*self.stop);
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
    asker: &Arc<Asker>,
    prompts: &[String],
    stop: &(dyn Fn() -> bool + Send + Sync),
) -> Result<Vec<Outcome>, UrlError> {
    let mut outcomes = vec![Outcome::NotAsked; prompts.len()];
    let halt = Stop::new();
    if stop() {
        halt.stop();
    }
    let mut tasks = JoinSet::new();
    for (i, prompt) in prompts.iter().enumerate() {
        let (asker, prompt, halt) = (Arc::clone(asker), prompt.clone(), halt.clone());
        tasks.spawn(async move { (i, asker.ask(&prompt, &halt).await) });
    }
    let mut fatal = None;
    loop {
        tokio::select! {
            joined = tasks.join_next() => match joined {
                None => break,
                Some(Ok((i, End::Outcome(outcome)))) => outcomes[i] = outcome,
                Some(Ok((_, End::Fatal(error)))) => {
                    halt.stop();
                    fatal.get_or_insert(error);
                }
                Some(Err(error)) => return Err(UrlError::Task(error.to_string())),
            },
            () = tokio::time::sleep(STOP_POLL) => {
                if stop() {
                    // What is being written at this moment is given up; the run asks again when it goes on.
                    halt.stop();
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

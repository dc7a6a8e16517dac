//! Answers of an OpenAI-compatible server: many requests at once, each tried again, none lost without a word.

mod ask;
mod config;

use std::fmt;
use std::sync::Arc;

use ner_types::PromptTemplate;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::completer::{Answer, BoxError, Completer, Keep, Outcome, Question};
use crate::run_identity::RunIdentity;
use crate::suite::Suite;
use ask::{Asker, End};
pub use config::{UrlConfig, UrlError};

/// A [`Completer`] that asks a server, in the OpenAI chat-completions protocol.
///
/// A request that fails is tried again as [`chat_client::Retry`] says, and then given up alone: its sentence is named
/// among the failures of the result. Only what concerns every request (a wrong key, an unknown model, a server that no
/// longer answers) ends the evaluation; answers that came before it are kept, each as soon as it comes.
pub struct UrlCompleter {
    runtime: Runtime,
    asker: Arc<Asker>,
    concurrency: usize,
    give_up_after: usize,
    failures_in_a_row: usize,
    /// What refuses every request, met in a batch that had answers too.
    refusal: Option<UrlError>,
    stop: CancellationToken,
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
            refusal: None,
            stop: CancellationToken::new(),
        })
    }

    /// Once `stop` is cancelled, nothing more is sent and the answers so far are given back.
    #[must_use]
    pub fn with_stop(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// The identity of a run over this server, for its log.
    pub fn identity(&self, suite: &Suite, template: &PromptTemplate) -> RunIdentity {
        let config = &self.asker.config;
        RunIdentity::new(suite, self.source(), template)
            .with("max_tokens", config.max_tokens)
            .with("temperature", config.temperature)
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
    fn complete(&mut self, questions: &[Question]) -> Result<Vec<Answer>, BoxError> {
        let outcomes = self.attempt(questions)?.into_iter();
        let answers = outcomes.map(|outcome| match outcome {
            Outcome::Answered(answer) => Ok(answer),
            Outcome::Failed(reason) => Err(reason.into()),
            Outcome::NotAsked => Err("stopped".into()),
        });
        answers.collect()
    }

    fn attempt(&mut self, questions: &[Question]) -> Result<Vec<Outcome>, BoxError> {
        self.attempt_each(questions, &mut |_, _| Ok(()))
    }

    fn attempt_each(
        &mut self,
        questions: &[Question],
        keep: Keep<'_>,
    ) -> Result<Vec<Outcome>, BoxError> {
        if Handle::try_current().is_ok() {
            return Err(UrlError::InsideRuntime.into());
        }
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal.into());
        }
        let asked = ask_all(&self.asker, questions, &self.stop, keep);
        let (outcomes, refusal) = self.runtime.block_on(asked)?;
        // A batch with answers is handed on first; the count goes on with the next one.
        let has_answer = outcomes.iter().any(|o| matches!(o, Outcome::Answered(_)));
        let checked = self.check_failures(&outcomes);
        if has_answer {
            self.refusal = refusal;
        } else {
            refusal.map_or(checked, Err)?;
        }
        Ok(outcomes)
    }
}

/// Asks all questions at once; beside what became of them, what refuses every request.
async fn ask_all(
    asker: &Arc<Asker>,
    questions: &[Question],
    stop: &CancellationToken,
    keep: Keep<'_>,
) -> Result<(Vec<Outcome>, Option<UrlError>), BoxError> {
    let mut outcomes = vec![Outcome::NotAsked; questions.len()];
    // A refusal of every request stops this batch and nothing else.
    let halt = stop.child_token();
    let mut tasks = JoinSet::new();
    for (i, question) in questions.iter().enumerate() {
        let (asker, prompt, halt) = (Arc::clone(asker), question.prompt.clone(), halt.clone());
        tasks.spawn(async move { (i, asker.ask(&prompt, &halt).await) });
    }
    let mut fatal = None;
    loop {
        tokio::select! {
            joined = tasks.join_next() => match joined {
                None => break,
                Some(Ok((i, End::Outcome(outcome)))) => {
                    if let Outcome::Answered(answer) = &outcome {
                        keep(i, answer)?;
                    }
                    outcomes[i] = outcome;
                }
                Some(Ok((i, End::Fatal(error)))) => {
                    halt.cancel();
                    outcomes[i] = Outcome::Failed(error.to_string());
                    fatal.get_or_insert(error);
                }
                Some(Err(error)) => return Err(UrlError::Task(error.to_string()).into()),
            },
            () = stop.cancelled() => {
                // What has come at this moment is kept; what is still being written is asked again by the next run.
                while let Some(joined) = tasks.try_join_next() {
                    if let Ok((i, End::Outcome(Outcome::Answered(answer)))) = joined {
                        keep(i, &answer)?;
                        outcomes[i] = Outcome::Answered(answer);
                    }
                }
                tasks.abort_all();
                break;
            }
        }
    }
    Ok((outcomes, fatal))
}

#[cfg(test)]
mod server_bodies;
#[cfg(test)]
mod tests;

//! What can go wrong in a run: one error for all of the library.

use crate::recipe::RecipeError;
use crate::run_dir::RunDirError;

/// The result of this library's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of any kind, as it lies below a [`Error::Context`].
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was asked for makes no sense; the message says what to ask for instead.
    #[error("{0}")]
    Usage(String),
    /// The session's token was cancelled; nothing done so far is lost.
    #[error("interrupted; run the same command again to go on from here")]
    Interrupted,
    /// Data or a model that cannot be worked with.
    #[error("{0}")]
    Invalid(String),
    /// What was attempted when another error came up.
    #[error("{context}")]
    Context {
        /// What was attempted, or with what.
        context: String,
        /// Why it failed.
        source: Source,
    },
    /// A recipe that cannot be resolved.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A file of a run.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A file or a folder that is to appear or go as a whole.
    #[error(transparent)]
    Files(#[from] atomic_files::Error),
    /// A checkpoint, a tokenizer or the Hub.
    #[error(transparent)]
    Model(#[from] lm_model::Error),
    /// Sampling.
    #[error(transparent)]
    Generate(#[from] lm_generate::Error),
    /// Fine-tuning.
    #[error(transparent)]
    Train(#[from] lm_train::Error),
    /// Reinforcement learning.
    #[error(transparent)]
    Grpo(#[from] lm_grpo::Error),
    /// A server that samples for the trainer.
    #[error(transparent)]
    Remote(#[from] lm_grpo::RemoteError),
    /// A dataset.
    #[error(transparent)]
    Datasets(#[from] ner_datasets::Error),
    /// Chains of thought: teacher, judge, journal.
    #[error(transparent)]
    Cot(#[from] ner_cot::Error),
    /// A client of a server.
    #[error(transparent)]
    Client(#[from] chat_client::Error),
    /// Many texts, in parts.
    #[error(transparent)]
    Bulk(ner_bulk::Error),
    /// A benchmark.
    #[error(transparent)]
    Eval(#[from] ner_eval::Error),
    /// How a model says that it is asked.
    #[error(transparent)]
    ModelPrompt(#[from] crate::model_prompt::ModelPromptError),
    /// A prompt template.
    #[error(transparent)]
    Template(#[from] ner_types::TemplateError),
    /// Anything else.
    #[error(transparent)]
    Other(Source),
}

impl From<ner_bulk::Error> for Error {
    /// A stop is an interruption, and wrong usage is wrong usage, wherever they come from.
    fn from(error: ner_bulk::Error) -> Self {
        match error {
            ner_bulk::Error::Stopped => Self::Interrupted,
            ner_bulk::Error::Usage(message) => Self::Usage(message),
            error => Self::Bulk(error),
        }
    }
}

impl Error {
    /// An error of the asking, not of the work.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// An error of data or a model.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// An error that has no kind of its own.
    pub(crate) fn other(error: impl Into<Source>) -> Self {
        Self::Other(error.into())
    }

    /// Whether the asking was wrong, so that the same request can never succeed.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) | Self::Recipe(_) => true,
            Self::Context { source, .. } => {
                source.downcast_ref::<Self>().is_some_and(Self::is_usage)
            }
            _ => false,
        }
    }

    /// Whether the work was stopped, not failed.
    pub fn is_interruption(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::Context { source, .. } => {
                let source = source.downcast_ref::<Self>();
                source.is_some_and(Self::is_interruption)
            }
            _ => false,
        }
    }
}

/// Says what was attempted.
pub(crate) trait Context<T> {
    /// Puts a sentence before the error.
    fn context(self, context: impl Into<String>) -> Result<T>;

    /// [`Context::context`] with a sentence that is made only when it is needed.
    fn with_context<C: Into<String>>(self, context: impl FnOnce() -> C) -> Result<T>;
}

impl<T, E: Into<Source>> Context<T> for std::result::Result<T, E> {
    fn context(self, context: impl Into<String>) -> Result<T> {
        self.with_context(|| context)
    }

    fn with_context<C: Into<String>>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| Error::Context {
            context: context().into(),
            source: error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_error_is_seen_through_its_contexts() {
        let wrapped = |error: Error| {
            let result: Result<()> = Err(error);
            let result = result.context("reading").with_context(|| "stage sft");
            result.expect_err("it is one")
        };
        let wrong = wrapped(Error::usage("--out is missing"));
        assert!(wrong.is_usage() && !wrong.is_interruption());
        let stopped = wrapped(Error::Interrupted);
        assert!(stopped.is_interruption() && !stopped.is_usage());
        let failed = wrapped(Error::invalid("there is no example to train on"));
        assert!(!failed.is_usage() && !failed.is_interruption());
        assert_eq!(failed.to_string(), "stage sft");
    }
}

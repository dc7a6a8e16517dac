//! `rner eval --url URL`: a model behind an OpenAI-compatible server.

use std::path::Path;

use anyhow::{Result, ensure};
use clap::Args;
use ner_eval::http::UrlError;
use ner_eval::load::LoadedSuite;
use ner_eval::{
    EvalOptions, EvalResult, Observer, PredictionLog, Prompting, RunReport, UrlCompleter,
    UrlConfig, evaluate_logged,
};
use ner_types::PromptTemplate;
use rner::stages::LOG;
use rner_cli::exit::usage;
use rner_cli::interrupt;

use super::eval_once::Once;
use super::eval_suite::{SuiteArgs, TrainArgs, finish};

/// Requests in flight, unless another number is given.
pub(super) const CONCURRENCY: usize = 16;

/// Seconds that an answer may take, unless another number is given.
pub(super) const TIMEOUT: u64 = 600;

/// Flags of the server.
#[derive(Clone, Debug, Args)]
pub(crate) struct UrlArgs {
    /// Address of an OpenAI-compatible server: http://host:port or https://host/v1.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Name of the model on that server.
    #[arg(long, value_name = "NAME", requires = "url")]
    pub(crate) url_model: Option<String>,
    /// Environment variable that holds the server's API key.
    #[arg(long, value_name = "VARIABLE", requires = "url")]
    pub(crate) url_key_env: Option<String>,
    /// Requests in flight at once.
    #[arg(long, value_name = "N", default_value_t = CONCURRENCY)]
    pub(crate) concurrency: usize,
    /// Longest time for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT)]
    pub(crate) timeout: u64,
}

impl UrlArgs {
    /// The completer for `--url`; `max_new_tokens` is that of the recipe.
    fn completer(&self, max_new_tokens: usize) -> Result<UrlCompleter> {
        let url = self
            .url
            .clone()
            .ok_or_else(|| usage("--url: which server?"))?;
        let model = self.url_model.clone();
        let config = UrlConfig {
            url,
            model: model.ok_or_else(|| usage("--url needs --url-model, the model's name there"))?,
            api_key_env: self.url_key_env.clone(),
            max_tokens: u32::try_from(max_new_tokens).unwrap_or(u32::MAX),
            concurrency: self.concurrency,
            timeout_seconds: self.timeout,
            ..UrlConfig::default()
        };
        let completer = UrlCompleter::new(&config).map_err(|error| match error {
            UrlError::Client(_) => error.into(),
            error => usage(error.to_string()),
        })?;
        Ok(completer.with_stop(interrupt::token().clone()))
    }
}

/// An evaluation over a server.
pub(crate) struct UrlEval<'a> {
    /// Benchmark and scorer.
    pub(crate) suite: &'a SuiteArgs,
    /// What the model was trained on.
    pub(crate) train: &'a TrainArgs,
    /// Server.
    pub(crate) url: &'a UrlArgs,
    /// The suite with its data, from [`SuiteArgs::load`].
    pub(crate) loaded: LoadedSuite,
    /// The prompt, before `prompting` is applied.
    pub(crate) template: &'a PromptTemplate,
    /// How to ask.
    pub(crate) prompting: Prompting,
    /// Most new tokens of an answer.
    pub(crate) max_new_tokens: usize,
    /// Bootstrap; the batch size is chosen here.
    pub(crate) options: EvalOptions,
    /// Folder for the results, locked. A half-done evaluation in it is taken up again, a finished one shown.
    pub(crate) out: &'a Path,
}

impl UrlEval<'_> {
    /// Asks, scores and writes.
    ///
    /// Sentences that could not be answered are named; the same command then asks them again.
    pub(crate) fn run(self, observer: &mut dyn Observer) -> Result<()> {
        let mut completer = self.url.completer(self.max_new_tokens)?;
        let template = self.prompting.apply(self.template);
        let suite = &self.loaded.suite;
        let identity = completer.identity(suite, &template);
        let flags = (self.suite, self.train);
        let once = Once::new(self.out, completer.source(), suite, flags, &self.options)?;
        once.answered_by(identity.clone()).run(|| {
            let mut log = PredictionLog::open(&self.out.join(LOG), &identity)?;
            let options = EvalOptions {
                batch_size: completer.batch_size(),
                ..self.options
            };
            let result = evaluate_logged(
                &mut log,
                suite,
                &template,
                &mut completer,
                &options,
                interrupt::token(),
                observer,
            )?;
            if interrupt::requested() && !result.complete {
                return Err(rner::Error::Interrupted.into());
            }
            self.report(completer.source(), result)
        })
    }

    fn report(&self, source: String, result: EvalResult) -> Result<()> {
        let settings =
            self.suite
                .settings(self.train, source, Some(self.prompting), self.options)?;
        let EvalResult {
            predictions,
            failures,
            complete,
            ..
        } = result;
        let report = RunReport::new(&self.loaded, predictions, failures, None, &settings)?;
        finish(&report, &self.loaded, self.out)?;
        // With failures the log stays, so that only those sentences are asked again.
        let unanswered = report.result.sets.iter().map(|set| set.unanswered);
        ensure!(
            complete,
            "{} sentences have no answer and are not in the scores; the same command asks them again",
            unanswered.sum::<usize>()
        );
        Ok(())
    }
}

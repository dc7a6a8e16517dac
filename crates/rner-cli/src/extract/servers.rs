//! Flags about servers that answer in the place of a model in this process.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use chat_client::{KeySource, Sampling, Structured};
use clap::Args;
use ner_bulk::servers::ServerConfig;
use ner_types::PromptTemplate;
use rner::answerer::{Answer, Answerer, Question};
use rner::servers::ServerAnswerer;
use rner_cli::exit::usage;
use rner_cli::interrupt;

use super::FormArg;

/// Flags of the servers.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// OpenAI-compatible server that answers: http://host:port or https://host/v1; --model is the model's name there.
    /// May be repeated: texts go to whichever has room, and one that fails is left out.
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
    /// Environment variable that holds the servers' API key.
    #[arg(long, value_name = "VARIABLE", requires = "urls")]
    url_key_env: Option<String>,
    /// How a server is asked for --form schema: json-schema (OpenAI, vLLM, SGLang), structured-outputs (vLLM from
    /// 0.12), guided-json (vLLM before), json-object (no more than JSON).
    #[arg(long, value_name = "WAY", requires = "urls")]
    url_form: Option<Structured>,
    /// Requests in flight at each server.
    #[arg(long, value_name = "N", default_value_t = 16, requires = "urls")]
    concurrency: usize,
    /// Longest time for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "urls")]
    timeout: u64,
}

impl ServerArgs {
    /// Whether servers are asked.
    pub(super) fn are_asked(&self) -> bool {
        !self.urls.is_empty()
    }

    /// The prompt that servers get.
    ///
    /// # Errors
    /// A file that is no template.
    pub(super) fn template(prompt: Option<&Path>) -> Result<PromptTemplate> {
        let given = rner_cli::args::template(prompt)?;
        Ok(given.unwrap_or_else(PromptTemplate::paper))
    }

    /// How the servers are asked to hold answers to a form.
    ///
    /// # Errors
    /// A form that no server can be asked for, or a way without a form.
    pub(super) fn structured(&self, form: FormArg) -> Result<Structured> {
        match (form, self.url_form.unwrap_or_default()) {
            (FormArg::Free, Structured::None) => Ok(Structured::None),
            (FormArg::Free, _) => Err(usage("--url-form is for --form schema")),
            (FormArg::Schema, Structured::None) => Err(usage(
                "--form schema: each server has words of its own for it, so that --url-form names them: json-schema, \
                 structured-outputs, guided-json or json-object",
            )),
            (FormArg::Schema, way) => Ok(way),
            (FormArg::Grounded, _) => Err(usage(
                "--form grounded is for a model in this process: no server holds an answer to a text; --form schema is \
                 what they have",
            )),
        }
    }

    /// Those who answer.
    ///
    /// # Errors
    /// Addresses, a key or settings that cannot be used.
    pub(super) fn answerer(
        &self,
        model: &str,
        template: PromptTemplate,
        structured: Structured,
        sampling: Sampling,
    ) -> Result<Telling> {
        let config = ServerConfig {
            key: KeySource::from(self.url_key_env.clone()),
            sampling,
            concurrency: self.concurrency,
            timeout: Duration::from_secs(self.timeout.max(1)),
            ..ServerConfig::new(self.urls.clone(), model)
        };
        let stop = interrupt::token().clone();
        let answerer = ServerAnswerer::new(config, template, structured, stop);
        let answerer = answerer.map_err(|error| match error {
            rner::Error::Bulk(ner_bulk::Error::Client(error)) => usage(error.to_string()),
            error => error.into(),
        })?;
        Ok(Telling { answerer, told: 0 })
    }
}

/// Servers of which it is said when one is left out.
pub(super) struct Telling {
    answerer: ServerAnswerer,
    told: usize,
}

impl Answerer for Telling {
    fn at_once(&self) -> usize {
        self.answerer.at_once()
    }

    fn answer_each(
        &mut self,
        questions: &[Question<'_>],
    ) -> rner::Result<Vec<rner::Result<Answer>>> {
        let answers = self.answerer.answer_each(questions);
        let left_out = self.answerer.left_out();
        for why in left_out.iter().skip(self.told) {
            rner_cli::say!("note: a server is left out: {why}");
        }
        self.told = left_out.len();
        answers
    }
}

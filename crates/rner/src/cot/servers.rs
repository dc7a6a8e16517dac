//! The clients of teacher and judge, and the simulated server where none is named.

use std::sync::Arc;

use chat_client::money::Ledger;
use chat_client::{ChatClient, Endpoint, KeySource};
use ner_cot::journal::JournalOptions;
use ner_cot::{CutOffLimit, RunOptions};
use ner_toy::teacher::{self, MistakeRates, RunningTeacher};
use ner_types::Example;
use tokio::runtime::Runtime;

use super::options::{Flow, Money};
use crate::error::{Error, Result};
use crate::recipe::Cot;

/// Teacher and judge, ready to be asked.
pub struct Servers {
    /// Who annotates.
    pub teacher: ChatClient,
    /// Who judges.
    pub judge: ChatClient,
    /// What they and their prices ask of the run.
    pub options: RunOptions,
    /// Serves as long as this value lives.
    _simulated: Option<RunningTeacher>,
}

impl Servers {
    /// Sets the clients up, and starts the server inside the program if the teacher is simulated: it answers from
    /// `known`, which is called only then, with mistakes by `seed`.
    ///
    /// # Errors
    /// An address or a key that cannot be used, or no port for the simulated server.
    pub fn start(
        config: &Cot,
        seed: u64,
        known: impl FnOnce() -> Result<Vec<Example>>,
        runtime: &Runtime,
    ) -> Result<Self> {
        let simulated = match config.teacher() {
            Some(_) => None,
            None => Some(serve_simulated(&known()?, seed, runtime)?),
        };
        let local = simulated.as_ref().map(|teacher| teacher.url.as_str());
        let [teacher, judge] = endpoints(config, local);
        let Money { prices, budget } = Money::from(config);
        let ledger = Arc::new(Ledger::new(budget));
        let client = |endpoint: Endpoint, price: Option<_>| -> Result<ChatClient> {
            let client = ChatClient::new(endpoint)?;
            Ok(client.with_ledger(ledger.clone(), price.unwrap_or_default()))
        };
        let flow = Flow::from(config);
        Ok(Self {
            teacher: client(teacher, prices.teacher)?,
            judge: client(judge, prices.judge)?,
            options: RunOptions {
                target: (config.target > 0).then_some(config.target),
                ledger: Some((ledger.clone(), prices)),
                check_models: flow.check_models,
                journal: journal_options(&flow),
                allow_change: config.allow_change || config.is_simulated(),
                cut_off: if config.allow_cut_off {
                    CutOffLimit::OFF
                } else {
                    CutOffLimit::default()
                },
                retry_failed: config.retry_failed,
            },
            _simulated: simulated,
        })
    }
}

/// How teacher and judge are asked; `local` is the address of the simulated ones.
pub(crate) fn endpoints(config: &Cot, local: Option<&str>) -> [Endpoint; 2] {
    let flow = Flow::from(config);
    let teacher_url = config.teacher().or(local).unwrap_or_default();
    let judge_url = config.judge().or(config.teacher()).or(local);
    let judge_url = judge_url.unwrap_or_default();
    let teacher_key = teacher_key(config, &flow);
    let judge_key = match &flow.judge_key_env {
        Some(variable) => key_of(variable),
        // A key is shown to the server that it is for, and to no other.
        None if origin(teacher_url) == origin(judge_url) => teacher_key.clone(),
        None => KeySource::None,
    };
    [
        endpoint(
            teacher_url,
            &config.teacher_model,
            teacher_key,
            config,
            &flow,
        ),
        endpoint(judge_url, &config.judge_model, judge_key, config, &flow),
    ]
}

/// Starts the simulated teacher and judge, which know `examples`.
///
/// # Errors
/// If no port can be opened.
pub(crate) fn serve_simulated(
    examples: &[Example],
    seed: u64,
    runtime: &Runtime,
) -> Result<RunningTeacher> {
    let rates = MistakeRates::default();
    teacher::serve(teacher::gold(examples), seed, rates, runtime.handle()).map_err(Error::other)
}

fn teacher_key(config: &Cot, flow: &Flow) -> KeySource {
    match &flow.key_file {
        Some(path) => KeySource::File(path.clone()),
        None => key_of(&config.key_env),
    }
}

/// The key of a variable; none if it is not set, because servers of one's own want none, and one that does says so.
pub(crate) fn key_of(variable: &str) -> KeySource {
    if variable.is_empty() {
        return KeySource::None;
    }
    let is_name = variable
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_');
    // What is no name may be a key: the client refuses it without showing it.
    if is_name && std::env::var_os(variable).is_none_or(|key| key.is_empty()) {
        tracing::info!(variable, "not set: no key is sent");
        return KeySource::None;
    }
    KeySource::Env(variable.to_owned())
}

fn endpoint(url: &str, model: &str, key: KeySource, config: &Cot, flow: &Flow) -> Endpoint {
    let mut endpoint = Endpoint::new(url, model);
    endpoint.key = key;
    endpoint.concurrency = config.concurrency;
    endpoint.adaptive = !flow.fixed_concurrency;
    endpoint.requests_per_minute = flow.requests_per_minute;
    endpoint.tokens_per_minute = flow.tokens_per_minute;
    endpoint.stream = flow.stream;
    let timeouts = &mut endpoint.timeouts;
    for (timeout, given) in [
        (&mut timeouts.first_byte, flow.first_byte_timeout),
        (&mut timeouts.idle, flow.idle_timeout),
        (&mut timeouts.total, flow.timeout),
    ] {
        if let Some(longest) = given {
            *timeout = longest;
        }
    }
    endpoint
}

/// How the journal is written.
pub fn journal_options(flow: &Flow) -> JournalOptions {
    JournalOptions {
        durability: flow.durability,
        ..JournalOptions::default()
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_teachers_key_stays_with_the_teacher() {
        let same = |a, b| origin(a) == origin(b);
        assert!(same("https://h/v1", "https://h/v2/chat/completions"));
        assert!(!same("https://h/v1", "https://h:8001/v1"));
        assert!(!same("https://h/v1", "http://h/v1"));
        assert!(!same("https://h", "https://h.example"));
    }
}

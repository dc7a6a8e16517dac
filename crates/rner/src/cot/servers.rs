//! The clients of teacher and judge, and the simulated server where none is named.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chat_client::money::Ledger;
use chat_client::{ChatClient, Endpoint, KeySource};
use ner_cot::RunOptions;
use ner_cot::journal::{Durability, JournalOptions};
use ner_types::Example;
use tokio::runtime::Runtime;

use super::args::{FlowArgs, MoneyArgs};
use crate::recipe::Cot;
use crate::teacher::{self, GoldEntry, MistakeRates, RunningTeacher};

/// Teacher and judge, ready to be asked.
pub(crate) struct Servers {
    pub(crate) teacher: ChatClient,
    pub(crate) judge: ChatClient,
    /// What they and their prices ask of the run.
    pub(crate) options: RunOptions,
    /// Serves as long as this value lives.
    _simulated: Option<RunningTeacher>,
}

impl Servers {
    /// Sets the clients up, and starts the server inside the program if the teacher is simulated: it answers from
    /// `known`, which is called only then.
    pub(crate) fn start(
        config: &Cot,
        seed: u64,
        flow: &FlowArgs,
        money: &MoneyArgs,
        known: impl FnOnce() -> Result<HashMap<String, GoldEntry>>,
        runtime: &Runtime,
    ) -> Result<Self> {
        let simulated = match config.teacher() {
            Some(_) => None,
            None => Some(teacher::serve(
                known()?,
                seed,
                MistakeRates::default(),
                runtime.handle(),
            )?),
        };
        let local = simulated.as_ref().map(|teacher| teacher.url.as_str());
        let teacher_url = config.teacher().or(local).unwrap_or_default();
        let judge_url = config.judge().or(config.teacher()).or(local);
        let judge_url = judge_url.unwrap_or_default();
        let ledger = Arc::new(Ledger::new(money.budget()));
        let prices = money.prices();
        let teacher_key = teacher_key(config, flow);
        let judge_key = match &flow.judge_key_env {
            Some(variable) => KeySource::Env(variable.clone()),
            // A key is shown to the server that it is for, and to no other.
            None if origin(teacher_url) == origin(judge_url) => teacher_key.clone(),
            None => KeySource::None,
        };
        let client = |url: &str, model: &str, key, price: Option<_>| -> Result<ChatClient> {
            let client = ChatClient::new(endpoint(url, model, key, config, flow))?;
            Ok(client.with_ledger(ledger.clone(), price.unwrap_or_default()))
        };
        Ok(Self {
            teacher: client(
                teacher_url,
                &config.teacher_model,
                teacher_key,
                prices.teacher,
            )?,
            judge: client(judge_url, &config.judge_model, judge_key, prices.judge)?,
            options: RunOptions {
                ledger: Some((ledger.clone(), prices)),
                check_models: !flow.no_model_check,
                journal: journal(flow),
                ..RunOptions::default()
            },
            _simulated: simulated,
        })
    }
}

fn teacher_key(config: &Cot, flow: &FlowArgs) -> KeySource {
    match &flow.key_file {
        Some(path) => KeySource::File(path.clone()),
        None if config.key_env.is_empty() => KeySource::None,
        None => KeySource::Env(config.key_env.clone()),
    }
}

fn endpoint(url: &str, model: &str, key: KeySource, config: &Cot, flow: &FlowArgs) -> Endpoint {
    let mut endpoint = Endpoint::new(url, model);
    endpoint.key = key;
    endpoint.concurrency = config.concurrency;
    endpoint.adaptive = !flow.fixed_concurrency;
    endpoint.requests_per_minute = flow.rpm;
    endpoint.tokens_per_minute = flow.tpm;
    endpoint.stream = flow.stream;
    let timeouts = &mut endpoint.timeouts;
    for (timeout, given) in [
        (&mut timeouts.first_byte, flow.first_byte_timeout),
        (&mut timeouts.idle, flow.idle_timeout),
        (&mut timeouts.total, flow.timeout),
    ] {
        if let Some(seconds) = given {
            *timeout = Duration::from_secs(seconds);
        }
    }
    endpoint
}

/// How the journal is written.
pub(crate) fn journal(flow: &FlowArgs) -> JournalOptions {
    JournalOptions {
        durability: flow
            .sync_every
            .map_or(Durability::default(), Durability::Every),
        ..JournalOptions::default()
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    &url[..end]
}

/// What the simulated teacher knows of each sentence.
pub(crate) fn gold(source: &[Example]) -> HashMap<String, GoldEntry> {
    source
        .iter()
        .map(|example| {
            let example = example.normalized();
            let entry = GoldEntry {
                entities: example.entities,
                reasoning: example.cot.unwrap_or_default(),
            };
            (example.sentence, entry)
        })
        .collect()
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

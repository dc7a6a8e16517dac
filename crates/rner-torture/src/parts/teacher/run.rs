//! Three runs of the pipeline in one folder, and what must hold after each.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chat_client::money::{Budget, Ledger};
use chat_client::{ChatClient, Endpoint, KeySource};
use ner_cot::bill::Prices;
use ner_cot::{
    CancellationToken, Pipeline, PipelineConfig, RunOptions, Selection, SelectionOptions,
};
use ner_types::Example;
use tokio::time::Instant;

use super::manner::{MAX_TOKENS, Manner};
use super::server::{Log, Server};

/// A secret as keys look, with a letter that JSON may escape.
const KEY: &str = "sk-0123456789/abcdefXYZ";

/// Tokens that the first two runs may spend together. Some sixty rows would cost three times that.
const BUDGET: u64 = 40_000;

/// Longest time of a run in hours on the simulated clock: each row in turn, each attempt with all its tries, each try as
/// slow as the client bears it.
const LONGEST: u64 = 2000;

/// What an hour of the simulated clock takes at least. The clock jumps while the thread of the journal writes, so that
/// a run that waits for nothing else would come to its longest time at once.
const HOUR: Duration = Duration::from_millis(2);

/// What distinguishes a case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) manner: Manner,
    pub(super) stream: bool,
    pub(super) in_flight: usize,
}

/// What a case found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) requests: u64,
    /// On the simulated clock.
    pub(super) seconds: u64,
    pub(super) billed_of_budget: f64,
    pub(super) faults: Vec<String>,
}

/// Plays a case in an empty folder.
pub(super) async fn case(setting: &Setting, dir: &Path) -> Result<Found> {
    let local = tokio::task::LocalSet::new();
    local.run_until(play(setting, dir)).await
}

async fn play(setting: &Setting, dir: &Path) -> Result<Found> {
    let start = Instant::now();
    let keys = dir.join("keys");
    let work = dir.join("work");
    std::fs::create_dir_all(&keys).context("keys")?;
    std::fs::write(keys.join("key"), KEY).context("the key")?;
    let log = Rc::new(RefCell::new(Log::default()));
    let hostile = Server::start(Some(setting.manner), setting.seed, Rc::clone(&log)).await?;
    let mut faults = Vec::new();
    for turn in ["first", "second"] {
        let ended = run(setting, &hostile.url, dir, &work, BUDGET).await?;
        check(turn, &ended, &log.borrow(), &mut faults);
    }
    let billed = log.borrow().billed;
    let kind = Server::start(None, setting.seed, Rc::clone(&log)).await?;
    let ended = run(setting, &kind.url, dir, &work, u64::MAX).await?;
    check("third", &ended, &kind.log.borrow(), &mut faults);
    faults.extend(
        ended
            .err()
            .map(|error| format!("a good server at the end: {error}")),
    );
    faults.extend(files_with_the_key(&work)?);
    let requests = log.borrow().requests;
    Ok(Found {
        requests,
        seconds: start.elapsed().as_secs(),
        billed_of_budget: billed as f64 / BUDGET as f64,
        faults,
    })
}

/// How a run ended: in words, if with an error.
type Ended = Result<(), String>;

/// One run of the pipeline. That it fails is no fault of the program; that it does not end is one.
async fn run(setting: &Setting, url: &str, dir: &Path, work: &Path, budget: u64) -> Result<Ended> {
    let ledger = Arc::new(Ledger::new(Budget {
        dollars: None,
        tokens: (budget < u64::MAX).then_some(budget),
    }));
    let options = RunOptions {
        ledger: Some((Arc::clone(&ledger), Prices::default())),
        ..RunOptions::default()
    };
    let pipeline = pipeline(setting, url, dir, &ledger)?;
    let rows = rows(setting);
    let selection = Selection::new(&rows, SelectionOptions::default())?;
    let journal = pipeline.open(work, &options)?;
    let stop = CancellationToken::new();
    let mut silent = ();
    let sent = pipeline.generate(&selection, journal, work, &[], &options, &stop, &mut silent);
    let ended = tokio::select! {
        ended = sent => ended,
        () = longest() => bail!("the run did not come to its end in {LONGEST} hours"),
    };
    Ok(ended.map(drop).map_err(|error| error.to_string()))
}

/// Waits as long as a run may take.
async fn longest() {
    for _ in 0..LONGEST {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        std::thread::sleep(HOUR);
    }
}

fn pipeline(setting: &Setting, url: &str, dir: &Path, ledger: &Arc<Ledger>) -> Result<Pipeline> {
    let client = |model| -> Result<ChatClient> {
        let mut endpoint = Endpoint::new(url, model);
        endpoint.key = KeySource::File(dir.join("keys/key"));
        endpoint.stream = setting.stream;
        endpoint.concurrency = setting.in_flight;
        endpoint.adaptive = setting.seed.is_multiple_of(2);
        let client = ChatClient::new(endpoint)?;
        Ok(client.with_ledger(Arc::clone(ledger), Default::default()))
    };
    let mut config = PipelineConfig::default();
    for sampling in [&mut config.teacher, &mut config.judge] {
        sampling.max_tokens = Some(MAX_TOKENS);
        // The server tells attempts apart by their seeds.
        sampling.seed = Some(100);
    }
    Ok(Pipeline::new(client("teacher")?, client("judge")?, config)?)
}

/// More rows than the budget suffices for, and than requests are in flight.
fn rows(setting: &Setting) -> Vec<Example> {
    let row = |number| Example {
        guid: Some(format!("{number}")),
        sentence: format!("Brel sleeps on day {number}."),
        schema: vec!["city".into(), "person".into()],
        ..Example::default()
    };
    (0..60.max(setting.in_flight + 40)).map(row).collect()
}

/// What must hold after a run.
fn check(turn: &str, ended: &Ended, log: &Log, faults: &mut Vec<String>) {
    if log.paid_twice() > 0 {
        faults.push(format!(
            "{turn} run: {} answers were paid twice",
            log.paid_twice()
        ));
    }
    let words = ended.as_ref().err().map_or("", String::as_str);
    if words.contains(KEY) || words.contains('\u{1b}') {
        faults.push(format!(
            "{turn} run: its error has the key or an escape sequence: {words:?}"
        ));
    }
}

/// The files below a folder that have the key, also without the escapes of JSON.
fn files_with_the_key(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).replace('\\', "");
        if text.contains(KEY) || text.contains(&KEY[1..]) {
            found.push(format!("{} has the key", path.display()));
        }
    }
    Ok(found)
}

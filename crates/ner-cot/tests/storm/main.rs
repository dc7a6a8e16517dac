//! Thousands of rows through a storm: every fifth request meets a fault of the wire, and every seventh answer of the
//! teacher breaks a rule. At the end each row is settled, each delivered answer is in the journal once, nothing that
//! was answered is asked again, and the dataset is that of a calm day.
//!
//! 10,000 rows, or as many as `RNER_STORM_ROWS` says. Everything is drawn from hashes of the
//! requests, so that each run meets the same storm whatever its timing.

mod answers;
mod faults;
mod server;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use chat_client::{ChatClient, Endpoint};
use ner_cot::replay::{SettledRow, Visitor, replay};
use ner_cot::rules::Rule;
use ner_cot::{
    CancellationToken, Funnel, Journal, Pipeline, PipelineConfig, RunOptions, Selection,
    SelectionOptions,
};
use ner_types::Example;

use server::Server;

/// Reruns after which no row may be unfinished. A row is left over when a request meets a fault six times in a row,
/// which one in 15,000 does.
const MOST_RERUNS: usize = 4;

fn rows() -> Vec<Example> {
    let count = std::env::var("RNER_STORM_ROWS").ok();
    let count = count.map_or(10_000, |rows| rows.parse().expect("a number of rows"));
    let row = |n| Example {
        guid: Some(format!("row-{n}")),
        sentence: format!("Brel sleeps on day {n}."),
        schema: vec!["city".into(), "person".into()],
        ..Example::default()
    };
    (0..count).map(row).collect()
}

fn pipeline(url: &str) -> Pipeline {
    let client = |model| {
        let mut endpoint = Endpoint::new(url, model);
        endpoint.concurrency = 32;
        // An adaptive limit rises after 25 answers in a row, which a fault in five requests hardly leaves.
        endpoint.adaptive = false;
        endpoint.retry.first_delay = Duration::from_millis(1);
        endpoint.retry.max_delay = Duration::from_millis(4);
        endpoint.retry.max_retry_after = Duration::from_millis(2);
        ChatClient::new(endpoint).expect("a client")
    };
    let mut config = PipelineConfig::default();
    // The server tells attempts apart by their seeds.
    config.teacher.seed = Some(100);
    config.judge.seed = Some(500);
    Pipeline::new(client("teacher"), client("judge"), config).expect("valid settings")
}

/// The accepted rows as lines, and how many rows were settled.
#[derive(Default)]
struct Dataset {
    lines: String,
    guids: BTreeSet<String>,
    settled: usize,
}

impl Visitor for Dataset {
    fn settled(&mut self, row: SettledRow) -> Result<(), ner_cot::Error> {
        self.settled += 1;
        if let Some(example) = row.accepted {
            let guid = example.guid.clone().expect("the row's own");
            assert!(self.guids.insert(guid), "accepted once");
            self.lines += &serde_json::json!(example).to_string();
            self.lines.push('\n');
        }
        Ok(())
    }
}

/// Sends until no row is left over, and gives what came out of it with the number of records in the journal.
async fn run(server: &Server, rows: &[Example], dir: &Path) -> (Dataset, Funnel, usize) {
    let selection = Selection::new(rows, SelectionOptions::default()).expect("usable rows");
    for _ in 0..=MOST_RERUNS {
        let pipeline = pipeline(&server.url);
        let (options, stop) = (RunOptions::default(), CancellationToken::new());
        let journal = pipeline.open(dir, &options).expect("opens");
        let mut silent = ();
        let sent = pipeline.send(&selection, journal, &options, &stop, &mut silent);
        let (journal, _) = sent.await.expect("no fault of the wire ends a run");
        let mut dataset = Dataset::default();
        let plan = pipeline.plan();
        let funnel = replay(plan, &selection, &journal, None, &mut dataset).expect("replays");
        if funnel.unfinished == 0 {
            return (dataset, funnel, count(&journal));
        }
    }
    panic!("rows are unfinished after {MOST_RERUNS} reruns");
}

fn count(journal: &Journal) -> usize {
    let mut records = 0;
    journal.for_each(|_| records += 1).expect("readable");
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_changes_nothing() {
    let rows = rows();
    let temp = || tempfile::tempdir().expect("a temporary directory");
    let (calm, storm) = (Server::start(false).await, Server::start(true).await);
    let (calm_dir, storm_dir) = (temp(), temp());
    let (expected, _, _) = run(&calm, &rows, calm_dir.path()).await;
    let (found, funnel, records) = run(&storm, &rows, storm_dir.path()).await;

    let hit = storm.log();
    assert!(hit.answered_again.is_empty(), "{:?}", hit.answered_again);
    assert_eq!(hit.delivered, records, "each delivered answer is kept once");
    assert_eq!(found.lines, expected.lines);
    assert!(found.lines.lines().count() > rows.len() / 2);
    assert_eq!(found.settled, rows.len());
    assert_eq!(funnel.accepted + funnel.rejected, rows.len());
    assert_eq!(funnel.accepted, found.guids.len());
    assert_eq!(
        funnel.rejected_rows.values().sum::<usize>(),
        funnel.rejected
    );
    // The storm was one: all its faults, a fifth of the requests, and all rules.
    let kinds: BTreeSet<_> = hit.faults.keys().copied().collect();
    assert_eq!(kinds, faults::Fault::ALL.into_iter().collect());
    let share = hit.faults.values().sum::<usize>() as f64 / hit.requests as f64;
    assert!((0.18..0.22).contains(&share), "{share} of the requests");
    for rule in Rule::ALL {
        assert!(funnel.findings.contains_key(rule.name()), "{rule}");
    }
    let unread = funnel.rejected_answers.get("judge_unreadable");
    assert!(unread.is_some() && funnel.rejected_answers.contains_key("judge_score"));
    eprintln!(
        "{} rows, {} accepted, {} requests, {records} answers, faults {:?}",
        rows.len(),
        funnel.accepted,
        hit.requests,
        hit.faults
    );
}

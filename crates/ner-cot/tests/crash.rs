//! A process that dies at each of its calls to the disk, and another one that goes on.
//!
//! A program of its own: between the fork and the start of a child, the child holds the locks of all journals that its
//! parent has open, which other tests would meet.

#[path = "faults/server.rs"]
#[allow(dead_code, reason = "this program needs a part of the server only")]
mod server;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chat_client::{ChatClient, Endpoint};
use ner_cot::journal::{Disk, JournalOptions};
use ner_cot::replay::replay;
use ner_cot::{
    CancellationToken, Journal, Pipeline, PipelineConfig, RunOptions, Selection, SelectionOptions,
};
use ner_types::Example;
use server::{Act, FaultServer};

const DIR: &str = "NER_COT_TEST_CRASH_DIR";
const URL: &str = "NER_COT_TEST_CRASH_URL";
const AT: &str = "NER_COT_TEST_CRASH_AT";
const ROWS: usize = 12;

/// Ends the process at one of its calls, in the middle of it where it has one.
#[derive(Debug)]
struct Dying(AtomicUsize);

impl Dying {
    fn is_due(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

impl Disk for Dying {
    fn append(&self, mut file: &File, bytes: &[u8]) -> std::io::Result<()> {
        if self.is_due() {
            file.write_all(&bytes[..bytes.len() / 2])?;
            std::process::abort();
        }
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> std::io::Result<()> {
        if self.is_due() {
            std::process::abort();
        }
        file.sync_data()
    }
}

fn rows() -> Vec<Example> {
    let row = |i| Example {
        guid: Some(format!("row-{i}")),
        sentence: format!("Brel sleeps on day {i}."),
        schema: vec!["city".into()],
        ..Example::default()
    };
    (0..ROWS).map(row).collect()
}

/// Every third row needs a second attempt.
fn server() -> FaultServer {
    FaultServer::start(|seen| {
        let again = seen.body["seed"] != 0 && seen.body["seed"] != 7;
        let hard = ["day 0.", "day 3.", "day 6.", "day 9."];
        if seen.is_judge() {
            Act::answer("", "{\"score\": 9}")
        } else if !again && hard.iter().any(|day| seen.prompt().contains(day)) {
            Act::answer("Nothing.", "{\"entities\": {\"town\": [\"Brel\"]}}")
        } else {
            Act::answer(
                "\"Brel\" is a city that sleeps.",
                "{\"entities\": {\"city\": [\"Brel\"]}}",
            )
        }
    })
}

/// Runs the pipeline in `dir` and returns the dataset as text, with the number of requests.
fn run(url: &str, dir: &Path, dies_at: usize) -> (String, u64) {
    let client = |model| {
        let mut endpoint = Endpoint::new(url, model);
        endpoint.concurrency = 3;
        ChatClient::new(endpoint).expect("a client")
    };
    let mut config = PipelineConfig::default();
    config.teacher.seed = Some(7);
    config.grace = Duration::from_secs(30);
    let pipeline = Pipeline::new(client("teacher"), client("judge"), config).expect("valid");
    let rows = rows();
    let selection = Selection::new(rows.as_slice(), SelectionOptions::default()).expect("rows");
    let options = RunOptions {
        journal: JournalOptions {
            disk: Arc::new(Dying(AtomicUsize::new(dies_at))),
            ..JournalOptions::default()
        },
        ..RunOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stop = CancellationToken::new();
    let sent = runtime.block_on(pipeline.send(
        &selection,
        pipeline.open(dir, &options).expect("opens"),
        &options,
        &stop,
        &mut (),
    ));
    let (journal, sent) = sent.expect("runs");
    struct Lines(String);
    impl ner_cot::replay::Visitor for Lines {
        fn settled(&mut self, row: ner_cot::replay::SettledRow) -> Result<(), ner_cot::Error> {
            let line = serde_json::json!(row.accepted).to_string();
            self.0 = format!("{}{line}\n", self.0);
            Ok(())
        }
    }
    let mut lines = Lines(String::new());
    let funnel = replay(pipeline.plan(), &selection, &journal, None, &mut lines).expect("replays");
    let dataset = lines.0 + &serde_json::json!(funnel).to_string();
    (dataset, sent.progress.requests)
}

/// Not a test of its own: the process that dies.
#[test]
fn child() {
    let (Ok(dir), Ok(url), Ok(at)) = (std::env::var(DIR), std::env::var(URL), std::env::var(AT))
    else {
        return;
    };
    run(&url, Path::new(&dir), at.parse().expect("a number"));
}

/// Whether the child came to its end.
fn child_lives(dir: &Path, url: &str, at: usize) -> bool {
    let program: PathBuf = std::env::current_exe().expect("this program");
    let status = Command::new(program)
        .args(["--exact", "child"])
        .env(DIR, dir)
        .env(URL, url)
        .env(AT, at.to_string())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    status.expect("the child starts").success()
}

#[test]
fn no_death_at_the_disk_loses_or_repeats_an_answer() {
    let temp = || tempfile::tempdir().expect("a temporary directory");
    let whole = server();
    let (expected, questions) = run(&whole.url, temp().path(), usize::MAX);
    let mut deaths = 0;
    for at in 1.. {
        let (server, dir) = (server(), temp());
        if child_lives(dir.path(), &server.url, at) {
            break;
        }
        deaths += 1;
        let kept = Journal::open_to_read(dir.path()).map_or(0, |journal| journal.len());
        let (found, requests) = run(&server.url, dir.path(), usize::MAX);
        assert_eq!(found, expected, "killed at call {at}");
        // Only requests whose answers had not been kept are sent again, and those were in flight.
        assert_eq!(requests, questions - kept as u64, "killed at call {at}");
        let repeated = server.seen().iter().filter(|seen| seen.repeat > 0).count();
        // Six requests are in flight, and half as many rows more may have answers that wait for the disk.
        assert!(repeated <= 9, "{repeated} repeated, nine rows in work");
    }
    assert!(deaths > 10, "{deaths} calls to die at");
}

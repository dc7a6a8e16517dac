//! `rner-lab bench cot`: requests a second of the NER-CoT pipeline against a server that costs next to nothing.
//!
//! The server is another process of the same program on the same machine, so that it takes its share of the
//! processors, but not of the memory that is measured. Its answers are always the same; nothing that is measured
//! here says anything about a model.

mod rows;
mod server;
mod talk;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chat_client::{ChatClient, Endpoint};
use clap::{Args, ValueEnum};
use ner_cot::journal::{Disk, Durability, JournalOptions};
use ner_cot::{
    CancellationToken, Pipeline, PipelineConfig, RunOptions, Selection, SelectionOptions,
};
use rner_cli::exit::usage;
use serde::Serialize;
use tokio::runtime::Runtime;

use self::rows::Rows;
use self::server::Server;

/// What the figures are of, for the report.
const TIMED: &str = "Pipeline::send: rows to questions, requests over loopback to a server process on the same machine, answers to the \
                     journal, rules, judge; half of the requests go to the teacher and half to the judge";

/// Flags of `rner-lab bench cot`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchCotArgs {
    /// Requests of one run, an even number: each row is one question to the teacher and one to the judge.
    #[arg(long, value_name = "N", default_value_t = 40_000)]
    requests: usize,
    /// Requests in flight, an even number: half of them to the teacher, half to the judge.
    #[arg(long, value_name = "N", default_value_t = 64)]
    in_flight: usize,
    /// How long the server waits before it answers.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,
    /// When answers are forced to the disk.
    #[arg(long, value_enum, default_value = "power-failure")]
    durability: When,
    /// Runs, each with a new journal.
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Folder for the journals, on the disk that is to be measured; the system's temporary one if left out.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Be the server; the program starts itself with this.
    #[arg(long, hide = true)]
    serve: bool,
}

/// How an answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum When {
    /// On the disk before it is used.
    PowerFailure,
    /// With the system at once, on the disk with every 256th.
    #[value(name = "every-256")]
    #[serde(rename = "every-256")]
    Every256,
}

impl From<When> for Durability {
    fn from(when: When) -> Self {
        match when {
            When::PowerFailure => Self::PowerFailure,
            When::Every256 => Self::Every(256),
        }
    }
}

/// What the command prints.
#[derive(Debug, Serialize)]
struct Output {
    bench: &'static str,
    timed: &'static str,
    requests: usize,
    in_flight: usize,
    latency_ms: u64,
    durability: When,
    /// The limit on requests in flight does not adapt, but is at its maximum from the start.
    adaptive: bool,
    runs: usize,
    /// Median of the runs.
    requests_per_s: f64,
    /// The fastest run.
    best_requests_per_s: f64,
    /// What is in flight over the latency; null without latency.
    ideal_requests_per_s: Option<f64>,
    /// The median over that.
    share_of_ideal: Option<f64>,
    /// The most memory that this process held, all runs together; null where the system does not say.
    peak_rss_bytes: Option<u64>,
    /// What of it was held before the first run.
    start_rss_bytes: Option<u64>,
    /// The journal of one run.
    journal_bytes: u64,
    /// Body of a question to the teacher, and of the answer to it.
    teacher_bytes: [usize; 2],
    /// Body of a question to the judge, and of the answer to it.
    judge_bytes: [usize; 2],
    /// Rows of one run.
    rows: usize,
    /// Accepted rows of one run.
    accepted: usize,
    /// How often one run forced the journal to the disk.
    fsyncs: u64,
}

/// `rner-lab bench cot`.
pub(crate) fn run(args: &BenchCotArgs) -> Result<()> {
    if args.serve {
        return server::serve(Duration::from_millis(args.latency_ms));
    }
    let even = |n: usize| n >= 2 && n.is_multiple_of(2);
    if !even(args.requests) || !even(args.in_flight) {
        return Err(usage("--requests and --in-flight take even numbers from 2"));
    }
    if args.runs == 0 {
        return Err(usage("a measurement needs --runs of 1 or more"));
    }
    let output = measure(args)?;
    println!("{}", serde_json::to_string_pretty(&output)?);
    Ok(())
}

fn measure(args: &BenchCotArgs) -> Result<Output> {
    let server = Server::start(args.latency_ms)?;
    let runtime = Runtime::new().context("starting the network runtime")?;
    let start_rss_bytes = lm_train::peak_memory_bytes();
    let timed: Result<Vec<Run>> = (0..args.runs)
        .map(|_| once(args, &server.url, &runtime))
        .collect();
    let mut timed = timed?;
    timed.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let median = &timed[timed.len() / 2];
    let latency = Duration::from_millis(args.latency_ms).as_secs_f64();
    let ideal = (args.latency_ms > 0).then(|| args.in_flight as f64 / latency);
    Ok(Output {
        bench: "cot",
        timed: TIMED,
        requests: args.requests,
        in_flight: args.in_flight,
        latency_ms: args.latency_ms,
        durability: args.durability,
        adaptive: false,
        runs: args.runs,
        requests_per_s: median.per_second,
        best_requests_per_s: timed[timed.len() - 1].per_second,
        ideal_requests_per_s: ideal,
        share_of_ideal: ideal.map(|ideal| median.per_second / ideal),
        peak_rss_bytes: lm_train::peak_memory_bytes(),
        start_rss_bytes,
        journal_bytes: median.journal_bytes,
        teacher_bytes: talk::teacher_bytes()?,
        judge_bytes: talk::judge_bytes()?,
        rows: args.requests / 2,
        accepted: median.accepted,
        fsyncs: median.fsyncs,
    })
}

/// What one run was like.
struct Run {
    per_second: f64,
    journal_bytes: u64,
    accepted: usize,
    fsyncs: u64,
}

/// Sends all requests with a new journal.
fn once(args: &BenchCotArgs, url: &str, runtime: &Runtime) -> Result<Run> {
    let dir = folder(args.dir.as_deref())?;
    let pipeline = pipeline(url, args.in_flight / 2)?;
    let disk = Arc::new(Counting::default());
    let options = RunOptions {
        journal: JournalOptions {
            durability: args.durability.into(),
            disk: disk.clone(),
        },
        ..RunOptions::default()
    };
    let rows = Rows(args.requests / 2);
    let selection = Selection::new(rows, SelectionOptions::default())?;
    let begun = Instant::now();
    let stop = CancellationToken::new();
    let journal = pipeline.open(dir.path(), &options)?;
    let mut silent = ();
    let sent = pipeline.send(&selection, journal, &options, &stop, &mut silent);
    let (journal, sent) = runtime.block_on(sent)?;
    let seconds = begun.elapsed().as_secs_f64();
    drop(journal);
    let sent = sent.progress;
    ensure!(
        sent.requests == args.requests as u64,
        "sent {} requests, expected {}",
        sent.requests,
        args.requests
    );
    let file = dir.path().join("journal.jsonl");
    Ok(Run {
        per_second: args.requests as f64 / seconds,
        journal_bytes: std::fs::metadata(file)?.len(),
        accepted: sent.accepted,
        fsyncs: disk.0.load(Ordering::Relaxed),
    })
}

/// A folder that goes when the run is over.
fn folder(dir: Option<&Path>) -> Result<tempfile::TempDir> {
    match dir {
        Some(dir) => {
            tempfile::tempdir_in(dir).with_context(|| format!("no folder in {}", dir.display()))
        }
        None => tempfile::tempdir().context("no temporary folder"),
    }
}

fn pipeline(url: &str, in_flight: usize) -> Result<Pipeline> {
    let client = |model| {
        let mut endpoint = Endpoint::new(url, model);
        endpoint.concurrency = in_flight;
        // What is measured is the client, not how long it takes to find the limit.
        endpoint.adaptive = false;
        ChatClient::new(endpoint)
    };
    let config = PipelineConfig::default();
    Ok(Pipeline::new(
        client(talk::TEACHER)?,
        client(talk::JUDGE)?,
        config,
    )?)
}

/// The real disk, with a count.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Disk for Counting {
    fn sync(&self, file: &std::fs::File) -> std::io::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        file.sync_data()
    }
}

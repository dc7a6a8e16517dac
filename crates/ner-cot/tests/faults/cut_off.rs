//! Teachers whose answers run out of tokens.

use std::time::Duration;

use chat_client::ChatClient;
use ner_cot::{
    CancellationToken, CutOffLimit, Error, Journal, Pipeline, PipelineConfig, RunOptions,
    Selection, SelectionOptions,
};
use ner_types::Example;

use crate::server::{Act, FaultServer, Seen, completion};
use crate::{endpoint, good, pipeline, source, temp};

/// An answer that reached its limit of tokens.
fn cut() -> Act {
    let body = completion("\"Brel\" is a city, where one", "");
    Act::Send(
        "200 OK",
        String::new(),
        body.replace("\"stop\"", "\"length\""),
    )
}

/// Runs with the options and gives the accepted rows and the requests sent.
async fn run(
    url: &str,
    rows: &[Example],
    dir: &std::path::Path,
    cut_off: CutOffLimit,
) -> Result<(usize, u64), Error> {
    let pipeline = pipeline(url);
    let selection = Selection::new(rows, SelectionOptions::default())?;
    let options = RunOptions {
        cut_off,
        ..RunOptions::default()
    };
    let journal = pipeline.open(dir, &options)?;
    let stop = CancellationToken::new();
    let sent = pipeline
        .send(&selection, journal, &options, &stop, &mut ())
        .await;
    let progress = sent?.1.progress;
    Ok((progress.accepted, progress.requests))
}

#[tokio::test]
async fn a_teacher_that_is_always_cut_off_ends_the_run_early() {
    let server = FaultServer::start(|seen| if seen.is_judge() { good(seen) } else { cut() });
    let (dir, rows) = (temp(), source(500));
    let error = run(&server.url, &rows, dir.path(), CutOffLimit::default()).await;
    let message = error.expect_err("ends").to_string();
    assert!(message.contains("16 of 16 answers"), "{message}");
    assert!(message.contains("cot.max_tokens"), "{message}");
    let paid = server.seen().len();
    assert!(
        paid < 200,
        "{paid} requests were sent for 500 rows of three attempts"
    );

    // What came is in the journal, and with the limit off the run goes on from there.
    let kept = Journal::open_to_read(dir.path()).expect("a journal").len();
    assert!(kept >= 16, "{kept} answers are kept");
    let again = FaultServer::start(good);
    let found = run(&again.url, &rows, dir.path(), CutOffLimit::OFF).await;
    assert!(
        found.expect("goes on").0 >= 480,
        "rows that were not asked about are accepted"
    );
}

#[tokio::test]
async fn some_cut_answers_and_small_runs_go_on() {
    let third = |seen: &Seen| {
        let day = seen.prompt().split("on day ").nth(1);
        let day: usize = day
            .and_then(|rest| rest.split('.').next()?.parse().ok())
            .unwrap_or(1);
        if !seen.is_judge() && day.is_multiple_of(3) && seen.repeat == 0 {
            cut()
        } else {
            good(seen)
        }
    };
    let server = FaultServer::start(third);
    let found = run(
        &server.url,
        &source(90),
        temp().path(),
        CutOffLimit::default(),
    )
    .await;
    assert_eq!(found.expect("goes on").0, 90);

    let server = FaultServer::start(|seen| if seen.is_judge() { good(seen) } else { cut() });
    let found = run(
        &server.url,
        &source(5),
        temp().path(),
        CutOffLimit::default(),
    )
    .await;
    assert_eq!(
        found.expect("goes on").0,
        0,
        "fifteen cut answers are too few to judge by"
    );
}

#[tokio::test]
async fn what_is_in_flight_when_a_run_ends_by_itself_is_kept() {
    let server = FaultServer::start(|seen| {
        // Longer than a user would wait who has stopped the run.
        if seen.prompt().contains("day 2") {
            std::thread::sleep(Duration::from_millis(300));
        }
        cut()
    });
    let client = |model| ChatClient::new(endpoint(&server.url, model)).expect("a client");
    let config = PipelineConfig {
        grace: Duration::from_millis(1),
        ..PipelineConfig::default()
    };
    let pipeline = Pipeline::new(client("teacher"), client("judge"), config).expect("valid");
    let dir = temp();
    let stop = CancellationToken::new();
    let ended = pipeline.run(&source(500), dir.path(), &stop, &mut ()).await;
    assert!(matches!(ended, Err(Error::CutOff { .. })), "{ended:?}");
    let kept = Journal::open_to_read(dir.path()).expect("a journal").len();
    let paid = server.seen().len();
    assert_eq!(
        kept, paid,
        "each answer that was paid for is in the journal"
    );
}

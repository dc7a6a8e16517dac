//! Nothing that was answered is asked again, whatever happened in between.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use chat_client::ChatClient;
use ner_cot::output::write_dataset;
use ner_cot::{CancellationToken, Error, Journal, Pipeline, PipelineConfig};

use crate::server::{Act, FaultServer, completion};
use crate::{endpoint, good, run, source, temp};

#[tokio::test]
async fn a_rerun_sends_nothing_and_writes_the_same() {
    let server = FaultServer::start(good);
    let dir = temp();
    let first = run(&server.url, &source(20), dir.path())
        .await
        .expect("runs");
    let second = run(&server.url, &source(20), dir.path())
        .await
        .expect("reruns");
    assert_eq!((first.requests, second.requests), (40, 0));
    assert_eq!(server.seen().len(), 40);
    assert_eq!(first.accepted, second.accepted);
    assert_eq!(first.funnel, second.funnel);
}

#[tokio::test]
async fn a_changed_threshold_or_rule_costs_no_request() {
    let server = FaultServer::start(good);
    let dir = temp();
    run(&server.url, &source(5), dir.path())
        .await
        .expect("runs");
    let client = |model| ChatClient::new(endpoint(&server.url, model)).expect("a client");
    let config = PipelineConfig {
        attempts: 1,
        threshold: 9.5,
        rules: ner_cot::rules::Rules::default().without(ner_cot::rules::Rule::Duplicate),
        ..PipelineConfig::default()
    };
    let pipeline = Pipeline::new(client("teacher"), client("judge"), config).expect("valid");
    let outcome = pipeline
        .run(&source(5), dir.path(), &CancellationToken::new(), &mut ())
        .await;
    let outcome = outcome.expect("runs");
    assert_eq!((outcome.requests, outcome.funnel.rejected), (0, 5));
}

#[tokio::test]
async fn a_torn_last_line_costs_one_request() {
    let server = FaultServer::start(good);
    let dir = temp();
    let first = run(&server.url, &source(5), dir.path())
        .await
        .expect("runs");
    let path = dir.path().join("journal.jsonl");
    let bytes = std::fs::read(&path).expect("readable");
    // Behind the last answer the journal says that nothing is in flight any more.
    let last = bytes.windows(7).rposition(|part| part == b"\"body\":");
    std::fs::write(&path, &bytes[..last.expect("an answer") + 30]).expect("writable");
    let second = run(&server.url, &source(5), dir.path())
        .await
        .expect("goes on");
    assert_eq!(second.requests, 1);
    assert_eq!(
        (first.accepted, first.funnel),
        (second.accepted, second.funnel)
    );
}

#[tokio::test]
async fn two_runs_in_one_directory_are_refused() {
    let server = FaultServer::start(good);
    let dir = temp();
    let journal = Journal::open(dir.path()).expect("opens");
    let error = run(&server.url, &source(1), dir.path())
        .await
        .expect_err("locked");
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert!(server.seen().is_empty(), "refused before anything is sent");
    drop(journal);
    assert!(run(&server.url, &source(1), dir.path()).await.is_ok());
}

#[tokio::test]
async fn an_answer_is_on_disk_before_it_is_read() {
    let server = FaultServer::start(|_| Act::Send("200 OK", String::new(), "{\"odd\": 1}".into()));
    let dir = temp();
    run(&server.url, &source(1), dir.path())
        .await
        .expect_err("not a chat completion");
    let text = std::fs::read_to_string(dir.path().join("journal.jsonl")).expect("readable");
    assert!(text.contains("{\\\"odd\\\": 1}"), "{text}");
}

/// What the server does, decided by the request and how often it came.
fn by_chance(seen: &crate::server::Seen) -> Act {
    let mut hasher = DefaultHasher::new();
    (seen.body.to_string(), seen.repeat).hash(&mut hasher);
    match hasher.finish() % 30 {
        0 => Act::error("500 Internal Server Error", "oops"),
        1 => Act::Send("429 Slow Down", "Retry-After: 0\r\n".into(), String::new()),
        2 => Act::CutBody(completion("why", "{}")),
        3 => Act::Hangup,
        4 => Act::error("503 Unavailable", "later"),
        5 => Act::Send("408 Timeout", String::new(), String::new()),
        _ => good(seen),
    }
}

#[tokio::test]
async fn faults_neither_lose_nor_repeat_an_answer() {
    let server = FaultServer::start(by_chance);
    let dir = temp();
    let client = |model| {
        let mut endpoint = endpoint(&server.url, model);
        endpoint.retry.tries = 30;
        ChatClient::new(endpoint).expect("a client")
    };
    let config = PipelineConfig::default();
    let pipeline = Pipeline::new(client("teacher"), client("judge"), config).expect("valid");
    let rows = source(300);
    let outcome = pipeline
        .run(&rows, dir.path(), &CancellationToken::new(), &mut ())
        .await
        .expect("runs");
    assert_eq!(outcome.accepted.len(), rows.len());
    let seen = server.seen();
    assert!(seen.len() > 600, "there were faults");
    let paid = seen
        .iter()
        .filter(|seen| is_answer(&by_chance(seen)))
        .count();
    let different: HashSet<_> = seen.iter().map(|seen| seen.body.to_string()).collect();
    assert_eq!(
        paid,
        different.len(),
        "no request is sent again after its answer"
    );
    drop(pipeline);
    assert_eq!(Journal::open(dir.path()).expect("opens").len(), paid);

    let calm = FaultServer::start(good);
    let other = temp();
    let expected = run(&calm.url, &rows, other.path()).await.expect("runs");
    let bytes = |dir: &std::path::Path, outcome: &ner_cot::Outcome| {
        let files = write_dataset(dir, &outcome.accepted, &outcome.funnel).expect("written");
        (
            std::fs::read(files.0).expect("readable"),
            std::fs::read(files.1).expect("readable"),
        )
    };
    assert_eq!(bytes(dir.path(), &outcome), bytes(other.path(), &expected));
}

fn is_answer(act: &Act) -> bool {
    matches!(act, Act::Send("200 OK", ..))
}

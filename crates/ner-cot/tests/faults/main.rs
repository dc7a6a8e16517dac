//! The pipeline against servers that fail in every way that was seen in the wild.

mod batch;
mod client;
mod cut_off;
mod journal;
#[path = "../../examples/journalled_teacher.rs"]
mod journalled_teacher;
mod money;
mod server;
mod servers;
mod target;

use std::path::Path;
use std::time::Duration;

use chat_client::{ChatClient, Endpoint};
use ner_cot::{CancellationToken, Error, Observer, Outcome, Pipeline, PipelineConfig, Progress};
use ner_types::Example;

use server::{Act, FaultServer, Seen};

/// Sentences `Brel sleeps on day <n>.` with the schema `city`.
pub(crate) fn source(rows: usize) -> Vec<Example> {
    (0..rows)
        .map(|row| Example {
            guid: Some(row.to_string()),
            sentence: format!("Brel sleeps on day {row}."),
            schema: vec!["city".into()],
            ..Example::default()
        })
        .collect()
}

/// What a good teacher and a content judge say.
pub(crate) fn good(seen: &Seen) -> Act {
    if seen.is_judge() {
        Act::answer("", "{\"score\": 9, \"reason\": \"fine\"}")
    } else {
        Act::answer(
            "\"Brel\" is a city, where one sleeps.",
            "{\"entities\": {\"city\": [\"Brel\"]}}",
        )
    }
}

/// An endpoint that retries quickly, so that tests need not wait.
pub(crate) fn endpoint(url: &str, model: &str) -> Endpoint {
    let mut endpoint = Endpoint::new(url, model);
    endpoint.retry.first_delay = Duration::from_millis(1);
    endpoint.retry.max_delay = Duration::from_millis(4);
    endpoint.retry.max_retry_after = Duration::from_millis(5);
    endpoint
}

pub(crate) fn pipeline(url: &str) -> Pipeline {
    let client = |model| ChatClient::new(endpoint(url, model)).expect("a client");
    let config = PipelineConfig::default();
    Pipeline::new(client("teacher"), client("judge"), config).expect("valid settings")
}

pub(crate) async fn run(url: &str, source: &[Example], dir: &Path) -> Result<Outcome, Error> {
    pipeline(url)
        .run(source, dir, &CancellationToken::new(), &mut ())
        .await
}

pub(crate) fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Runs three rows against a server that does `fault` the first time it sees a
/// request, and expects everything to be accepted.
async fn recovers_from(fault: impl Fn() -> Act + Send + Sync + 'static) {
    let server = FaultServer::start(move |seen| match seen.repeat {
        0 => fault(),
        _ => good(seen),
    });
    let outcome = run(&server.url, &source(3), temp().path())
        .await
        .expect("recovers");
    assert_eq!(outcome.accepted.len(), 3);
    assert_eq!(
        server.seen().len(),
        12,
        "each of six requests is sent twice"
    );
    assert_eq!(outcome.requests, 12);
}

#[tokio::test]
async fn too_many_requests_are_tried_again() {
    for after in [
        "0",
        "0.001",
        "86400",
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "soon",
    ] {
        recovers_from(move || {
            let header = format!("Retry-After: {after}\r\n");
            Act::Send("429 Too Many Requests", header, "slow down".into())
        })
        .await;
    }
}

#[tokio::test]
async fn server_errors_and_broken_connections_are_tried_again() {
    recovers_from(|| Act::error("500 Internal Server Error", "oops")).await;
    recovers_from(|| Act::Send("503 Unavailable", String::new(), "<html>".into())).await;
    recovers_from(|| Act::CutBody(server::completion("why", "{}"))).await;
    recovers_from(|| Act::Send("200 OK", String::new(), String::new())).await;
    recovers_from(|| Act::Send("200 OK", String::new(), "{\"choices\": [{\"me".into())).await;
    recovers_from(|| Act::error("200 OK", "overloaded")).await;
    recovers_from(|| Act::Hangup).await;
}

#[tokio::test]
async fn a_row_that_the_server_cannot_answer_is_left_for_the_next_run() {
    let broken = FaultServer::start(|seen| {
        if seen.prompt().contains("day 1.") {
            return Act::error("500 Internal Server Error", "oops");
        }
        good(seen)
    });
    let dir = temp();
    let outcome = run(&broken.url, &source(3), dir.path())
        .await
        .expect("runs");
    assert_eq!((outcome.funnel.accepted, outcome.funnel.unfinished), (2, 1));
    assert!(!outcome.stopped);
    let working = FaultServer::start(good);
    let outcome = run(&working.url, &source(3), dir.path())
        .await
        .expect("goes on");
    assert_eq!((outcome.funnel.accepted, outcome.funnel.unfinished), (3, 0));
    assert_eq!(working.seen().len(), 2, "only the open row is asked about");
}

#[tokio::test]
async fn a_server_that_always_fails_ends_the_run() {
    let server = FaultServer::start(|_| Act::error("502 Bad Gateway", "no upstream"));
    let error = run(&server.url, &source(100), temp().path())
        .await
        .expect_err("fails");
    assert!(error.to_string().contains("no upstream"), "{error}");
    assert!(
        matches!(error, Error::Client(chat_client::Error::GaveUp { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn rejected_answers_are_asked_for_again_and_counted() {
    let server = FaultServer::start(|seen| {
        if seen.is_judge() || !seen.prompt().contains("day 0.") || seen.repeat > 0 {
            return good(seen);
        }
        Act::answer(
            "\"Brel\" is a city, where one sleeps.",
            "{\"entities\": {\"city\": [\"Brel\"",
        )
    });
    let outcome = run(&server.url, &source(2), temp().path())
        .await
        .expect("runs");
    let funnel = outcome.funnel;
    assert_eq!(funnel.accepted_at_attempt, [1, 1, 0]);
    assert_eq!(funnel.rejected_answers.get("json_complete"), Some(&1));
    assert_eq!(
        (funnel.answers, funnel.judged(), funnel.judge_scores[9]),
        (3, 2, 2)
    );
    let at: Vec<_> = funnel.accepted_at_threshold.into_iter().collect();
    assert_eq!(at, [(7, 2), (8, 2), (9, 2), (10, 0)]);
    assert_eq!(
        (funnel.teacher.answers, funnel.teacher.usage.prompt_tokens),
        (3, 30)
    );
    assert_eq!(
        (funnel.judge.answers, funnel.judge.usage.completion_tokens),
        (2, 10)
    );
}

#[tokio::test]
async fn low_and_unreadable_scores_reject() {
    let server = FaultServer::start(|seen| match (seen.is_judge(), seen.prompt()) {
        (true, prompt) if prompt.contains("day 0.") => Act::answer("", "{\"score\": 8.5}"),
        (true, _) => Act::answer("", "Wonderful!"),
        (false, _) => good(seen),
    });
    let outcome = run(&server.url, &source(2), temp().path())
        .await
        .expect("runs");
    let funnel = outcome.funnel;
    assert!(outcome.accepted.is_empty());
    assert_eq!((funnel.rejected, funnel.judge_scores[8]), (2, 3));
    assert_eq!(funnel.rejected_rows.get("judge_score"), Some(&1));
    assert_eq!(funnel.rejected_rows.get("judge_unreadable"), Some(&1));
    assert_eq!(
        funnel.judge.answers,
        3 + 9,
        "an unreadable score is asked for three times"
    );
}

#[tokio::test]
async fn the_judge_sees_no_gold_and_equal_rows_share_an_answer() {
    let mut rows = source(1);
    rows[0].entities = vec![ner_types::Entity::new("day 0", "city")];
    rows[0].cot = Some("the gold reasoning".into());
    rows.push(Example {
        guid: Some("again".into()),
        ..rows[0].clone()
    });
    let server = FaultServer::start(good);
    let outcome = run(&server.url, &rows, temp().path()).await.expect("runs");
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert!(
        seen.iter()
            .all(|seen| !seen.prompt().contains("gold reasoning"))
    );
    assert!(seen.iter().all(|seen| !seen.prompt().contains("\"day 0\"")));
    let guids: Vec<_> = outcome
        .accepted
        .iter()
        .map(|row| row.guid.as_deref())
        .collect();
    assert_eq!(guids, [Some("0"), Some("again")]);
}

#[tokio::test]
async fn rows_without_sentence_or_schema_cost_nothing() {
    let mut rows = source(3);
    rows[0].sentence = "  ".into();
    rows[1].schema = vec!["misc".into()];
    let server = FaultServer::start(good);
    let outcome = run(&server.url, &rows, temp().path()).await.expect("runs");
    assert_eq!((outcome.funnel.accepted, outcome.funnel.rejected), (1, 2));
    assert_eq!(outcome.funnel.rejected_rows.get("empty_schema"), Some(&1));
    let error = run(&server.url, &rows[..2], temp().path())
        .await
        .expect_err("nothing to do");
    assert!(
        matches!(error, Error::NoUsableSource { rows: 2 }),
        "{error}"
    );
    assert_eq!(server.seen().len(), 2);
}

/// Stops the run once so many rows are done.
struct StopAfter<'a>(usize, &'a CancellationToken);

impl Observer for StopAfter<'_> {
    fn on_progress(&mut self, progress: &Progress) {
        if progress.done == self.0 {
            self.1.cancel();
        }
    }
}

#[tokio::test]
async fn a_stop_keeps_what_was_answered_and_gives_up_what_stalls() {
    let server = FaultServer::start(|seen| {
        if seen.prompt().contains("day 0.") {
            good(seen)
        } else {
            Act::Stall
        }
    });
    let (dir, stop) = (temp(), CancellationToken::new());
    let config = PipelineConfig {
        grace: Duration::from_millis(10),
        ..PipelineConfig::default()
    };
    let client = |model| ChatClient::new(endpoint(&server.url, model)).expect("a client");
    let pipeline = Pipeline::new(client("teacher"), client("judge"), config).expect("valid");
    let rows = source(200);
    let mut first = StopAfter(1, &stop);
    let run = pipeline.run(&rows, dir.path(), &stop, &mut first);
    let outcome = tokio::time::timeout(Duration::from_secs(60), run).await;
    let outcome = outcome
        .expect("stalled requests do not hold it")
        .expect("stops");
    assert!(outcome.stopped);
    assert_eq!(
        (outcome.funnel.accepted, outcome.funnel.unfinished),
        (1, 199)
    );
    let again = FaultServer::start(good);
    let outcome = crate::run(&again.url, &rows[..1], dir.path())
        .await
        .expect("reruns");
    assert_eq!((outcome.funnel.accepted, outcome.requests), (1, 0));
}

#[test]
fn the_example_pays_for_no_answer_twice() {
    journalled_teacher::main().expect("runs");
}

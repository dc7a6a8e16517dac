//! What services really answer to one row of three: each body of `fixtures/servers`, with its right outcome.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ner_cot::journal::{RealDisk, compact, merge};
use ner_cot::report::FailedRow;
use ner_cot::{CancellationToken, Error, Funnel, Outcome, RunOptions, Selection, SelectionOptions};
use ner_types::Example;
use serde::Deserialize;
use serde_json::Value;

use crate::server::{Act, FaultServer, Seen};
use crate::{pipeline, run, temp};

/// One body, as the fixtures have it.
#[derive(Clone, Debug, Deserialize)]
struct Case {
    status: u16,
    body: Value,
    #[serde(default)]
    expect: Option<String>,
}

impl Case {
    fn act(&self) -> Act {
        let status = match self.status {
            200 => "200 OK",
            400 => "400 Bad Request",
            403 => "403 Forbidden",
            413 => "413 Content Too Large",
            422 => "422 Unprocessable Entity",
            429 => "429 Too Many Requests",
            500 => "500 Internal Server Error",
            status => panic!("status {status} has no name here"),
        };
        let body = match &self.body {
            Value::String(events) => events.clone(),
            body => body.to_string(),
        };
        Act::Send(status, String::new(), body)
    }
}

/// The outcomes of the first file, which has them in words.
const FIRST: [(&str, &str); 9] = [
    ("content-filter-400", "failed content_filter"),
    ("finish-eos", "accepted"),
    ("error-in-choice-402", "ends"),
    ("choice-without-message", "cut"),
    ("choices-null", "again"),
    ("content-as-parts", "accepted"),
    ("reasoning-quotes-its-tag", "accepted"),
    ("account-empty-429", "ends"),
    ("thought-tags", "accepted"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/servers")
}

fn read(name: &str) -> BTreeMap<String, Case> {
    let text = std::fs::read_to_string(folder().join(name)).expect("a fixture");
    serde_json::from_str(&text).expect("bodies by name")
}

fn cases() -> Vec<(String, Case)> {
    let mut first = read("bodies.json");
    for (name, expect) in FIRST {
        first.get_mut(name).expect("a body").expect = Some(expect.into());
    }
    first.into_iter().chain(read("more.json")).collect()
}

fn rows() -> Vec<Example> {
    let text = std::fs::read_to_string(folder().join("rows.jsonl")).expect("a fixture");
    let rows = text.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>().expect("rows")
}

/// The good answer to every row.
fn good(seen: &Seen) -> Act {
    if seen.is_judge() {
        return Act::answer("", "{\"score\": 9, \"reason\": \"fine\"}");
    }
    let why = "Mira Dolan does something, so it names a person. Port Halvek is where, which makes it a city.";
    let answer = "{\"entities\": {\"person\": [\"Mira Dolan\"], \"city\": [\"Port Halvek\"]}}";
    Act::answer(why, answer)
}

/// Whether the teacher is asked about the second row.
fn is_second(seen: &Seen) -> bool {
    !seen.is_judge() && seen.prompt().contains("Mira Dolan left")
}

/// A server that answers the second row with this body, the first time or always.
fn server(case: &Case, is_always: bool) -> FaultServer {
    let case = case.clone();
    FaultServer::start(move |seen| {
        if is_second(seen) && (is_always || seen.repeat == 0) {
            case.act()
        } else {
            good(seen)
        }
    })
}

fn counts(outcome: &Outcome) -> (usize, usize, usize, usize) {
    let funnel = &outcome.funnel;
    (
        funnel.accepted,
        funnel.rejected,
        funnel.failed,
        funnel.unfinished,
    )
}

#[tokio::test]
async fn every_body_has_its_outcome() {
    for (name, case) in cases() {
        let expect = case.expect.clone().expect("an outcome");
        match expect.split_once(' ') {
            _ if expect == "accepted" => accepted(&name, &case).await,
            _ if expect == "again" => again(&name, &case).await,
            _ if expect == "ends" => ends(&name, &case).await,
            _ if expect == "cut" || expect == "kept back" => cut(&name, &case).await,
            Some(("failed", reason)) => failed(&name, &case, reason).await,
            _ => panic!("{name}: {expect} is no outcome"),
        }
    }
}

async fn accepted(name: &str, case: &Case) {
    let (server, dir) = (server(case, true), temp());
    let outcome = run(&server.url, &rows(), dir.path()).await;
    let outcome = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(
        counts(&outcome),
        (3, 0, 0, 0),
        "{name}: {:?}",
        outcome.funnel.samples
    );
    assert_eq!(server.seen().len(), 6, "{name}");
    let second = &outcome.accepted[1];
    let texts: Vec<&str> = second.entities.iter().map(|e| e.text.as_str()).collect();
    assert_eq!(texts, ["Mira Dolan", "Port Halvek"], "{name}");
    let cot = second.cot.as_deref().expect("reasoning");
    assert!(cot.contains("which makes it a city."), "{name}: {cot}");
    assert!(!cot.contains("think>"), "{name}: {cot}");
    let is_respelt = usize::from(cot.contains("think]"));
    assert_eq!(outcome.funnel.respelt, is_respelt, "{name}");
}

async fn again(name: &str, case: &Case) {
    let (server, dir) = (server(case, false), temp());
    let outcome = run(&server.url, &rows(), dir.path()).await;
    let outcome = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(counts(&outcome), (3, 0, 0, 0), "{name}");
    assert_eq!(server.seen().len(), 7, "{name}: one request is sent twice");
}

async fn ends(name: &str, case: &Case) {
    let (server, dir) = (server(case, true), temp());
    let error = run(&server.url, &rows(), dir.path()).await;
    let error = error.expect_err(name).to_string();
    let words = case.body.to_string();
    let told = error.rsplit(": ").next().unwrap_or_default();
    let told = told.split(" (").next().unwrap_or_default();
    assert!(words.contains(told), "{name}: {error}");
    assert_eq!(
        server.seen().iter().filter(|seen| is_second(seen)).count(),
        1,
        "{name}"
    );
    // Nothing is used up: with a good server the same folder comes to its end.
    let other = FaultServer::start(good);
    let outcome = run(&other.url, &rows(), dir.path()).await.expect(name);
    assert_eq!(counts(&outcome), (3, 0, 0, 0), "{name}");
    assert_eq!(outcome.funnel.accepted_at_attempt[0], 3, "{name}");
}

async fn cut(name: &str, case: &Case) {
    let (server, dir) = (server(case, true), temp());
    let outcome = run(&server.url, &rows(), dir.path()).await.expect(name);
    assert_eq!(counts(&outcome), (2, 1, 0, 0), "{name}");
    let cut = outcome.funnel.rejected_answers.get("truncated");
    assert_eq!(
        cut,
        Some(&3),
        "{name}: {:?}",
        outcome.funnel.rejected_answers
    );
}

async fn failed(name: &str, case: &Case, reason: &str) {
    let (server, dir) = (server(case, true), temp());
    let outcome = run(&server.url, &rows(), dir.path()).await;
    let outcome = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(counts(&outcome), (2, 1, 1, 0), "{name}");
    let funnel = &outcome.funnel;
    assert_eq!(funnel.rejected_rows.get(reason), Some(&1), "{name}");
    let [
        FailedRow {
            row: 1,
            guid,
            reason: why,
            message,
            ..
        },
    ] = &funnel.failed_rows[..]
    else {
        panic!("{name}: {:?}", funnel.failed_rows)
    };
    assert_eq!(
        (guid.as_deref(), why.name()),
        (Some("r1"), reason),
        "{name}"
    );
    assert!(message.len() > 5, "{name}: {message}");
    let sent = server.seen().iter().filter(|seen| is_second(seen)).count();
    assert_eq!(sent, if reason == "no_answer" { 6 } else { 1 }, "{name}");
    remembered(name, funnel, dir.path()).await;
}

/// The next start asks nothing, and gives the same report; asked on purpose, the row is done.
async fn remembered(name: &str, funnel: &Funnel, dir: &Path) {
    unasked(name, funnel, dir).await;
    compact(dir, &RealDisk).expect("compacts");
    let merged = temp();
    merge(&[dir.to_path_buf()], merged.path()).expect("merges");
    for dir in [dir, merged.path()] {
        unasked(name, funnel, dir).await;
        let other = FaultServer::start(good);
        let retried = retry(&other, dir).await.expect(name);
        assert_eq!((retried.accepted, retried.failed), (3, 0), "{name}");
        assert_eq!(other.seen().len(), 2, "{name}: teacher and judge");
    }
}

async fn unasked(name: &str, funnel: &Funnel, dir: &Path) {
    let other = FaultServer::start(good);
    let outcome = run(&other.url, &rows(), dir).await.expect(name);
    assert_eq!((outcome.requests, &outcome.funnel), (0, funnel), "{name}");
}

/// A run that asks on purpose about what failed.
async fn retry(server: &FaultServer, dir: &Path) -> Result<Funnel, Error> {
    let rows = rows();
    let selection = Selection::new(rows.as_slice(), SelectionOptions::default())?;
    let options = RunOptions {
        retry_failed: true,
        ..RunOptions::default()
    };
    let pipeline = pipeline(&server.url);
    let journal = pipeline.open(dir, &options)?;
    let stop = CancellationToken::new();
    let (journal, _) = pipeline
        .send(&selection, journal, &options, &stop, &mut ())
        .await?;
    ner_cot::replay::replay(pipeline.plan(), &selection, &journal, None, &mut ())
}

fn many(rows: usize) -> Vec<Example> {
    crate::source(rows)
}

#[tokio::test]
async fn a_refusal_of_every_row_ends_the_run_and_is_not_remembered() {
    let refuses = FaultServer::start(|_| Act::error("400 Bad Request", "the server's words"));
    let dir = temp();
    let error = run(&refuses.url, &many(100), dir.path())
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("the server's words"), "{error}");
    assert!(refuses.seen().len() < 60, "the rest is not sent");
    let other = FaultServer::start(crate::good);
    let outcome = run(&other.url, &many(100), dir.path()).await.expect("good");
    assert_eq!((outcome.funnel.accepted, outcome.funnel.failed), (100, 0));
}

#[tokio::test]
async fn a_judge_that_refuses_every_row_ends_the_run_though_the_teacher_answers() {
    let server = FaultServer::start(|seen| {
        if seen.is_judge() {
            Act::error("422 Unprocessable Entity", "the judge's words")
        } else {
            crate::good(seen)
        }
    });
    let error = run(&server.url, &many(200), temp().path()).await;
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("the judge's words"), "{error}");
    assert!(server.seen().len() < 200, "{}", server.seen().len());
}

#[tokio::test]
async fn a_prompt_that_is_always_too_long_ends_the_run() {
    let words = "This model's maximum context length is 100 tokens.";
    let server = FaultServer::start(move |_| Act::error("400 Bad Request", words));
    let error = run(&server.url, &many(300), temp().path()).await;
    let error = error.expect_err("all are too long").to_string();
    assert!(
        error.contains(words) && error.contains("context_length"),
        "{error}"
    );
    assert!(server.seen().len() < 150, "{}", server.seen().len());
}

#[tokio::test]
async fn rows_that_a_filter_stops_do_not_end_a_run_however_many() {
    let server = FaultServer::start(|seen| {
        let day = seen
            .prompt()
            .split("sleeps on day ")
            .nth(1)
            .unwrap_or_default();
        let day = day.split('.').next().unwrap_or_default();
        let is_odd = day.ends_with(['1', '3']);
        if is_odd && !seen.is_judge() {
            Act::error("400 Bad Request", "Content Exists Risk")
        } else {
            crate::good(seen)
        }
    });
    let dir = temp();
    let outcome = run(&server.url, &many(100), dir.path())
        .await
        .expect("goes on");
    let funnel = &outcome.funnel;
    assert_eq!(
        (funnel.accepted, funnel.failed, funnel.unfinished),
        (80, 20, 0)
    );
    assert_eq!(funnel.failed_rows.len(), 20);
}

#[tokio::test]
async fn a_page_of_another_program_in_between_is_no_end() {
    let server = FaultServer::start(|seen| {
        let is_late = seen.prompt().contains("day 99.") && seen.repeat == 0 && !seen.is_judge();
        if is_late {
            Act::Send("200 OK", String::new(), "<html>maintenance</html>".into())
        } else {
            crate::good(seen)
        }
    });
    let outcome = run(&server.url, &many(100), temp().path())
        .await
        .expect("goes on");
    assert_eq!(outcome.funnel.accepted, 100);
}

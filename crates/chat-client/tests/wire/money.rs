//! Budgets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_client::money::{Bound, Budget, Ledger, Price};
use chat_client::{
    Archive, CancellationToken, ChatAnswer, ChatClient, ChatRequest, Error, NoArchive, Usage,
};
use tokio::task::JoinSet;

use crate::server::{Act, FaultServer, Step, answer, error, send};
use crate::{endpoint, request};

/// An answer of 10 and 5 tokens costs 20 dollars, and at most [`WORST`] while nobody knows.
const PRICE: Price = Price {
    input: 1e6,
    cached_input: 0.0,
    output: 2e6,
    peak: None,
};

fn client(url: &str, ledger: &Arc<Ledger>) -> ChatClient {
    let client = ChatClient::new(endpoint(url)).expect("a client");
    client.with_ledger(Arc::clone(ledger), PRICE)
}

fn dollars(dollars: f64) -> Arc<Ledger> {
    Arc::new(Ledger::new(Budget {
        dollars: Some(dollars),
        tokens: None,
    }))
}

/// Tokens and dollars of a request before it is answered: its 87 bytes, 256 of a chat template, 5 of the answer.
const WORST: (u64, f64) = (348, 353.0);

/// A question that may have an answer of five tokens.
fn short() -> ChatRequest {
    let mut short = request("hi");
    short.sampling.max_tokens = Some(5);
    short
}

async fn ask(client: &ChatClient) -> Result<ChatAnswer, Error> {
    client
        .chat(&short(), &CancellationToken::new(), &NoArchive)
        .await
}

#[tokio::test]
async fn a_budget_ends_the_run_before_it_is_exceeded() {
    let server = FaultServer::start(|seen| answer(seen.prompt()));
    let ledger = dollars(400.0);
    // Two clients, for instance teacher and judge, have one purse.
    let clients = [client(&server.url, &ledger), client(&server.url, &ledger)];
    for turn in 0..3 {
        ask(&clients[turn % 2]).await.expect("within the budget");
    }
    for client in &clients {
        let error = ask(client).await.expect_err("413 of 400").to_string();
        for words in [
            "400 dollars",
            "60.0000 spent",
            "340.0000 left",
            "cost 353.0000",
        ] {
            assert!(error.contains(words), "{error}");
        }
    }
    assert_eq!(ledger.spent(), (60.0, 45));
    assert_eq!(server.seen().len(), 3, "the last two were not sent");
}

#[tokio::test]
async fn requests_wait_for_those_in_flight() {
    let server = FaultServer::start(|seen| {
        let mut act = vec![Step::Wait(Duration::from_millis(20))];
        act.extend(answer(seen.prompt()));
        act
    });
    // Room for two at once, and for more once it is known how little they cost.
    let ledger = dollars(800.0);
    let client = Arc::new(client(&server.url, &ledger));
    let mut tasks = JoinSet::new();
    for _ in 0..40 {
        let client = client.clone();
        tasks.spawn(async move { ask(&client).await.is_ok() });
    }
    let answered = tasks.join_all().await.into_iter().filter(|ok| *ok).count();
    // 23 answers cost 460, and 340 is less than the next may cost.
    assert_eq!((answered, ledger.spent().0), (23, 460.0));
    assert!(server.seen().iter().all(|seen| seen.in_flight <= 2));
}

#[tokio::test]
async fn a_request_without_a_limit_is_refused_under_a_budget() {
    let server = FaultServer::start(|seen| answer(seen.prompt()));
    let client = client(&server.url, &dollars(1e6));
    let asked = request("hi");
    let error = client
        .chat(&asked, &CancellationToken::new(), &NoArchive)
        .await;
    let error = error.expect_err("no limit");
    assert!(matches!(error, Error::NoTokenLimit), "{error}");
    assert!(error.to_string().contains("max_tokens"), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn earlier_runs_count_and_refusals_do_not() {
    let server = FaultServer::scripted(vec![error("500 Internal Server Error", "oops")]);
    let ledger = dollars(420.0);
    ledger.record(20.0, Usage::default());
    let client = client(&server.url, &ledger);
    ask(&client).await.expect("373 of 420, at the second try");
    ask(&client).await.expect("393 of 420");
    ask(&client).await.expect("413 of 420");
    assert!(ask(&client).await.is_err());
    assert_eq!((ledger.spent().0, ledger.unknown().requests), (80.0, 0));
    assert_eq!(server.seen().len(), 4);
}

/// Hears of lost requests.
#[derive(Default)]
struct Losses(Mutex<Vec<Bound>>);

impl Archive for Losses {
    type Error = Error;

    async fn store(&self, _body: &str) -> Result<(), Error> {
        Ok(())
    }

    fn lost(&self, bound: &Bound) {
        self.0
            .lock()
            .expect("no thread panics with it")
            .push(*bound);
    }
}

/// A first try of which nobody says what it cost, and a second one that is answered.
async fn check_lost(first: Act, name: &str, lost: u64) {
    let server = FaultServer::scripted(vec![first]);
    let ledger = dollars(1e6);
    let mut endpoint = endpoint(&server.url);
    endpoint.timeouts.first_byte = Duration::from_millis(300);
    let client = ChatClient::new(endpoint).expect("a client");
    let client = client.with_ledger(ledger.clone(), PRICE);
    let losses = Losses::default();
    let answer = client
        .chat(&short(), &CancellationToken::new(), &losses)
        .await;
    answer.expect("answered");
    let unknown = ledger.unknown();
    let expected = (lost, WORST.0 * lost, WORST.1 * lost as f64);
    assert_eq!(
        (unknown.requests, unknown.tokens, unknown.dollars),
        expected,
        "{name}"
    );
    let losses = losses.0.lock().expect("no thread panics with it");
    assert_eq!(losses.len() as u64, lost, "{name}");
    assert!(
        losses.iter().all(|bound| bound.tokens() == WORST.0),
        "{name}"
    );
}

#[tokio::test]
async fn a_try_whose_cost_nobody_tells_stays_reserved() {
    let message = r#"{"choices": [{"message": {"content": "done"}}]"#;
    let silent = format!("{message}}}");
    let half = format!(r#"{message}, "usage": {{"prompt_tokens": 10}}}}"#);
    for (name, act, lost) in [
        ("a closed connection", vec![], 1),
        ("late", vec![Step::Stall], 1),
        ("half a body", send("200 OK", "", message), 1),
        ("no counts", send("200 OK", "", silent), 1),
        ("half the counts", send("200 OK", "", half), 1),
        ("an error as an answer", error("200 OK", "oops"), 1),
        ("a gateway", error("504 Gateway Timeout", "oops"), 1),
        ("a refusal", error("429 Too Many Requests", "later"), 0),
        ("an error", error("500 Internal Server Error", "oops"), 0),
    ] {
        check_lost(act, name, lost).await;
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_in_flight_stays_reserved() {
    let server = FaultServer::start(|_| vec![Step::Stall]);
    let ledger = dollars(1e6);
    let client = client(&server.url, &ledger);
    let losses = Losses::default();
    let (asked, stop) = (short(), CancellationToken::new());
    let mut call = Box::pin(client.chat(&asked, &stop, &losses));
    while server.seen().is_empty() {
        let polled = tokio::time::timeout(Duration::from_millis(5), &mut call).await;
        assert!(polled.is_err(), "it stalls");
    }
    assert_eq!(ledger.unknown().requests, 0, "it may still be answered");
    drop(call);
    assert_eq!(ledger.unknown().requests, 1);
    assert_eq!(losses.0.lock().expect("no thread panics with it").len(), 1);
}

#[tokio::test]
async fn an_unreadable_answer_that_was_paid_for_counts() {
    let half = r#"{"choices": [{"message": {"content": "ha"}, "finish_reason":
        "insufficient_system_resource"}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}"#;
    let server = FaultServer::scripted(vec![send("200 OK", "", half)]);
    let ledger = dollars(1000.0);
    ask(&client(&server.url, &ledger)).await.expect("answered");
    assert_eq!((ledger.spent(), ledger.unknown().requests), ((40.0, 30), 0));
}

#[tokio::test]
async fn an_answer_that_costs_more_than_was_allowed_is_counted() {
    let long = r#"{"choices": [{"message": {"content": "long"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5000}}"#;
    let server = FaultServer::scripted(vec![send("200 OK", "", long)]);
    let ledger = dollars(1000.0);
    let client = client(&server.url, &ledger);
    ask(&client).await.expect("answered");
    assert_eq!((ledger.spent().0, ledger.over_bound()), (10_010.0, 1));
    assert!(ask(&client).await.is_err());
}

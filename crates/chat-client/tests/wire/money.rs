//! Budgets.

use std::sync::Arc;

use chat_client::money::{Budget, Ledger, Price};
use chat_client::{CancellationToken, ChatClient, Error, NoArchive, Usage};

use crate::server::{FaultServer, answer, error, send};
use crate::{ask, endpoint, request};

/// An answer of 10 and 5 tokens costs 20 dollars.
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

#[tokio::test]
async fn a_budget_ends_the_run_before_it_is_exceeded() {
    let server = FaultServer::start(|seen| answer(seen.prompt()));
    let ledger = dollars(70.0);
    // Two clients, for instance teacher and judge, have one purse.
    let clients = [client(&server.url, &ledger), client(&server.url, &ledger)];
    for turn in 0..3 {
        ask(&clients[turn % 2]).await.expect("within the budget");
    }
    for client in &clients {
        let error = ask(client).await.expect_err("80 of 70");
        assert!(
            matches!(
                error,
                Error::BudgetReached {
                    what: "dollars",
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("60.0000 spent"), "{error}");
    }
    assert_eq!(ledger.spent(), (60.0, 45));
    assert_eq!(server.seen().len(), 3, "the last two were not sent");
}

#[tokio::test]
async fn requests_in_flight_count() {
    let server = FaultServer::start(|seen| answer(seen.prompt()));
    let ledger = dollars(100.0);
    let client = client(&server.url, &ledger);
    ask(&client).await.expect("the first");
    let (stop, asked) = (CancellationToken::new(), request("x"));
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.push(client.chat(&asked, &stop, &NoArchive));
    }
    let mut tasks = Vec::new();
    let mut answered = 0;
    // All are begun before the first is finished.
    for mut future in sent.into_iter().map(Box::pin) {
        let begun = tokio::select! {
            biased;
            done = &mut future => Err(done),
            () = std::future::ready(()) => Ok(()),
        };
        match begun {
            Ok(()) => tasks.push(future),
            Err(done) => assert!(matches!(done, Err(Error::BudgetReached { .. })), "{done:?}"),
        }
    }
    for task in tasks {
        answered += usize::from(task.await.is_ok());
    }
    assert_eq!(answered, 4);
    assert_eq!(ledger.spent().0, 100.0);
}

#[tokio::test]
async fn earlier_runs_count_and_failures_do_not() {
    let server = FaultServer::scripted(vec![error("500 Internal Server Error", "oops")]);
    let ledger = dollars(60.0);
    ledger.record(20.0, Usage::default());
    let client = client(&server.url, &ledger);
    ask(&client).await.expect("40 of 60, at the second try");
    ask(&client).await.expect("60 of 60");
    assert!(ask(&client).await.is_err());
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn the_first_requests_have_an_estimate() {
    let server = FaultServer::start(|seen| answer(seen.prompt()));
    let budget = Budget {
        dollars: None,
        tokens: Some(100),
    };
    let ledger = Arc::new(Ledger::new(budget).with_estimate(0.0, 101));
    let error = ask(&client(&server.url, &ledger))
        .await
        .expect_err("101 of 100");
    assert!(
        matches!(error, Error::BudgetReached { what: "tokens", .. }),
        "{error}"
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn what_a_server_does_not_report_is_guessed() {
    let body = r#"{"choices": [{"message": {"content": "done"}}]}"#;
    let server = FaultServer::start(move |_| send("200 OK", "", body));
    let ledger = Arc::new(Ledger::new(Budget {
        dollars: None,
        tokens: Some(100),
    }));
    let client = client(&server.url, &ledger);
    let mut answered = 0;
    while ask(&client).await.is_ok() {
        answered += 1;
        assert!(answered < 10, "the budget ends this");
    }
    assert!(ledger.spent().1 > 20 && answered > 0);
}

#[tokio::test]
async fn an_unreadable_answer_that_was_paid_for_counts() {
    let half = r#"{"choices": [{"message": {"content": "ha"}, "finish_reason":
        "insufficient_system_resource"}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}"#;
    let server = FaultServer::scripted(vec![send("200 OK", "", half)]);
    let ledger = dollars(100.0);
    ask(&client(&server.url, &ledger)).await.expect("answered");
    assert_eq!(ledger.spent(), (40.0, 30));
}

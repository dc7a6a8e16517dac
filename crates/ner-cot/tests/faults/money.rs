//! Budgets over several runs, and keys that a server repeats.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chat_client::money::{Budget, Ledger, Price};
use chat_client::{ChatClient, Endpoint, KeySource};
use ner_cot::bill::{Bill, Prices};
use ner_cot::{
    CancellationToken, Journal, Pipeline, PipelineConfig, RunOptions, Selection, SelectionOptions,
    Sent, StopCause,
};

use crate::server::{Act, FaultServer, completion};
use crate::{endpoint, good, source, temp};

const PRICES: Prices = Prices {
    teacher: Some(Price {
        input: 1e3,
        cached_input: 1e3,
        output: 1e3,
        peak: None,
    }),
    judge: None,
};

/// Runs ten rows under a budget in dollars, which only the teacher costs.
async fn run(url: &str, dir: &Path, dollars: f64) -> Sent {
    let ledger = Arc::new(Ledger::new(Budget {
        dollars: Some(dollars),
        tokens: None,
    }));
    let client = |model, price: Option<Price>| {
        let mut endpoint = endpoint(url, model);
        endpoint.retry.tries = 3;
        endpoint.timeouts.first_byte = Duration::from_millis(2000);
        let client = ChatClient::new(endpoint).expect("a client");
        client.with_ledger(ledger.clone(), price.unwrap_or_default())
    };
    let mut config = PipelineConfig::default();
    config.teacher.max_tokens = Some(1000);
    config.judge.max_tokens = Some(1000);
    let teacher = client("teacher", PRICES.teacher);
    let pipeline = Pipeline::new(teacher, client("judge", None), config).expect("valid");
    let rows = source(10);
    let selection = Selection::new(&rows, SelectionOptions::default()).expect("rows");
    let options = RunOptions {
        ledger: Some((ledger.clone(), PRICES)),
        ..RunOptions::default()
    };
    let journal = pipeline.open(dir, &options).expect("a journal");
    let stop = CancellationToken::new();
    let sent = pipeline
        .send(&selection, journal, &options, &stop, &mut ())
        .await;
    sent.expect("ends without an error").1
}

#[tokio::test]
async fn what_a_broken_run_may_have_cost_counts_in_the_next() {
    // The teacher works and its answers do not arrive.
    let cut = FaultServer::start(|seen| {
        if seen.is_judge() {
            good(seen)
        } else {
            Act::CutBody(completion("why", "{}"))
        }
    });
    let dir = temp();
    let first = run(&cut.url, dir.path(), 20.0).await;
    let Some(StopCause::Budget(why)) = &first.stopped else {
        panic!("{first:?}")
    };
    assert!(why.contains("0.0000 spent"), "{why}");
    let journal = Journal::open_to_read(dir.path()).expect("a journal");
    let bill = Bill::of(&journal, &PRICES).expect("readable");
    let unknown = bill.unknown();
    let paid = cut.seen().len() as u64;
    assert_eq!((unknown.requests, bill.tokens()), (paid, 0));
    // Each may have been billed its 1,000 tokens and its prompt.
    assert!(
        unknown.dollars > paid as f64 && unknown.dollars <= 20.0,
        "{unknown:?}"
    );

    // The next run begins with what may be gone.
    let working = FaultServer::start(good);
    let second = run(&working.url, dir.path(), 20.0).await;
    assert!(
        matches!(second.stopped, Some(StopCause::Budget(_))),
        "{second:?}"
    );
    assert!(working.seen().is_empty());
    let third = run(&working.url, dir.path(), 1000.0).await;
    assert_eq!((third.progress.accepted, third.stopped), (10, None));
}

#[tokio::test]
async fn a_key_that_a_server_repeats_is_in_no_file() {
    let (dir, keys) = (temp(), temp());
    let (key, path) = ("sk-0123456789/abcdef", keys.path().join("key"));
    std::fs::write(&path, key).expect("written");
    let server = FaultServer::start(move |seen| {
        if seen.is_judge() {
            return good(seen);
        }
        let reasoning = format!("\"Brel\" is a city, where one sleeps. Bearer {key}");
        Act::answer(&reasoning, "{\"entities\": {\"city\": [\"Brel\"]}}")
    });
    let client = |model| {
        let mut endpoint: Endpoint = endpoint(&server.url, model);
        endpoint.key = KeySource::File(path.clone());
        ChatClient::new(endpoint).expect("a client")
    };
    let pipeline = Pipeline::new(
        client("teacher"),
        client("judge"),
        PipelineConfig::default(),
    );
    let pipeline = pipeline.expect("valid");
    let stop = CancellationToken::new();
    let rows = source(3);
    let outcome = pipeline.run(&rows, dir.path(), &stop, &mut ()).await;
    assert!(
        !format!("{outcome:?}").contains("0123456789"),
        "{outcome:?}"
    );
    for entry in std::fs::read_dir(dir.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(!text.contains("0123456789"), "{}: {text}", path.display());
    }
    let journal = std::fs::read_to_string(dir.path().join("journal.jsonl")).expect("a journal");
    assert!(journal.contains("Bearer (key)"), "{journal}");
}

//! The ledger under simulated servers, in paused time.

use std::time::Duration;

use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::*;

const PRICE: Price = Price {
    input: 1e6,
    cached_input: 1e5,
    output: 2e6,
    peak: None,
};

fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage {
        prompt_tokens,
        completion_tokens,
        ..Usage::default()
    }
}

fn bound(prompt_tokens: u64, completion_tokens: u64) -> Bound {
    Bound {
        prompt_tokens,
        completion_tokens: Some(completion_tokens),
    }
}

fn ledger(dollars: Option<f64>, tokens: Option<u64>) -> Arc<Ledger> {
    Arc::new(Ledger::new(Budget { dollars, tokens }))
}

#[tokio::test(start_paused = true)]
async fn the_bound_is_held_until_the_cost_is_known() {
    let ledger = ledger(None, Some(100));
    let one = ledger.reserve(&bound(20, 40), &PRICE).await.expect("60");
    let sixty = bound(20, 40);
    let waits = ledger.reserve(&sixty, &PRICE);
    let waited = timeout(Duration::from_secs(9), waits).await;
    assert!(waited.is_err(), "120 of 100, but the first may cost less");
    let asked = ledger.clone();
    let second = tokio::spawn(async move { asked.reserve(&bound(20, 40), &PRICE).await });
    sleep(Duration::from_secs(1)).await;
    one.settle(0.0, usage(15, 25));
    let second = second.await.expect("joined").expect("100 of 100");
    second.lose();
    let unknown = ledger.unknown();
    assert_eq!(
        (ledger.spent().1, unknown.requests, unknown.tokens),
        (40, 1, 60)
    );
    let error = ledger.reserve(&bound(1, 0), &PRICE).await.err();
    let error = error.expect("101 of 100").to_string();
    for words in ["100 tokens", "40 spent", "up to 60", "0 left", "cost 1"] {
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_sent_or_not_billed_costs_nothing() {
    let ledger = ledger(Some(100.0), None);
    for _ in 0..10 {
        drop(
            ledger
                .reserve(&bound(20, 40), &PRICE)
                .await
                .expect("100 of 100"),
        );
    }
    assert_eq!(
        (ledger.spent(), ledger.unknown()),
        ((0.0, 0), Unknown::default())
    );
    // Earlier runs count, with what is unknown of them.
    ledger.record(0.5, usage(1, 1));
    ledger.record_unknown(1, 0.25, 3);
    ledger.record(f64::NAN, usage(1, 1));
    let error = ledger.reserve(&bound(20, 40), &PRICE).await.err();
    let error = error.expect("100.75 of 100").to_string();
    assert!(
        error.contains("0.5000 spent") && error.contains("99.2500 left"),
        "{error}"
    );
}

#[tokio::test]
async fn a_budget_needs_a_limit_of_the_answer() {
    let endless = Bound {
        prompt_tokens: 1,
        completion_tokens: None,
    };
    let free = Price::default();
    for (ledger, price, refused) in [
        (ledger(None, None), PRICE, false),
        (ledger(None, Some(100)), free, true),
        (ledger(Some(100.0), None), PRICE, true),
        // Where an answer costs nothing, its length does not matter to the dollars.
        (ledger(Some(100.0), None), free, false),
    ] {
        let reserved = ledger.reserve(&endless, &price).await;
        let found = matches!(reserved, Err(Error::NoTokenLimit));
        assert_eq!(found, refused, "{ledger:?}");
    }
}

/// What becomes of a simulated request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Answered; the server bills these shares of the bound, in percent.
    Told(u64, u64),
    /// Billed as well, but nobody hears of it.
    Lost(u64, u64),
    Refused,
    /// The caller gives up while the request waits or is in flight.
    Cancelled,
}

fn fates() -> impl Strategy<Value = (Fate, u64, u64)> {
    let share = || prop_oneof![Just(100), 0..=100_u64];
    let fate = prop_oneof![
        4 => (share(), share()).prop_map(|(p, c)| Fate::Told(p, c)),
        1 => (share(), share()).prop_map(|(p, c)| Fate::Lost(p, c)),
        1 => Just(Fate::Refused),
        1 => Just(Fate::Cancelled),
    ];
    // Seconds that the answer takes, and a prompt.
    (fate, 0..20_u64, 1..50_u64)
}

/// Sends requests `in_flight` at once; returns the dollars and tokens that the server bills.
async fn simulate(
    ledger: &Arc<Ledger>,
    fates: Vec<(Fate, u64, u64)>,
    in_flight: usize,
) -> (f64, u64) {
    let mut tasks = JoinSet::new();
    let slots = Arc::new(tokio::sync::Semaphore::new(in_flight));
    for (fate, seconds, prompt) in fates {
        let (ledger, slots) = (ledger.clone(), slots.clone());
        tasks.spawn(async move {
            let _slot = slots.acquire().await;
            let bound = bound(prompt, 100);
            let reserved = ledger.reserve(&bound, &PRICE);
            let Ok(Ok(held)) = timeout(Duration::from_secs(30), reserved).await else {
                return usage(0, 0);
            };
            sleep(Duration::from_secs(seconds)).await;
            let bill = |p, c| usage(prompt * p / 100, c);
            match fate {
                Fate::Told(p, c) => {
                    let billed = bill(p, c);
                    let now = std::time::SystemTime::now();
                    held.settle(PRICE.cost(&billed, now), billed);
                    billed
                }
                Fate::Lost(p, c) => {
                    held.lose();
                    bill(p, c)
                }
                Fate::Cancelled => {
                    held.lose();
                    bill(100, 100)
                }
                Fate::Refused => usage(0, 0),
            }
        });
    }
    let mut sum = Usage::default();
    tasks
        .join_all()
        .await
        .into_iter()
        .for_each(|billed| sum += billed);
    (
        PRICE.worst(sum.prompt_tokens, sum.completion_tokens),
        sum.total(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn no_fate_of_requests_passes_a_budget(
        fates in prop::collection::vec(fates(), 1..150),
        dollars in prop::option::of(0.0..9000.0_f64),
        tokens in prop::option::of(0..5000_u64),
    ) {
        let paused = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().expect("a runtime");
        for in_flight in [1, 8, 32, 256] {
            let ledger = ledger(dollars, tokens);
            let billed = paused.block_on(simulate(&ledger, fates.clone(), in_flight));
            prop_assert!(billed.0 <= dollars.unwrap_or(f64::INFINITY) + 1e-9, "{billed:?}");
            prop_assert!(billed.1 <= tokens.unwrap_or(u64::MAX), "{billed:?}");
            // Nothing that is billed is missing in the book, and nothing stays reserved.
            let (known, unknown) = (ledger.spent(), ledger.unknown());
            prop_assert!(billed.0 <= known.0 + unknown.dollars + 1e-9);
            prop_assert!(billed.1 <= known.1 + unknown.tokens);
            let account = ledger.account();
            prop_assert_eq!((account.reserved, account.in_flight), (Amount::default(), 0));
            prop_assert_eq!(account.over_bound, 0);
        }
    }
}

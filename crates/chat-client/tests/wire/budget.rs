//! What a server bills stays within the budget, whatever it does with the requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chat_client::money::{Budget, Ledger, Price};
use chat_client::{CancellationToken, ChatClient, Error, NoArchive};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::server::{Act, FaultServer, Seen, Step, error, open_head, send, send_part};
use crate::{endpoint, request};

/// Most tokens that each request asks for.
const MAX_TOKENS: u32 = 400;

/// One dollar per thousand tokens read, and two per thousand written.
const PRICE: Price = Price {
    input: 1e3,
    cached_input: 1e2,
    output: 2e3,
    peak: None,
};

/// What a server does with a request, and bills for it unless it refuses.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// A short answer.
    Light,
    /// An answer of as many tokens as were allowed.
    Heavy,
    /// A heavy answer of which half arrives.
    Cut,
    /// A heavy answer that comes when nobody waits any more.
    Late,
    /// A heavy answer without its token counts.
    Silent,
    /// A heavy answer with the tokens of the prompt alone.
    HalfTold,
    /// An error with status 200, though the model has written.
    ErrorIn200,
    /// The model has written, but its gateway says that it has not.
    Gateway,
    /// Nothing but a closed connection, after the model has written.
    Hangup,
    Busy,
    Broken,
}

const MANNERS: [Manner; 11] = [
    Manner::Light,
    Manner::Heavy,
    Manner::Cut,
    Manner::Late,
    Manner::Silent,
    Manner::HalfTold,
    Manner::ErrorIn200,
    Manner::Gateway,
    Manner::Hangup,
    Manner::Busy,
    Manner::Broken,
];

/// What a server has billed.
#[derive(Default)]
struct Billed {
    prompt: AtomicU64,
    completion: AtomicU64,
}

impl Billed {
    fn tokens(&self) -> (u64, u64) {
        let get = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (get(&self.prompt), get(&self.completion))
    }
}

/// A well-mixed number (splitmix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The body of an answer; `usage` is null where the server does not tell it.
fn body(stream: bool, usage: &Value) -> String {
    if !stream {
        let choice = json!({"message": {"content": "done"}, "finish_reason": "stop"});
        return json!({"choices": [choice], "usage": usage}).to_string();
    }
    let piece = json!({"choices": [{"delta": {"content": "done"}, "finish_reason": "stop"}]});
    let counts = json!({"choices": [], "usage": usage});
    format!("data: {piece}\n\ndata: {counts}\n\ndata: [DONE]\n\n")
}

/// Bills a request, and acts.
fn act(seen: &Seen, manner: Manner, billed: &Billed) -> Act {
    let (stream, light) = (seen.body["stream"] == true, matches!(manner, Manner::Light));
    match manner {
        Manner::Busy => return error("429 Too Many Requests", "later"),
        Manner::Broken => return error("500 Internal Server Error", "oops"),
        _ => {}
    }
    // A token of each byte, and those of the chat template.
    let prompt = seen.prompt().len() as u64 + 20;
    let completion = if light { 20 } else { u64::from(MAX_TOKENS) };
    billed.prompt.fetch_add(prompt, Ordering::SeqCst);
    billed.completion.fetch_add(completion, Ordering::SeqCst);
    let usage = json!({"prompt_tokens": prompt, "completion_tokens": completion});
    let whole = body(stream, &usage);
    match manner {
        Manner::Cut => send_part("200 OK", "", whole.as_bytes(), whole.len() / 2),
        Manner::Late => vec![
            Step::Wait(Duration::from_millis(300)),
            open_head(),
            Step::Write(whole.into()),
        ],
        Manner::Silent => send("200 OK", "", body(stream, &Value::Null)),
        Manner::HalfTold => {
            let half = json!({"prompt_tokens": prompt});
            send("200 OK", "", body(stream, &half))
        }
        Manner::ErrorIn200 => error("200 OK", "overloaded"),
        Manner::Gateway => error("502 Bad Gateway", "upstream"),
        Manner::Hangup => vec![],
        _ => send("200 OK", "", whole),
    }
}

/// Sends many requests, half of which are dropped early at times, until the budget ends it.
async fn spend(client: ChatClient, requests: usize, cancel: bool) -> usize {
    let client = Arc::new(client);
    let mut tasks = JoinSet::new();
    for number in 0..requests {
        let client = client.clone();
        tasks.spawn(async move {
            let mut asked = request(&"word ".repeat(number % 7 + 1));
            asked.sampling.max_tokens = Some(MAX_TOKENS);
            let stop = CancellationToken::new();
            let call = client.chat(&asked, &stop, &NoArchive);
            let limit = if cancel && number % 2 == 0 {
                20
            } else {
                60_000
            };
            let limit = Duration::from_millis(limit);
            let outcome = tokio::time::timeout(limit, call).await;
            matches!(outcome, Ok(Err(Error::BudgetReached { .. })))
        });
    }
    let reached = tasks.join_all().await;
    reached.into_iter().filter(|reached| *reached).count()
}

fn setup(url: &str, in_flight: usize, stream: bool, ledger: &Arc<Ledger>) -> ChatClient {
    let mut endpoint = endpoint(url);
    endpoint.concurrency = in_flight;
    endpoint.adaptive = false;
    endpoint.stream = stream;
    endpoint.timeouts.first_byte = Duration::from_millis(100);
    endpoint.retry.tries = 3;
    let client = ChatClient::new(endpoint).expect("a client");
    client.with_ledger(Arc::clone(ledger), PRICE)
}

/// One run; `pick` says what the server does with its n-th request.
async fn check(
    name: &str,
    pick: impl Fn(u64) -> Manner + Send + Sync + 'static,
    in_flight: usize,
    stream: bool,
    budget: Budget,
) {
    let billed = Arc::new(Billed::default());
    let bill = billed.clone();
    let server = FaultServer::start(move |seen| act(seen, pick(seen.number as u64), &bill));
    let ledger = Arc::new(Ledger::new(budget));
    let client = setup(&server.url, in_flight, stream, &ledger);
    spend(client, 40, name.contains("cancelled")).await;
    let (prompt, completion) = billed.tokens();
    let dollars = (prompt + 2 * completion) as f64 / 1e3;
    let shown = format!("{name}, {in_flight} in flight, stream {stream}: {budget:?}");
    let tokens = prompt + completion;
    assert!(tokens > 0, "{shown}: nothing was asked");
    let limits = (
        budget.tokens.unwrap_or(u64::MAX),
        budget.dollars.unwrap_or(f64::INFINITY),
    );
    assert!(tokens <= limits.0, "{shown}: {tokens} tokens were billed");
    assert!(
        dollars <= limits.1,
        "{shown}: {dollars} dollars were billed"
    );
    // The ledger hides nothing: what it knows and what may be covers the bill.
    let (known, unknown) = (ledger.spent(), ledger.unknown());
    assert!(tokens <= known.1 + unknown.tokens, "{shown}: {ledger:?}");
    assert!(
        dollars <= known.0 + unknown.dollars + 1e-9,
        "{shown}: {ledger:?}"
    );
}

const TOKENS: Budget = Budget {
    dollars: None,
    tokens: Some(6_000),
};

const DOLLARS: Budget = Budget {
    dollars: Some(9.0),
    tokens: None,
};

#[tokio::test]
async fn no_manner_of_a_server_passes_the_budget() {
    for manner in MANNERS {
        if matches!(manner, Manner::Busy | Manner::Broken) {
            continue;
        }
        for (in_flight, stream) in [(1, false), (8, true), (32, false)] {
            for budget in [TOKENS, DOLLARS] {
                let name = format!("{manner:?}");
                // Short first answers must not make the following ones look cheap.
                let pick = move |number| if number < 3 { Manner::Light } else { manner };
                check(&name, pick, in_flight, stream, budget).await;
            }
        }
    }
}

#[tokio::test]
async fn no_mixture_of_manners_passes_the_budget() {
    for seed in 0..8 {
        for (in_flight, stream) in [(1, true), (8, false), (32, true)] {
            let name = match seed % 2 {
                0 => format!("seed {seed}"),
                _ => format!("seed {seed}, cancelled"),
            };
            let pick = move |number: u64| {
                let drawn = mix(seed << 32 | number) % MANNERS.len() as u64;
                MANNERS[drawn as usize]
            };
            let budget = if seed % 4 < 2 { TOKENS } else { DOLLARS };
            check(&name, pick, in_flight, stream, budget).await;
        }
    }
}

//! How many requests leave at once and how fast.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_client::{CancellationToken, ChatClient, NoArchive};
use tokio::task::JoinSet;

use crate::server::{FaultServer, Step, answer, completion, error, open_head, send};
use crate::{ask, endpoint, request};

/// Asks `count` prompts at once and returns the answers in the order in which they came.
async fn ask_all(client: &Arc<ChatClient>, count: usize) -> Vec<String> {
    let mut tasks = JoinSet::new();
    for prompt in 0..count {
        let client = Arc::clone(client);
        tasks.spawn(async move {
            let request = request(&prompt.to_string());
            client
                .chat(&request, &CancellationToken::new(), &NoArchive)
                .await
        });
    }
    let mut answers = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        let answer = joined.expect("no panic").expect("answered");
        answers.push(answer.content);
    }
    answers
}

#[tokio::test]
async fn the_limit_settles_near_what_the_server_allows() {
    const ALLOWED: usize = 12;
    let server = FaultServer::start(|seen| {
        if seen.in_flight > ALLOWED {
            return error("429 Too Many Requests", "too many at once");
        }
        let body = completion(seen.prompt());
        let wait = Step::Wait(Duration::from_millis(8));
        vec![wait, open_head(), Step::Write(body.into_bytes())]
    });
    let mut endpoint = endpoint(&server.url);
    endpoint.concurrency = 64;
    endpoint.retry.throttled_tries = 200;
    let client = Arc::new(ChatClient::new(endpoint).expect("a client"));
    assert_eq!(client.limit(), 8);
    let answers = ask_all(&client, 800).await;
    let different: HashSet<&String> = answers.iter().collect();
    assert_eq!((answers.len(), different.len()), (800, 800), "each once");
    let stats = client.stats();
    assert_eq!((stats.answered, stats.in_flight), (800, 0));
    assert_eq!(
        stats.sent,
        800 + stats.throttled,
        "each 429 costs one request"
    );
    let limit = client.limit();
    assert!((ALLOWED / 2..=ALLOWED + 3).contains(&limit), "{limit}");
    // A fixed limit of 64 would be refused most of the time.
    assert!(stats.throttled < 200, "{}", stats.throttled);
}

#[tokio::test]
async fn a_fixed_limit_is_used_from_the_start() {
    let server = FaultServer::start(|seen| {
        let mut act = answer(seen.prompt());
        act.insert(0, Step::Wait(Duration::from_millis(150)));
        act
    });
    let mut endpoint = endpoint(&server.url);
    endpoint.concurrency = 20;
    endpoint.adaptive = false;
    let client = Arc::new(ChatClient::new(endpoint).expect("a client"));
    assert_eq!(client.limit(), 20);
    ask_all(&client, 40).await;
    let most = server.seen().iter().map(|seen| seen.in_flight).max();
    assert_eq!(most, Some(20));
}

#[tokio::test]
async fn a_slot_is_free_while_its_request_waits() {
    let server = FaultServer::start(|seen| match (seen.prompt(), seen.number) {
        ("0", 0) => error("500 Internal Server Error", "once"),
        (prompt, _) => answer(prompt),
    });
    let mut endpoint = endpoint(&server.url);
    endpoint.concurrency = 1;
    endpoint.retry.first_delay = Duration::from_millis(400);
    endpoint.retry.max_delay = Duration::from_millis(400);
    let client = Arc::new(ChatClient::new(endpoint).expect("a client"));
    // The one that waits comes last, though it was sent first.
    assert_eq!(ask_all(&client, 3).await, ["1", "2", "0"]);
}

#[tokio::test]
async fn a_retry_after_holds_back_everyone() {
    let pause = Duration::from_millis(400);
    let server = FaultServer::start(|seen| match seen.number {
        0 => send("429 Too Many Requests", "Retry-After: 0.4\r\n", ""),
        _ => answer(seen.prompt()),
    });
    let mut endpoint = endpoint(&server.url);
    endpoint.concurrency = 4;
    endpoint.start = Some(1);
    endpoint.retry.max_retry_after = Duration::from_secs(10);
    let client = Arc::new(ChatClient::new(endpoint).expect("a client"));
    ask_all(&client, 10).await;
    let seen = server.seen();
    assert_eq!(seen.len(), 11);
    for later in &seen[1..] {
        let after = later.at.duration_since(seen[0].at);
        assert!(after >= pause, "{after:?}");
    }
}

#[tokio::test]
async fn rates_hold_for_requests_and_tokens() {
    let server = FaultServer::start(|seen| answer(seen.prompt()));
    // 600 a minute are 10 a second, of which one second's worth may leave at once.
    let mut by_requests = endpoint(&server.url);
    by_requests.requests_per_minute = Some(600);
    // An answer has 15 tokens, so that 9,000 a minute are as much.
    let mut by_tokens = endpoint(&server.url);
    by_tokens.tokens_per_minute = Some(9_000);
    for endpoint in [by_requests, by_tokens] {
        let client = Arc::new(ChatClient::new(endpoint).expect("a client"));
        // The first answer tells what answers cost.
        ask(&client).await.expect("answered");
        let start = Instant::now();
        ask_all(&client, 18).await;
        let time = start.elapsed().as_secs_f64();
        assert!((0.6..8.0).contains(&time), "{time}");
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let check = |change: fn(&mut chat_client::Endpoint), field: &str| {
        let mut endpoint = endpoint("http://localhost:1");
        change(&mut endpoint);
        let error = ChatClient::new(endpoint)
            .expect_err("out of range")
            .to_string();
        assert!(error.contains(field), "{error}");
    };
    check(|e| e.concurrency = 0, "concurrency");
    check(|e| e.start = Some(0), "start");
    check(|e| e.requests_per_minute = Some(0), "requests_per_minute");
    check(|e| e.tokens_per_minute = Some(0), "tokens_per_minute");
    check(|e| e.max_body_bytes = 0, "max_body_bytes");
}

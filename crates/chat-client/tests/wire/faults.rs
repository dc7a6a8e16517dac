//! Failures of the transport and of single answers, which another try repairs.

use std::time::Duration;

use chat_client::{ChatClient, Error, Finish};

use crate::server::{
    Act, FaultServer, Step, answer, completion, error, open_head, send, send_part,
};
use crate::{Kept, ask, ask_kept, client, endpoint};

/// After each of these faults, the second try gets the answer.
async fn check_repaired(fault: Act, what: &str) -> Kept {
    let server = FaultServer::scripted(vec![fault]);
    let mut endpoint = endpoint(&server.url);
    endpoint.timeouts.first_byte = Duration::from_millis(300);
    endpoint.timeouts.idle = Duration::from_millis(200);
    endpoint.max_body_bytes = 10_000;
    let client = ChatClient::new(endpoint).expect("a client");
    let kept = Kept::default();
    let found = ask_kept(&client, &kept).await;
    let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(found.content, "done", "{what}");
    assert_eq!(server.seen().len(), 2, "{what}");
    let stats = client.stats();
    let counts = (stats.sent, stats.answered, stats.retried, stats.in_flight);
    assert_eq!(counts, (2, 1, 1, 0), "{what}");
    kept
}

#[tokio::test]
async fn broken_connections_are_tried_again() {
    let body = completion("x");
    let cut = body.len() / 2;
    for (what, fault) in [
        ("FIN before the head", vec![]),
        (
            "FIN after the head",
            send_part("200 OK", "", body.as_bytes(), 0),
        ),
        ("cut JSON", send_part("200 OK", "", body.as_bytes(), cut)),
        (
            "half a head",
            vec![Step::Write(b"HTTP/1.1 200 OK\r\nconte".to_vec())],
        ),
        ("no HTTP", vec![Step::Write(b"hello\r\n\r\n".to_vec())]),
        ("stalled before the head", vec![Step::Stall]),
        ("stalled after the head", vec![open_head(), Step::Stall]),
        (
            "stalled in the body",
            vec![
                open_head(),
                Step::Write(body.as_bytes()[..cut].to_vec()),
                Step::Stall,
            ],
        ),
        (
            "too long",
            send("200 OK", "", completion(&"x".repeat(10_000))),
        ),
    ] {
        let kept = check_repaired(fault, what).await;
        assert_eq!(kept.bodies().len(), 1, "{what}: only whole bodies are kept");
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_is_tried_again() {
    let server = FaultServer::resetting(2, |_| answer("done"));
    let client = client(&server.url);
    assert_eq!(ask(&client).await.expect("answered").content, "done");
    assert_eq!((client.sent(), server.seen().len()), (3, 1));
}

#[tokio::test]
async fn answers_that_are_none_are_kept_and_tried_again() {
    let body = completion("é");
    let in_a_character = body.find('é').expect("it is there") + 1;
    for (what, text) in [
        ("empty", Vec::new()),
        ("blank", b" \n\n".to_vec()),
        ("only comments", b": keep-alive\n\n: keep-alive\n".to_vec()),
        ("cut JSON without a length", body.as_bytes()[..20].to_vec()),
        ("cut UTF-8", body.as_bytes()[..in_a_character].to_vec()),
        ("an error", br#"{"error": {"message": "overloaded"}}"#.to_vec()),
        (
            "no resources",
            br#"{"choices": [{"message": {"content": "half"}, "finish_reason": "insufficient_system_resource"}]}"#
                .to_vec(),
        ),
    ] {
        let expected = String::from_utf8_lossy(&text).into_owned();
        let kept = check_repaired(vec![open_head(), Step::Write(text)], what).await;
        assert_eq!(kept.bodies(), [expected, completion("done")], "{what}");
    }
}

#[tokio::test]
async fn busy_and_failing_servers_are_asked_again() {
    for status in [
        "408 Request Timeout",
        "409 Conflict",
        "425 Too Early",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "529 Overloaded",
    ] {
        check_repaired(error(status, "later"), status).await;
    }
    // The whole gateway page is of no use, nor is its end.
    let page = send_part("502 Bad Gateway", "", b"<html>bad gateway</html>", 6);
    check_repaired(page, "cut error page").await;
}

#[tokio::test]
async fn every_retry_after_is_survived() {
    for value in [
        "0",
        "0.01",
        "-5",
        "soon",
        "",
        "99999999999999999999",
        "1e300",
        "NaN",
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "\u{fc}",
    ] {
        let header = format!("Retry-After: {value}\r\n");
        for status in ["429 Too Many Requests", "503 Service Unavailable"] {
            check_repaired(send(status, &header, ""), &header).await;
        }
    }
    check_repaired(send("429 X", "retry-after-ms: 7\r\n", ""), "milliseconds").await;
}

#[tokio::test]
async fn slow_answers_are_read_while_something_comes() {
    let mut act = vec![open_head()];
    for _ in 0..6 {
        act.push(Step::Write(b": keep-alive\n\n".to_vec()));
        act.push(Step::Wait(Duration::from_millis(100)));
    }
    act.push(Step::Write(completion("slow").into_bytes()));
    let server = FaultServer::scripted(vec![act]);
    let mut endpoint = endpoint(&server.url);
    endpoint.timeouts.idle = Duration::from_millis(400);
    let client = ChatClient::new(endpoint).expect("a client");
    assert_eq!(ask(&client).await.expect("answered").content, "slow");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    let act = |_: &crate::server::Seen| {
        let mut act = vec![open_head()];
        for _ in 0..100 {
            act.push(Step::Write(b": keep-alive\n\n".to_vec()));
            act.push(Step::Wait(Duration::from_millis(20)));
        }
        act
    };
    let server = FaultServer::start(act);
    let mut endpoint = endpoint(&server.url);
    endpoint.timeouts.total = Duration::from_millis(200);
    endpoint.retry.tries = 2;
    let client = ChatClient::new(endpoint).expect("a client");
    let error = ask(&client).await.expect_err("it never ends").to_string();
    assert!(
        error.contains("failed 2 times") && error.contains("longer than 200ms"),
        "{error}"
    );
}

#[tokio::test]
async fn tries_are_counted_and_the_last_cause_is_told() {
    let server = FaultServer::start(|_| error("500 Internal Server Error", "no luck"));
    let failed = ask(&client(&server.url))
        .await
        .expect_err("it never answers");
    assert!(matches!(failed, Error::GaveUp { tries: 6, .. }), "{failed}");
    assert!(failed.to_string().contains("no luck"), "{failed}");
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn being_asked_to_wait_does_not_use_up_the_tries() {
    // Ten refusals are more than the six tries of errors (curator#205).
    let busy = || error("429 Too Many Requests", "slow down");
    let mut acts: Vec<Act> = (0..10).map(|_| busy()).collect();
    acts.insert(5, error("500 Internal Server Error", "oops"));
    let server = FaultServer::scripted(acts);
    let asking = client(&server.url);
    assert_eq!(ask(&asking).await.expect("answered").content, "done");
    assert_eq!(asking.stats().throttled, 10);

    let server = FaultServer::start(move |_| busy());
    let mut endpoint = endpoint(&server.url);
    endpoint.retry.throttled_tries = 8;
    let asking = ChatClient::new(endpoint).expect("a client");
    let failed = ask(&asking).await.expect_err("it is always busy");
    assert!(matches!(failed, Error::GaveUp { tries: 8, .. }), "{failed}");
}

#[tokio::test]
async fn one_failed_answer_does_not_discard_the_others() {
    let server = FaultServer::start(|seen| match seen.prompt() {
        "3" => error("400 Bad Request", "too long"),
        prompt => answer(prompt),
    });
    let client = client(&server.url);
    let mut answered = 0;
    for prompt in 0..6 {
        let request = crate::request(&prompt.to_string());
        let stop = chat_client::CancellationToken::new();
        match client.chat(&request, &stop, &chat_client::NoArchive).await {
            Ok(found) => {
                assert_eq!(
                    (found.content, found.reasoning),
                    (prompt.to_string(), Some("why".into()))
                );
                assert_eq!(found.finish, Finish::Stop);
                answered += 1;
            }
            Err(error) => assert!(error.to_string().contains("too long"), "{error}"),
        }
    }
    assert_eq!(answered, 5);
}

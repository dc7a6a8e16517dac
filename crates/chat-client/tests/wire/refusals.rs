//! Refusals that no other try repairs, keys that stay hidden, and the list of models.

use std::time::Duration;

use chat_client::body::parse_body;
use chat_client::{CancellationToken, ChatClient, Error, KeySource, ModelCheck};
use serde_json::json;

use crate::server::{Act, FaultServer, answer, completion, error, send};
use crate::{Kept, ask, ask_kept, client, endpoint};

#[tokio::test]
async fn refusals_end_the_call_at_once_with_the_servers_words() {
    for status in [
        "400 Bad Request",
        "401 Unauthorized",
        "402 Payment Required",
        "403 Forbidden",
        "404 Not Found",
        "413 Content Too Large",
        "422 Unprocessable Entity",
    ] {
        let server = FaultServer::start(move |_| error(status, "the server's words"));
        let failed = ask(&client(&server.url)).await.expect_err("refused");
        let (Error::Refused { status: code, .. } | Error::Rejected { status: code, .. }) = &failed
        else {
            panic!("{failed}")
        };
        let is_own = matches!(failed, Error::Rejected { .. });
        assert_eq!(is_own, matches!(code, 400 | 413 | 422), "{failed}");
        assert_eq!(code.to_string(), status[..3]);
        assert!(
            failed.to_string().contains("the server's words"),
            "{failed}"
        );
        assert_eq!(server.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_empty_account_is_not_asked_thirty_times() {
    let body = json!({"error": {"message": "You exceeded your current quota",
                                "type": "insufficient_quota", "code": "insufficient_quota"}});
    let body = body.to_string();
    let server = FaultServer::start(move |_| send("429 Too Many Requests", "", body.as_bytes()));
    let failed = ask(&client(&server.url)).await.expect_err("no money");
    assert!(
        matches!(failed, Error::Refused { status: 429, .. }),
        "{failed}"
    );
    assert!(failed.to_string().contains("out of credit"), "{failed}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = FaultServer::start(|_| answer("stolen"));
    let location = format!("Location: {}/v1/chat/completions\r\n", target.url);
    let server = FaultServer::start(move |_| send("307 Temporary Redirect", &location, ""));
    let failed = ask(&client(&server.url))
        .await
        .expect_err("a redirect")
        .to_string();
    assert!(
        failed.contains("307") && failed.contains("redirect"),
        "{failed}"
    );
    assert!(target.seen().is_empty());
}

/// A key that is given to a client in a file, as tests cannot set variables.
fn keyed(url: &str, key: &str) -> (ChatClient, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("key");
    std::fs::write(&path, format!("{key}\n")).expect("written");
    let mut endpoint = endpoint(url);
    endpoint.key = KeySource::File(path);
    endpoint.retry.tries = 1;
    assert!(!format!("{endpoint:?}").contains(key));
    let client = ChatClient::new(endpoint).expect("a client");
    assert!(!format!("{client:?}").contains(key));
    (client, dir)
}

#[tokio::test]
async fn the_key_is_sent_and_shown_nowhere() {
    let key = "sk-0123456789/abcdef";
    // The 200 characters that a message shows would end within the key.
    let words = format!("{} {key} is wrong", "x".repeat(190));
    let acts: Vec<(&str, String, String)> = vec![
        (
            "401 Unauthorized",
            json!({"error": {"message": words}}).to_string(),
            "401".into(),
        ),
        ("401 Unauthorized", words.clone(), "401".into()),
        ("500 Internal Server Error", words.clone(), "500".into()),
        (
            "200 OK",
            json!({"error": {"message": words}}).to_string(),
            "200".into(),
        ),
        (
            "200 OK",
            json!({"odd": words}).to_string(),
            "choices[0]".into(),
        ),
        ("200 OK", words.clone(), "a JSON object".into()),
        (
            "200 OK",
            format!("data: {}\n\n", json!({"error": {"message": words}})),
            "200".into(),
        ),
        (
            "401 Unauthorized",
            json!({"error": {"message": key}})
                .to_string()
                .replace('/', "\\/"),
            "(key)".into(),
        ),
    ];
    for (status, body, expected) in acts {
        let act = move || -> Act { send(status, "", body.as_bytes()) };
        let server = FaultServer::start(move |_| act());
        let (client, _dir) = keyed(&server.url, key);
        let failed = ask(&client).await.expect_err("refused");
        let shown = format!("{failed} {failed:?}");
        assert!(!shown.contains("sk-0"), "{shown}");
        assert!(shown.contains(&expected), "{shown}");
        assert_eq!(server.seen()[0].authorization, format!("Bearer {key}"));
    }
}

/// A streamed answer that spreads `words` over its events, one character each.
fn spread(words: &str) -> String {
    let mut body = String::new();
    for c in words.chars() {
        let delta = json!({"choices": [{"delta": {"content": c.to_string()}}]});
        body += &format!("data: {delta}\n\n");
    }
    let last = json!({"choices": [{"delta": {}, "finish_reason": "length"}],
                      "usage": {"prompt_tokens": 3, "completion_tokens": 4}});
    body + &format!("data: {last}\n\ndata: [DONE]\n\n")
}

#[tokio::test]
async fn an_answer_that_repeats_the_key_is_kept_without_it() {
    let key = "sk-0123456789/ab\"cdef";
    let whole = completion(&format!("my key is {key}"));
    for body in [
        whole.clone(),
        whole.replace('/', "\\/"),
        whole.replace("sk-", "\\u0073k\\u002D"),
        completion(&json!({"key": key}).to_string()),
        spread(&format!("my key is {key}")),
        format!("{{\"id\": {}, {}", json!(key), &whole[1..]),
    ] {
        let sent = body.clone();
        let server = FaultServer::start(move |_| send("200 OK", "", sent.as_bytes()));
        let (client, _dir) = keyed(&server.url, key);
        let kept = Kept::default();
        let answer = ask_kept(&client, &kept).await.expect("answered");
        let bodies = kept.bodies().concat();
        assert!(bodies.contains("(key)"), "{bodies}");
        let read = parse_body(&bodies).expect("it can still be read");
        assert_eq!(read, answer);
        for text in [&bodies, &answer.content] {
            assert!(!text.contains("0123456789"), "{text}");
        }
        assert_eq!(answer.usage.completion_tokens, read.usage.completion_tokens);
    }
    // A word that servers of one's own are given is no secret, and answers may have it.
    let server = FaultServer::start(|_| answer("the list is EMPTY"));
    let (client, _dir) = keyed(&server.url, "EMPTY");
    assert_eq!(
        ask(&client).await.expect("answered").content,
        "the list is EMPTY"
    );
}

#[tokio::test]
async fn what_a_terminal_obeys_is_not_shown() {
    let words = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m";
    let list = json!({"data": [{"id": words}]}).to_string();
    for (status, body) in [
        ("401 Unauthorized", words.to_string()),
        (
            "401 Unauthorized",
            json!({"error": {"message": words}}).to_string(),
        ),
        ("500 Internal Server Error", words.to_string()),
        ("200 OK", words.to_string()),
        ("200 OK", json!({"odd": words}).to_string()),
        ("200 OK", json!({"error": {"message": words}}).to_string()),
        ("200 OK", list),
    ] {
        let server = FaultServer::start(move |_| send(status, "", body.as_bytes()));
        let (client, _dir) = keyed(&server.url, "sk-0123456789");
        let failed = ask(&client).await.expect_err("refused").to_string();
        let found = client.check(&CancellationToken::new()).await;
        let found = found.map_or_else(|error| error.to_string(), |check| check.to_string());
        for shown in [failed, found] {
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }
}

#[tokio::test]
async fn models_are_looked_up_before_money_is_spent() {
    let list = json!({"data": [{"id": "m"}, {"id": "other"}]}).to_string();
    let others = json!({"data": [{"id": "other"}]}).to_string();
    let known = vec!["other".to_string()];
    for (act, expected) in [
        (("200 OK", list), ModelCheck::Known),
        (("200 OK", others), ModelCheck::NotListed { known }),
        (("404 Not Found", String::new()), ModelCheck::Unsupported),
        (
            ("405 Method Not Allowed", String::new()),
            ModelCheck::Unsupported,
        ),
        (("200 OK", "<html>".into()), ModelCheck::Unsupported),
    ] {
        let (status, body) = act;
        let server = FaultServer::scripted(vec![
            error("503 Service Unavailable", "starting"),
            send(status, "", body),
        ]);
        let found = client(&server.url).check(&CancellationToken::new()).await;
        assert_eq!(found.expect("an answer"), expected);
        assert_eq!(server.seen()[1].call, "GET /v1/models");
    }
}

#[tokio::test]
async fn a_check_tells_what_would_end_the_run() {
    for status in ["401 Unauthorized", "402 Payment Required"] {
        let server = FaultServer::start(move |_| error(status, "no"));
        let failed = client(&server.url).check(&CancellationToken::new()).await;
        assert!(matches!(failed, Err(Error::Refused { .. })), "{failed:?}");
        assert_eq!(server.seen().len(), 1);
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let failed = client(&url).check(&CancellationToken::new()).await;
    assert!(
        matches!(failed, Err(Error::Unreachable { tries: 3, .. })),
        "{failed:?}"
    );
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(matches!(
        client(&url).check(&stop).await,
        Err(Error::Stopped)
    ));
}

#[tokio::test]
async fn a_stop_ends_the_waiting() {
    let server = FaultServer::start(|_| send("429 X", "Retry-After: 3600\r\n", ""));
    let mut endpoint = endpoint(&server.url);
    endpoint.retry.max_retry_after = Duration::from_secs(3600);
    let client = ChatClient::new(endpoint).expect("a client");
    let stop = CancellationToken::new();
    let (first, second) = (crate::request("a"), crate::request("b"));
    let asked = async {
        let kept = chat_client::NoArchive;
        tokio::join!(client.chat(&first, &stop, &kept), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            client.chat(&second, &stop, &kept).await
        })
    };
    let stopped = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.cancel();
    };
    let ((first, second), ()) = tokio::join!(asked, stopped);
    assert!(matches!(first, Err(Error::Stopped)), "{first:?}");
    assert!(matches!(second, Err(Error::Stopped)), "{second:?}");
    assert_eq!(
        server.seen().len(),
        1,
        "the second waits for the end of the pause"
    );
}

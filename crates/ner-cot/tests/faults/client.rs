//! What the client says when trying again would not help.

use chat_client::{ChatClient, Endpoint};
use ner_cot::{CancellationToken, Error};

use crate::server::{Act, FaultServer};
use crate::{good, pipeline, run, source, temp};

async fn message(act: impl Fn() -> Act + Send + Sync + 'static) -> (String, FaultServer) {
    let server = FaultServer::start(move |_| act());
    let error = run(&server.url, &source(1), temp().path())
        .await
        .expect_err("fails");
    (error.to_string(), server)
}

#[tokio::test]
async fn refusals_end_the_run_at_once_with_the_servers_words() {
    for status in [
        "400 Bad Request",
        "401 Unauthorized",
        "402 Payment Required",
        "404 Not Found",
        "422 Unprocessable Entity",
    ] {
        let (error, server) = message(move || Act::error(status, "the server's words")).await;
        assert!(
            error.contains("the server's words") && error.contains(&status[..3]),
            "{error}"
        );
        assert!(
            error.contains(&server.url) && error.contains("\"teacher\""),
            "{error}"
        );
        assert_eq!(server.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn answers_of_other_programs_are_shown_with_their_address() {
    let html = "<!DOCTYPE html>\n<html><title>Welcome</title></html>";
    for (body, word) in [
        (html, "<title>Welcome</title>"),
        ("{\"status\": \"ok\"}", "\"status\""),
        ("[]", "choices[0].message"),
        ("pong", "pong"),
    ] {
        let send = move || Act::Send("200 OK", String::new(), body.into());
        let (error, server) = message(send).await;
        assert!(
            error.contains(word) && error.contains(&server.url),
            "{error}"
        );
        assert_eq!(server.seen().len(), 1, "{body}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = FaultServer::start(good);
    let location = format!("Location: {}/v1/chat/completions\r\n", target.url);
    let send = move || Act::Send("307 Temporary Redirect", location.clone(), String::new());
    let (error, _server) = message(send).await;
    assert!(
        error.contains("307") && error.contains("redirect"),
        "{error}"
    );
    assert!(
        target.seen().is_empty(),
        "nothing, the key least of all, goes elsewhere"
    );
}

#[tokio::test]
async fn a_refused_connection_names_the_address() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = run(&url, &source(1), temp().path())
        .await
        .expect_err("nobody listens");
    assert!(
        matches!(
            error,
            Error::Client(chat_client::Error::Unreachable { tries: 3, .. })
        ),
        "{error}"
    );
    let error = error.to_string();
    assert!(
        error.contains(&url) && error.to_lowercase().contains("refused"),
        "{error}"
    );
}

#[tokio::test]
async fn the_key_is_sent_and_shown_nowhere() {
    // A variable that cargo sets for every test stands in for the key.
    let var = "CARGO_MANIFEST_DIR";
    let key = std::env::var(var).expect("cargo sets it");
    let echo = key.clone();
    let server = FaultServer::start(move |seen| {
        assert!(!seen.body.to_string().contains(&echo));
        Act::error("401 Unauthorized", &format!("wrong key {echo}"))
    });
    let mut endpoint = Endpoint::new(&server.url, "teacher");
    endpoint.key = chat_client::KeySource::Env(var.into());
    let teacher = ChatClient::new(endpoint).expect("a client");
    assert!(!format!("{teacher:?}").contains(&key));
    let judge = ChatClient::new(Endpoint::new(&server.url, "judge")).expect("a client");
    let pipeline = ner_cot::Pipeline::new(teacher, judge, Default::default()).expect("valid");
    let stop = CancellationToken::new();
    let result = pipeline
        .run(&source(1), temp().path(), &stop, &mut ())
        .await;
    let error = result.expect_err("unauthorized");
    assert!(error.to_string().contains("wrong key (key)"), "{error}");
    assert!(!format!("{error:?}").contains(&key));
    assert_eq!(server.seen()[0].authorization, format!("Bearer {key}"));
}

#[test]
fn settings_out_of_range_are_refused() {
    let mut endpoint = Endpoint::new("http://localhost:1", "m");
    endpoint.concurrency = 0;
    assert!(matches!(
        ChatClient::new(endpoint),
        Err(chat_client::Error::Setting {
            field: "concurrency",
            ..
        })
    ));
    let client = || ChatClient::new(Endpoint::new("http://localhost:1", "m")).expect("a client");
    for (attempts, threshold) in [(0, 9.0), (3, 10.5), (3, f64::NAN)] {
        let config = ner_cot::PipelineConfig {
            attempts,
            threshold,
            ..Default::default()
        };
        assert!(ner_cot::Pipeline::new(client(), client(), config).is_err());
    }
    assert!(format!("{:?}", pipeline("http://localhost:1")).contains("localhost"));
}

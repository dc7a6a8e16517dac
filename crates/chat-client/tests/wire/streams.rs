//! Answers that come in pieces.

use std::time::Duration;

use chat_client::body::{BodyProblem, parse_body};
use chat_client::{ChatAnswer, ChatClient, Finish, Usage};
use serde_json::{Value, json};

use crate::server::{FaultServer, Step, open_head, send};
use crate::{Kept, ask_kept, endpoint};

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn delta(delta: Value, finish: Value) -> String {
    event(&json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
}

/// The events of one answer.
pub(crate) fn events() -> Vec<String> {
    vec![
        ": keep-alive\n\n".into(),
        delta(
            json!({"role": "assistant", "content": null, "reasoning_content": ""}),
            json!(null),
        ),
        delta(json!({"reasoning_content": "wé"}), json!(null)),
        delta(json!({"reasoning": "ll"}), json!("")),
        ": keep-alive\n".into(),
        delta(json!({"content": "{\"a\": "}), json!(null)),
        delta(json!({"content": "\"é\\n\"}"}), json!(null)),
        delta(json!({}), json!("stop")),
        event(
            &json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5,
                      "completion_tokens_details": {"reasoning_tokens": 2}}}),
        ),
        "data: [DONE]\n\n".into(),
    ]
}

/// What the events say.
pub(crate) fn joined() -> ChatAnswer {
    ChatAnswer {
        reasoning: Some("wéll".into()),
        content: "{\"a\": \"é\\n\"}".into(),
        is_apart: true,
        finish: Finish::Stop,
        usage: Usage {
            prompt_tokens: 7,
            completion_tokens: 5,
            reasoning_tokens: 2,
            cached_tokens: 0,
        },
    }
}

#[test]
fn pieces_are_joined_whatever_the_line_ends() {
    let whole: String = events().concat();
    let indented = whole.replace("data: ", "data:");
    for body in [
        whole.clone(),
        whole.replace('\n', "\r\n"),
        whole.replace("\n\n", "\n"),
        indented,
        format!("\n\n\u{feff}{whole}").replace('\u{feff}', ""),
        whole.replace("data:", "event: message\nid: 3\nretry: 10\ndata:"),
        whole.trim_end().into(),
        // An event may go over several lines.
        whole.replace(",\"finish_reason\"", ",\ndata: \"finish_reason\""),
    ] {
        assert_eq!(parse_body(&body), Ok(joined()), "{body}");
    }
}

#[test]
fn think_tags_are_found_across_pieces() {
    let pieces = ["<th", "ink>why</", "think>", "{}"];
    let mut body: String = pieces
        .iter()
        .map(|piece| delta(json!({"content": piece}), json!(null)))
        .collect();
    body.push_str(&delta(json!({}), json!("length")));
    let answer = parse_body(&body).expect("complete");
    assert_eq!(
        (answer.reasoning.as_deref(), answer.content.as_str()),
        (Some("why"), "{}")
    );
    assert_eq!(answer.finish, Finish::Length);
}

#[test]
fn other_choices_are_left_out() {
    let other = json!({"choices": [{"index": 1, "delta": {"content": "other"}}]});
    let mut all = events();
    all.insert(3, event(&other));
    assert_eq!(parse_body(&all.concat()), Ok(joined()));
}

#[test]
fn streams_that_are_not_whole_are_worth_another_try() {
    let all = events();
    let error = event(&json!({"error": {"message": "out of memory"}}));
    let flat = event(&json!({"object": "error", "message": "out of memory", "code": 500}));
    let named = "event: error\ndata: {\"message\": \"out of memory\"}\n\n";
    let no_finish = [&all[..7], &["data: {\"choices\"".into()]]
        .concat()
        .concat();
    let resource = [
        &all[..7],
        &[delta(json!({}), json!("insufficient_system_resource"))],
    ];
    for body in [
        all[..7].concat(),
        no_finish,
        [&all[..4], &[error]].concat().concat(),
        [&all[..4], &[flat]].concat().concat(),
        [all[..4].concat(), named.into()].concat(),
        [
            all[..4].concat(),
            "data: oops\n\n".into(),
            all[4..].concat(),
        ]
        .concat(),
        [
            all[..4].concat(),
            "data: {\"choi\n\n".into(),
            all[4..].concat(),
        ]
        .concat(),
        resource.concat().concat(),
        "data: [DONE]\n\n".into(),
        "data:".into(),
        "event: ping\n\n".into(),
        "dat".into(),
    ] {
        let found = parse_body(&body);
        assert!(
            matches!(found, Err(BodyProblem::Transient(_))),
            "{body}: {found:?}"
        );
    }
    let foreign = "data: {\"ok\": true}\n\ndata: [DONE]\n\n";
    assert!(matches!(
        parse_body(foreign),
        Err(BodyProblem::WrongShape(_))
    ));
}

fn streaming(url: &str) -> ChatClient {
    let mut endpoint = endpoint(url);
    endpoint.stream = true;
    endpoint.timeouts.idle = Duration::from_millis(300);
    ChatClient::new(endpoint).expect("a client")
}

#[tokio::test]
async fn a_stream_is_asked_for_and_kept_as_it_came() {
    let body = events().concat();
    let sent = body.clone();
    let server = FaultServer::start(move |_| {
        // Pieces end anywhere, also within a character.
        let mut act = vec![open_head()];
        for piece in sent.as_bytes().chunks(37) {
            act.push(Step::Write(piece.to_vec()));
            act.push(Step::Wait(Duration::from_millis(2)));
        }
        act
    });
    let kept = Kept::default();
    let answer = ask_kept(&streaming(&server.url), &kept).await;
    assert_eq!(answer.expect("whole"), joined());
    assert_eq!(kept.bodies(), [body]);
    let request = &server.seen()[0].body;
    assert_eq!(request["stream"], json!(true));
    assert_eq!(request["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn requests_without_a_stream_say_so() {
    let server = FaultServer::scripted(vec![]);
    ask_kept(&crate::client(&server.url), &Kept::default())
        .await
        .expect("answered");
    let request = &server.seen()[0].body;
    assert_eq!(request["stream"], json!(false));
    assert!(request.get("stream_options").is_none());
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let server = FaultServer::scripted(vec![]);
    let answer = ask_kept(&streaming(&server.url), &Kept::default()).await;
    assert_eq!(answer.expect("whole").content, "done");
}

#[tokio::test]
async fn torn_streams_are_tried_again_and_finished_ones_are_not() {
    let body = events().concat();
    let half = body.as_bytes()[..body.len() / 2].to_vec();
    let whole = body.clone().into_bytes();
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let chunk =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    for (what, act, requests) in [
        ("FIN", vec![open_head(), Step::Write(half.clone())], 2),
        (
            "stall",
            vec![open_head(), Step::Write(half.clone()), Step::Stall],
            2,
        ),
        (
            "chunks without an end",
            vec![Step::Write(chunked.clone()), Step::Write(chunk(&half))],
            2,
        ),
        // Everything has come, though the connection is not ended as it should be.
        (
            "chunks with [DONE]",
            vec![Step::Write(chunked), Step::Write(chunk(&whole))],
            1,
        ),
        (
            "[DONE], then a stall",
            vec![open_head(), Step::Write(whole.clone()), Step::Stall],
            1,
        ),
    ] {
        let server = FaultServer::scripted(vec![act, send("200 OK", "", &whole)]);
        let answer = ask_kept(&streaming(&server.url), &Kept::default()).await;
        assert_eq!(answer.expect(what), joined(), "{what}");
        assert_eq!(server.seen().len(), requests, "{what}");
    }
}

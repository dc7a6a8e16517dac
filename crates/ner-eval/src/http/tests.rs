//! A server on this machine that answers as told, and what the completer makes of it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_client::Retry;
use serde_json::{Value, json};

use super::*;

/// Status and body for a request, by its prompt and how often that prompt was sent before.
type Script = dyn Fn(&str, usize) -> (u16, String) + Send + Sync;

/// A server that runs as long as the test program; gives its address and the prompts that it received.
pub(super) fn serve(
    script: impl Fn(&str, usize) -> (u16, String) + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let prompts = Arc::new(Mutex::new(Vec::new()));
    let (seen, script): (_, Arc<Script>) = (Arc::clone(&prompts), Arc::new(script));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
            std::thread::spawn(move || answer(stream, &seen, &*script));
        }
    });
    (url, prompts)
}

fn answer(stream: TcpStream, seen: &Mutex<Vec<String>>, script: &Script) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let body: Value = serde_json::from_slice(&read_body(&mut reader)?).ok()?;
        let prompt = body.pointer("/messages/0/content")?.as_str()?.to_string();
        let before = {
            let mut seen = seen.lock().ok()?;
            seen.push(prompt.clone());
            seen.iter().filter(|other| **other == prompt).count() - 1
        };
        let (status, body) = script(&prompt, before);
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        (&stream)
            .write_all(format!("{head}{body}").as_bytes())
            .ok()?;
    }
}

fn read_body(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

pub(super) fn reply(text: &str) -> (u16, String) {
    let choice = json!({"message": {"content": text}, "finish_reason": "stop"});
    (
        200,
        json!({"choices": [choice], "usage": {"completion_tokens": 3}}).to_string(),
    )
}

pub(super) fn config(url: &str) -> UrlConfig {
    let retry = Retry {
        throttled_tries: 8,
        tries: 3,
        first_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(2),
        max_retry_after: Duration::from_millis(2),
    };
    UrlConfig {
        url: url.into(),
        model: "m".into(),
        concurrency: 4,
        retry,
        ..UrlConfig::default()
    }
}

pub(super) fn questions(n: usize) -> Vec<Question> {
    let question = |i| Question {
        prompt: format!("prompt {i}"),
        ..Question::default()
    };
    (0..n).map(question).collect()
}

#[test]
fn answers_come_back_in_the_order_of_the_prompts() {
    let (url, _) = serve(|prompt, _| reply(prompt));
    let mut completer = UrlCompleter::new(&config(&url)).expect("usable");
    let answers = completer.complete(&questions(20)).expect("answered");
    let texts: Vec<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(
        texts,
        questions(20)
            .iter()
            .map(|it| &it.prompt)
            .collect::<Vec<_>>()
    );
    assert!(
        answers
            .iter()
            .all(|answer| answer.tokens == 3 && !answer.truncated)
    );
    assert!(completer.url().ends_with("/v1/chat/completions"));
}

#[test]
fn a_failure_is_tried_again_and_then_named_alone() {
    let (url, seen) = serve(|prompt, before| match (prompt, before) {
        ("prompt 0", 0) => (503, "busy".into()),
        ("prompt 0", 1) => (200, "{\"choices\": [".into()),
        ("prompt 1", _) => (500, "{\"error\": {\"message\": \"broken\"}}".into()),
        ("prompt 2", _) => (400, "{\"error\": {\"message\": \"too long\"}}".into()),
        (prompt, _) => reply(prompt),
    });
    let mut completer = UrlCompleter::new(&config(&url)).expect("usable");
    let outcomes = completer.attempt(&questions(4)).expect("most are answered");
    let is_answered = |outcome: &Outcome| matches!(outcome, Outcome::Answered(_));
    assert_eq!(
        outcomes.iter().map(is_answered).collect::<Vec<_>>(),
        [true, false, false, true]
    );
    let Outcome::Failed(reason) = &outcomes[1] else {
        panic!("it cannot be answered")
    };
    assert!(reason.ends_with("broken (after 3 tries)"), "{reason}");
    let Outcome::Failed(reason) = &outcomes[2] else {
        panic!("it is refused")
    };
    assert!(reason.ends_with("too long"), "{reason}");
    let sent = |prompt: &str| {
        seen.lock()
            .expect("whole")
            .iter()
            .filter(|p| *p == prompt)
            .count()
    };
    assert_eq!(
        [sent("prompt 0"), sent("prompt 1"), sent("prompt 2")],
        [3, 3, 1]
    );
}

#[test]
fn what_concerns_every_request_ends_the_evaluation() {
    let (url, seen) = serve(|_, _| (401, "{\"error\": {\"message\": \"who are you\"}}".into()));
    let mut completer = UrlCompleter::new(&config(&url)).expect("usable");
    let message = completer
        .attempt(&questions(50))
        .expect_err("refused")
        .to_string();
    assert!(
        message.contains("401: who are you (is the right API key"),
        "{message}"
    );
    assert!(
        seen.lock().expect("whole").len() < 50,
        "the rest is not sent"
    );
}

#[test]
fn a_server_that_no_longer_answers_is_given_up() {
    let (url, _) = serve(|_, _| (500, "down".into()));
    let mut completer = UrlCompleter::new(&UrlConfig {
        give_up_after: 3,
        ..config(&url)
    })
    .expect("usable");
    let outcomes = completer
        .attempt(&questions(2))
        .expect("two are not enough");
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Failed(_)))
    );
    let message = completer
        .attempt(&questions(2))
        .expect_err("four are")
        .to_string();
    assert!(
        message.contains("3 requests in a row failed for good"),
        "{message}"
    );
}

#[test]
fn an_address_without_a_server_is_told_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let mut completer = UrlCompleter::new(&config(&url)).expect("usable");
    let message = completer
        .attempt(&questions(2))
        .expect_err("nobody is there")
        .to_string();
    assert!(
        message.contains("expected a server, found none in 3 tries"),
        "{message}"
    );
}

#[test]
fn a_stop_sends_nothing_more() {
    let (url, seen) = serve(|prompt, _| reply(prompt));
    let completer = UrlCompleter::new(&config(&url)).expect("usable");
    let stop = CancellationToken::new();
    stop.cancel();
    let mut completer = completer.with_stop(stop);
    let outcomes = completer.attempt(&questions(3)).expect("stopped");
    assert_eq!(outcomes, vec![Outcome::NotAsked; 3]);
    assert!(seen.lock().expect("whole").is_empty());
}

#[track_caller]
fn check_refused(config: &UrlConfig, expected: &str) {
    let message = UrlCompleter::new(config).expect_err("refused").to_string();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn settings_are_checked_before_anything_is_sent() {
    for url in ["", "h:1", "ftp://h", "http://h/v1?key=1"] {
        check_refused(&config(url), "expected http://host or https://host");
    }
    let message = UrlCompleter::new(&config("https://me:secret@h")).expect_err("a password");
    assert!(!message.to_string().contains("secret"), "{message}");
    let good = config("http://h");
    let with = |change: fn(&mut UrlConfig)| {
        let mut config = good.clone();
        change(&mut config);
        config
    };
    check_refused(&with(|c| c.model.clear()), "the model's name");
    check_refused(&with(|c| c.concurrency = 0), "at least one request");
    check_refused(&with(|c| c.temperature = f64::NAN), "temperature");
    let key = "NER_EVAL_TEST_KEY_THAT_IS_NOT_SET";
    let config = UrlConfig {
        api_key_env: Some(key.into()),
        ..good
    };
    check_refused(&config, key);
}

#[test]
fn an_answer_is_in_the_log_while_others_of_its_batch_are_waited_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.jsonl");
    let in_log = Arc::new(Mutex::new(0));
    let (log, lines) = (path.clone(), Arc::clone(&in_log));
    // The third sentence is answered once the seven others are in the log, or never will be.
    let (url, seen) = serve(move |prompt, _| {
        if prompt.contains("sentence 2") {
            for _ in 0..1000 {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                *lines.lock().expect("no panic") = text.lines().count();
                if text.lines().count() == 7 {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        reply("{}")
    });
    let example = |i: usize| ner_types::Example {
        sentence: format!("sentence {i}"),
        schema: vec!["city".into()],
        ..Default::default()
    };
    let set = crate::suite::EvalSet {
        name: "north".into(),
        examples: (0..8).map(example).collect(),
    };
    let suite = Suite {
        name: "made up".into(),
        sets: vec![set],
    };
    let template = PromptTemplate::paper();
    let mut completer = UrlCompleter::new(&config(&url)).expect("usable");
    let identity = completer.identity(&suite, &template);
    let mut log = crate::PredictionLog::open(&path, &identity).expect("a log");
    let (options, stop) = (crate::EvalOptions::default(), CancellationToken::new());
    let result = crate::evaluate_logged(
        &mut log,
        &suite,
        &template,
        &mut completer,
        &options,
        &stop,
        &mut (),
    );
    let result = result.expect("answered");
    assert_eq!(
        *in_log.lock().expect("no panic"),
        7,
        "answers wait for others"
    );
    assert_eq!(seen.lock().expect("no panic").len(), 8);
    let order = result.predictions.iter().map(|made| made.index);
    assert_eq!(order.collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    let kept = crate::prediction::read_predictions(&path).expect("readable");
    assert_eq!(kept.last().map(|made| made.index), Some(2), "it came last");
}

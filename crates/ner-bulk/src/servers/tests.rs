//! Servers on this machine that answer as told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use chat_client::{Retry, Structured};
use serde_json::{Value, json};

use super::*;

/// Status and text of the answer to a message.
type Script = dyn Fn(&str, &Value) -> (u16, String) + Send + Sync;

struct Served {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Served {
    fn count(&self) -> usize {
        self.seen.lock().expect("whole").len()
    }
}

/// A server that runs as long as the test program.
fn serve(script: impl Fn(&str, &Value) -> (u16, String) + Send + Sync + 'static) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (kept, script): (_, Arc<Script>) = (Arc::clone(&seen), Arc::new(script));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
            std::thread::spawn(move || answer(stream, &kept, &*script));
        }
    });
    Served { url, seen }
}

fn answer(stream: TcpStream, seen: &Mutex<Vec<String>>, script: &Script) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (head, body) = request(&mut reader)?;
        let (status, body) = if head.starts_with("GET") {
            (200, json!({"data": [{"id": "m"}]}).to_string())
        } else {
            let body: Value = serde_json::from_slice(&body).ok()?;
            let message = body.pointer("/messages/0/content")?.as_str()?.to_owned();
            seen.lock().ok()?.push(message.clone());
            script(&message, &body)
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        (&stream)
            .write_all(format!("{head}{body}").as_bytes())
            .ok()?;
    }
}

fn request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn says(text: &str) -> (u16, String) {
    let choice = json!({"message": {"content": text}, "finish_reason": "stop"});
    let body = json!({"choices": [choice], "usage": {"completion_tokens": 3}});
    (200, body.to_string())
}

/// The address of a server that is not there.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

fn servers(urls: &[&str]) -> Servers {
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    let mut config = ServerConfig::new(urls, "m");
    config.concurrency = 2;
    config.give_up_after = 3;
    config.retry = Retry {
        throttled_tries: 2,
        tries: 2,
        first_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(2),
        max_retry_after: Duration::from_millis(2),
    };
    Servers::new(config, CancellationToken::new()).expect("usable")
}

fn asks(n: usize) -> Vec<Ask> {
    let ask = |i| Ask {
        message: format!("question {i}"),
        format: None,
    };
    (0..n).map(ask).collect()
}

fn texts(answers: Vec<Result<Reply, String>>) -> Vec<String> {
    let text = |answer: Result<Reply, String>| answer.map_or_else(|why| why, |reply| reply.text);
    answers.into_iter().map(text).collect()
}

fn questions(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("question {i}")).collect()
}

#[test]
fn questions_are_spread_and_answers_come_in_their_order() {
    let slow = |message: &str, _: &Value| {
        std::thread::sleep(Duration::from_millis(5));
        says(message)
    };
    let (one, two) = (serve(slow), serve(slow));
    let mut both = servers(&[&one.url, &two.url]);
    assert_eq!(both.check().expect("both are there"), Vec::<String>::new());
    assert_eq!(both.at_once(), 32);
    let answers = both.ask(asks(40)).expect("answered");
    assert_eq!(texts(answers), questions(40));
    assert_eq!(one.count() + two.count(), 40, "nothing twice");
    assert!(one.count() > 5 && two.count() > 5, "{}", one.count());
}

#[test]
fn a_server_that_is_gone_or_refuses_is_left_out_and_loses_nothing() {
    let well = serve(|message, _| says(message));
    let wrong = serve(|_, _| (401, "{\"error\": {\"message\": \"who are you\"}}".into()));
    let gone = nowhere();
    let mut three = servers(&[&gone, &wrong.url, &well.url]);
    let notes = three.check().expect("two are there");
    assert_eq!(notes.len(), 1, "{notes:?}");
    for _ in 0..2 {
        let answers = three.ask(asks(20)).expect("answered");
        assert_eq!(texts(answers), questions(20));
    }
    assert_eq!(three.n_left(), 1);
    assert!(three.left_out().concat().contains("who are you"));
    assert!(
        wrong.count() <= 2,
        "it is not asked again: {}",
        wrong.count()
    );

    let mut none = servers(&[&gone]);
    let said = none.check().expect_err("nobody is there").to_string();
    assert!(said.contains("no server is left"), "{said}");
    let said = none.ask(asks(1)).expect_err("nobody is there").to_string();
    assert!(said.contains(&gone), "{said}");
}

#[test]
fn a_failing_server_gives_its_questions_to_others_and_is_left_out() {
    let well = serve(|message, _| says(message));
    let ill = serve(|_, _| (500, "{\"error\": {\"message\": \"broken\"}}".into()));
    let mut both = servers(&[&ill.url, &well.url]);
    let answers = both.ask(asks(30)).expect("answered");
    assert_eq!(texts(answers), questions(30));
    let answers = both.ask(asks(30)).expect("answered");
    assert_eq!(texts(answers), questions(30));
    assert_eq!(both.n_left(), 1, "{:?}", both.left_out());
    let mut alone = servers(&[&ill.url]);
    let said = alone.ask(asks(9)).expect_err("none is left").to_string();
    assert!(
        said.contains("in a row failed for good") && said.contains("broken"),
        "{said}"
    );
}

#[test]
fn a_question_that_cannot_be_answered_has_an_error_of_its_own() {
    let script = |message: &str, _: &Value| match message {
        "question 1" => (400, "{\"error\": {\"message\": \"too long\"}}".into()),
        "question 2" => (500, "{\"error\": {\"message\": \"broken\"}}".into()),
        message => says(message),
    };
    let (one, two) = (serve(script), serve(script));
    let mut both = servers(&[&one.url, &two.url]);
    let answers = texts(both.ask(asks(6)).expect("most are answered"));
    assert!(answers[1].contains("too long"), "{answers:?}");
    assert!(answers[2].contains("broken"), "{answers:?}");
    assert_eq!(answers[5], "question 5");
    assert_eq!(both.n_left(), 2, "{:?}", both.left_out());
}

#[test]
fn reasoning_comes_first_and_the_form_is_asked_for() {
    let server = serve(|_, body| {
        assert_eq!(body["temperature"], 0.0);
        let asked = body["response_format"]["type"].as_str().unwrap_or("none");
        let message = json!({"reasoning_content": "I close </think>.", "content": asked});
        let choice = json!({"message": message, "finish_reason": "length"});
        (200, json!({"choices": [choice]}).to_string())
    });
    let mut one = servers(&[&server.url]);
    let config = ServerConfig {
        sampling: chat_client::Sampling {
            temperature: Some(0.0),
            ..Default::default()
        },
        ..(*one.config).clone()
    };
    one.config = Arc::new(config);
    let format = ResponseFormat::new(Structured::JsonSchema, "entities", &json!({}));
    let message = "who?".to_owned();
    let answers = one.ask(vec![Ask { message, format }]).expect("answered");
    let reply = answers[0].as_ref().expect("an answer");
    assert_eq!(
        reply.text,
        "<think>\nI close [/think].\n</think>\njson_schema"
    );
    assert!(reply.is_cut_off);
}

#[test]
fn a_stop_and_wrong_settings_are_errors() {
    let server = serve(|message, _| says(message));
    let mut one = servers(&[&server.url]);
    one.stop.cancel();
    assert!(matches!(one.ask(asks(3)), Err(Error::Stopped)));
    for urls in [vec![], vec!["ftp://h".to_owned()]] {
        let config = ServerConfig::new(urls, "m");
        Servers::new(config, CancellationToken::new()).expect_err("unusable");
    }
}

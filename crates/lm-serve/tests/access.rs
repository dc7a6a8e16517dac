//! Who may ask, and how long a client may take.

#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;

use std::io::{Read, Write};
use std::time::Duration;

use lm_serve::{Access, Limits};

use support::{Serving, TestResult, status};

const BODY: &str = r#"{"model": "tiny", "prompt": [1], "max_tokens": 1}"#;

/// The status of a request to complete with these lines at its head.
fn ask(server: &Serving, head: &str) -> std::io::Result<u16> {
    let length = BODY.len();
    let request = format!(
        "POST /v1/completions HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{BODY}"
    );
    Ok(status(&server.raw(request.as_bytes())?))
}

#[test]
fn only_programs_that_call_it_by_name_and_send_json_are_answered() -> TestResult {
    let server = Serving::start(|server| {
        server.access(Access {
            hosts: vec!["proxy.example".into()],
            origins: vec!["http://localhost:3000".into()],
            ..Access::default()
        })
    })?;
    let json = "Content-Type: application/json\r\n";
    for (head, expected) in [
        (format!("Host: localhost:8000\r\n{json}"), 200),
        (format!("Host: 127.0.0.1\r\n{json}"), 200),
        (format!("Host: [::1]:8000\r\n{json}"), 200),
        (format!("Host: Proxy.Example:80\r\n{json}"), 200),
        (format!("Host: evil.example\r\n{json}"), 403),
        (format!("Host: localhost.evil.example\r\n{json}"), 403),
        (
            format!("Host: localhost\r\nHost: evil.example\r\n{json}"),
            403,
        ),
        (json.to_owned(), 403),
        (
            format!("Host: localhost\r\nOrigin: http://localhost:3000\r\n{json}"),
            200,
        ),
        (
            format!("Host: localhost\r\nOrigin: http://evil.example\r\n{json}"),
            403,
        ),
        (format!("Host: localhost\r\nOrigin: null\r\n{json}"), 403),
        (
            "Host: localhost\r\nContent-Type: text/plain\r\n".into(),
            415,
        ),
        (
            "Host: localhost\r\nContent-Type: application/jsonx\r\n".into(),
            415,
        ),
        (
            "Host: localhost\r\nContent-Type: application/json; charset=utf-8\r\n".into(),
            200,
        ),
        ("Host: localhost\r\n".into(), 415),
        (
            format!("Host: localhost\r\nContent-Encoding: gzip\r\n{json}"),
            415,
        ),
    ] {
        assert_eq!(ask(&server, &head)?, expected, "{head}");
    }
    Ok(())
}

#[test]
fn a_key_is_asked_for_on_every_path_but_health() -> TestResult {
    let server = Serving::start(|server| {
        server.access(Access {
            api_key: Some("right".into()),
            ..Access::default()
        })
    })?;
    assert_eq!(status(&server.get("/health")?), 200);
    for path in ["/v1/models", "/no/such/path"] {
        assert_eq!(status(&server.get(path)?), 401, "{path}");
    }
    for (key, expected) in [
        ("", 401),
        ("Authorization: Bearer wrong\r\n", 401),
        ("Authorization: Bearer righ\r\n", 401),
        ("Authorization: right\r\n", 401),
        ("Authorization: Bearer right\r\n", 200),
    ] {
        let answer = server.post("/v1/completions", key, BODY)?;
        assert_eq!(status(&answer), expected, "{key}");
        assert!(!answer.contains("right"), "{answer}");
    }
    Ok(())
}

#[test]
fn an_adapter_outside_of_the_root_is_as_absent_as_one_that_is_not_there() -> TestResult {
    let dir = tempfile::tempdir()?;
    let root = dir.path().to_path_buf();
    let server = Serving::start(|server| {
        server.access(Access {
            adapter_root: Some(root),
            ..Access::default()
        })
    })?;
    let load = |path: &str| {
        let body = format!(r#"{{"lora_name": "x", "lora_path": "{path}"}}"#);
        let answer = server.post("/v1/load_lora_adapter", "", &body)?;
        let words = answer
            .split("\r\n\r\n")
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        std::io::Result::Ok((status(&answer), words))
    };
    let absent = load("absent")?;
    assert_eq!(absent.0, 400, "{}", absent.1);
    for path in ["/etc", "/etc/passwd", "/proc/self/fd", "..", "/dev/zero"] {
        assert_eq!(load(path)?, absent, "{path}");
    }
    Ok(())
}

#[test]
fn clients_that_do_not_go_on_are_left() -> TestResult {
    let short = Duration::from_millis(200);
    let server = Serving::start(|server| {
        server.limits(Limits {
            head_time: short,
            body_time: short,
            ..Limits::default()
        })
    })?;
    let half_head = server.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n")?;
    assert!(!half_head.starts_with("HTTP/1.1 200"), "{half_head}");
    let half_body = server.raw(
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
          Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    )?;
    assert_eq!(status(&half_body), 408, "{half_body}");
    assert_eq!(server.raw(b"")?, "", "nothing at all");
    let idle = server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    assert_eq!(
        status(&idle),
        200,
        "answered, and closed when nothing more came"
    );
    Ok(())
}

#[test]
fn more_connections_than_there_may_be_wait_until_the_idle_ones_are_left() -> TestResult {
    let server = Serving::start(|server| {
        server.limits(Limits {
            connections: 4,
            head_time: Duration::from_millis(500),
            ..Limits::default()
        })
    })?;
    let mut halves = Vec::new();
    for _ in 0..12 {
        let mut half = server.connect()?;
        half.write_all(b"POST /v1/completions HTTP/1.1\r\n")?;
        halves.push(half);
    }
    assert_eq!(status(&server.get("/health")?), 200);
    for mut half in halves {
        let _ = half.read_to_end(&mut Vec::new());
    }
    Ok(())
}

#[test]
fn what_there_is_not_is_answered_with_words() -> TestResult {
    let server = Serving::start(|server| server)?;
    let absent = server.get("/no/such/path")?;
    assert_eq!(status(&absent), 404, "{absent}");
    assert!(absent.contains("there is no path"), "{absent}");
    for answer in [
        server.get("/v1/completions")?,
        server.post("/health", "", "{}")?,
    ] {
        assert_eq!(status(&answer), 405, "{answer}");
        assert!(answer.contains("all other paths for POST"), "{answer}");
    }
    Ok(())
}

#[test]
fn a_client_that_does_not_read_its_answers_is_left() -> TestResult {
    let server = Serving::start(|server| {
        server.limits(Limits {
            body_time: Duration::from_millis(200),
            ..Limits::default()
        })
    })?;
    // The answers to these are more than the system keeps for a connection.
    let asked = 40_000;
    let question = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut deaf = server.connect()?;
    deaf.set_write_timeout(Some(Duration::from_secs(2)))?;
    let _ = deaf.write_all(question.repeat(asked).as_bytes());
    let mut answers = Vec::new();
    std::thread::sleep(Duration::from_secs(1));
    let _ = deaf.read_to_end(&mut answers);
    let answered = String::from_utf8_lossy(&answers)
        .matches("HTTP/1.1 200")
        .count();
    assert!(answered < asked, "{answered} answers");
    Ok(())
}

#[test]
fn who_is_served_stays_and_who_does_nothing_makes_room() -> TestResult {
    let server = Serving::start(|server| {
        server.limits(Limits {
            connections: 4,
            head_time: Duration::from_secs(600),
            ..Limits::default()
        })
    })?;
    let long = r#"{"model": "tiny", "prompt": [5, 6, 7], "n": 64, "max_tokens": 100, "seed": 1}"#;
    let request = format!(
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{long}",
        long.len()
    );
    let mut served = server.connect()?;
    served.write_all(request.as_bytes())?;
    // Nobody but newcomers ends these: they may take ten minutes.
    let mut halves = Vec::new();
    for _ in 0..20 {
        let mut half = server.connect()?;
        half.write_all(b"POST /v1/completions HTTP/1.1\r\n")?;
        halves.push(half);
        assert_eq!(status(&server.get("/health")?), 200);
    }
    let mut answer = String::new();
    served.read_to_string(&mut answer)?;
    assert_eq!(status(&answer), 200, "{answer}");
    Ok(())
}

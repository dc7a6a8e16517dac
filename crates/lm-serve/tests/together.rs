//! Requests of several clients at once: they join, leave and fail each by itself.

#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;

use std::time::Duration;

use support::{Serving, TestResult};

/// A request that keeps the server busy for a long time.
const LONG: &str =
    r#"{"model": "tiny", "prompt": [5, 6, 7], "n": 1024, "max_tokens": 200, "seed": 1}"#;
const SHORT: &str = r#"{"model": "tiny", "prompt": [5, 6, 7], "max_tokens": 4, "seed": 1}"#;

fn ask(server: &Serving, body: &str) -> std::io::Result<String> {
    server.raw(post(body).as_bytes())
}

fn post(body: &str) -> String {
    format!(
        "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_short_request_and_the_list_of_models_do_not_wait_for_a_long_one() -> TestResult {
    let server = Serving::start(|server| server.max_batch(4))?;
    let mut long = server.connect()?;
    std::io::Write::write_all(&mut long, post(LONG).as_bytes())?;
    assert!(ask(&server, SHORT)?.starts_with("HTTP/1.1 200"));
    assert!(server.get("/v1/models")?.contains("tiny"));
    assert!(server.get("/health")?.ends_with("ok"));
    // The long one has not been answered.
    long.set_nonblocking(true)?;
    let waits = std::io::Read::read(&mut long, &mut [0]).map_err(|error| error.kind());
    assert_eq!(waits, Err(std::io::ErrorKind::WouldBlock));
    Ok(())
}

#[test]
fn the_place_of_a_client_that_leaves_is_free_at_once() -> TestResult {
    let server = Serving::start(|server| {
        let waiting = 1;
        let limits = lm_serve::Limits {
            waiting,
            ..lm_serve::Limits::default()
        };
        server.max_batch(1).limits(limits)
    })?;
    let mut long = server.connect()?;
    std::io::Write::write_all(&mut long, post(LONG).as_bytes())?;
    while !ask(&server, SHORT)?.starts_with("HTTP/1.1 429") {}
    drop(long);
    // Alone, the long one takes a multiple of that.
    for _ in 0..40 {
        if ask(&server, SHORT)?.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    Err("its work goes on".into())
}

#[test]
fn what_does_not_fit_into_the_cache_is_refused_alone() -> TestResult {
    // Some hundred tokens of the toy model.
    let server = Serving::start(|server| server.kv_memory(400 << 10))?;
    let large = r#"{"model": "tiny", "prompt": [5, 6, 7], "max_tokens": 400, "seed": 1}"#;
    let refused = ask(&server, large)?;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    let many = r#"{"model": "tiny", "prompt": [5, 6, 7], "n": 40, "max_tokens": 20, "seed": 1}"#;
    let answer = ask(&server, many)?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

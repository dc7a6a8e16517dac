//! What is refused before anything is allocated for it, and what comes while too much waits.

#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;

use lm_serve::Limits;
use serde_json::{Value, json};

use support::{Serving, TestResult, status};

fn body(more: Value) -> String {
    let mut body = json!({"model": "tiny", "prompt": [1], "max_tokens": 1});
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    body.to_string()
}

#[test]
fn a_request_that_would_cost_too_much_is_refused_with_the_limit_it_broke() -> TestResult {
    let server = Serving::start(|server| server)?;
    for (more, expected, words) in [
        (
            json!({"prompt": vec![vec![1]; 2000]}),
            400,
            "1024 completions",
        ),
        (
            json!({"prompt": vec![vec![1]; 2], "n": 1000}),
            400,
            "1024 completions",
        ),
        (json!({"n": 1000, "max_tokens": 500}), 400, "262144 tokens"),
        (json!({"stop": vec!["a"; 17]}), 400, "16 texts"),
        (json!({"stop": ["a".repeat(257)]}), 400, "256 bytes"),
        (json!({"stop_token_ids": vec![1; 257]}), 400, "at most 256"),
        // Counted in pieces; a shorter one is counted as a whole.
        (
            json!({"prompt": "a ".repeat(400_000)}),
            400,
            "found more than 4096",
        ),
        (json!({"prompt": "a ".repeat(30_000)}), 400, "found 60000"),
        (json!({"top_k": -2}), 400, "top_k"),
        (json!({"top_k": -1}), 200, "text_completion"),
        (json!({"n": "2"}), 400, "n: invalid type"),
        (json!({"prompt": "a".repeat(1 << 20)}), 413, "--max-body"),
        (
            json!({"stop": vec!["a"; 16], "stop_token_ids": vec![1; 256]}),
            200,
            "text_completion",
        ),
    ] {
        let answer = server.post("/v1/completions", "", &body(more))?;
        assert_eq!(status(&answer), expected, "{words}: {answer}");
        assert!(answer.contains(words), "{words}: {answer}");
    }
    Ok(())
}

#[test]
fn a_body_in_chunks_is_counted_as_it_comes() -> TestResult {
    let server = Serving::start(|server| {
        server.limits(Limits {
            body: 1000,
            ..Limits::default()
        })
    })?;
    let chunk = format!("1f4\r\n{}\r\n", "a".repeat(500));
    let head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = server.raw(format!("{head}{}", chunk.repeat(3)).as_bytes())?;
    assert_eq!(status(&answer), 413, "{answer}");
    Ok(())
}

#[test]
fn who_comes_while_too_many_wait_is_told_to_come_again() -> TestResult {
    let server = Serving::start(|server| {
        server.limits(Limits {
            waiting: 0,
            ..Limits::default()
        })
    })?;
    let answer = server.post("/v1/completions", "", &body(json!({})))?;
    assert_eq!(status(&answer), 429, "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 1"), "{answer}");
    Ok(())
}

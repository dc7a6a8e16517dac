//! Bodies of any kind: reading them never panics, and a part is never taken for the whole.

use std::time::Instant;

use chat_client::body::{BodyProblem, parse_body};
use proptest::prelude::*;
use serde_json::json;

use crate::server::completion;
use crate::streams::{events, joined};

/// Texts made of what bodies are made of.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "data: ",
        "data:",
        "\n",
        "\n\n",
        "\r\n",
        ": c\n",
        "[DONE]",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        "null",
        "1",
        "-1",
        "1.5",
        "event: error",
        "<think>",
        "</think>",
        "é",
        "\u{feff}",
        "\"choices\":",
        "\"message\":",
        "\"delta\":",
        "\"content\":",
        "\"usage\":",
        "\"prompt_tokens\":",
        "\"finish_reason\":",
        "\"error\":",
        "\"index\":",
        "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|all| all.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        let _ = parse_body(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC*") {
        let _ = parse_body(&text);
        let _ = parse_body(&format!("data: {text}\n\n"));
    }

    #[test]
    fn any_content_is_read_without_a_panic(content in pieces()) {
        let _ = parse_body(&content);
        let body = json!({"choices": [{"message": {"content": content}}]}).to_string();
        prop_assert!(parse_body(&body).is_ok());
    }

    #[test]
    fn the_typed_reading_agrees_with_any_order_and_more_fields(
        content in "\\PC{0,40}", reasoning in "[a-zé]{1,20}", tokens: u32, odd in pieces()
    ) {
        prop_assume!(!content.contains("think>") && !content.trim().is_empty());
        let typed = json!({
            "id": odd, "choices": [{"logprobs": {"content": [odd]}, "message":
                {"role": "assistant", "content": content, "reasoning": reasoning, "tool_calls": []}}],
            "usage": {"prompt_tokens": tokens, "completion_tokens": 3},
        });
        let mut tree = typed.clone();
        // A field of another type makes the body be read as a tree.
        tree["object"] = json!(3);
        let read = parse_body(&typed.to_string());
        prop_assert_eq!(&read, &parse_body(&tree.to_string()));
        let read = read.expect("a completion");
        prop_assert_eq!(read.content, content.trim());
        prop_assert_eq!(read.usage.prompt_tokens, u64::from(tokens));
    }
}

#[test]
fn a_stream_cut_anywhere_is_whole_or_transient() {
    for body in [events().concat(), events().concat().replace('\n', "\r\n")] {
        for end in 0..body.len() {
            // A cut within a character leaves a replacement character.
            let part = String::from_utf8_lossy(&body.as_bytes()[..end]);
            match parse_body(&part) {
                Ok(answer) => {
                    let expected = joined();
                    assert_eq!(answer.content, expected.content, "{part}");
                    assert_eq!(answer.reasoning, expected.reasoning, "{part}");
                }
                Err(problem) => {
                    assert!(
                        matches!(problem, BodyProblem::Transient(_)),
                        "{part}: {problem:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_whole_body_cut_anywhere_is_transient() {
    let body = completion("é \u{1f600} \"\\");
    for end in 0..body.len() {
        let part = String::from_utf8_lossy(&body.as_bytes()[..end]);
        let found = parse_body(&part);
        assert!(
            matches!(found, Err(BodyProblem::Transient(_))),
            "{part}: {found:?}"
        );
    }
}

#[test]
fn huge_and_hostile_bodies_are_read_in_time() {
    // Each of these would take minutes if reading were quadratic.
    let tags = "</think>".repeat(300_000);
    let opened = "<think>".repeat(300_000);
    for content in [
        tags.clone(),
        format!("{opened}{tags}"),
        "</think>{".repeat(300_000),
    ] {
        let body = json!({"choices": [{"message": {"content": content}}]}).to_string();
        assert!(parse_body(&body).is_ok());
    }
    assert!(parse_body(&"[".repeat(3_000_000)).is_err());
    assert!(parse_body(&": c\n".repeat(1_000_000)).is_err());
    assert!(parse_body(&"data: {\n".repeat(300_000)).is_err());
    assert!(parse_body(&"data: {\"choices\":[]}\n\n".repeat(300_000)).is_err());
}

/// A body of about 4 kB, as a teacher sends it.
fn typical() -> String {
    let reasoning = "The sentence names \"Ada\" as a person.\n".repeat(90);
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null, "message": {
            "role": "assistant", "reasoning_content": reasoning,
            "content": "{\"person\": [\"Ada\"], \"location\": [\"London\"]}"}}],
        "usage": {"prompt_tokens": 700, "completion_tokens": 1200, "total_tokens": 1900,
                  "prompt_tokens_details": {"cached_tokens": 512},
                  "completion_tokens_details": {"reasoning_tokens": 1100}},
    })
    .to_string()
}

#[test]
#[ignore = "a measurement: cargo test --release -p chat-client --test wire -- --ignored --nocapture"]
fn time_to_read_a_body() {
    let whole = typical();
    let tree: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
    let words = tree["choices"][0]["message"]["reasoning_content"].as_str();
    let mut stream: String = words
        .into_iter()
        .flat_map(|text| text.split_inclusive(' '))
        .map(|word| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"reasoning_content": word}, "finish_reason": null}]})))
        .collect();
    stream.push_str("data: [DONE]\n\n");
    for (what, body) in [("whole", &whole), ("stream", &stream)] {
        const TIMES: u32 = 20_000;
        let start = Instant::now();
        for _ in 0..TIMES {
            assert!(parse_body(std::hint::black_box(body)).is_ok());
        }
        let each = start.elapsed() / TIMES;
        println!("{what}: {} bytes in {each:?}", body.len());
    }
}

//! What is read from the bodies of all dialects.

use serde_json::{Value, json};

use super::*;

fn read(message: Value) -> (Option<String>, String) {
    let body = json!({"choices": [{"message": message}]}).to_string();
    let answer = parse_body(&body).expect("a chat completion");
    (answer.reasoning, answer.content)
}

#[test]
fn reasoning_is_found_in_every_dialect() {
    for message in [
        json!({"reasoning_content": "why", "content": "{}"}),
        json!({"reasoning": "why", "content": "{}"}),
        json!({"content": "<think>\nwhy\n</think>\n{}"}),
        json!({"content": "why\n</think>\n{}"}),
        json!({"reasoning_content": null, "reasoning": " why", "content": "{}"}),
        json!({"reasoning_content": "", "reasoning": "why", "content": "{}"}),
        json!({"reasoning_content": 1, "reasoning": "why", "content": "{}"}),
        json!({"reasoning": " ", "content": "<think>why</think>{}"}),
    ] {
        assert_eq!(
            read(message.clone()),
            (Some("why".into()), "{}".into()),
            "{message}"
        );
    }
    assert_eq!(
        read(json!({"content": "<think>why"})),
        (Some("why".into()), String::new())
    );
    let quoted = r#"{"entities": {"tag": ["</think>"]}}"#;
    assert_eq!(read(json!({"content": quoted})), (None, quoted.into()));
    assert_eq!(read(json!({"content": null})), (None, String::new()));
}

#[test]
fn an_answer_in_the_field_of_the_reasoning_is_the_answer() {
    for name in ["reasoning", "reasoning_content"] {
        let found = read(json!({name: "\n{\"a\": []}\n", "content": null}));
        assert_eq!(found, (None, "{\"a\": []}".into()));
        // What only begins like JSON is reasoning that ran out of tokens.
        let found = read(json!({name: "{\"a\": [", "content": ""}));
        assert_eq!(found, (Some("{\"a\": [".into()), String::new()));
    }
}

#[test]
fn usage_and_the_reason_to_stop_are_read() {
    let body = "\n: keep-alive\n\n{\"choices\":[{\"message\":{},\"finish_reason\":\"length\"}],\
                \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}";
    let answer = parse_body(body).expect("a chat completion");
    assert_eq!(answer.finish, Finish::Length);
    let expected = Usage {
        prompt_tokens: 3,
        completion_tokens: 4,
        ..Usage::default()
    };
    assert_eq!(answer.usage, expected);
}

#[track_caller]
fn check_usage(usage: Value, expected: [u64; 4]) {
    let body = json!({"choices": [{"message": {}}], "usage": usage}).to_string();
    let usage = parse_body(&body).expect("a chat completion").usage;
    let found = [
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
    ];
    assert_eq!(found, expected);
}

#[test]
fn usage_is_read_in_every_dialect() {
    let openai = json!({
        "prompt_tokens": 9, "completion_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 7},
        "completion_tokens_details": {"reasoning_tokens": 6},
    });
    check_usage(openai, [9, 8, 7, 6]);
    let deepseek = json!({
        "prompt_tokens": 9, "completion_tokens": 8,
        "prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 2,
    });
    check_usage(deepseek, [9, 8, 7, 0]);
    let nulls = json!({"prompt_tokens": 9, "prompt_tokens_details": null});
    check_usage(nulls, [9, 0, 0, 0]);
    let odd = json!({"prompt_tokens": "9", "completion_tokens": 8, "prompt_tokens_details": [1]});
    check_usage(odd, [0, 8, 0, 0]);
    check_usage(json!(null), [0; 4]);
    check_usage(json!(5), [0; 4]);
}

#[test]
fn old_counts_are_written_as_before() {
    let usage = Usage {
        prompt_tokens: 3,
        completion_tokens: 4,
        ..Usage::default()
    };
    let written = serde_json::to_string(&usage).expect("writable");
    assert_eq!(written, r#"{"prompt_tokens":3,"completion_tokens":4}"#);
    let read: Usage = serde_json::from_str(&written).expect("readable");
    assert_eq!(read, usage);
}

#[test]
fn reasons_to_stop_are_told_apart() {
    let read = |reason: Value| {
        let choice = json!({"message": {"content": "x"}, "finish_reason": reason});
        parse_body(&json!({"choices": [choice]}).to_string()).map(|answer| answer.finish)
    };
    assert_eq!(read(json!("stop")), Ok(Finish::Stop));
    assert_eq!(read(json!(null)), Ok(Finish::Stop));
    assert_eq!(read(json!(7)), Ok(Finish::Stop));
    assert_eq!(read(json!("length")), Ok(Finish::Length));
    let other = Finish::Other("content_filter".into());
    assert_eq!(read(json!("content_filter")), Ok(other));
    assert!(matches!(
        read(json!("insufficient_system_resource")),
        Err(BodyProblem::Transient(_))
    ));
}

#[test]
fn bodies_that_are_no_answers_are_told_apart() {
    for body in [
        "",
        ": keep-alive",
        "{\"choices\": [{\"mess",
        "{\"choices\": [{\"message\": {\"content\": \"\\ud83d\"}}]}",
        "{\"error\": {\"message\": \"overloaded\"}}",
        "{\"object\": \"error\", \"message\": \"overloaded\", \"code\": 500}",
    ] {
        let found = parse_body(body);
        assert!(matches!(found, Err(BodyProblem::Transient(_))), "{body}");
    }
    for body in ["<html>", "hello"] {
        assert!(matches!(parse_body(body), Err(BodyProblem::NotJson(_))));
    }
    for body in [
        "{\"ok\": true}",
        "{\"choices\": []}",
        "{\"choices\": null}",
        "{\"choices\": [{\"message\": \"hi\"}]}",
        "{\"choices\": [{\"message\": null}]}",
        "[[{\"message\": {\"content\": \"x\"}}]]",
        "\"text\"",
    ] {
        let found = parse_body(body);
        assert!(matches!(found, Err(BodyProblem::WrongShape(_))), "{body}");
    }
}

#[test]
fn error_messages_are_taken_out_of_their_wrapping() {
    assert_eq!(
        error_message("{\"error\":{\"message\":\"bad key\"}}"),
        "bad key"
    );
    assert_eq!(error_message("{\"detail\":\"x\"}"), "{\"detail\":\"x\"}");
    assert_eq!(error_message("<html>\n  no"), "<html> no");
    assert_eq!(error_message(""), "(no message)");
}

#[test]
fn an_empty_account_is_told_from_a_busy_server() {
    for (body, expected) in [
        (json!({"error": {"code": "insufficient_quota"}}), true),
        (
            json!({"error": {"type": "insufficient_quota", "code": null}}),
            true,
        ),
        (json!({"code": "insufficient_quota"}), true),
        (json!({"error": {"code": "rate_limit_exceeded"}}), false),
        (json!({"error": "insufficient_quota?"}), false),
    ] {
        assert_eq!(is_out_of_credit(&body.to_string()), expected, "{body}");
    }
    assert!(!is_out_of_credit("<html>"));
}

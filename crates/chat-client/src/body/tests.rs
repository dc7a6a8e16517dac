//! What is read from the bodies of all dialects.

use serde_json::{Value, json};

use super::*;
use crate::meaning::error_message;

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
        json!({"thinking": "why", "content": "{}"}),
        json!({"reasoning_text": "why", "content": "{}"}),
        json!({"thought": "why", "content": "{}"}),
        json!({"reasoning": {"content": "why"}, "content": "{}"}),
        json!({"reasoning": "", "reasoning_details": [{"type": "reasoning.text", "text": "why"}], "content": "{}"}),
        json!({"reasoning_details": [{"type": "reasoning.summary", "summary": "why"}], "content": "{}"}),
        json!({"content": [{"type": "thinking", "thinking": "why"}, {"type": "text", "text": "{}"}]}),
        json!({"content": [{"type": "text", "text": "<think>why</think>{}"}]}),
        json!({"reasoning_content": "why", "content": {}}),
        json!({"content": "<thought>\nwhy\n</thought>\n\n{}"}),
        json!({"content": "[THINK]why[/THINK]{}"}),
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
    assert_eq!(
        read(json!({"type": "length", "length": 8})),
        Ok(Finish::Length)
    );
    assert_eq!(read(json!("length")), Ok(Finish::Length));
    let filtered = Finish::Filtered("content_filter".into());
    assert_eq!(read(json!("content_filter")), Ok(filtered));
    let other = Finish::Other("whim".into());
    assert_eq!(read(json!("whim")), Ok(other));
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
        "{\"choices\": []}",
        "{\"choices\": null}",
        "{\"choices\": [{}]}",
        "{\"choices\": [{\"message\": null}]}",
        "{\"choices\": [{\"message\": 3, \"finish_reason\": \"stop\"}]}",
    ] {
        let found = parse_body(body);
        assert!(matches!(found, Err(BodyProblem::NoAnswer(_))), "{body}");
    }
    for body in [
        "{\"ok\": true}",
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
fn reasoning_that_came_apart_may_quote_its_tag() {
    let answer = |message: Value| {
        let body = json!({"choices": [{"message": message}]}).to_string();
        parse_body(&body).expect("a chat completion")
    };
    let why = "I must end with `</think>` first, and <think> is how I began.";
    let json = r#"{"entities": {"tag": ["</think>"]}}"#;
    for message in [
        json!({"reasoning_content": why, "content": json}),
        json!({"reasoning": why, "content": format!("<think>{why}</think>\n{json}")}),
        json!({"content": [{"type": "thinking", "thinking": why}, {"type": "text", "text": json}]}),
    ] {
        let read = answer(message.clone());
        assert_eq!(read.reasoning.as_deref(), Some(why), "{message}");
        assert_eq!(
            (read.content.as_str(), read.is_apart),
            (json, true),
            "{message}"
        );
    }
    assert!(!answer(json!({"content": "<think>why</think>{}"})).is_apart);
    assert!(!answer(json!({"reasoning_content": "{}", "content": ""})).is_apart);
}

#[test]
fn what_stands_in_place_of_a_message_is_read() {
    let read = |choice: Value| {
        let answer = parse_body(&json!({"choices": [choice]}).to_string());
        answer.map(|answer| (answer.content, answer.finish))
    };
    let text = |content: &str, finish| Ok((content.to_string(), finish));
    for (choice, expected) in [
        (
            json!({"index": 0, "finish_reason": "length"}),
            text("", Finish::Length),
        ),
        (
            json!({"message": null, "finish_reason": "MAX_TOKENS"}),
            text("", Finish::Length),
        ),
        (
            json!({"finish_reason": "content_filter: PROHIBITED_CONTENT"}),
            text(
                "",
                Finish::Filtered("content_filter: PROHIBITED_CONTENT".into()),
            ),
        ),
        (
            json!({"text": "{}", "finish_reason": "eos"}),
            text("{}", Finish::Stop),
        ),
        (
            json!({"delta": {"content": "{}"}}),
            text("{}", Finish::Stop),
        ),
        (json!({"message": "{}"}), text("{}", Finish::Stop)),
        (
            json!({"message": {"content": null, "refusal": "I cannot."}, "finish_reason": "stop"}),
            text("", Finish::Filtered("I cannot.".into())),
        ),
        (
            json!({"message": {"content": "{}", "refusal": null}}),
            text("{}", Finish::Stop),
        ),
    ] {
        assert_eq!(read(choice.clone()), expected, "{choice}");
    }
    let wrapped = json!({"code": 0, "data": {"choices": [{"message": {"content": "{}"}}]}});
    assert_eq!(
        parse_body(&wrapped.to_string()).map(|answer| answer.content),
        Ok("{}".into())
    );
}

#[test]
fn the_tokens_of_a_thought_without_an_answer_are_told_as_a_sum() {
    let body = json!({"choices": [{"finish_reason": "length", "index": 0}],
                      "usage": {"prompt_tokens": 50, "total_tokens": 90}});
    let usage = parse_body(&body.to_string()).expect("read").usage;
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (50, 40));
    check_usage(json!({"input_tokens": 9, "output_tokens": 8}), [9, 8, 0, 0]);
}

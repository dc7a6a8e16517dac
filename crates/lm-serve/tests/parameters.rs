//! Bodies as clients really send them: nulls, parts, and parameters that this server does not have.

#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;

use serde_json::{Value, json};
use support::{Serving, TestResult, status};

fn with(mut body: Value, more: Value) -> String {
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    body.to_string()
}

fn check(server: &Serving, path: &str, body: &str, expected: u16, words: &str) -> TestResult {
    let answer = server.post(path, "", body)?;
    assert_eq!(status(&answer), expected, "{body}: {answer}");
    assert!(answer.contains(words), "{body}: {words} not in {answer}");
    Ok(())
}

/// What the clients of OpenAI, LangChain and llm-eval tools send for what they leave at its default.
#[test]
fn completions_with_nulls_are_read_and_ineffective_parameters_refused() -> TestResult {
    let server = Serving::start(|server| server)?;
    let body = || json!({"model": "tiny", "prompt": [1], "max_tokens": 1});
    for (more, expected, words) in [
        (
            json!({
                "n": null, "max_tokens": null, "temperature": null, "top_p": null, "top_k": null, "min_p": null,
                "repetition_penalty": null, "seed": null, "stop": null, "stop_token_ids": null, "stream": null,
                "return_token_ids": null, "logprobs": null, "echo": null, "best_of": null, "suffix": null,
                "logit_bias": null, "presence_penalty": null, "frequency_penalty": null, "user": null,
                "stream_options": null,
            }),
            200,
            "text_completion",
        ),
        (
            json!({"echo": false, "best_of": 1, "logit_bias": {}, "presence_penalty": 0, "frequency_penalty": 0.0}),
            200,
            "text_completion",
        ),
        (json!({"n": 2, "best_of": 2}), 200, "text_completion"),
        (json!({"logprobs": 1}), 200, "token_logprobs"),
        (json!({"best_of": 3}), 400, "best_of: "),
        (json!({"echo": true}), 400, "echo: "),
        (json!({"suffix": "end"}), 400, "suffix: "),
        (json!({"logprobs": 5}), 400, "logprobs: "),
        (json!({"logit_bias": {"3": -100}}), 400, "logit_bias: "),
        (json!({"presence_penalty": 1.5}), 400, "presence_penalty: "),
        (json!({"stream": true}), 400, "stream: "),
        (json!({"guided_json": {}}), 400, "guided_json: "),
        (json!({"max_token": 4}), 400, "max_token: "),
    ] {
        check(
            &server,
            "/v1/completions",
            &with(body(), more),
            expected,
            words,
        )?;
    }
    Ok(())
}

#[test]
fn chats_with_nulls_and_parts_are_read_and_ineffective_parameters_refused() -> TestResult {
    let server = Serving::start(|server| server)?;
    let chat = |content: Value| json!({"model": "tiny", "max_tokens": 1, "messages": [{"role": "user", "content": content}]});
    let ask = |content, more, expected, words| {
        let body = with(chat(content), more);
        check(&server, "/v1/chat/completions", &body, expected, words)
    };
    let text = || json!("Ada");
    for (content, more, expected, words) in [
        (
            text(),
            json!({
                "max_completion_tokens": null, "logprobs": null, "top_logprobs": null, "tools": null,
                "tool_choice": null, "response_format": null, "parallel_tool_calls": null, "stream": null,
                "logit_bias": null, "functions": null, "function_call": null, "stop": null, "seed": null,
                "reasoning_effort": null, "service_tier": null, "metadata": null,
            }),
            200,
            "chat.completion",
        ),
        (
            json!([{"type": "text", "text": "Ada"}]),
            json!({}),
            200,
            "chat.completion",
        ),
        (
            text(),
            json!({"tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "n": 1}),
            200,
            "chat.completion",
        ),
        (
            json!([{"type": "image_url", "image_url": {}}]),
            json!({}),
            400,
            "image_url",
        ),
        (Value::Null, json!({}), 400, "content: "),
        (
            text(),
            json!({"tools": [{"type": "function"}]}),
            400,
            "tools: ",
        ),
        (
            text(),
            json!({"tool_choice": "required"}),
            400,
            "tool_choice: ",
        ),
        (
            text(),
            json!({"response_format": {"type": "json_object"}}),
            400,
            "response_format: ",
        ),
        (
            text(),
            json!({"logprobs": true, "top_logprobs": 5}),
            400,
            "top_logprobs: ",
        ),
        (
            text(),
            json!({"chat_template_kwargs": {"enable_thinking": false}}),
            400,
            "chat_template_kwargs: ",
        ),
        (
            text(),
            json!({"frequency_penalty": 0.2}),
            400,
            "frequency_penalty: ",
        ),
        (text(), json!({"temprature": 0.0}), 400, "temprature: "),
        (
            text(),
            json!({"messages": [{"role": "user", "content": "a", "name": "b"}]}),
            400,
            "name",
        ),
        (
            text(),
            json!({"messages": [{"role": "user", "content": "a", "name": null, "tool_calls": []}]}),
            200,
            "chat.completion",
        ),
    ] {
        ask(content, more, expected, words)?;
    }
    Ok(())
}

/// Parts say the same as their text: the prompt has as many tokens.
#[test]
fn parts_are_the_text_that_they_hold() -> TestResult {
    let server = Serving::start(|server| server)?;
    let answer = |content: Value| {
        let body = json!({
            "model": "tiny", "max_tokens": 4, "seed": 3,
            "messages": [{"role": "user", "content": content}],
        });
        let answer = server.post("/v1/chat/completions", "", &body.to_string())?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("a body")?;
        let mut body: Value = serde_json::from_str(body)?;
        body["created"].take();
        Ok::<_, Box<dyn std::error::Error>>(body)
    };
    let parts = json!([{"type": "text", "text": "Ada Brel"}, {"type": "text", "text": "left."}]);
    assert_eq!(answer(parts)?, answer(json!("Ada Brel\nleft."))?);
    Ok(())
}

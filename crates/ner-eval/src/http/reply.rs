//! Reading a reply, whichever dialect of the protocol the server speaks.

use serde_json::Value;

use crate::Answer;

/// Characters of a foreign body that a message repeats.
const EXCERPT: usize = 200;

/// Reads a chat completion, or says what stands there instead.
///
/// Reasoning that the server separated is put back in front of the content, between think tags, so that an answer is
/// read in the same way wherever it comes from.
pub(super) fn parse(body: &str) -> Result<Answer, String> {
    let text = skip_comments(body);
    if text.is_empty() {
        return Err("an empty body".into());
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("{:?}, which is not JSON ({error})", excerpt(text)))?;
    if value.get("error").is_some_and(|error| !error.is_null()) {
        return Err(format!("an error: {}", error_message(text)));
    }
    let choice = value.pointer("/choices/0");
    let message = choice.and_then(|choice| choice.get("message")?.as_object());
    let Some((choice, message)) = choice.zip(message) else {
        return Err(format!("{:?}, without choices[0].message", excerpt(text)));
    };
    let field = |name: &str| message.get(name).and_then(Value::as_str);
    let reasoning = ["reasoning_content", "reasoning"]
        .into_iter()
        .find_map(field);
    let finish = choice.get("finish_reason").and_then(Value::as_str);
    let tokens = value
        .pointer("/usage/completion_tokens")
        .and_then(Value::as_u64);
    Ok(Answer {
        text: join(reasoning, field("content").unwrap_or_default()),
        truncated: finish == Some("length"),
        tokens: tokens.and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
    })
}

/// Reasoning and content as one completion.
fn join(reasoning: Option<&str>, content: &str) -> String {
    let content = content.trim();
    match reasoning.map(str::trim).filter(|text| !text.is_empty()) {
        Some(reasoning) if content.is_empty() => format!("<think>\n{reasoning}"),
        Some(reasoning) => format!("<think>\n{reasoning}\n</think>\n{content}"),
        // Where the chat template opens the block in the prompt, only its end is in the answer.
        None if !content.starts_with('{') && !content.contains("<think>") => {
            match content.split_once("</think>") {
                Some((before, after)) => format!("<think>\n{}\n</think>{after}", before.trim()),
                None => content.into(),
            }
        }
        None => content.into(),
    }
}

/// DeepSeek sends blank lines and `: keep-alive` comments while it waits.
fn skip_comments(body: &str) -> &str {
    let mut text = body.trim();
    while text.starts_with(':') {
        text = text
            .split_once('\n')
            .map_or("", |(_, rest)| rest.trim_start());
    }
    text
}

/// The server's words about an error, shortened.
pub(super) fn error_message(body: &str) -> String {
    let value: Option<Value> = serde_json::from_str(body).ok();
    let words = value.as_ref().map(|value| {
        let error = value.get("error").unwrap_or(value);
        let message = error.get("message").unwrap_or(error);
        message
            .as_str()
            .map_or_else(|| message.to_string(), String::from)
    });
    match excerpt(words.as_deref().unwrap_or(body)) {
        text if text.is_empty() => "(no message)".into(),
        text => text,
    }
}

/// The beginning of a text on one line.
fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(EXCERPT) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reasoning_comes_first_in_every_dialect() {
        let whole = "<think>\nwhy\n</think>\n{}";
        for message in [
            json!({"reasoning_content": "why", "content": "{}"}),
            json!({"reasoning": " why", "content": "\n{}"}),
            json!({"content": whole}),
            json!({"content": "why\n</think>\n{}"}),
        ] {
            let body = json!({"choices": [{"message": message}]}).to_string();
            assert_eq!(parse(&body).expect("a completion").text, whole, "{body}");
        }
        let unfinished = json!({"choices": [{"message": {"reasoning": "why", "content": null}}]});
        let read = parse(&unfinished.to_string()).expect("a completion");
        assert_eq!(read.text, "<think>\nwhy");
        let quoted = r#"{"entities": {"tag": ["</think>"]}}"#;
        let body = json!({"choices": [{"message": {"content": quoted}}]}).to_string();
        assert_eq!(parse(&body).expect("a completion").text, quoted);
    }

    #[test]
    fn length_and_the_reason_to_stop_are_read() {
        let body = "\n: keep-alive\n\n{\"choices\":[{\"message\":{\"content\":\"x\"},\
                    \"finish_reason\":\"length\"}],\"usage\":{\"completion_tokens\":4}}";
        let expected = Answer {
            text: "x".into(),
            truncated: true,
            tokens: 4,
        };
        assert_eq!(parse(body), Ok(expected));
    }

    #[test]
    fn other_bodies_are_described() {
        for (body, expected) in [
            ("", "an empty body"),
            ("<html>", "not JSON"),
            ("{\"choices\": [", "not JSON"),
            ("{\"choices\": []}", "without choices[0].message"),
            (
                "{\"error\": {\"message\": \"overloaded\"}}",
                "an error: overloaded",
            ),
        ] {
            let found = parse(body).expect_err("no completion");
            assert!(found.contains(expected), "{found}");
        }
        assert_eq!(error_message("{\"detail\":\"x\"}"), "{\"detail\":\"x\"}");
        assert_eq!(error_message(""), "(no message)");
    }
}

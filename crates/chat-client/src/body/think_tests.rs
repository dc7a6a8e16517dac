//! Reasoning in tags, and what is none.

use super::*;

#[track_caller]
fn check(content: &str, reasoning: Option<&str>, rest: &str) {
    let found = split(content);
    assert_eq!((found.0.map(str::trim), found.1.trim()), (reasoning, rest));
}

#[test]
fn tags_may_be_missing() {
    check("<think>\nwhy\n</think>\n{}", Some("why"), "{}");
    check("why\n</think>\n{}", Some("why"), "{}");
    check("<think>why", Some("why"), "");
    check("  <think>", Some(""), "");
    check("plain", None, "plain");
    check("", None, "");
    check("<think></think>{}", Some(""), "{}");
    check("</think>{}", Some(""), "{}");
}

#[test]
fn tags_may_be_nested() {
    check(
        "<think>a <think>b</think> c</think>{}",
        Some("a <think>b</think> c"),
        "{}",
    );
    check(
        "<think>a <think>b</think> c</think> text",
        Some("a <think>b</think> c"),
        "text",
    );
    check("<think><think>a</think></think>{}", Some("<think>a"), "{}");
    check("<think>a</think></think>text", Some("a"), "text");
    check(
        "a <think>b</think> c</think>{}",
        Some("a <think>b</think> c"),
        "{}",
    );
    // The tag that is spoken of is never closed.
    check(
        "<think>the tag <think> is odd</think>{}",
        Some("the tag <think> is odd"),
        "{}",
    );
}

#[test]
fn tags_inside_json_are_text() {
    for quoted in [
        r#"{"tag": ["</think>"]}"#,
        r#"{"tag": ["<think>x</think>"]}"#,
        r#"{"tag": ["</think>", "</think>"#,
        r#"["</think>"]"#,
        "```json\n{\"tag\": [\"</think>\"]}\n```",
    ] {
        check(quoted, None, quoted);
    }
    let json = r#"{"tag": ["</think>"]}"#;
    for reasoning in ["why", "the tag <think> is", "a <think>b</think> c"] {
        check(
            &format!("<think>{reasoning}</think>{json}"),
            Some(reasoning),
            json,
        );
        check(
            &format!("{reasoning}</think>\n{json}"),
            Some(reasoning),
            json,
        );
    }
}

#[test]
fn every_family_has_tags_of_its_own() {
    let json = r#"{"entities": {"city": ["Brel"]}}"#;
    for (open, close) in super::TAGS {
        check(
            &format!("{open}\nwhy\n{close}\n\n{json}"),
            Some("why"),
            json,
        );
        check(&format!("why\n{close}\n{json}"), Some("why"), json);
        check(&format!("{open}why"), Some("why"), "");
        let quoted = format!("{{\"entities\": {{\"tag\": [\"{close}\"]}}}}");
        check(&quoted, None, &quoted);
    }
    for content in [
        format!("<Think>why</Think>{json}"),
        format!("<inner_monologue>\nwhy\n</inner_monologue>\n{json}"),
        format!("<plan>why</plan>\n```json\n{json}\n```"),
        format!("<think>why</think><response>{json}</response>"),
        format!("<|START_THINKING|>why<|END_THINKING|><|START_RESPONSE|>{json}<|END_RESPONSE|>"),
        format!(
            "<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>final<|message|>{json}"
        ),
    ] {
        let (reasoning, rest) = split(&content);
        assert_eq!(reasoning.map(str::trim), Some("why"), "{content}");
        assert!(rest.contains(json), "{content}");
    }
}

#[test]
fn other_tags_are_text() {
    for content in [
        "<answer>{\"entities\": {}}</answer>",
        "<answer>so</answer>{}",
        "<b>bold</b> words",
        "<data>{\"a\": 1}</data>{}",
        "a < b and c > d {}",
        "<p>one</p>",
        "<not closed> {}",
    ] {
        check(content, None, content);
    }
}

#[test]
fn a_content_whose_reasoning_is_elsewhere_loses_only_a_block_at_its_beginning() {
    let json = r#"{"entities": {"tag": ["</think>"]}}"#;
    for (content, expected) in [
        (json.to_string(), json),
        (format!("<think>again</think>\n{json}"), json),
        (format!("\n</think>\n{json}"), json),
        ("the </think> tag".into(), "the </think> tag"),
        ("<think>".into(), ""),
    ] {
        assert_eq!(rest(&content).trim(), expected, "{content}");
    }
}

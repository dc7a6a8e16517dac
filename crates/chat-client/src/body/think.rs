//! Separating reasoning that a server left in the content.

use serde::de::IgnoredAny;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";
/// Closing tags that are considered. A loop of the model may write thousands.
const LOOKED_AT: usize = 16;

/// Reasoning and what follows it.
///
/// The opening tag may be missing, because some chat templates put it into the
/// prompt; without the closing tag, everything is reasoning. Tags inside an
/// answer's JSON are text.
pub(super) fn split(content: &str) -> (Option<&str>, &str) {
    let text = content.trim_start();
    let opened = text.strip_prefix(OPEN);
    let inner = opened.unwrap_or(text);
    match end(inner) {
        Some(_) if opened.is_none() && is_answer(text) => (None, content),
        Some(at) => (Some(&inner[..at]), after(&inner[at..])),
        None if opened.is_some() => (Some(inner), ""),
        None => (None, content),
    }
}

/// Whether a text that has a closing tag somewhere is an answer from its beginning.
fn is_answer(text: &str) -> bool {
    text.starts_with('{') || text.starts_with("```") || is_json(text)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text.trim()).is_ok()
}

/// What follows a closing tag; a tag that is closed twice is closed.
fn after(mut text: &str) -> &str {
    while let Some(rest) = text.trim_start().strip_prefix(CLOSE) {
        text = rest;
    }
    text
}

/// Where the closing tag of the reasoning stands, whose opening tag is left out.
///
/// Of several, that is the first with nothing but JSON behind it, or else the
/// one that balances the tags, or else the last.
fn end(inner: &str) -> Option<usize> {
    let first = inner.find(CLOSE)?;
    let last = inner.rfind(CLOSE)?;
    if first == last {
        return Some(first);
    }
    let all = || inner.match_indices(CLOSE).map(|(at, _)| at).take(LOOKED_AT);
    let before_json = all().find(|&at| is_json(after(&inner[at..])));
    let balanced = || {
        // One tag was opened before `inner` begins.
        let (mut closed, mut opened, mut from) = (0, 1, 0);
        all().find(|&at| {
            closed += 1;
            opened += inner[from..at].matches(OPEN).count();
            from = at;
            opened == closed
        })
    };
    before_json.or_else(balanced).or(Some(last))
}

#[cfg(test)]
mod tests {
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
}

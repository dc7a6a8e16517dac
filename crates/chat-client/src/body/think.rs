//! Separating reasoning that a server left in the content.

use serde::de::IgnoredAny;

/// Tags around reasoning, of all families of models.
const TAGS: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    // EXAONE Deep, Gemini
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<reason>", "</reason>"),
    ("<seed:think>", "</seed:think>"),
    ("<longcat_think>", "</longcat_think>"),
    // Magistral
    ("[THINK]", "[/THINK]"),
    // Command A
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    // Kimi-VL
    ("◁think▷", "◁/think▷"),
    // gpt-oss
    ("<|channel|>analysis<|message|>", "<|end|>"),
    // Gemma
    ("<|channel>thought", "<channel|>"),
    ("<unused94>thought", "<unused95>"),
];

/// Tags around what follows the reasoning, in the families that have such ones. The ending may be missing.
const FRAMES: &[(&str, &str)] = &[
    (
        "<|start|>assistant<|channel|>final<|message|>",
        "<|return|>",
    ),
    ("<|channel|>final<|message|>", "<|return|>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<response>", "</response>"),
];

/// Names of tags around an answer.
const ANSWERS: &[&str] = &[
    "answer", "response", "output", "result", "json", "final", "solution", "entities",
];

/// Closing tags that are considered. A loop of the model may write thousands.
const LOOKED_AT: usize = 16;

/// Reasoning and what follows it.
///
/// The opening tag may be missing, because some chat templates put it into the
/// prompt; without the closing tag, everything is reasoning. Tags inside an
/// answer's JSON are text. A tag that no family is known for is read as reasoning
/// too if nothing but JSON follows it.
pub(super) fn split(content: &str) -> (Option<&str>, &str) {
    let text = content.trim_start();
    let opened = TAGS
        .iter()
        .find_map(|tag| Some((tag, text.strip_prefix(tag.0)?)));
    if let Some((tag, inner)) = opened {
        return match end(inner, *tag) {
            Some(at) => (Some(&inner[..at]), unframed(after(&inner[at..], tag.1))),
            None => (Some(inner), ""),
        };
    }
    let closed = TAGS.iter().find_map(|tag| Some((tag.1, end(text, *tag)?)));
    match closed {
        Some((close, at)) if !is_answer(text) => {
            (Some(&text[..at]), unframed(after(&text[at..], close)))
        }
        _ => match in_other_tags(text) {
            Some((reasoning, rest)) => (Some(reasoning), rest),
            None => (None, content),
        },
    }
}

/// What follows the reasoning in a content whose reasoning came in a field of its own: only a block that it begins with
/// is taken off, as some servers leave one there as well.
pub(super) fn rest(content: &str) -> &str {
    let text = content.trim_start();
    let begins = |tag: &(&str, &str)| text.starts_with(tag.0) || text.starts_with(tag.1);
    if TAGS.iter().any(begins) {
        split(content).1
    } else {
        unframed(content)
    }
}

/// Reasoning in a tag of any other name, before an answer that is JSON.
fn in_other_tags(text: &str) -> Option<(&str, &str)> {
    let (name, inner) = text.strip_prefix('<')?.split_once('>')?;
    let is_name = name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-:.".contains(c));
    if !is_name || ANSWERS.contains(&name.to_ascii_lowercase().as_str()) {
        return None;
    }
    let (reasoning, rest) = inner.split_once(&format!("</{name}>"))?;
    let rest = unframed(rest);
    (is_answer(rest.trim()) && !is_json(reasoning)).then_some((reasoning, rest))
}

/// An answer without the tags that its family puts around it.
fn unframed(text: &str) -> &str {
    let begun = text.trim_start();
    for (open, close) in FRAMES {
        if let Some(inner) = begun.strip_prefix(open) {
            let inner = inner.trim_end();
            return inner.strip_suffix(close).unwrap_or(inner);
        }
    }
    text
}

/// Whether a text that has a closing tag somewhere is an answer from its beginning.
fn is_answer(text: &str) -> bool {
    text.starts_with('{') || text.starts_with("```") || is_json(text)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text.trim()).is_ok()
}

/// What follows a closing tag; a tag that is closed twice is closed.
fn after<'t>(mut text: &'t str, close: &str) -> &'t str {
    while let Some(rest) = text.trim_start().strip_prefix(close) {
        text = rest;
    }
    text
}

/// Where the closing tag of the reasoning stands, whose opening tag is left out.
///
/// Of several, that is the first with nothing but JSON behind it, or else the
/// one that balances the tags, or else the last.
fn end(inner: &str, (open, close): (&str, &str)) -> Option<usize> {
    let first = inner.find(close)?;
    let last = inner.rfind(close)?;
    if first == last {
        return Some(first);
    }
    let all = || inner.match_indices(close).map(|(at, _)| at).take(LOOKED_AT);
    let before_json = all().find(|&at| is_json(unframed(after(&inner[at..], close))));
    let balanced = || {
        // One tag was opened before `inner` begins.
        let (mut closed, mut opened, mut from) = (0, 1, 0);
        all().find(|&at| {
            closed += 1;
            opened += inner[from..at].matches(open).count();
            from = at;
            opened == closed
        })
    };
    before_json.or_else(balanced).or(Some(last))
}

#[cfg(test)]
#[path = "think_tests.rs"]
mod tests;

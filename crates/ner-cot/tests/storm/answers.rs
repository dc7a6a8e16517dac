//! What teacher and judge say, drawn from the hash of the request: right or wrong, and in the dialects of servers.

use ner_cot::rules::Rule;
use serde_json::{Value, json};

const GOOD: &str = r#"{"entities": {"city": ["Brel"]}}"#;
/// Has letters of two bytes, for answers that are cut within one.
const WHY: &str = "\"Brel\" is a city, as Zoë and the others sleep there.";

/// The body of the answer to a request with this hash.
pub(crate) fn completion(is_judge: bool, hash: u64) -> String {
    let (reasoning, content, finish) = if is_judge {
        (String::new(), verdict(hash), "stop")
    } else {
        taught(hash)
    };
    body(&message(&reasoning, &content, hash), finish)
}

/// A completion around a message.
pub(crate) fn body(message: &Value, finish: &str) -> String {
    json!({
        "id": "chatcmpl-storm",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 20},
    })
    .to_string()
}

/// Every seventh answer breaks a rule, each as often as the others.
fn taught(hash: u64) -> (String, String, &'static str) {
    if !hash.is_multiple_of(7) {
        return (WHY.into(), GOOD.into(), "stop");
    }
    let numbers = hash / 7;
    let rules = Rule::ALL.len() as u64;
    let at = usize::try_from(numbers % rules).expect("a small number");
    if Rule::ALL[at] == Rule::Truncated {
        let finish = ["length", "content_filter"][usize::from((numbers / rules).is_multiple_of(2))];
        return (WHY.into(), GOOD.into(), finish);
    }
    let (reasoning, content) = broken(Rule::ALL[at]);
    (reasoning, content.into(), "stop")
}

/// Reasoning and answer that break a rule.
fn broken(rule: Rule) -> (String, &'static str) {
    let (reasoning, content) = match rule {
        Rule::Truncated => (WHY, GOOD),
        Rule::JsonComplete => (WHY, "{\"entities\": {\"city\": [\"Brel\""),
        Rule::NoReasoning => ("", GOOD),
        Rule::ThinkTag => ("\"Brel\" is a city, <think> as one sleeps there.", GOOD),
        Rule::LabelsInSchema => (
            "\"Brel\" is where one sleeps, and has walls.",
            "{\"entities\": {\"town\": [\"Brel\"]}}",
        ),
        Rule::EntityInSentence => (
            "\"Oslin\" is a city, as one sleeps there.",
            "{\"entities\": {\"city\": [\"Oslin\"]}}",
        ),
        Rule::EntityNotVerbatim => (
            "\"Br\u{200d}el\" is a city, as one sleeps there.",
            "{\"entities\": {\"city\": [\"Br\u{200d}el\"]}}",
        ),
        Rule::Duplicate => (WHY, "{\"entities\": {\"city\": [\"Brel\", \"Brel\"]}}"),
        Rule::EntityInReasoning => ("Somebody sleeps there, that is all.", GOOD),
        Rule::ReasoningAnswerAgree => ("\"Brel\" is a person, for he sleeps.", GOOD),
        Rule::ReasoningLength => ("\"Brel\": city.", GOOD),
        Rule::Loop => return ("Wait, is \"Brel\" a place at all? ".repeat(9), GOOD),
        Rule::Language => ("\"Brel\" 是一个城市，因为人们在那里睡觉。", GOOD),
        Rule::Leak => ("\"Brel\" is a city, as in the ground truth.", GOOD),
    };
    (reasoning.into(), content)
}

/// Where servers put the reasoning.
fn message(reasoning: &str, content: &str, hash: u64) -> Value {
    if reasoning.is_empty() {
        return json!({"role": "assistant", "content": content});
    }
    // A tag in reasoning that comes apart is talk about the tag.
    let drift = if reasoning.contains("<think>") {
        2
    } else {
        hash / 256 % 4
    };
    match drift {
        0 => json!({"role": "assistant", "reasoning_content": reasoning, "content": content}),
        1 => json!({"role": "assistant", "reasoning": reasoning, "content": content}),
        2 => json!({"content": format!("<think>\n{reasoning}\n</think>\n\n{content}")}),
        _ => json!({"content": format!("{reasoning}\n</think>\n{content}")}),
    }
}

/// All forms of a score; most of them are high.
fn verdict(hash: u64) -> String {
    let forms = [
        "{\"score\": 9, \"reason\": \"fine\"}",
        "{\"score\": 10, \"reason\": \"nothing to object to\"}",
        "```json\n{\"score\": 9.5}\n```",
        "{\"score\": \"9/10\", \"reason\": \"fine\"}",
        "Well. **Score:** 9 / 10.",
        "I score it highly. Score: 9",
        "{\"score\": \"9\"}",
        "{\"reason\": \"8 of 9 found\", \"score\": 9}",
        "{\"score\": 8.5, \"reason\": \"debatable\"}",
        "{\"score\": 0}",
        "Score: 8-9",
        "{\"score\": 11}",
        "{\"score\": -1}",
        "Wonderful!",
        "{\"score\": 9, \"score\": 2}",
        "",
    ];
    // The first eight are twice as likely as the others.
    let at = usize::try_from(hash / 11 % 24).expect("a small number");
    forms[at % 16].into()
}

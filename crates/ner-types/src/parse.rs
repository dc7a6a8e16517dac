//! Reading an answer: total on any text, with a list of what is wrong with it.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::example::Entity;
use crate::normalize::normalize_label;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Something wrong with a completion. Rewards and scores decide its cost.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// `<think>` without `</think>`.
    UnclosedThink,
    /// An `<answer>` or a JSON fence that is not closed.
    UnclosedAnswer,
    /// Nothing is left where the JSON should stand.
    NoJson,
    /// The JSON ends too early.
    TruncatedJson,
    /// The answer is not JSON, for instance because text stands around it.
    InvalidJson,
    /// Valid JSON of another shape than `{"entities": {label: [text]}}`.
    WrongShape(String),
    /// A list of texts holds something that is not a string; it is skipped.
    NotAString(String),
    /// A label that the schema does not have.
    LabelOutsideSchema(String),
    /// A text that does not stand in the sentence.
    NotInSentence(String),
    /// The same text under the same label again.
    Duplicate(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnclosedThink => f.write_str("the reasoning is not closed"),
            Self::UnclosedAnswer => f.write_str("the answer block is not closed"),
            Self::NoJson => f.write_str("there is no answer"),
            Self::TruncatedJson => f.write_str("the JSON is truncated"),
            Self::InvalidJson => f.write_str("the answer is not JSON"),
            Self::WrongShape(what) => write!(f, "the JSON has the wrong shape: {what}"),
            Self::NotAString(label) => write!(f, "a text under {label:?} is not a string"),
            Self::LabelOutsideSchema(label) => write!(f, "label {label:?} is not in the schema"),
            Self::NotInSentence(text) => write!(f, "{text:?} does not stand in the sentence"),
            Self::Duplicate(text) => write!(f, "{text:?} is given twice under one label"),
        }
    }
}

/// What a completion says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The text of the first closed reasoning block.
    pub reasoning: Option<String>,
    /// The entities in the order of the answer: texts trimmed, labels as
    /// written.
    pub entities: Vec<Entity>,
    /// What is wrong, in order of discovery.
    pub problems: Vec<Problem>,
    /// Whether the answer is JSON that the paper's reader accepts: an object
    /// of the right shape, or any JSON value without entities.
    pub is_json: bool,
}

impl Completion {
    /// What is wrong with the entities in view of the schema and the sentence.
    ///
    /// Labels are compared after [`normalize_label`]; a text must stand in the
    /// sentence literally.
    pub fn check(&self, schema: &[String], sentence: &str) -> Vec<Problem> {
        let labels: HashSet<String> = schema.iter().map(|label| normalize_label(label)).collect();
        let mut seen = HashSet::new();
        let mut problems = Vec::new();
        for entity in &self.entities {
            if !labels.contains(&normalize_label(&entity.label)) {
                problems.push(Problem::LabelOutsideSchema(entity.label.clone()));
            }
            if !sentence.contains(&entity.text) {
                problems.push(Problem::NotInSentence(entity.text.clone()));
            }
            if !seen.insert(entity) {
                problems.push(Problem::Duplicate(entity.text.clone()));
            }
        }
        problems
    }
}

/// Reads a completion as the paper's code does, without its crashes.
///
/// Closed `<think>` blocks and then stray think tags are removed; the first
/// `<answer>` block or else the first JSON fence is taken, if there is one; the
/// rest must be one JSON value. The reader never fails: whatever is wrong is
/// listed in [`Completion::problems`].
///
/// Two readings of the paper's code are kept although they are odd: a string in
/// place of a list is read character by character, and an object key by key.
pub fn parse(text: &str) -> Completion {
    let mut completion = Completion::default();
    let body = take_reasoning(text, &mut completion);
    let answer = take_answer(&body, &mut completion.problems);
    match read_json(answer.trim()) {
        Ok(value) => read_entities(&value, &mut completion),
        Err(problem) => completion.problems.push(problem),
    }
    completion
}

/// Removes the reasoning and returns the rest.
fn take_reasoning(text: &str, completion: &mut Completion) -> String {
    let mut body = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(OPEN) {
        let inner = &rest[open + OPEN.len()..];
        let Some(close) = inner.find(CLOSE) else {
            completion.problems.push(Problem::UnclosedThink);
            break;
        };
        body.push_str(&rest[..open]);
        if completion.reasoning.is_none() {
            completion.reasoning = Some(inner[..close].trim().into());
        }
        rest = &inner[close + CLOSE.len()..];
    }
    body.push_str(rest);
    body.replace(OPEN, "").replace(CLOSE, "")
}

/// Cuts out the first answer block, and in it or else in the whole the first JSON fence, where they are opened.
fn take_answer<'a>(mut body: &'a str, problems: &mut Vec<Problem>) -> &'a str {
    for (open, close) in [("<answer>", "</answer>"), ("```json", "```")] {
        let Some(at) = body.find(open) else { continue };
        let inner = &body[at + open.len()..];
        let Some(end) = inner.find(close) else {
            problems.push(Problem::UnclosedAnswer);
            return "";
        };
        body = &inner[..end];
    }
    body
}

/// Reads one JSON value. Python's reader also takes NaN and the infinities.
fn read_json(answer: &str) -> Result<Value, Problem> {
    if answer.is_empty() {
        return Err(Problem::NoJson);
    }
    let strict = serde_json::from_str(answer);
    let read = match strict {
        Err(_) if answer.contains("NaN") || answer.contains("Infinity") => {
            serde_json::from_str(&without_non_finite(answer))
        }
        strict => strict,
    };
    read.map_err(|error| {
        if error.is_eof() {
            Problem::TruncatedJson
        } else {
            Problem::InvalidJson
        }
    })
}

/// The text with NaN, Infinity and -Infinity outside of strings replaced by `null`, which is no text either.
fn without_non_finite(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while !rest.is_empty() {
        // A quote outside of a string opens one; it ends at the next quote that no backslash escapes.
        let (bare, tail) = rest.split_at(rest.find('"').unwrap_or(rest.len()));
        let bare = bare
            .replace("-Infinity", "null")
            .replace("Infinity", "null");
        out.push_str(&bare.replace("NaN", "null"));
        let (string, tail) = tail.split_at(string_end(tail));
        out.push_str(string);
        rest = tail;
    }
    out
}

/// Length of the JSON string at the start of the text, quotes included; all of it if the string is not closed.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn read_entities(value: &Value, completion: &mut Completion) {
    completion.is_json = true;
    let Some(groups) = value.as_object().and_then(|object| object.get("entities")) else {
        let what = "there is no object with the key \"entities\"".into();
        completion.problems.push(Problem::WrongShape(what));
        return;
    };
    match read_groups(groups, &mut completion.problems) {
        Ok(entities) => completion.entities = entities,
        Err(problem) => {
            completion.is_json = false;
            completion.problems.push(problem);
        }
    }
}

fn read_groups(groups: &Value, problems: &mut Vec<Problem>) -> Result<Vec<Entity>, Problem> {
    let Some(groups) = groups.as_object() else {
        let what = format!("\"entities\" is {}, not an object", kind(groups));
        return Err(Problem::WrongShape(what));
    };
    let mut entities = Vec::new();
    for (label, texts) in groups {
        for text in read_texts(label, texts, problems)? {
            entities.push(Entity::new(text.trim(), label.as_str()));
        }
    }
    Ok(entities)
}

fn read_texts(
    label: &str,
    texts: &Value,
    problems: &mut Vec<Problem>,
) -> Result<Vec<String>, Problem> {
    let wrong = || Problem::WrongShape(format!("the value of {label:?} is {}", kind(texts)));
    match texts {
        Value::Array(items) => {
            let strings = items.iter().filter_map(Value::as_str).map(String::from);
            let strings: Vec<String> = strings.collect();
            if strings.len() < items.len() {
                problems.push(Problem::NotAString(label.into()));
            }
            Ok(strings)
        }
        Value::String(text) => {
            problems.push(wrong());
            Ok(text.chars().map(String::from).collect())
        }
        Value::Object(object) => {
            problems.push(wrong());
            Ok(object.keys().cloned().collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Err(wrong()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(completion: &Completion) -> Vec<&str> {
        completion
            .entities
            .iter()
            .map(|e| e.text.as_str())
            .collect()
    }

    #[test]
    fn reasoning_and_entities_are_separated() {
        let read = parse("<think>\nx\n</think>\n{\"entities\": {\"city\": [\" Brel \", 3]}}");
        assert_eq!(read.reasoning.as_deref(), Some("x"));
        assert_eq!(read.entities, [Entity::new("Brel", "city")]);
        assert_eq!(read.problems, [Problem::NotAString("city".into())]);
        assert!(read.is_json);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, problem) in [
            ("<think>never", Problem::UnclosedThink),
            ("", Problem::NoJson),
            ("{\"entities\": {\"a\": [\"b\"", Problem::TruncatedJson),
            ("Here: {}", Problem::InvalidJson),
            ("```json\n{}", Problem::UnclosedAnswer),
            ("<answer>{}", Problem::UnclosedAnswer),
        ] {
            let read = parse(text);
            assert!(
                read.problems.contains(&problem),
                "{text:?}: {:?}",
                read.problems
            );
            assert!(!read.is_json, "{text:?}");
            assert!(read.entities.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn odd_shapes_are_read_as_the_paper_reads_them() {
        assert!(parse("[]").is_json);
        assert!(parse("NaN").is_json);
        assert!(!parse("{\"entities\": null}").is_json);
        assert!(!parse("{\"entities\": {\"a\": 1}}").is_json);
        assert_eq!(texts(&parse("{\"entities\": {\"a\": \"xy\"}}")), ["x", "y"]);
        assert_eq!(texts(&parse("{\"entities\": {\"a\": {\"k\": 1}}}")), ["k"]);
        assert_eq!(
            texts(&parse("```json\n{\"entities\": {\"a\": [\"k\"]}}\n```")),
            ["k"]
        );
    }

    #[test]
    fn checks_name_labels_texts_and_duplicates() {
        let read = parse("{\"entities\": {\"City\": [\"Brel\", \"Brel\"], \"x\": [\"Oslin\"]}}");
        let problems = read.check(&["city".into()], "Brel sleeps.");
        assert_eq!(
            problems,
            [
                Problem::Duplicate("Brel".into()),
                Problem::LabelOutsideSchema("x".into()),
                Problem::NotInSentence("Oslin".into()),
            ]
        );
    }

    #[test]
    fn deep_nesting_is_refused_not_overflowed() {
        let read = parse(&"[".repeat(1_000_000));
        assert!(!read.is_json);
    }
}

//! Reading an answer: total on any bytes, in linear time, with a list of what is wrong with it.

mod check;
mod groups;
mod json;
mod problem;
mod salvage;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::groups::Document;
use self::json::{Fault, Kind};
use crate::example::Entity;
use crate::normalize::trim;

pub use self::problem::Problem;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// What a completion says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The text of the first closed reasoning block; in [`ReadMode::Tolerant`] also of one that is not closed.
    pub reasoning: Option<String>,
    /// The entities in the order of the answer: texts trimmed, labels as
    /// written.
    pub entities: Vec<Entity>,
    /// What is wrong, in order of discovery.
    pub problems: Vec<Problem>,
    /// Whether the answer is JSON that the paper's reader accepts: an object
    /// of the right shape, or any JSON value without entities.
    pub is_json: bool,
    /// Whether entities or reasoning were taken from an answer that the reference reads otherwise or not at all. Only in
    /// [`ReadMode::Tolerant`].
    #[serde(default)]
    pub salvaged: bool,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadMode {
    /// Exactly what the paper's code reads, without its crashes. Rewards and scores use it.
    #[default]
    Reference,
    /// Where the reference finds a fault, also what the answer says all the same. For those who want the entities.
    ///
    /// A truncated or unclosed answer gives the texts that are complete; text around the JSON is passed over; groups of
    /// one label are joined; a string in place of a list is one text. The result is marked with
    /// [`Completion::salvaged`] and [`Problem::Salvaged`]. An answer without fault is read as by the reference.
    Tolerant,
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
/// An `<answer>` inside of an answer block belongs to its text, which then is
/// not JSON.
pub fn parse(text: &str) -> Completion {
    let mut completion = Completion::default();
    let body = take_reasoning(text, &mut completion);
    match take_answer(&body, &mut completion.problems).map(trim) {
        None | Some("") => completion.problems.push(Problem::NoJson),
        Some(answer) => read_answer(answer, &mut completion),
    }
    completion
}

/// Reads a completion in one of the two modes.
///
/// ```
/// use ner_types::{Problem, ReadMode, parse_with};
///
/// let cut = "<think>\nTwo ports.\n</think>\n{\"entities\": {\"city\": [\"Port Halvek\", \"Os";
/// assert!(parse_with(cut, ReadMode::Reference).entities.is_empty());
///
/// let read = parse_with(cut, ReadMode::Tolerant);
/// assert_eq!(read.entities[0].text, "Port Halvek");
/// assert!(read.salvaged && read.problems.contains(&Problem::TruncatedJson));
/// ```
pub fn parse_with(text: &str, mode: ReadMode) -> Completion {
    let mut completion = parse(text);
    if mode == ReadMode::Tolerant && !completion.problems.is_empty() {
        salvage::salvage(text, &mut completion);
    }
    completion
}

/// Reads bytes that need not be UTF-8, such as a response that was cut inside of a character.
///
/// What is not UTF-8 is read as U+FFFD and named in [`Problem::InvalidUtf8`], the first problem then.
pub fn parse_bytes(bytes: &[u8], mode: ReadMode) -> Completion {
    let fault = match std::str::from_utf8(bytes) {
        Ok(text) => return parse_with(text, mode),
        Err(error) => Problem::InvalidUtf8(error.valid_up_to()),
    };
    let mut completion = parse_with(&String::from_utf8_lossy(bytes), mode);
    completion.problems.insert(0, fault);
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
            completion.reasoning = Some(trim(&inner[..close]).into());
        }
        rest = &inner[close + CLOSE.len()..];
    }
    body.push_str(rest);
    if body.contains(CLOSE) {
        completion.problems.push(Problem::StrayThink);
    }
    without_tags(&body)
}

/// Removes think tags, the opening ones first, as the paper's code does.
fn without_tags(text: &str) -> String {
    text.replace(OPEN, "").replace(CLOSE, "")
}

/// Cuts out the first answer block, and in it or else in the whole the first JSON fence, where they are opened. `None`
/// if one is not closed.
fn take_answer<'a>(mut body: &'a str, problems: &mut Vec<Problem>) -> Option<&'a str> {
    for (open, close) in [("<answer>", "</answer>"), ("```json", "```")] {
        let Some(at) = body.find(open) else { continue };
        let inner = &body[at + open.len()..];
        let Some(end) = inner.find(close) else {
            problems.push(Problem::UnclosedAnswer);
            return None;
        };
        body = &inner[..end];
    }
    Some(body)
}

fn read_answer(answer: &str, completion: &mut Completion) {
    let mut document = Document::default();
    match document.read(answer) {
        Ok(()) => take_entities(&document, completion),
        Err(fault) => completion.problems.push(fault.into()),
    }
}

fn take_entities(document: &Document, completion: &mut Completion) {
    let problems = &mut completion.problems;
    match document.entities {
        Some(Kind::Object) => {
            problems.extend(document.groups.problems());
            let entities = document.groups.reference_entities();
            completion.is_json = entities.is_some();
            completion.entities = entities.unwrap_or_default();
        }
        Some(kind) => {
            let what = format!("\"entities\" is {}, not an object", kind.name());
            problems.push(Problem::WrongShape(what));
        }
        None => {
            let what = "there is no object with the key \"entities\"".into();
            problems.push(Problem::WrongShape(what));
            completion.is_json = true;
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Truncated => Self::TruncatedJson,
            Fault::Invalid => Self::InvalidJson,
            Fault::TooDeep => Self::TooDeep,
        }
    }
}

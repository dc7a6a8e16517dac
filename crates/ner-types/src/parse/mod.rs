//! Reading an answer: total on any bytes, in linear time, with a list of what is wrong with it.

mod check;
mod groups;
mod json;
mod places;
mod problem;
mod reply;
mod salvage;
mod structures;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};
use serde::{Deserialize, Serialize};

use self::groups::Document;
use self::json::{Fault, Kind};
use crate::example::Entity;
use crate::normalize::trim;
use crate::structures::{Event, Relation};

pub use self::places::{Placed, place_entities};
pub use self::problem::Problem;
pub use self::reply::parse_type_reply;

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
    /// Whether entities or reasoning were taken from an answer that the reference reads otherwise or not at all. Only
    /// in [`ReadMode::Tolerant`].
    #[serde(default)]
    pub salvaged: bool,
    /// The relations in the order of the answer, where [`Task::Relations`](crate::Task::Relations) is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
    /// The events in the order of the answer, where [`Task::Events`](crate::Task::Events) is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
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
    let head = Head::read(text);
    let answer = Answer::read(&head);
    let mut entities = Vec::with_capacity(answer.document.groups.n_texts());
    answer.visit(|label, text| entities.push(Entity::new(text, label)));
    Completion {
        entities,
        is_json: answer.is_json,
        problems: answer.problems,
        reasoning: head.reasoning.map(Into::into),
        ..Completion::default()
    }
}

/// Hands the entities of a completion to `each`, as label and text, without building a [`Completion`]: the fast path of
/// those who only count. Gives whether the answer is what [`Completion::is_json`] calls JSON.
///
/// Labels, texts and their order are those of [`Completion::entities`] as [`parse_with`] reads them in the same mode;
/// what stands in the completion unescaped is not copied.
///
/// ```
/// use ner_types::{ReadMode, visit_entities};
///
/// let mut found = Vec::new();
/// let completion = r#"{"entities": {"city": [" Port Halvek ", "Brel"]}}"#;
/// let is_json = visit_entities(completion, ReadMode::Reference, |label, text| {
///     found.push(format!("{label}: {text}"));
/// });
/// assert!(is_json);
/// assert_eq!(found, ["city: Port Halvek", "city: Brel"]);
/// ```
pub fn visit_entities(text: &str, mode: ReadMode, mut each: impl FnMut(&str, &str)) -> bool {
    let head = Head::read(text);
    let answer = Answer::read(&head);
    if mode == ReadMode::Tolerant && !answer.problems.is_empty() {
        let completion = parse_with(text, mode);
        for entity in &completion.entities {
            each(&entity.label, &entity.text);
        }
    } else {
        answer.visit(each);
    }
    answer.is_json
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

/// A completion cut into its reasoning and the rest.
struct Head<'a> {
    /// The first closed reasoning block, trimmed.
    reasoning: Option<&'a str>,
    /// What remains without reasoning and tags; borrowed if that is one piece, as in every ordinary completion.
    body: Cow<'a, str>,
    problems: Vec<Problem>,
}

impl<'a> Head<'a> {
    fn read(text: &'a str) -> Self {
        let mut head = Head {
            reasoning: None,
            body: Cow::Borrowed(""),
            problems: Vec::new(),
        };
        let mut rest = text;
        while let Some(open) = find(rest, OPEN) {
            let inner = &rest[open + OPEN.len()..];
            let Some(close) = find(inner, CLOSE) else {
                head.problems.push(Problem::UnclosedThink);
                break;
            };
            head.body += &rest[..open];
            head.reasoning = head.reasoning.or_else(|| Some(trim(&inner[..close])));
            rest = &inner[close + CLOSE.len()..];
        }
        head.body += rest;
        if memchr(b'<', head.body.as_bytes()).is_some() {
            if find(&head.body, CLOSE).is_some() {
                head.problems.push(Problem::StrayThink);
            }
            head.body = without_tags(head.body);
        }
        head
    }
}

/// Removes think tags, the opening ones first, as the paper's code does.
fn without_tags(mut text: Cow<'_, str>) -> Cow<'_, str> {
    for tag in [OPEN, CLOSE] {
        if find(&text, tag).is_some() {
            text = Cow::Owned(text.replace(tag, ""));
        }
    }
    text
}

/// The first place of a tag. Its first byte is rare in completions, so that looking for it alone is the fastest way.
fn find(text: &str, tag: &str) -> Option<usize> {
    let (text, tag) = (text.as_bytes(), tag.as_bytes());
    memchr_iter(tag[0], text).find(|&at| text[at..].starts_with(tag))
}

/// Cuts out the first answer block, and in it or else in the whole the first JSON fence, where they are opened. `None`
/// if one is not closed.
fn take_answer<'a>(mut body: &'a str, problems: &mut Vec<Problem>) -> Option<&'a str> {
    for (open, close) in [("<answer>", "</answer>"), ("```json", "```")] {
        let Some(at) = find(body, open) else { continue };
        let inner = &body[at + open.len()..];
        let Some(end) = find(inner, close) else {
            problems.push(Problem::UnclosedAnswer);
            return None;
        };
        body = &inner[..end];
    }
    Some(body)
}

/// What the rest of a completion says.
struct Answer<'a> {
    document: Document<'a>,
    is_json: bool,
    /// Those of the whole completion.
    problems: Vec<Problem>,
}

impl<'a> Answer<'a> {
    fn read(head: &'a Head<'_>) -> Self {
        let mut answer = Answer {
            document: Document::default(),
            is_json: false,
            problems: head.problems.clone(),
        };
        match take_answer(&head.body, &mut answer.problems).map(trim) {
            None | Some("") => answer.problems.push(Problem::NoJson),
            Some(text) => match answer.document.read(text) {
                Ok(()) => answer.judge(),
                Err(fault) => answer.problems.push(fault.into()),
            },
        }
        answer
    }

    /// Says of a JSON value whether it is what was asked for.
    fn judge(&mut self) {
        match self.document.entities {
            Some(Kind::Object) => {
                self.problems.extend(self.document.groups.problems());
                self.is_json = self.document.groups.is_readable();
            }
            Some(kind) => {
                let what = format!("\"entities\" is {}, not an object", kind.name());
                self.problems.push(Problem::WrongShape(what));
            }
            None => {
                let what = "there is no object with the key \"entities\"".into();
                self.problems.push(Problem::WrongShape(what));
                self.is_json = true;
            }
        }
    }

    /// The entities as label and text; none unless the answer is JSON.
    fn visit(&self, each: impl FnMut(&str, &str)) {
        if self.is_json {
            self.document.groups.visit_reference(each);
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

//! What a faulty answer says all the same.
//!
//! Every `"entities": {` of the answer is a candidate and is read as far as it goes. The last complete one with texts
//! is taken, since a model that corrects itself does so later; else the last one with texts. Candidates do not overlap,
//! so the answer is passed once.

use super::groups::Groups;
use super::json::{Kind, Reader};
use super::{CLOSE, Completion, OPEN, Problem, without_tags};
use crate::example::Entity;
use crate::normalize::trim;

const KEY: &str = "\"entities\"";

/// Replaces the entities of a completion with problems by what its text says, and marks it if that changes anything.
pub(super) fn salvage(text: &str, completion: &mut Completion) {
    let body = Body::new(text);
    let candidate = best_candidate(&body.text);
    if let Some(start) = body.reasoning_start {
        let end = candidate.as_ref().map_or(body.text.len(), |c| c.start);
        let reasoning = body.text.get(start..end).unwrap_or_default();
        take_reasoning(reasoning, completion);
    }
    let Some(candidate) = candidate else { return };
    let mut entities = Vec::new();
    let groups = &candidate.groups;
    groups.visit_meant(|label, text| entities.push(Entity::new(text, label)));
    if entities != completion.entities {
        completion.salvaged = true;
        completion.problems.push(Problem::Salvaged(entities.len()));
        completion.entities = entities;
    }
}

/// Reasoning that is not closed ends where the JSON begins.
pub(super) fn take_reasoning(reasoning: &str, completion: &mut Completion) {
    let reasoning = trim(reasoning);
    let reasoning = reasoning.strip_suffix("<answer>").unwrap_or(reasoning);
    let reasoning = trim(reasoning.strip_suffix("```json").unwrap_or(reasoning));
    if completion.reasoning.is_none() && !reasoning.is_empty() {
        completion.reasoning = Some(reasoning.into());
        completion.salvaged = true;
    }
}

/// A completion without its closed reasoning and without tags.
pub(super) struct Body {
    pub(super) text: String,
    /// Where reasoning that is not closed begins.
    pub(super) reasoning_start: Option<usize>,
}

impl Body {
    pub(super) fn new(text: &str) -> Self {
        let (mut before, mut rest) = (String::new(), text);
        while let Some(open) = rest.find(OPEN) {
            before.push_str(&rest[..open]);
            let inner = &rest[open + OPEN.len()..];
            let Some(close) = inner.find(CLOSE) else {
                let before = without_tags(before.into()).into_owned();
                return Body {
                    reasoning_start: Some(before.len()),
                    text: before + &without_tags(inner.into()),
                };
            };
            rest = &inner[close + CLOSE.len()..];
        }
        Body {
            text: without_tags((before + rest).into()).into_owned(),
            reasoning_start: None,
        }
    }
}

struct Candidate<'a> {
    /// Where its object begins.
    start: usize,
    groups: Groups<'a>,
    is_complete: bool,
}

impl Candidate<'_> {
    fn rank(&self) -> (bool, bool) {
        (!self.groups.is_empty(), self.is_complete)
    }
}

fn best_candidate(text: &str) -> Option<Candidate<'_>> {
    let mut best: Option<Candidate<'_>> = None;
    let mut at = 0;
    while let Some(found) = text[at..].find(KEY) {
        let start = at + found;
        let mut reader = Reader::new(text, start + KEY.len());
        if let Some(candidate) = read_candidate(text, start, &mut reader)
            && best
                .as_ref()
                .is_none_or(|best| candidate.rank() >= best.rank())
        {
            best = Some(candidate);
        }
        at = reader.at();
    }
    best
}

/// Reads `: {…}` behind the key; `None` if something else follows.
fn read_candidate<'a>(text: &str, key: usize, reader: &mut Reader<'a>) -> Option<Candidate<'a>> {
    reader.colon().ok()?;
    if reader.kind() != Ok(Kind::Object) {
        return None;
    }
    let mut groups = Groups::joined();
    let is_complete = groups.read(reader).is_ok();
    let before = text[..key].trim_end_matches([' ', '\t', '\n', '\r']);
    Some(Candidate {
        start: before.strip_suffix('{').map_or(key, str::len),
        groups,
        is_complete,
    })
}

//! What was found in a sentence, as a row: entities with their places, and everything that is wrong in one shape.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

use crate::{Completion, Entity, GroundStatus, GroundedEntity, Grounder, Problem, Span, Thought};

/// What was found in a sentence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Extraction {
    /// The sentence that was asked about.
    pub sentence: String,
    /// What the model names, once for each place; what stands nowhere has no place.
    pub entities: Vec<Mention>,
    /// What places are counted in: always `characters`, Unicode scalar values from 0, as Python counts.
    pub offsets: &'static str,
    /// The reasoning before the answer.
    pub reasoning: Option<String>,
    /// What is wrong with the answer and its entities.
    pub problems: Vec<NamedProblem>,
    /// Whether the answer is JSON that the paper's reader accepts.
    pub is_json: bool,
    /// Whether a part was taken from a faulty answer.
    pub salvaged: bool,
    /// Whether the answer was cut off because it had become too long.
    pub cut_off: bool,
    /// What the reasoning cost, where it was counted.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub thought: Option<Thought>,
}

/// An entity at one of its places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mention {
    /// The text as the answer gives it; the sentence may spell it otherwise, see `grounding`.
    pub text: String,
    /// The type.
    pub label: String,
    /// First character.
    pub start: Option<usize>,
    /// The character behind the last one.
    pub end: Option<usize>,
    /// How it was found: `exact`, `normalized` (case, quotes, dashes, white space), `fuzzy`, or `ungrounded`: it does
    /// not stand in the sentence.
    pub grounding: &'static str,
    /// Edits between the text and what stands there, if it was found by them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<usize>,
}

/// A [`Problem`], for programs: its kind is always a string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedProblem {
    /// The kind, such as `duplicate_key`.
    pub kind: String,
    /// What it is about, such as the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// A sentence for people.
    pub message: String,
}

impl Extraction {
    /// What an answer says about a sentence that was asked for these types.
    pub fn new(completion: Completion, types: &[String], sentence: &str, cut_off: bool) -> Self {
        let grounded = Grounder::new(sentence).ground_all(&completion.entities);
        let problems = problems(&completion, &grounded, types, sentence);
        Self {
            sentence: sentence.to_owned(),
            entities: grounded.iter().flat_map(mentions).collect(),
            offsets: "characters",
            reasoning: completion.reasoning,
            problems,
            is_json: completion.is_json,
            salvaged: completion.salvaged,
            cut_off,
            thought: None,
        }
    }
}

/// Those of the answer, then those of its entities. A text that stands in the sentence in another spelling is found.
fn problems(
    completion: &Completion,
    grounded: &[GroundedEntity],
    types: &[String],
    sentence: &str,
) -> Vec<NamedProblem> {
    let found = |entity: &&GroundedEntity| entity.grounding.status != GroundStatus::Ungrounded;
    let found = grounded.iter().filter(found);
    let found: HashSet<&str> = found.map(|entity| entity.entity.text.as_str()).collect();
    let is_found = |problem: &Problem| match problem {
        Problem::NotInSentence(text) => found.contains(text.as_str()),
        _ => false,
    };
    let of_entities = completion.check(types, sentence).into_iter();
    let of_entities = of_entities.filter(|problem| !is_found(problem));
    let all = completion.problems.iter().cloned().chain(of_entities);
    all.map(NamedProblem::from).collect()
}

/// An entity at each of its places; a text without any is kept, without one.
fn mentions(grounded: &GroundedEntity) -> Vec<Mention> {
    let (grounding, edits) = match grounded.grounding.status {
        GroundStatus::Exact => ("exact", None),
        GroundStatus::Normalized => ("normalized", None),
        GroundStatus::Fuzzy { edits } => ("fuzzy", Some(edits)),
        GroundStatus::Ungrounded => ("ungrounded", None),
    };
    let Entity { text, label, .. } = &grounded.entity;
    let at = |span: Option<&Span>| Mention {
        text: text.clone(),
        label: label.clone(),
        start: span.map(|span| span.char_start),
        end: span.map(|span| span.char_end),
        grounding,
        edits,
    };
    match grounded.grounding.spans.as_slice() {
        [] => vec![at(None)],
        spans => spans.iter().map(|span| at(Some(span))).collect(),
    }
}

impl From<Problem> for NamedProblem {
    fn from(problem: Problem) -> Self {
        let message = problem.to_string();
        // The names are those of its variants, which carry nothing or one value.
        let (kind, detail) = match serde_json::to_value(&problem) {
            Ok(Value::Object(one)) => match one.into_iter().next() {
                Some((kind, Value::String(detail))) => (kind, Some(detail)),
                Some((kind, detail)) => (kind, Some(detail.to_string())),
                None => (String::new(), None),
            },
            Ok(Value::String(kind)) => (kind, None),
            _ => (String::new(), None),
        };
        Self {
            kind,
            detail,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReadMode, parse_with};

    fn extraction(answer: &str, sentence: &str) -> Value {
        let completion = parse_with(answer, ReadMode::Reference);
        let types = ["city".to_owned(), "person".to_owned()];
        let found = Extraction::new(completion, &types, sentence, false);
        serde_json::to_value(found).expect("JSON")
    }

    #[test]
    fn mentions_have_places_in_characters_and_what_stands_nowhere_is_named() {
        let answer = r#"{"entities": {"person": ["Zoë", "Mira Dolanli"], "city": ["port  halvek"], "river": ["Zoë"]}}"#;
        let found = extraction(answer, "Zoë, then Zoë in Port Halvek");
        let mentions = found["entities"].as_array().expect("a list");
        let short = |mention: &Value| {
            format!(
                "{} {} {} {} {}",
                mention["label"],
                mention["text"],
                mention["start"],
                mention["end"],
                mention["grounding"]
            )
            .replace('"', "")
        };
        let mut lines: Vec<String> = mentions.iter().map(short).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "city port  halvek 17 28 normalized",
                "person Mira Dolanli null null ungrounded",
                "person Zoë 0 3 exact",
                "person Zoë 10 13 exact",
                "river Zoë 0 3 exact",
                "river Zoë 10 13 exact",
            ]
        );
        assert_eq!(found["offsets"], "characters");
        let kinds: Vec<&Value> = found["problems"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|p| &p["kind"])
            .collect();
        assert_eq!(kinds, ["not_in_sentence", "label_outside_schema"]);
    }

    #[test]
    fn every_problem_has_one_shape() {
        let answer = "</think>{\"entities\": {\"city\": [\"A\"], \"city\": [\"A\"]}}";
        let found = extraction(answer, "A");
        let expected = serde_json::json!([
            {"kind": "stray_think", "message": "</think> closes no reasoning"},
            {"kind": "duplicate_key", "detail": "city", "message": "the key \"city\" is given twice"},
        ]);
        assert_eq!(found["problems"], expected);
        let number = NamedProblem::from(Problem::Salvaged(3));
        assert_eq!(
            (number.kind.as_str(), number.detail.as_deref()),
            ("salvaged", Some("3"))
        );
    }
}

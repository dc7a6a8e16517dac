//! What was found in a sentence, as a row: entities with their places, and everything that is wrong in one shape.

use std::collections::HashSet;

use serde::Serialize;

use crate::named_problem::NamedProblem;
use crate::{
    Completion, Entity, FoundEvent, FoundRelation, FoundStructures, GroundStatus, GroundedEntity,
    Grounder, Mention, OffsetIndex, Offsets, Place, Problem, Thought, WindowRow,
};

/// What was found in a sentence.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Extraction {
    /// The sentence that was asked about.
    pub sentence: String,
    /// What the model names, once for each place, in the order of the text; what stands nowhere comes last and has no
    /// place.
    pub entities: Vec<Mention>,
    /// The relations, if these were looked for in place of entities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relations: Option<Vec<FoundRelation>>,
    /// The events, if these were looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<FoundEvent>>,
    /// What is held back because it is not sure enough; `None` unless a threshold was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Vec<Mention>>,
    /// What `start` and `end` are counted in, see [`Offsets`]: `characters` unless [`Extraction::in_unit`] says
    /// otherwise. Offsets in bytes are always there too.
    pub offsets: &'static str,
    /// The reasoning before the answer; of a document, that of all answers with a blank line between them.
    pub reasoning: Option<String>,
    /// What is wrong with the answer and its entities.
    pub problems: Vec<NamedProblem>,
    /// Whether the answer is JSON that the paper's reader accepts.
    pub is_json: bool,
    /// Whether a part was taken from a faulty answer.
    pub salvaged: bool,
    /// Whether the answer was cut off because it had become too long.
    pub cut_off: bool,
    /// The questions that were asked about a document, if there were several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowRow>,
    /// What the reasoning cost, where it was counted.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub thought: Option<Thought>,
}

impl From<FoundStructures> for Extraction {
    /// The same row, without entities.
    fn from(found: FoundStructures) -> Self {
        Self {
            sentence: found.sentence,
            relations: found.relations,
            events: found.events,
            offsets: found.offsets,
            reasoning: found.reasoning,
            problems: found.problems,
            is_json: found.is_json,
            salvaged: found.salvaged,
            cut_off: found.cut_off,
            ..Self::default()
        }
    }
}

impl Extraction {
    /// What an answer says about a sentence that was asked for these types.
    pub fn new(completion: Completion, types: &[String], sentence: &str, cut_off: bool) -> Self {
        let grounded = Grounder::new(sentence).ground_all(&completion.entities);
        let mut entities: Vec<Mention> = grounded.iter().flat_map(mentions).collect();
        entities.sort_by_key(Mention::order);
        Self {
            sentence: sentence.to_owned(),
            entities,
            relations: None,
            events: None,
            withheld: None,
            offsets: Offsets::Characters.name(),
            problems: named_problems(&completion, &grounded, types, sentence),
            reasoning: completion.reasoning,
            is_json: completion.is_json,
            salvaged: completion.salvaged,
            cut_off,
            windows: Vec::new(),
            thought: None,
        }
    }

    /// The same with `start` and `end` in another unit. It is the last step before the row is written as JSON: other
    /// formats want characters.
    #[must_use]
    pub fn in_unit(mut self, unit: Offsets) -> Self {
        let sentence = OffsetIndex::new(&self.sentence);
        let reasoning = OffsetIndex::new(self.reasoning.as_deref().unwrap_or_default());
        let withheld = self.withheld.iter_mut().flatten();
        for mention in self.entities.iter_mut().chain(withheld) {
            mention.in_unit(unit, &sentence, &reasoning);
        }
        for window in &mut self.windows {
            window.place.in_unit(unit, &sentence);
            let start = window.context_byte_start;
            window.context_start = start.and_then(|byte| sentence.at(byte, unit));
        }
        self.offsets = unit.name();
        self
    }

    /// Gives each entity its confidence and its agreement, as `rate` knows them by label and text.
    pub fn rate(&mut self, rate: impl Fn(&str, &str) -> (Option<f64>, Option<f64>)) {
        for mention in &mut self.entities {
            (mention.confidence, mention.agreement) = rate(&mention.label, &mention.text);
        }
    }

    /// Holds back the entities that are not to be shown.
    pub fn withhold(&mut self, shows: impl Fn(&Mention) -> bool) {
        let all = std::mem::take(&mut self.entities);
        let (shown, withheld) = all.into_iter().partition(shows);
        self.entities = shown;
        self.withheld
            .get_or_insert_default()
            .extend::<Vec<Mention>>(withheld);
    }
}

/// What is wrong with an answer, then with its entities, as they were found in the text that was asked about. A text
/// that stands there in another spelling is found.
pub fn named_problems(
    completion: &Completion,
    grounded: &[GroundedEntity],
    types: &[String],
    sentence: &str,
) -> Vec<NamedProblem> {
    let found = |entity: &&GroundedEntity| entity.grounding.status != GroundStatus::Absent;
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
    let Entity { text, label, .. } = &grounded.entity;
    let at = |place: Option<Place>| Mention::new(text, label, grounded.grounding.status, place);
    match grounded.grounding.spans.as_slice() {
        [] => vec![at(None)],
        spans => spans.iter().map(|&span| at(Some(span.into()))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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
                "city port  halvek 17 28 folded",
                "person Mira Dolanli null null absent",
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
    fn a_unit_is_chosen_and_bytes_stay() {
        let answer = r#"{"entities": {"city": ["Köln", "Rom"]}}"#;
        let text = "🦀 in Köln";
        let completion = parse_with(answer, ReadMode::Reference);
        let found = Extraction::new(completion, &["city".to_owned()], text, false);
        for (unit, start, end) in [
            (Offsets::Characters, 5, 9),
            (Offsets::Utf16, 6, 10),
            (Offsets::Bytes, 8, 13),
            (Offsets::Characters, 5, 9),
        ] {
            let found = found.clone().in_unit(unit);
            assert_eq!(found.offsets, unit.name());
            let places: Vec<Option<Place>> = found.entities.iter().map(Mention::place).collect();
            let (byte_start, byte_end) = (8, 13);
            let city = Place {
                start,
                end,
                byte_start,
                byte_end,
            };
            assert_eq!(places, [Some(city), None]);
        }
    }

    #[test]
    fn what_is_not_sure_enough_is_held_back_and_kept() {
        let completion = parse_with(
            r#"{"entities": {"city": ["Brel", "Osk"]}}"#,
            ReadMode::Reference,
        );
        let mut found = Extraction::new(completion, &["city".to_owned()], "Brel, Osk, Brel", false);
        let plain = serde_json::to_value(&found).expect("JSON");
        assert!(
            plain.get("withheld").is_none() && plain["entities"][0].get("confidence").is_none()
        );
        found.rate(|_, text| (Some(if text == "Osk" { 0.9 } else { 0.4 }), None));
        found.withhold(|mention| mention.confidence > Some(0.5));
        let texts = |of: &[Mention]| of.iter().map(|it| it.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&found.entities), ["Osk"]);
        assert_eq!(
            texts(found.withheld.as_deref().expect("a list")),
            ["Brel", "Brel"]
        );
        let row = serde_json::to_value(&found).expect("JSON");
        assert_eq!(row["entities"][0]["confidence"], 0.9);
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

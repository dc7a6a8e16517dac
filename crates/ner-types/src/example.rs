//! An entity and an annotated sentence.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::normalize::{Placeholders, normalize_label, trim, trim_start};
use crate::signature::Signature;
use crate::span::Span;
use crate::structures::{Event, Relation};
use crate::task::Task;

/// One mention: the text as it stands in the sentence, its label and, where it is known, its place.
///
/// Two mentions are equal if all three are. An answer of a model and the paper's data have no places;
/// [`crate::Grounder`] finds them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entity {
    /// The mention as written, without surrounding white space.
    pub text: String,
    /// The entity type as written.
    pub label: String,
    /// Where it stands in the sentence; not written if it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

impl Entity {
    /// Builds an entity from its text and its label, at an unknown place.
    pub fn new(text: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            label: label.into(),
            span: None,
        }
    }

    /// The same entity at a place.
    #[must_use]
    pub fn at(self, span: Span) -> Self {
        Self {
            span: Some(span),
            ..self
        }
    }

    /// Label normalised, white space around the text removed and the span drawn in by as much.
    fn normalized(&self) -> Self {
        let text = trim(&self.text);
        let lead = &self.text[..self.text.len() - trim_start(&self.text).len()];
        let drawn_in = |span: Span| Span {
            byte_start: span.byte_start + lead.len(),
            byte_end: span.byte_start + lead.len() + text.len(),
            char_start: span.char_start + lead.chars().count(),
            char_end: span.char_start + lead.chars().count() + text.chars().count(),
        };
        Self {
            text: text.into(),
            label: normalize_label(&self.label),
            span: match self.span {
                Some(span) if text.len() < self.text.len() => Some(drawn_in(span)),
                span => span,
            },
        }
    }
}

/// An annotated sentence with its schema: a row of the NER-CoT dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Identifier of the row, where its source has one.
    #[serde(default)]
    pub guid: Option<String>,
    /// Name of the dataset that the sentence comes from.
    #[serde(default)]
    pub dataset: Option<String>,
    /// The sentence.
    pub sentence: String,
    /// The entity types asked for.
    pub schema: Vec<String>,
    /// The chain of thought that leads to the entities.
    #[serde(default)]
    pub cot: Option<String>,
    /// The annotated entities.
    pub entities: Vec<Entity>,
    /// The annotated relations, if relations are looked for and not entities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relations: Option<Vec<Relation>>,
    /// The annotated events, if events are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Event>>,
}

impl Example {
    /// What is looked for in the sentence: events or relations if the example has a list of them, else entities.
    pub fn task(&self) -> Task {
        match (&self.events, &self.relations) {
            (Some(_), _) => Task::Events,
            (None, Some(_)) => Task::Relations,
            (None, None) => Task::Entities,
        }
    }

    /// The example as the paper's loader sees it.
    ///
    /// Labels are lower-cased and trimmed; the placeholders of
    /// [`crate::is_dropped_label`] leave schema and gold; the schema is sorted and
    /// (unlike in the paper's code) free of duplicates; gold entities, relations
    /// and events whose label is not in the schema are dropped.
    pub fn normalized(&self) -> Self {
        self.normalized_with(Placeholders::Drop)
    }

    /// As [`Example::normalized`], with the choice of keeping the placeholder labels. The empty label never stays.
    pub fn normalized_with(&self, placeholders: Placeholders) -> Self {
        let mut schema: Vec<String> = self
            .schema
            .iter()
            .map(|label| normalize_label(label))
            .filter(|label| placeholders.keep(label))
            .collect();
        schema.sort_unstable();
        schema.dedup();
        let entities = self
            .entities
            .iter()
            .map(Entity::normalized)
            .filter(|e| schema.binary_search(&e.label).is_ok())
            .collect();
        let (relations, events) = self.structures_in(&schema);
        Self {
            schema,
            entities,
            relations,
            events,
            ..self.clone()
        }
    }

    /// Relations and events, normalised, whose labels a normalised schema has.
    fn structures_in(&self, schema: &[String]) -> (Option<Vec<Relation>>, Option<Vec<Event>>) {
        if self.task().is_entities() {
            return (None, None);
        }
        let signatures = schema.iter().map(|entry| Signature::parse(entry));
        let labels: HashSet<&str> = signatures.map(|it| it.label).collect();
        let relations = self.relations.as_ref().map(|all| {
            let all = all.iter().map(Relation::normalized);
            all.filter(|it| labels.contains(it.label.as_str()))
                .collect()
        });
        let events = self.events.as_ref().map(|all| {
            let all = all.iter().map(Event::normalized);
            all.filter(|it| labels.contains(it.label.as_str()))
                .collect()
        });
        (relations, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalization_drops_placeholders_and_labels_outside_the_schema() {
        let example = Example {
            sentence: "Ardela Voss left.".into(),
            schema: vec![" Person ".into(), "MISC".into(), "person".into()],
            entities: vec![
                Entity::new(" Ardela Voss ", "PERSON"),
                Entity::new("left", "misc"),
                Entity::new("left", "act"),
            ],
            ..Example::default()
        };
        let read = example.normalized();
        assert_eq!(read.schema, ["person"]);
        assert_eq!(read.entities, [Entity::new("Ardela Voss", "person")]);
    }

    #[test]
    fn placeholders_stay_by_a_switch_and_spans_follow_the_trimmed_text() {
        let sentence = "a “ Ölsund”";
        let index = crate::CharIndex::new(sentence);
        let span = index.span_of_chars(3..10).expect("in the sentence");
        let example = Example {
            sentence: sentence.into(),
            schema: vec!["MISC".into(), " ".into()],
            entities: vec![
                Entity::new(" Ölsund", "misc").at(span),
                Entity::new("a", ""),
            ],
            ..Example::default()
        };
        let read = example.normalized_with(Placeholders::Keep);
        assert_eq!(read.schema, ["misc"]);
        let span = index.span_of_chars(4..10).expect("in the sentence");
        assert_eq!(span.text(sentence), Some("Ölsund"));
        assert_eq!(read.entities, [Entity::new("Ölsund", "misc").at(span)]);
    }

    #[test]
    fn a_span_is_drawn_in_by_the_white_space_on_both_sides_and_else_kept() {
        let place = |start, end| Span {
            byte_start: start,
            byte_end: end,
            char_start: start,
            char_end: end,
        };
        for (text, span, expected) in [
            ("   ab  ", place(10, 17), place(13, 15)),
            // A file may state a place that is longer than its text; it is not for this function to judge.
            ("ab", place(10, 17), place(10, 17)),
        ] {
            let read = Entity::new(text, " City").at(span).normalized();
            assert_eq!(read, Entity::new("ab", "city").at(expected), "{text:?}");
        }
    }

    #[test]
    fn spans_are_written_where_they_are_known() {
        let entity = Entity::new("x", "a").at(Span::default());
        let row = serde_json::to_string(&entity).expect("serialisable");
        assert_eq!(
            row,
            r#"{"text":"x","label":"a","span":{"byte_start":0,"byte_end":0,"char_start":0,"char_end":0}}"#
        );
        let back: Entity = serde_json::from_str(&row).expect("a valid entity");
        assert_eq!(back, entity);
    }

    #[test]
    fn a_row_of_ner_cot_round_trips() {
        let row = r#"{"guid":"1","dataset":null,"sentence":"s","schema":["a"],"cot":"c","entities":[{"text":"s","label":"a"}]}"#;
        let example: Example = serde_json::from_str(row).expect("a valid row");
        assert_eq!(
            serde_json::to_string(&example).expect("serialisable"),
            row,
            "field names and order are those of the published dataset"
        );
    }
}

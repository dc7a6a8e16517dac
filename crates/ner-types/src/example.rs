//! An entity and an annotated sentence.

use serde::{Deserialize, Serialize};

use crate::normalize::{is_dropped_label, normalize_label};

/// One mention: the text as it stands in the sentence, and its label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entity {
    /// The mention as written, without surrounding white space.
    pub text: String,
    /// The entity type as written.
    pub label: String,
}

impl Entity {
    /// Builds an entity from its text and its label.
    pub fn new(text: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            label: label.into(),
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
}

impl Example {
    /// The example as the paper's loader sees it.
    ///
    /// Labels are lower-cased and trimmed; the placeholders of
    /// [`is_dropped_label`] leave schema and gold; the schema is sorted and
    /// (unlike in the paper's code) free of duplicates; gold entities whose
    /// label is not in the schema are dropped.
    pub fn normalized(&self) -> Self {
        let mut schema: Vec<String> = self
            .schema
            .iter()
            .map(|label| normalize_label(label))
            .filter(|label| !is_dropped_label(label))
            .collect();
        schema.sort_unstable();
        schema.dedup();
        let entities = self
            .entities
            .iter()
            .map(|e| Entity::new(e.text.trim(), normalize_label(&e.label)))
            .filter(|e| schema.binary_search(&e.label).is_ok())
            .collect();
        Self {
            schema,
            entities,
            ..self.clone()
        }
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

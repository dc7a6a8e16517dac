//! Writing an answer: the JSON object and the reasoning before it.

use crate::example::Entity;

/// The answer as JSON, indented by two, non-ASCII characters kept, entities
/// grouped by label in order of first appearance.
pub fn render_answer(entities: &[Entity]) -> String {
    let mut groups = serde_json::Map::new();
    for entity in entities {
        let texts = groups
            .entry(entity.label.clone())
            .or_insert_with(|| serde_json::Value::Array(Vec::new()));
        if let serde_json::Value::Array(texts) = texts {
            texts.push(serde_json::Value::from(entity.text.as_str()));
        }
    }
    let mut answer = serde_json::Map::new();
    answer.insert("entities".into(), serde_json::Value::Object(groups));
    format!("{:#}", serde_json::Value::Object(answer))
}

/// The training target: `<think>\n{cot}\n</think>\n{json}`, or the JSON alone
/// without a chain of thought.
pub fn render_completion(cot: Option<&str>, entities: &[Entity]) -> String {
    let answer = render_answer(entities);
    match cot {
        Some(cot) => format!("<think>\n{cot}\n</think>\n{answer}"),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_grouped_in_order_of_first_appearance() {
        let entities = [
            Entity::new("Ardela \"A\" Voss", "person"),
            Entity::new("小樽", "city"),
            Entity::new("Bren", "person"),
        ];
        assert_eq!(
            render_answer(&entities),
            "{\n  \"entities\": {\n    \"person\": [\n      \"Ardela \\\"A\\\" Voss\",\n      \"Bren\"\n    ],\n    \"city\": [\n      \"小樽\"\n    ]\n  }\n}"
        );
    }

    #[test]
    fn no_entities_give_an_empty_object() {
        assert_eq!(
            render_completion(Some("None."), &[]),
            "<think>\nNone.\n</think>\n{\n  \"entities\": {}\n}"
        );
    }
}

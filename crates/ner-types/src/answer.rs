//! Writing an answer: the JSON object and the reasoning before it.

use std::borrow::Cow;

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
///
/// Think tags in the chain are spelt by [`plain_tags`], so that the target reads back as what it was made of. A chain
/// that stands in one pair of tags already, as foreign data has it, gets no second one.
pub fn render_completion(cot: Option<&str>, entities: &[Entity]) -> String {
    with_reasoning(cot, render_answer(entities))
}

/// An answer behind its chain of thought, if there is one.
pub(crate) fn with_reasoning(cot: Option<&str>, answer: String) -> String {
    match cot {
        Some(cot) => format!(
            "<think>\n{}\n</think>\n{answer}",
            plain_tags(unwrapped(cot))
        ),
        None => answer,
    }
}

/// A chain without the tags around the whole of it.
fn unwrapped(cot: &str) -> &str {
    let inner = cot.trim().strip_prefix("<think>");
    let inner = inner.and_then(|inner| inner.strip_suffix("</think>"));
    inner.map_or(cot, str::trim)
}

/// Reasoning in which think tags are spelt `[think]` and `[/think]`: talk about the tags, and no tags.
///
/// ```
/// let quoted = "I end with `</think>`.";
/// assert_eq!(ner_types::plain_tags(quoted), "I end with `[/think]`.");
/// ```
pub fn plain_tags(reasoning: &str) -> Cow<'_, str> {
    if !reasoning.contains("think>") {
        return Cow::Borrowed(reasoning);
    }
    let spelt = reasoning.replace("</think>", "[/think]");
    Cow::Owned(spelt.replace("<think>", "[think]"))
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

    #[test]
    fn a_target_reads_back_whatever_its_chain_quotes() {
        let entities = [Entity::new("Brel", "city")];
        for (cot, expected) in [
            ("I end with `</think>`.", "I end with `[/think]`."),
            ("<think> begins it.", "[think] begins it."),
            ("<think>\nA city.\n</think>", "A city."),
            ("</think></think>", "[/think][/think]"),
            ("<<think>think>", "<[think]think>"),
            ("no tag, I think> so", "no tag, I think> so"),
        ] {
            let read = crate::parse(&render_completion(Some(cot), &entities));
            assert_eq!(read.reasoning.as_deref(), Some(expected), "{cot}");
            assert_eq!(read.entities, entities, "{cot}");
            assert_eq!(read.problems, [], "{cot}");
        }
    }
}

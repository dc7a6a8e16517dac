//! What the server knows: gold entities, and reasoning that leads to them.

use std::collections::HashMap;

use ner_types::{Entity, Example, normalize_label};

/// The reasoning about a sentence without entities.
pub(super) const NOTHING: &str = "No phrase of the sentence has one of the types asked for.";

/// The gold annotation of one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldEntry {
    /// The entities in the order of the sentence.
    pub entities: Vec<Entity>,
    /// The reasoning that leads to them; may be empty, and is then written by
    /// [`reasoning_from_gold`].
    pub reasoning: String,
}

/// What the teacher knows of each sentence: the annotation of the examples, normalised, and their reasoning.
pub fn gold(examples: &[Example]) -> HashMap<String, GoldEntry> {
    let entry = |example: &Example| {
        let example = example.normalized();
        let entry = GoldEntry {
            entities: example.entities,
            reasoning: example.cot.unwrap_or_default(),
        };
        (example.sentence, entry)
    };
    examples.iter().map(entry).collect()
}

/// Writes a simple chain of reasoning that mentions every entity in order, with
/// the words beside it as its evidence.
///
/// Entities whose label is not in the schema are left out.
pub fn reasoning_from_gold(sentence: &str, schema: &[String], entities: &[Entity]) -> String {
    let mut from = 0;
    let mut steps = Vec::with_capacity(entities.len());
    for entity in in_schema(schema, entities) {
        // Texts that repeat are explained at their next place, if there is one.
        let next = sentence[from..].find(&entity.text).map(|at| from + at);
        let at = next.or_else(|| sentence.find(&entity.text));
        let why = at.map(|at| {
            from = at + entity.text.len();
            evidence(&sentence[..at], &sentence[from..])
        });
        steps.push(step(&entity.text, &entity.label, why.as_deref()));
    }
    if steps.is_empty() {
        return NOTHING.into();
    }
    steps.join(" ")
}

/// The entities that the schema asks for, labels normalised.
pub(super) fn in_schema(schema: &[String], entities: &[Entity]) -> Vec<Entity> {
    let labels: Vec<String> = schema.iter().map(|label| normalize_label(label)).collect();
    entities
        .iter()
        .map(|e| Entity::new(e.text.as_str(), normalize_label(&e.label)))
        .filter(|e| labels.contains(&e.label))
        .collect()
}

/// One sentence of reasoning: the mention in its surroundings, and its type.
pub(super) fn step(text: &str, label: &str, why: Option<&str>) -> String {
    let quoted = format!("\"{text}\"");
    let shown = why.map_or_else(|| quoted.clone(), |why| why.replace(MENTION, &quoted));
    format!("{shown}, so its type is {label}.")
}

/// Stands for the mention in its surroundings; no word contains it.
const MENTION: &str = "\u{0}";

/// The mention after the two words before it, or before the two after it at the
/// beginning.
fn evidence(before: &str, after: &str) -> String {
    let mut last: Vec<&str> = words(before).collect();
    last.drain(..last.len().saturating_sub(2));
    if !last.is_empty() {
        return format!("{} {MENTION}", last.join(" "));
    }
    let next: Vec<&str> = words(after).take(2).collect();
    format!("{MENTION} {}", next.join(" "))
        .trim_end()
        .to_owned()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
}

/// The steps of a chain, one per line or sentence; full stops inside of
/// quotations do not end a step.
pub(super) fn steps(reasoning: &str) -> Vec<&str> {
    let (mut start, mut quoted, mut ended) = (0, false, false);
    let mut steps = Vec::new();
    for (at, c) in reasoning.char_indices() {
        quoted ^= c == '"';
        if ended && !quoted && c.is_whitespace() {
            steps.push(reasoning[start..at].trim());
            start = at;
        }
        ended = matches!(c, '.' | '\n');
    }
    steps.push(reasoning[start..].trim());
    steps.retain(|step| !step.is_empty());
    steps
}

/// Whether a step is about `text`, that is, quotes it before anything else.
pub(super) fn is_about(step: &str, text: &str) -> bool {
    let quoted = step.split_once('"').map(|(_, quoted)| quoted);
    let rest = quoted.and_then(|quoted| quoted.strip_prefix(text));
    rest.is_some_and(|rest| rest.starts_with('"'))
}

/// The type that a step arrives at.
pub(super) fn concluded(step: &str) -> Option<&str> {
    let (_, label) = step.rsplit_once("its type is ")?;
    Some(label.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_mentions_every_entity_in_order() {
        let sentence = "Brel met \"Mo. Tan\" in Brel.";
        let entities = [
            Entity::new("Brel", "person"),
            Entity::new("Mo. Tan", "person"),
            Entity::new("Brel", "City"),
            Entity::new("met", "verb"),
        ];
        let schema = ["person".into(), "city".into()];
        let reasoning = reasoning_from_gold(sentence, &schema, &entities);
        assert_eq!(
            reasoning,
            "\"Brel\" met Mo, so its type is person. \
         Brel met \"Mo. Tan\", so its type is person. \
         Tan in \"Brel\", so its type is city."
        );
        let steps = steps(&reasoning);
        assert_eq!(steps.len(), 3);
        assert!(is_about(steps[1], "Mo. Tan"));
        assert_eq!(concluded(steps[2]), Some("city"));
        assert!(!reasoning_from_gold(sentence, &[], &entities).is_empty());
    }
}

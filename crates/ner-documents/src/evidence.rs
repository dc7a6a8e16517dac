//! The passage of the reasoning that names an entity.

use std::collections::HashMap;
use std::ops::Range;

use ner_types::Entity;

use crate::occurrences::occurrences;
use crate::sentences::statements;

/// For each entity of an answer the sentence of its reasoning that names it: the first one that names its type too, or
/// else the first one. In bytes of the reasoning; `None` where it is not named as it is written in the answer.
pub(crate) fn evidence(reasoning: &str, entities: &[Entity]) -> Vec<Option<Range<usize>>> {
    let mut numbers = HashMap::new();
    let mut names = Vec::new();
    for entity in entities {
        numbers.entry(entity.text.as_str()).or_insert_with(|| {
            names.push(entity.text.as_str());
            names.len() - 1
        });
    }
    let places = occurrences(reasoning, &names).unwrap_or_default();
    let sentences = statements(reasoning);
    let passage = |entity: &Entity| {
        let places = places.get(*numbers.get(entity.text.as_str())?)?;
        let sentence = |place: &Range<usize>| {
            let idx = sentences.partition_point(|sentence| sentence.end <= place.start);
            sentences.get(idx).cloned()
        };
        let is_typed =
            |sentence: &Range<usize>| reasoning[sentence.clone()].contains(&entity.label);
        // Some places are enough: a name that is repeated without end has its type near its first places, or nowhere.
        let mut near = places.iter().take(16).filter_map(sentence);
        near.find(is_typed)
            .or_else(|| places.first().and_then(sentence))
    };
    let passages = entities.iter().map(passage);
    passages
        .map(|passage| passage.map(|passage| trimmed(reasoning, passage)))
        .collect()
}

fn trimmed(text: &str, bytes: Range<usize>) -> Range<usize> {
    let part = text[bytes.clone()].trim_start();
    let start = bytes.end - part.len();
    start..start + part.trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_that_names_text_and_type_is_taken() {
        let reasoning =
            "Voss is here.  so Dr. Voss is a person. then, e.g. Halvekian ships left for Osk.";
        let entities = [
            ("Voss", "person"),
            ("Halvek", "city"),
            ("Osk", "city"),
            ("Brel", "city"),
        ];
        let entities = entities.map(|(text, label)| Entity::new(text, label));
        let found = evidence(reasoning, &entities);
        let found: Vec<Option<&str>> = found
            .into_iter()
            .map(|it| it.map(|it| &reasoning[it]))
            .collect();
        let expected = [
            Some("so Dr. Voss is a person."),
            None,
            Some("then, e.g. Halvekian ships left for Osk."),
            None,
        ];
        assert_eq!(found, expected);
    }
}

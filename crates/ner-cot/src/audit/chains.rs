//! Chains that were written by hand, with answers that agree and answers that do not.

use std::collections::BTreeMap;

use ner_types::Entity;
use serde::Deserialize;

use super::manner::Manner;
use super::seeded::Fault;

/// A reasoning with its right answer and with wrong ones.
#[derive(Clone, Debug)]
pub struct Chain {
    /// How it is told.
    pub manner: Manner,
    /// The sentence.
    pub sentence: String,
    /// The types asked for.
    pub schema: Vec<String>,
    /// The reasoning.
    pub reasoning: String,
    /// The answer that it arrives at.
    pub answer: Vec<Entity>,
    /// Answers that contradict it.
    pub wrong: Vec<WrongAnswer>,
}

/// An answer that contradicts its reasoning.
#[derive(Clone, Debug)]
pub struct WrongAnswer {
    /// In which way.
    pub kind: Fault,
    /// Its entities.
    pub answer: Vec<Entity>,
}

type Answer = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chain: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    sentence: String,
    schema: Vec<String>,
    reasoning: String,
    answer: Answer,
    #[serde(default)]
    wrong: Vec<Wrong>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    kind: Fault,
    answer: Answer,
}

const FILES: [(Manner, &str); 4] = [
    (Manner::Terse, include_str!("terse.toml")),
    (Manner::SecondThoughts, include_str!("second_thoughts.toml")),
    (Manner::Markdown, include_str!("markdown.toml")),
    (Manner::OtherLanguage, include_str!("other_language.toml")),
];

/// All chains. The files are part of the crate and are read by its tests.
pub fn chains() -> Vec<Chain> {
    let read = |(manner, text): (Manner, &str)| {
        // A file that cannot be read would be a defect of this crate, which a test finds.
        let entries = toml::from_str::<File>(text).map(|file| file.chain);
        entries
            .unwrap_or_default()
            .into_iter()
            .map(move |entry| chain(manner, entry))
    };
    FILES.into_iter().flat_map(read).collect()
}

fn chain(manner: Manner, entry: Entry) -> Chain {
    let wrong = |wrong: Wrong| WrongAnswer {
        kind: wrong.kind,
        answer: entities(wrong.answer),
    };
    Chain {
        manner,
        sentence: entry.sentence,
        schema: entry.schema,
        reasoning: entry.reasoning,
        answer: entities(entry.answer),
        wrong: entry.wrong.into_iter().map(wrong).collect(),
    }
}

fn entities(answer: Answer) -> Vec<Entity> {
    let entity = |(label, texts): (String, Vec<String>)| {
        let texts = texts.into_iter();
        texts.map(move |text| Entity::new(text, label.as_str()))
    };
    answer.into_iter().flat_map(entity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_read_and_its_answers_stand_in_the_sentences() {
        for (manner, text) in FILES {
            let file: File = toml::from_str(text).unwrap_or_else(|e| panic!("{manner:?}: {e}"));
            assert!(
                file.chain.len() >= 15,
                "{manner:?} has {}",
                file.chain.len()
            );
        }
        for chain in chains() {
            let answers = chain.wrong.iter().map(|wrong| &wrong.answer);
            for entity in answers.chain([&chain.answer]).flatten() {
                assert!(
                    chain.sentence.contains(&entity.text),
                    "{}: {entity:?}",
                    chain.sentence
                );
                assert!(
                    chain.schema.contains(&entity.label),
                    "{}: {entity:?}",
                    chain.sentence
                );
            }
            assert!(!chain.wrong.is_empty(), "{}", chain.sentence);
        }
    }
}

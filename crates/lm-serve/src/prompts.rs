//! Prompts as texts or as token ids, one or several.
//!
//! Read without the intermediate values of an untagged enum, which take twenty times the memory of the ids.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// Prompts of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Prompts {
    Text(String),
    Ids(Vec<u32>),
    Texts(Vec<String>),
    ManyIds(Vec<Vec<u32>>),
}

impl Default for Prompts {
    /// No token, which is refused.
    fn default() -> Self {
        Self::Ids(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Prompts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PromptsVisitor)
    }
}

struct PromptsVisitor;

impl<'de> Visitor<'de> for PromptsVisitor {
    type Value = Prompts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a prompt: a text, token ids, or a list of either")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Prompts, E> {
        Ok(Prompts::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Prompts, A::Error> {
        match seq.next_element()? {
            None => Ok(Prompts::Ids(Vec::new())),
            Some(Element::Id(first)) => rest(first, seq).map(Prompts::Ids),
            Some(Element::Text(first)) => rest(first, seq).map(Prompts::Texts),
            Some(Element::Ids(first)) => rest(first, seq).map(Prompts::ManyIds),
        }
    }
}

fn rest<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    first: T,
    mut seq: A,
) -> Result<Vec<T>, A::Error> {
    let mut all = vec![first];
    while let Some(next) = seq.next_element()? {
        all.push(next);
    }
    Ok(all)
}

/// The first of a list, which tells what the others are.
enum Element {
    Id(u32),
    Text(String),
    Ids(Vec<u32>),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a token id, or a list of token ids")
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<Element, E> {
        let id = u32::try_from(id);
        id.map(Element::Id)
            .map_err(|_| E::custom("a token id is below 4294967296"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Element, E> {
        Ok(Element::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element, A::Error> {
        let mut ids = Vec::new();
        while let Some(id) = seq.next_element()? {
            ids.push(id);
        }
        Ok(Element::Ids(ids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_prompt_is_read() -> Result<(), serde_json::Error> {
        for (json, expected) in [
            (r#""a""#, Prompts::Text("a".into())),
            ("[1, 2]", Prompts::Ids(vec![1, 2])),
            ("[]", Prompts::Ids(vec![])),
            (
                r#"["a", "b"]"#,
                Prompts::Texts(vec!["a".into(), "b".into()]),
            ),
            ("[[1], []]", Prompts::ManyIds(vec![vec![1], vec![]])),
        ] {
            assert_eq!(serde_json::from_str::<Prompts>(json)?, expected, "{json}");
        }
        for bad in [
            "1",
            "null",
            "[1, \"a\"]",
            "[-1]",
            "[4294967296]",
            "[[\"a\"]]",
            "{}",
        ] {
            assert!(serde_json::from_str::<Prompts>(bad).is_err(), "{bad}");
        }
        Ok(())
    }
}

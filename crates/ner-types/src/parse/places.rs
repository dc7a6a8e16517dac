//! Where the entities of an answer stand in it, for those who know more about its bytes, such as their probability.

use std::borrow::Cow;
use std::ops::Range;

use super::CLOSE;
use super::json::{Fault, Kind, Reader};
use crate::normalize::trim;

const KEY: &str = "\"entities\"";

/// An entity of an answer, and the bytes of the answer in which it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// The type as written.
    pub label: Cow<'a, str>,
    /// The text, trimmed.
    pub text: Cow<'a, str>,
    /// The bytes between the quotes of the type.
    pub label_bytes: Range<usize>,
    /// The bytes between the quotes of the text, white space and escapes included.
    pub text_bytes: Range<usize>,
}

/// The texts that an answer lists under the types of `"entities"`, in their order, with their places. Total on any text
/// and linear in its length.
///
/// It is looked for behind the reasoning, in every object `"entities": {…}` as far as it is JSON. The entities of
/// [`parse_with`](super::parse_with) are among them, and perhaps others that it does not count. Those of odd answers
/// may be missing, since they stand nowhere as such: the characters of a string in place of a list, the keys of an
/// object, and texts out of which a tag was taken.
///
/// ```
/// let answer = r#"<think>A port.</think>{"entities": {"city": ["Port Halvek"]}}"#;
/// let placed = ner_types::place_entities(answer);
/// assert_eq!(&answer[placed[0].text_bytes.clone()], "Port Halvek");
/// assert_eq!(&answer[placed[0].label_bytes.clone()], "city");
/// ```
pub fn place_entities(answer: &str) -> Vec<Placed<'_>> {
    let start = answer.rfind(CLOSE).map_or(0, |at| at + CLOSE.len());
    let placed = from(answer, start);
    // A stray tag behind the answer hides nothing.
    if placed.is_empty() && start > 0 {
        return from(answer, 0);
    }
    placed
}

/// Those that stand behind a byte.
fn from(answer: &str, start: usize) -> Vec<Placed<'_>> {
    let (mut placed, mut at) = (Vec::new(), start);
    while let Some(found) = answer[at..].find(KEY) {
        let mut reader = Reader::new(answer, at + found + KEY.len());
        // What was complete before a fault remains.
        let _ = read(&mut reader, &mut placed);
        at = reader.at();
    }
    placed
}

/// Reads `: {…}` behind the key.
fn read<'a>(reader: &mut Reader<'a>, placed: &mut Vec<Placed<'a>>) -> Result<(), Fault> {
    reader.colon()?;
    if reader.kind()? != Kind::Object {
        return Ok(());
    }
    reader.object(|reader, label| {
        let label_bytes = reader.last_string();
        let mut add = |reader: &mut Reader<'a>| {
            let text = trimmed(reader.string()?);
            placed.push(Placed {
                label: label.clone(),
                text,
                label_bytes: label_bytes.clone(),
                text_bytes: reader.last_string(),
            });
            Ok(())
        };
        match reader.kind()? {
            Kind::List => reader.list(|reader| match reader.kind()? {
                Kind::String => add(reader),
                _ => reader.skip(),
            }),
            Kind::String => add(reader),
            _ => reader.skip(),
        }
    })
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(trim(text)),
        Cow::Owned(text) => Cow::Owned(trim(&text).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Entity, ReadMode, parse_with, render_completion};

    #[track_caller]
    fn check(answer: &str, expected: &[(&str, &str)]) {
        let placed = place_entities(answer);
        let found: Vec<(&str, &str)> = placed
            .iter()
            .map(|it| {
                (
                    &answer[it.label_bytes.clone()],
                    &answer[it.text_bytes.clone()],
                )
            })
            .collect();
        assert_eq!(found, expected, "{answer}");
    }

    #[test]
    fn places_are_those_between_the_quotes() {
        check(
            r#"{"entities": {"city": ["Brel", " Osk "], "river": []}}"#,
            &[("city", "Brel"), ("city", " Osk ")],
        );
        check(
            r#"{"entities" : {"ci\u0074y": ["a\"b", 3, {"x": ["y"]}], "b": "é"}}"#,
            &[("ci\\u0074y", "a\\\"b"), ("b", "é")],
        );
        let thinks = r#"<think>{"entities": {"city": ["A"]}}</think>{"entities": {"city": ["B"]}}"#;
        check(thinks, &[("city", "B")]);
        check(r#"{"entities": {"city": ["A"]}}</think>"#, &[("city", "A")]);
        check(r#"{"entities": {"city": ["A", "B"#, &[("city", "A")]);
        check(r#"{"entities": ["city"]} "entities""#, &[]);
        check("", &[]);
    }

    proptest! {
        /// Each entity that was written is placed where it stands, whatever characters it has.
        #[test]
        fn what_is_read_is_placed(pairs in prop::collection::vec(("\\PC{1,8}", "\\PC{1,12}"), 0..6), cut in 0_usize..200) {
            let entities: Vec<Entity> = pairs.iter().map(|(label, text)| Entity::new(text, label)).collect();
            let whole = render_completion(Some("so"), &entities);
            let cut = whole.char_indices().map(|it| it.0).nth(cut).unwrap_or(whole.len());
            for answer in [&whole[..], &whole[..cut]] {
                let placed = place_entities(answer);
                for one in &placed {
                    let json = format!("\"{}\"", &answer[one.text_bytes.clone()]);
                    let text: String = serde_json::from_str(&json).expect("a string");
                    prop_assert_eq!(trim(&text), one.text.as_ref());
                }
                let tags = |it: &Entity| it.text.contains('<') || it.label.contains('<');
                for entity in parse_with(answer, ReadMode::Tolerant).entities.iter().filter(|it| !tags(it)) {
                    let is_it = |one: &Placed<'_>| one.label == entity.label && one.text == entity.text;
                    prop_assert!(placed.iter().any(is_it), "{:?} in {}", entity, answer);
                }
            }
        }

        #[test]
        fn any_text_has_places(text in ".{0,200}") {
            place_entities(&text);
        }
    }
}

//! Types with their descriptions, as a file gives them.

use std::collections::BTreeMap;
use std::fmt;

use ner_types::normalize_label;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// Types and what they mean, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptions {
    /// Each type, normalised, and its description; empty if it has none.
    pub types: Vec<(String, String)>,
}

/// Why a file describes no types.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescribeError {
    /// It begins like JSON and is none, or another value than an object.
    #[error("expected a JSON object of types with their descriptions, found {found}")]
    NoObject {
        /// What stands there.
        found: String,
    },
    /// A description that is no text.
    #[error("type {name:?}: expected a description in quotation marks, found {found}")]
    NoText {
        /// The type.
        name: String,
        /// What stands there.
        found: String,
    },
    /// A type that is blank.
    #[error("{place}: the type is blank")]
    BlankType {
        /// Its line or its number.
        place: String,
    },
    /// A type that is described in two ways.
    #[error("type {name:?} is described twice, as {first:?} and as {second:?}; keep one")]
    Twice {
        /// The type.
        name: String,
        /// The first description.
        first: String,
        /// The second one.
        second: String,
    },
    /// There is no type.
    #[error("there is no type in it; write `type<TAB>description` on each line, or a JSON object")]
    Nothing,
}

impl Descriptions {
    /// Reads a JSON object of types and descriptions, or lines of a type, a tab and its description. A line without a
    /// tab is a type without a description; lines that are blank or begin with `#` are passed over.
    ///
    /// # Errors
    /// Another shape, a type that is blank, or one that is described in two ways.
    pub fn parse(text: &str) -> Result<Self, DescribeError> {
        let text = text.trim_start_matches('\u{feff}');
        let is_json = text.trim_start().starts_with(['{', '[']);
        let pairs = if is_json {
            of_json(text)
        } else {
            of_lines(text)
        }?;
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        let mut types = Vec::new();
        for (name, description) in pairs {
            match known.get(&name) {
                Some(first) if *first != description => {
                    let first = first.clone();
                    return Err(DescribeError::Twice {
                        name,
                        first,
                        second: description,
                    });
                }
                Some(_) => {}
                None => {
                    known.insert(name.clone(), description.clone());
                    types.push((name, description));
                }
            }
        }
        if types.is_empty() {
            return Err(DescribeError::Nothing);
        }
        Ok(Self { types })
    }

    /// The names.
    pub fn names(&self) -> Vec<String> {
        self.types.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// The members of an object, those that are given twice too.
fn of_json(text: &str) -> Result<Vec<(String, String)>, DescribeError> {
    let Members(members) = serde_json::from_str(text).map_err(|error| DescribeError::NoObject {
        found: error.to_string(),
    })?;
    let pair = |(idx, (name, value)): (usize, (String, Value))| match value {
        Value::String(description) => named(&name, &description, || format!("member {}", idx + 1)),
        found => Err(DescribeError::NoText {
            name,
            found: found.to_string(),
        }),
    };
    members.into_iter().enumerate().map(pair).collect()
}

/// The lines of a text.
fn of_lines(text: &str) -> Result<Vec<(String, String)>, DescribeError> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let pair = |(idx, line): (usize, &str)| {
        let (name, description) = line.split_once('\t').unwrap_or((line, ""));
        named(name, description, || format!("line {}", idx + 1))
    };
    lines.map(pair).collect()
}

fn named(
    name: &str,
    description: &str,
    place: impl FnOnce() -> String,
) -> Result<(String, String), DescribeError> {
    let name = normalize_label(name);
    if name.is_empty() {
        return Err(DescribeError::BlankType { place: place() });
    }
    Ok((name, description.trim().to_owned()))
}

/// The members of a JSON object in their order; a map would keep one of two with the same name.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_lines_are_read_alike() {
        let json = r#"{"City": "a named town", "person": ""}"#;
        let lines = "\u{feff}# mine\nCity\ta named town\n\n person \nperson\n";
        for text in [json, lines] {
            let found = Descriptions::parse(text).expect(text);
            let pairs = [("city", "a named town"), ("person", "")];
            assert_eq!(
                found.types,
                pairs.map(|(name, text)| (name.to_owned(), text.to_owned()))
            );
            assert_eq!(found.names(), ["city", "person"]);
        }
    }

    #[test]
    fn a_faulty_file_is_named_by_its_fault() {
        for (text, words) in [
            ("", "there is no type"),
            ("# nothing\n", "there is no type"),
            ("{}", "there is no type"),
            ("[\"city\"]", "expected a JSON object"),
            ("{\"city\": ", "expected a JSON object"),
            (
                "{\"city\": 7}",
                "type \"city\": expected a description in quotation marks, found 7",
            ),
            ("a\tb\n\tc", "line 2: the type is blank"),
            ("{\" \": \"c\"}", "member 1: the type is blank"),
            ("a\tb\nA\tc", "described twice, as \"b\" and as \"c\""),
            ("{\"a\": \"b\", \"A\": \"c\"}", "described twice"),
        ] {
            let said = Descriptions::parse(text).expect_err(text).to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}

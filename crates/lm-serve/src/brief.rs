//! What a value is, in a few bytes: enough to tell one that asks for nothing, whatever its length.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most characters of a text, and most words of a list, that are kept.
const KEPT: usize = 40;

/// A value without its depth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Brief {
    Null,
    Flag(bool),
    Number(f64),
    /// The beginning of a text.
    Text(String),
    /// The first texts of a list of texts.
    Words(Vec<String>),
    /// A list with something else in it.
    List,
    /// An object, with its `type` if that is a text.
    Object {
        is_empty: bool,
        kind: Option<String>,
    },
}

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Words(words) => write!(f, "{words:?}"),
            Self::List => f.write_str("a list"),
            Self::Object { kind: None, .. } => f.write_str("an object"),
            Self::Object {
                kind: Some(kind), ..
            } => write!(f, "an object of the type {kind:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for Brief {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BriefVisitor)
    }
}

struct BriefVisitor;

impl<'de> Visitor<'de> for BriefVisitor {
    type Value = Brief;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Brief, E> {
        Ok(Brief::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Brief, E> {
        Ok(Brief::Flag(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Brief, E> {
        Ok(Brief::Number(number as f64))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Brief, E> {
        Ok(Brief::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Brief, E> {
        Ok(Brief::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Brief, E> {
        Ok(Brief::Text(text.chars().take(KEPT).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Brief, A::Error> {
        let (mut words, mut is_words) = (Vec::new(), true);
        while let Some(next) = seq.next_element::<Brief>()? {
            match next {
                Brief::Text(word) if words.len() < KEPT => words.push(word),
                _ => is_words = false,
            }
        }
        Ok(if is_words {
            Brief::Words(words)
        } else {
            Brief::List
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Brief, A::Error> {
        let (mut is_empty, mut kind) = (true, None);
        while let Some(key) = map.next_key::<String>()? {
            is_empty = false;
            if key != "type" {
                map.next_value::<IgnoredAny>()?;
            } else if let Brief::Text(text) = map.next_value()? {
                kind = Some(text);
            }
        }
        Ok(Brief::Object { is_empty, kind })
    }
}

//! The place of a mention, read whatever stands there.
//!
//! Published copies have other things than two numbers here, which are ignored: the method works on strings. An
//! untagged enum of serde would do the same, but it keeps a copy of every value while it tries.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Two whole numbers, or something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pos(pub(super) Option<[i64; 2]>);

/// A whole number, or something else.
struct Number(Option<i64>);

impl<'de> Deserialize<'de> for Pos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(|any| match any {
            Value::Pair(pair) => Pos(Some(pair)),
            Value::Number(_) | Value::Other => Pos(None),
        })
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(|any| match any {
            Value::Number(number) => Number(Some(number)),
            Value::Pair(_) | Value::Other => Number(None),
        })
    }
}

/// What a JSON value is, as far as it matters.
enum Value {
    Pair([i64; 2]),
    Number(i64),
    Other,
}

/// Takes any JSON value.
struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Other, Value::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut numbers = [None; 2];
        let mut n_items = 0;
        while n_items < 2 {
            match items.next_element::<Number>()? {
                Some(Number(number)) => numbers[n_items] = number,
                None => break,
            }
            n_items += 1;
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            n_items += 1;
        }
        Ok(match numbers {
            [Some(start), Some(end)] if n_items == 2 => Value::Pair([start, end]),
            _ => Value::Other,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_whole_numbers_are_a_place_and_all_else_is_ignored() {
        for (json, expected) in [
            ("[3, 7]", Some([3, 7])),
            ("[-1, 0]", Some([-1, 0])),
            ("[]", None),
            ("[3]", None),
            ("[3, 7, 9]", None),
            ("[3, null]", None),
            ("[3.0, 7]", None),
            ("[3, 18446744073709551615]", None),
            ("[[3, 7]]", None),
            ("[[3, 7], {\"a\": [1]}]", None),
            ("\"3-7\"", None),
            ("{\"start\": 3}", None),
            ("null", None),
            ("true", None),
            ("3", None),
        ] {
            let read: Pos = serde_json::from_str(json).expect("JSON");
            assert_eq!(read, Pos(expected), "{json}");
        }
        assert!(serde_json::from_str::<Pos>("[3, ").is_err());
    }
}

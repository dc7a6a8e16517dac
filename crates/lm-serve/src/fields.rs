//! Objects that are read field by field, so that an error names the field.
//!
//! What `serde` derives says of a wrong value only where it stands, and beside `flatten` keeps every unknown value.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::brief::Brief;

/// An object with fields.
pub(crate) trait Fields: Default {
    /// Those that must be there.
    const REQUIRED: &'static [&'static str];

    /// Reads the value that comes next if there is a field of that name; whether there is.
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Takes note of a field that is not read.
    fn pass_over(&mut self, _name: String, _value: Brief) {}
}

/// Makes types that have [`Fields`] known to `serde`.
macro_rules! by_fields {
    ($($name:ty),*) => {
        $(impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::fields::read(deserializer)
            }
        })*
    };
}
pub(crate) use by_fields;

/// Reads an object; unknown fields are passed over, with a note of what they were.
pub(crate) fn read<'de, T: Fields, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(ObjectVisitor(PhantomData))
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = T::REQUIRED.join(", ");
        write!(f, "an object with the fields {fields}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let (mut object, mut seen) = (T::default(), BTreeSet::new());
        while let Some(name) = map.next_key::<String>()? {
            let named = |error| A::Error::custom(format_args!("{name}: {error}"));
            if !object.read(&name, &mut map).map_err(named)? {
                let value = map.next_value()?;
                object.pass_over(name, value);
            } else if seen.contains(&name) {
                let words = format_args!("the field {name} is given twice");
                return Err(A::Error::custom(words));
            } else {
                seen.insert(name);
            }
        }
        match T::REQUIRED.iter().find(|name| !seen.contains(**name)) {
            Some(name) => Err(A::Error::missing_field(name)),
            None => Ok(object),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::{ChatBody, CompletionBody};

    #[test]
    fn an_error_names_the_field_and_the_place() {
        for (fields, words) in [
            (
                r#""n": "2""#,
                "n: invalid type: string \"2\", expected usize at line 1 column",
            ),
            (r#""seed": -1"#, "seed: invalid value"),
            (r#""stop": [1]"#, "stop: "),
            (r#""prompt": null"#, "prompt: "),
            (r#""n": 1, "n": null"#, "the field n is given twice"),
            (r#""stream": 1e999"#, "stream: number out of range"),
        ] {
            let body = format!(r#"{{"model": "a", {fields}}}"#);
            let error = serde_json::from_str::<CompletionBody>(&body).map(drop);
            let error = error.map_err(|error| error.to_string());
            assert!(
                error.as_ref().is_err_and(|error| error.contains(words)),
                "{body}: {error:?}"
            );
        }
        let inner = r#"{"model": "a", "messages": [{"role": "user", "content": null}]}"#;
        let error = serde_json::from_str::<ChatBody>(inner).map(drop);
        let error = error.map_err(|error| error.to_string());
        let words = "messages: content: invalid type: null";
        assert!(
            error.as_ref().is_err_and(|error| error.contains(words)),
            "{error:?}"
        );
    }

    #[test]
    fn unknown_fields_and_null_are_passed_over() -> Result<(), serde_json::Error> {
        let body =
            r#"{"x": [[{}]], "model": "a", "prompt": [1], "n": null, "stream": null, "x": 1}"#;
        let read: CompletionBody = serde_json::from_str(body)?;
        assert_eq!((read.model.as_str(), read.sampling.n), ("a", None));
        for bad in ["[]", "{}", r#"{"model": "a"}"#, "null", r#"["a", [1]]"#] {
            assert!(
                serde_json::from_str::<CompletionBody>(bad).is_err(),
                "{bad}"
            );
        }
        Ok(())
    }
}

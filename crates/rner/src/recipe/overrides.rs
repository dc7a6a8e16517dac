//! `--set section.key=value`: parsing and type checks.

use toml::Value;

use super::draft::Draft;
use super::error::RecipeError;
use super::keys;

/// Puts one override into a draft; returns its key and its text.
pub(super) fn apply<'s>(
    draft: &mut Draft,
    set: &'s str,
) -> Result<(&'s str, &'s str), RecipeError> {
    let (key, text) = split(set)?;
    draft.put("--set ", key, |name, current| convert(name, text, current))?;
    Ok((key, text))
}

fn split(set: &str) -> Result<(&str, &str), RecipeError> {
    let syntax = || RecipeError::Syntax {
        given: set.to_owned(),
    };
    let (key, value) = set.split_once('=').ok_or_else(syntax)?;
    if key.trim().is_empty() {
        return Err(syntax());
    }
    Ok((key.trim(), value.trim()))
}

/// Reads the text as the type of the current value.
fn convert(key: &str, text: &str, current: &Value) -> Result<Value, RecipeError> {
    let parsed = parse(text);
    if keys::in_open_table(key).is_some() {
        return Ok(parsed.unwrap_or_else(|| Value::from(text)));
    }
    match (current, parsed) {
        // A bare word, a path or a number is welcome where a string is expected.
        (Value::String(_), Some(Value::String(s))) => Ok(Value::String(s)),
        (Value::String(_), _) => Ok(Value::String(text.to_owned())),
        (Value::Float(_), Some(Value::Integer(i))) => Ok(Value::Float(i as f64)),
        (_, Some(value)) if value.same_type(current) => Ok(value),
        (_, found) => Err(RecipeError::Type {
            key: key.to_owned(),
            expected: described(current.type_str()),
            found: match found {
                Some(value) => format!("{} {text}", described(value.type_str())),
                None => format!("the string \"{text}\""),
            },
        }),
    }
}

/// The text as a TOML value; none if it is a bare string.
fn parse(text: &str) -> Option<Value> {
    let table = format!("v = {text}").parse::<toml::Table>().ok()?;
    // A text such as `1\nother = 2` must not smuggle in a second key.
    (table.len() == 1)
        .then(|| table.get("v").cloned())
        .flatten()
}

fn described(type_name: &str) -> String {
    match type_name {
        "integer" => "an integer".to_owned(),
        "float" => "a number".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => format!("a {other}"),
    }
}

//! `--set section.key=value`: parsing, type checks and near matches.
//!
//! Every key is present in every profile, so the profile's own value says which
//! type is expected; no second list of keys has to be kept up to date.

use super::{Recipe, RecipeError};
use toml::Value;

/// How alike two keys must be (Jaro-Winkler) to be suggested for each other.
const ALIKE: f64 = 0.8;

/// Puts one override into the table of a complete recipe.
pub(super) fn apply(table: &mut toml::Table, set: &str) -> Result<(), RecipeError> {
    let (key, text) = split(set)?;
    let unknown = || RecipeError::UnknownKey {
        key: key.to_owned(),
        near: suggest(table, key),
    };
    let (section, name) = key.split_once('.').ok_or_else(unknown)?;
    let current = table
        .get(section)
        .and_then(|s| s.get(name))
        .ok_or_else(unknown)?;
    let value = convert(key, text, current)?;
    let mut changed = table.clone();
    if let Some(Value::Table(section)) = changed.get_mut(section) {
        section.insert(name.to_owned(), value);
    }
    // Enumerations and ranges of integers are known to the struct alone.
    Recipe::from_table(&changed).map_err(|e| RecipeError::Value {
        key: key.to_owned(),
        value: text.to_owned(),
        reason: e.message().to_owned(),
    })?;
    *table = changed;
    Ok(())
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

/// Full keys that resemble the one given, in its section or under the same name elsewhere.
fn suggest(table: &toml::Table, key: &str) -> Vec<String> {
    let keys: Vec<String> = table
        .iter()
        .filter_map(|(section, value)| Some((section, value.as_table()?)))
        .flat_map(|(section, keys)| keys.keys().map(move |k| format!("{section}.{k}")))
        .collect();
    let name = key.rsplit('.').next().unwrap_or(key);
    let same_name = keys
        .iter()
        .filter(|k| k.ends_with(&format!(".{name}")))
        .cloned();
    let mut near: Vec<String> = same_name.collect();
    for other in near_matches(key, keys.iter().map(String::as_str)) {
        if !near.contains(&other) {
            near.push(other);
        }
    }
    near.truncate(3);
    near
}

/// At most three of the candidates that resemble `given`, the most alike first.
pub(super) fn near_matches<'a>(
    given: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> = candidates
        .map(|c| (strsim::jaro_winkler(given, c), c))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored
        .iter()
        .take(3)
        .map(|(_, c)| (*c).to_owned())
        .collect()
}

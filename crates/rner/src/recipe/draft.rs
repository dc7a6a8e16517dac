//! A recipe in the making: a complete table of keys, onto which files and overrides lay what they change.
//!
//! Every key is present from the start, so the value that a key has says which type is expected; no second list of keys
//! has to be kept up to date.

use toml::{Table, Value};

use super::error::{RecipeError, range};
use super::keys;

/// How alike two keys must be (Jaro-Winkler) to be suggested for each other.
const ALIKE: f64 = 0.8;

/// A complete table of keys, and what is to be said about old names.
pub(super) struct Draft {
    pub(super) table: Table,
    pub(super) notes: Vec<String>,
}

impl Draft {
    /// With the keys and values of a complete table.
    pub(super) fn new(table: Table) -> Self {
        let notes = Vec::new();
        Self { table, notes }
    }

    /// Lays the keys of a file onto those that are there.
    ///
    /// # Errors
    /// A key that no recipe has, or a value that it cannot have.
    pub(super) fn lay(&mut self, table: &Table, origin: &str) -> Result<(), RecipeError> {
        let origin = format!("recipe {origin}: ");
        for (key, value) in keys::leaves(table) {
            self.put(&origin, &key, |_, _| Ok(value))?;
        }
        Ok(())
    }

    /// Gives a key, under its present or its old name, the value that `read` makes from the present name and value.
    /// `origin` begins the errors.
    ///
    /// # Errors
    /// A key that no recipe has, and what `read` says.
    pub(super) fn put(
        &mut self,
        origin: &str,
        key: &str,
        read: impl FnOnce(&str, &Value) -> Result<Value, RecipeError>,
    ) -> Result<(), RecipeError> {
        if key == "sft.layout" {
            return self.check_layout(read(key, &Value::from(""))?);
        }
        if let Some((open, name)) = keys::in_open_table(key) {
            return self.put_into(open, name, read(key, &Value::from(""))?);
        }
        let name = self.present_name(origin, key)?;
        let Some(current) = keys::value_mut(&mut self.table, &name) else {
            return Err(self.unknown(origin, key));
        };
        *current = match (read(&name, current)?, &*current) {
            (Value::Integer(whole), Value::Float(_)) => Value::Float(whole as f64),
            (value, _) => value,
        };
        check_finite(&name, current)
    }

    /// One name of an open table, whose value may be of any type.
    fn put_into(&mut self, open: &str, name: &str, value: Value) -> Result<(), RecipeError> {
        if let Some(Value::Table(table)) = keys::value_mut(&mut self.table, open) {
            table.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// The name that a key has now.
    fn present_name(&mut self, origin: &str, key: &str) -> Result<String, RecipeError> {
        if let Some(reason) = keys::decided_by(key) {
            return Err(RecipeError::Derived {
                origin: origin.to_owned(),
                key: key.to_owned(),
                reason,
            });
        }
        if keys::has(&mut self.table, key) {
            return Ok(key.to_owned());
        }
        let Some(name) = keys::renamed(&mut self.table, key) else {
            return Err(self.unknown(origin, key));
        };
        self.note(format!("{key} is called {name} now"));
        Ok(name)
    }

    /// The old key of a layout that recipes do not choose any more.
    fn check_layout(&mut self, value: Value) -> Result<(), RecipeError> {
        let found = value.as_str().unwrap_or("another value");
        let expected = "packed: recipes do not choose the layout any more";
        range("sft.layout", found, found == "packed", expected)?;
        self.note("sft.layout is no key any more: sequences are always packed".to_owned());
        Ok(())
    }

    fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    fn unknown(&self, origin: &str, key: &str) -> RecipeError {
        RecipeError::UnknownKey {
            origin: origin.to_owned(),
            key: key.to_owned(),
            near: suggest(&self.table, key),
        }
    }
}

fn check_finite(key: &str, value: &Value) -> Result<(), RecipeError> {
    let number = value.as_float().unwrap_or_default();
    range(key, number, number.is_finite(), "a finite number")
}

/// Full keys that resemble the one given, those of the same last name first.
fn suggest(table: &Table, key: &str) -> Vec<String> {
    let keys: Vec<String> = keys::leaves(table).into_iter().map(|leaf| leaf.0).collect();
    let same_name = keys.iter().filter(|other| last(other) == last(key));
    let mut near: Vec<String> = same_name.cloned().collect();
    for other in near_matches(key, keys.iter().map(String::as_str)) {
        if !near.contains(&other) {
            near.push(other);
        }
    }
    near.truncate(3);
    near
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// At most three of the candidates that resemble `given`, as a whole or in their last names, the most alike first.
pub(super) fn near_matches<'a>(
    given: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let alike = |other: &str| {
        let whole = strsim::jaro_winkler(given, other);
        whole.max(strsim::jaro_winkler(last(given), last(other)))
    };
    let scored = candidates.map(|other| (alike(other), other));
    let mut scored: Vec<(f64, &str)> = scored.filter(|(score, _)| *score >= ALIKE).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = scored.iter().take(3);
    best.map(|(_, other)| (*other).to_owned()).collect()
}

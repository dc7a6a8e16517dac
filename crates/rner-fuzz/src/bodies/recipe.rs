//! Recipes.

use rner::recipe::{PROFILES, Recipe};

use crate::scratch;

/// Begins a line that is an override, as `--set` gives it.
const SET: &str = "#set ";

/// Any text is a recipe or an error, and a recipe that is written is the same when it is read again.
pub(crate) fn recipe(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if extends_a_file(&text) {
        return;
    }
    let sets = text.lines().filter_map(|line| line.strip_prefix(SET));
    let sets: Vec<String> = sets.map(str::to_owned).collect();
    let resolved = |name: &str, text: &str, sets: &[String]| {
        let path = scratch::with(|scratch| scratch.write(name, text.as_bytes()));
        Recipe::resolve(&path.display().to_string(), sets)
    };
    match resolved("recipe.toml", &text, &sets) {
        Ok(mut recipe) => {
            let again = resolved("again.toml", &recipe.to_toml(), &[]);
            let again = again.expect("what was written is a recipe");
            recipe.notes.clear();
            assert_eq!(again, recipe);
            assert_eq!(again.hash(), recipe.hash());
        }
        Err(error) => drop(error.to_string()),
    }
}

/// A recipe may build on any file, as its author wishes. Which files there are is not part of an input.
fn extends_a_file(text: &str) -> bool {
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let names_file = |name: &str| !PROFILES.iter().any(|(known, _)| *known == name);
    let extends = table.get("extends").and_then(toml::Value::as_str);
    extends.is_some_and(names_file)
}

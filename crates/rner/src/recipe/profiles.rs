//! The profiles that ship with the program, and reading recipe files that build on each other.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::draft::near_matches;
use super::error::RecipeError;

/// The paper's recipe, complete.
pub(super) const BASE: &str = include_str!("../../recipes/base.toml");

/// Name and text of every embedded profile, the default first.
pub const PROFILES: [(&str, &str); 9] = [
    ("tiny", include_str!("../../recipes/tiny.toml")),
    ("tiny-long", include_str!("../../recipes/tiny-long.toml")),
    ("smoke", include_str!("../../recipes/smoke.toml")),
    ("paper-8b", BASE),
    (
        "paper-8b-verl",
        include_str!("../../recipes/paper-8b-verl.toml"),
    ),
    (
        "paper-8b-lora",
        include_str!("../../recipes/paper-8b-lora.toml"),
    ),
    ("qwen3-1.7b", include_str!("../../recipes/qwen3-1.7b.toml")),
    (
        "qwen3-0.6b-lora",
        include_str!("../../recipes/qwen3-0.6b-lora.toml"),
    ),
    ("rehearsal", include_str!("../../recipes/rehearsal.toml")),
];

/// How many recipes may build on each other.
const DEEPEST: usize = 16;

/// Names and tables of a recipe, of the one that it builds on, and so forth.
pub(super) fn chain(profile: &str) -> Result<Vec<(String, Table)>, RecipeError> {
    let mut chain = Vec::new();
    let mut next = Some(profile.to_owned());
    while let Some(name) = next {
        if chain.len() == DEEPEST {
            let reason = "`extends` leads in a circle";
            return Err(RecipeError::invalid(profile, &reason));
        }
        let text = text_of(&name)?;
        let parsed = text.parse::<Table>();
        let mut table = parsed.map_err(|e| RecipeError::invalid(&name, &e))?;
        next = extended(&mut table, &name)?;
        if chain.is_empty() && embedded(&name).is_none() {
            name_after_file(&mut table, &name);
        }
        chain.push((name, table));
    }
    Ok(chain)
}

/// A recipe of somebody's own does not inherit the name, and with it the folder, of the run that it builds on.
fn name_after_file(table: &mut Table, path: &str) {
    let Some(stem) = Path::new(path).file_stem().and_then(|stem| stem.to_str()) else {
        return;
    };
    let run = table.entry("run").or_insert_with(|| Table::new().into());
    if let Value::Table(run) = run {
        run.entry("name").or_insert_with(|| stem.into());
    }
}

/// Takes `extends` out of a table: a profile, or a path seen from the file that names it.
fn extended(table: &mut Table, origin: &str) -> Result<Option<String>, RecipeError> {
    match table.remove("extends") {
        None => Ok(None),
        Some(Value::String(name)) if embedded(&name).is_some() => Ok(Some(name)),
        Some(Value::String(path)) => {
            let folder = Path::new(origin).parent().unwrap_or(Path::new(""));
            Ok(Some(folder.join(path).display().to_string()))
        }
        Some(other) => {
            let reason = format!("extends: expected a profile or a path, found {other}");
            Err(RecipeError::invalid(origin, &reason))
        }
    }
}

fn embedded(name: &str) -> Option<&'static str> {
    let found = PROFILES.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

fn text_of(profile: &str) -> Result<String, RecipeError> {
    if let Some(text) = embedded(profile) {
        return Ok(text.to_owned());
    }
    let path = PathBuf::from(profile);
    let looks_like_path = profile.ends_with(".toml") || path.components().count() > 1;
    if !looks_like_path && !path.is_file() {
        return Err(unknown(profile));
    }
    std::fs::read_to_string(&path).map_err(|source| RecipeError::Read { path, source })
}

fn unknown(name: &str) -> RecipeError {
    let known: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
    RecipeError::UnknownProfile {
        name: name.to_owned(),
        near: near_matches(name, known.iter().copied()),
        known: known.join(", "),
    }
}

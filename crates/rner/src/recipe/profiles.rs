//! The profiles that ship with the program, and reading a recipe file.

use super::RecipeError;
use super::overrides::near_matches;
use std::path::Path;

/// Name and text of every embedded profile, the default first.
pub const PROFILES: [(&str, &str); 5] = [
    ("tiny", include_str!("../../recipes/tiny.toml")),
    ("smoke", include_str!("../../recipes/smoke.toml")),
    ("paper-8b", include_str!("../../recipes/paper-8b.toml")),
    ("qwen3-1.7b", include_str!("../../recipes/qwen3-1.7b.toml")),
    (
        "qwen3-0.6b-lora",
        include_str!("../../recipes/qwen3-0.6b-lora.toml"),
    ),
];

/// The table of an embedded profile or of a recipe file.
pub(super) fn load(profile: &str) -> Result<toml::Table, RecipeError> {
    let embedded = PROFILES.iter().find(|(name, _)| *name == profile);
    let text = match embedded {
        Some((_, text)) => (*text).to_owned(),
        None => read(profile)?,
    };
    text.parse::<toml::Table>()
        .map_err(|e| RecipeError::Invalid {
            origin: profile.to_owned(),
            reason: e.to_string().trim().to_owned(),
        })
}

fn read(profile: &str) -> Result<String, RecipeError> {
    let path = Path::new(profile);
    let looks_like_path = profile.ends_with(".toml") || path.components().count() > 1;
    if !looks_like_path && !path.is_file() {
        return Err(unknown(profile));
    }
    std::fs::read_to_string(path).map_err(|source| RecipeError::Read {
        path: path.to_owned(),
        source,
    })
}

fn unknown(name: &str) -> RecipeError {
    let known: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
    RecipeError::UnknownProfile {
        name: name.to_owned(),
        near: near_matches(name, known.iter().copied()),
        known: known.join(", "),
    }
}

//! What the name of a model can mean that is no model here: an id of the Hub, a wrong path, a wrong word.

use std::path::{Component, Path, PathBuf};

use lm_model::hub::HubModel;

use super::MODEL;
use crate::error::{Error, Result};

/// How alike two names must be (Jaro-Winkler) for one to be suggested for the other.
const ALIKE: f64 = 0.8;

/// Folders of our own documents: whoever names one from elsewhere does not mean an organisation on the Hub.
const OURS: [&str; 2] = ["fixtures", "runs"];

/// The id on the Hub that a name without a model here stands for. Nothing is asked.
///
/// # Errors
/// [`Error::Invalid`] for a folder without a model, and for what is no id: a path, or a single word.
pub(super) fn hub_id(name: &Path) -> Result<HubModel> {
    if name.exists() {
        return Err(no_model(name));
    }
    match name.to_str().and_then(HubModel::parse) {
        // No path of ours has the mark of a revision.
        Some(id) if id.revision.is_some() || !is_path(name) => Ok(id),
        id => Err(no_folder(name, id.is_some())),
    }
}

/// Whether a name that could be an id is meant as a path: its first part is a folder here, or one of ours.
fn is_path(name: &Path) -> bool {
    let first = name.components().next();
    match first {
        Some(Component::Normal(first)) => {
            OURS.iter().any(|ours| first == *ours) || Path::new(first).exists()
        }
        _ => true,
    }
}

/// A file or folder is here, but no model is in it.
fn no_model(name: &Path) -> Error {
    let inside = name.join(MODEL);
    let near = if inside.join("config.json").is_file() {
        format!("; did you mean {}?", inside.display())
    } else {
        String::new()
    };
    Error::Invalid(format!(
        "{}: no model here (expected a folder with config.json, tokenizer.json and model.safetensors, or an adapter of \
         PEFT){near}",
        name.display()
    ))
}

fn no_folder(name: &Path, could_be_id: bool) -> Error {
    let shown = name.display();
    let hint = match nearest(name) {
        Some(near) => format!("; did you mean {}?", near.display()),
        None if could_be_id => {
            format!("; {shown}@main is the model of that id on the Hugging Face Hub")
        }
        None => " (a model of the Hugging Face Hub is named owner/name)".to_owned(),
    };
    Error::Invalid(format!("{shown}: no such folder here{hint}"))
}

/// The folder beside the one that is named whose name is most like it.
fn nearest(name: &Path) -> Option<PathBuf> {
    let wanted = name.file_name()?.to_str()?;
    let parent = name.parent().unwrap_or(Path::new(""));
    let listed = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let entries = std::fs::read_dir(listed).ok()?.flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    let scored = names.map(|found| (strsim::jaro_winkler(wanted, &found), found));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
    (best.0 >= ALIKE).then(|| parent.join(best.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a name, or the id that it stands for.
    fn said(name: &str) -> String {
        match hub_id(Path::new(name)) {
            Ok(id) => format!("asks the Hub for {id}"),
            Err(error) => error.to_string(),
        }
    }

    /// Tests run in the folder of the crate, where `src/` and `recipes/` lie.
    #[test]
    fn the_hub_is_asked_for_ids_alone() {
        for (name, expected) in [
            ("Qwen/Qwen3-0.6B", "asks the Hub for Qwen/Qwen3-0.6B"),
            (
                "Qwen/Qwen3-0.6B@main",
                "asks the Hub for Qwen/Qwen3-0.6B@main",
            ),
            ("src/some@v1", "asks the Hub for src/some@v1"),
            (
                "recipe",
                "recipe: no such folder here; did you mean recipes?",
            ),
            (
                "qwen3",
                "qwen3: no such folder here (a model of the Hugging Face Hub is named owner/name)",
            ),
            (
                "src/stagse",
                "src/stagse: no such folder here; did you mean src/stages?",
            ),
            (
                "./src/stagse",
                "./src/stagse: no such folder here; did you mean ./src/stages?",
            ),
            (
                "fixtures/tiny-base",
                "fixtures/tiny-base: no such folder here; fixtures/tiny-base@main is the model of that id on the Hugging \
                 Face Hub",
            ),
            (
                "/nowhere/at-all",
                "/nowhere/at-all: no such folder here (a model of the Hugging Face Hub is named owner/name)",
            ),
            (
                "a/b/c",
                "a/b/c: no such folder here (a model of the Hugging Face Hub is named owner/name)",
            ),
        ] {
            assert_eq!(said(name), expected);
        }
        assert!(said("src").starts_with("src: no model here (expected a folder"));
    }

    #[test]
    fn the_folder_of_a_training_names_its_model() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let model = dir.path().join("model");
        std::fs::create_dir(&model)?;
        std::fs::write(model.join("config.json"), "{}")?;
        let said = said(dir.path().to_str().unwrap_or_default());
        let expected = format!("did you mean {}?", model.display());
        assert!(said.ends_with(&expected), "{said}");
        Ok(())
    }
}

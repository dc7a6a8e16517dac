//! How files of rows are read: flags that every command has that reads some.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use ner_datasets::{Offsets, read_labels};
use ner_types::Example;
use rner::inputs::{Reading, Rows, read, read_placed};

/// What a file of rows does not say of itself.
#[derive(Clone, Debug, Default, Args)]
pub struct InputArgs {
    /// In what the files' offsets are counted: characters (Python), utf16 (JavaScript, Java) or bytes (Go, Rust).
    #[arg(long, value_name = "UNIT", default_value_t = Offsets::Characters)]
    pub offsets: Offsets,
    /// Names of numbered tags in their order, such as O,B-PER,I-PER, or a file of them: a JSON array, or one a line.
    /// The file's own metadata, or the dataset_info.json beside it, if left out.
    #[arg(long, value_name = "NAMES")]
    pub tag_names: Option<String>,
}

impl InputArgs {
    /// What a reader is told.
    ///
    /// # Errors
    /// A file of names that cannot be read.
    pub fn reading(&self) -> Result<Reading> {
        Ok(Reading {
            offsets: self.offsets,
            tag_names: self.tag_names.as_deref().map(names).transpose()?,
        })
    }

    /// What was typed, if anything was: as a part of what a result is made from.
    pub fn typed(&self) -> Option<String> {
        let names = self
            .tag_names
            .as_deref()
            .map(|names| format!("tag-names {names}"));
        let is_default = self.offsets == Offsets::default();
        let offsets = (!is_default).then(|| format!("offsets {}", self.offsets));
        let typed: Vec<String> = offsets.into_iter().chain(names).collect();
        (!typed.is_empty()).then(|| typed.join(", "))
    }

    /// The rows of a file in any format; what is to be said about them is said on stderr.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(&self, path: &Path) -> Result<Vec<Example>> {
        Ok(told(read(path, &self.reading()?)?))
    }

    /// The same, with the places of the mentions.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read_placed(&self, path: &Path) -> Result<Vec<Example>> {
        Ok(told(read_placed(path, &self.reading()?)?))
    }
}

/// The rows, after what is to be said about them.
fn told(rows: Rows) -> Vec<Example> {
    for note in &rows.notes {
        crate::say!("{note}");
    }
    rows.examples
}

/// Entity types that were typed; those of a file, a name on each line or a JSON array, if its name was.
///
/// # Errors
/// A file that cannot be read; no type.
pub fn entity_types(typed: &[String]) -> Result<Vec<String>> {
    let typed = glued(typed);
    let [file] = typed.as_slice() else {
        return Ok(rner::extract::entity_types(&typed)?);
    };
    let types = rner::extract::entity_types(&names(file)?)?;
    if Path::new(file).is_file() {
        crate::say!("types: the {} of {file}", types.len());
    }
    Ok(types)
}

/// Puts together again what stands in parentheses, such as `hire(employer, person)`, which a comma divided.
fn glued(pieces: &[String]) -> Vec<String> {
    let is_open = |text: &String| text.matches('(').count() > text.matches(')').count();
    let mut all: Vec<String> = Vec::new();
    for piece in pieces {
        match all.last_mut().filter(|last| is_open(last)) {
            Some(last) => *last = format!("{last},{piece}"),
            None => all.push(piece.clone()),
        }
    }
    all
}

/// Names divided by commas, or those of a file.
///
/// # Errors
/// A file of names that cannot be read.
pub fn names(names: &str) -> Result<Vec<String>> {
    let path = Path::new(names);
    if path.is_file() {
        return Ok(read_labels(path)?);
    }
    let pieces: Vec<String> = names.split(',').map(String::from).collect();
    let names = glued(&pieces).into_iter();
    let names = names.map(|name| name.trim().to_owned());
    Ok(names.filter(|name| !name.is_empty()).collect())
}

//! The catalogue of public datasets: homes, licences, addresses and hashes. It is data, `catalogue.toml`.

use serde::{Deserialize, Serialize};

use crate::format::Format;

const TOML: &str = include_str!("catalogue.toml");

/// The datasets that the crate knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// In the order of the file.
    #[serde(rename = "dataset")]
    pub datasets: Vec<CatalogueEntry>,
}

/// One dataset.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueEntry {
    /// The name by which it is asked for.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Where people find it.
    pub home: String,
    /// The licence of its content.
    pub licence: String,
    /// Name of its [`Format`].
    pub format: String,
    /// What one should know before using it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its files; none if no program can fetch them.
    #[serde(default, rename = "file")]
    pub files: Vec<CatalogueFile>,
}

/// One file of a dataset.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueFile {
    /// Its path under the data folder, with `/`.
    pub path: String,
    /// Its address.
    pub url: String,
    /// SHA-256 of its content in lower-case hexadecimal, if it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its size, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Catalogue {
    /// The catalogue that comes with the crate.
    ///
    /// # Errors
    ///
    /// None in a tested build; the error is that of the TOML reader.
    pub fn shipped() -> Result<Self, toml::de::Error> {
        Self::parse(TOML)
    }

    /// Reads a catalogue of the same form.
    ///
    /// # Errors
    ///
    /// If the text is not of that form; the message names the line.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The dataset of a name, in any case.
    pub fn get(&self, name: &str) -> Option<&CatalogueEntry> {
        self.datasets
            .iter()
            .find(|entry| entry.name.eq_ignore_ascii_case(name))
    }
}

impl CatalogueEntry {
    /// Whether the hash of every file is known.
    pub fn is_pinned(&self) -> bool {
        !self.files.is_empty() && self.files.iter().all(|file| file.sha256.is_some())
    }

    /// Its format; `None` if the catalogue names one that does not exist.
    pub fn format(&self) -> Option<Format> {
        self.format.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_shipped_catalogue_is_well_formed() {
        let catalogue = Catalogue::shipped().expect("TOML of the right form");
        let names: HashSet<_> = catalogue.datasets.iter().map(|entry| &entry.name).collect();
        assert_eq!(names.len(), catalogue.datasets.len(), "a name twice");
        for entry in &catalogue.datasets {
            assert!(entry.format().is_some(), "{}: {}", entry.name, entry.format);
            assert!(!entry.files.is_empty() || entry.note.is_some());
            for file in &entry.files {
                assert!(file.url.starts_with("https://"), "{}", file.url);
                assert!(!file.path.starts_with('/') && !file.path.contains(".."));
                let is_hash = |hash: &String| {
                    hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
                };
                assert!(file.sha256.iter().all(is_hash), "{}", file.path);
            }
        }
        for name in ["crossner", "mit-movie", "mit-restaurant"] {
            let entry = catalogue.get(name).expect("in the catalogue");
            assert!(entry.is_pinned(), "{name}");
        }
        assert!(!catalogue.get("NER-CoT").expect("any case").is_pinned());
    }
}

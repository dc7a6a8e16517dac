//! The catalogue of public datasets: homes, licences, addresses and hashes, and which of them make a group. It is data,
//! `catalogue.toml`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::format::Format;
use crate::sample::set_key;
use crate::splits::dataset::Split;

const TOML: &str = include_str!("catalogue.toml");

/// The datasets that the crate knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// In the order of the file.
    #[serde(rename = "dataset")]
    pub datasets: Vec<CatalogueEntry>,
    /// Sets that are used together, in the order of the file.
    #[serde(default, rename = "group")]
    pub groups: Vec<Group>,
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
    /// Identifier of a licence that whoever uses the data has to accept first, such as `cc-by-nc-4.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
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
    /// The split that it is, or a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// Sets that are used together, such as the seven of a benchmark.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The name by which it is asked for.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Whether every member is needed: a benchmark without one of its sets is another benchmark, a sample is not.
    #[serde(default)]
    pub complete: bool,
    /// Its sets, in their usual order.
    #[serde(rename = "member")]
    pub members: Vec<Member>,
}

/// A set of a [`Group`].
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name in the group.
    pub name: String,
    /// The dataset of the catalogue that has it; none if no program can fetch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The folder of its files under the data folder, where the dataset has several sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Other names of its folder, in which people keep it; case, blanks and punctuation do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// How to get it, where no program can fetch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Catalogue {
    /// The catalogue that comes with the crate, or the one in the file that `RNER_CATALOGUE` names: for copies of the
    /// datasets that have other addresses or hashes.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is no catalogue; none for the crate's own in a tested build.
    pub fn shipped() -> Result<Self, toml::de::Error> {
        match std::env::var_os("RNER_CATALOGUE").filter(|path| !path.is_empty()) {
            Some(path) => Self::read(Path::new(&path)),
            None => Self::parse(TOML),
        }
    }

    fn read(path: &Path) -> Result<Self, toml::de::Error> {
        let failed = |reason: &dyn std::fmt::Display| {
            let path = path.display();
            serde::de::Error::custom(format!("RNER_CATALOGUE: {path}: {reason}"))
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
        Self::parse(&text).map_err(|error| failed(&error))
    }

    /// Reads a catalogue of the same form.
    ///
    /// # Errors
    ///
    /// If the text is not of that form, where the message names the line; if the path of a file or folder leads out of
    /// the data folder.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let catalogue: Self = toml::from_str(text)?;
        catalogue.check_paths().map_err(serde::de::Error::custom)?;
        Ok(catalogue)
    }

    fn check_paths(&self) -> Result<(), atomic_files::UnsafeName> {
        let files = self.datasets.iter().flat_map(|entry| &entry.files);
        let members = self.groups.iter().flat_map(|group| &group.members);
        let folders = members.filter_map(|member| member.folder.as_ref());
        let mut paths = files.map(|file| &file.path).chain(folders);
        paths.try_for_each(|path| atomic_files::safe_path(path).map(drop))
    }

    /// The dataset of a name, in any case.
    pub fn get(&self, name: &str) -> Option<&CatalogueEntry> {
        self.datasets
            .iter()
            .find(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    /// The group of a name, in any case.
    pub fn group(&self, name: &str) -> Option<&Group> {
        let mut groups = self.groups.iter();
        groups.find(|group| group.name.eq_ignore_ascii_case(name))
    }

    /// The dataset that has a member of a group; none if no program can fetch it.
    pub fn dataset_of(&self, member: &Member) -> Option<&CatalogueEntry> {
        self.get(member.dataset.as_deref()?)
    }

    /// The names of all datasets and groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let datasets = self.datasets.iter().map(|entry| entry.name.as_str());
        datasets.chain(self.groups.iter().map(|group| group.name.as_str()))
    }
}

impl Member {
    /// The folder below `dir` that has this member's name, or one of the names that people give it.
    pub fn folder_in(&self, dir: &Path) -> Option<PathBuf> {
        let names = std::iter::once(&self.name)
            .chain(&self.also)
            .chain(&self.dataset);
        let keys: Vec<String> = names.map(|name| set_key(name)).collect();
        let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_dir())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                keys.contains(&set_key(&name))
            })
            .collect();
        found.sort_unstable();
        found.into_iter().next()
    }

    /// Those files of a dataset that are this member's: all of them, or those in its folder.
    pub fn files<'a>(&self, entry: &'a CatalogueEntry) -> impl Iterator<Item = &'a CatalogueFile> {
        let folder = self.folder.as_ref().map(|folder| format!("{folder}/"));
        let files = entry.files.iter();
        files.filter(move |file| folder.as_ref().is_none_or(|dir| file.path.starts_with(dir)))
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
    fn another_catalogue_is_read_from_a_file_that_is_named_in_errors() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("mine.toml");
        let error = Catalogue::read(&path)
            .expect_err("no such file")
            .to_string();
        assert!(
            error.contains("RNER_CATALOGUE") && error.contains("mine.toml"),
            "{error}"
        );
        std::fs::write(&path, "dataset = []").expect("written");
        assert!(
            Catalogue::read(&path)
                .expect("a catalogue")
                .datasets
                .is_empty()
        );
        std::fs::write(&path, "dataset = 1").expect("written");
        let error = Catalogue::read(&path)
            .expect_err("no catalogue")
            .to_string();
        assert!(error.contains("mine.toml"), "{error}");
    }

    #[test]
    fn the_shipped_catalogue_is_well_formed() {
        let catalogue = Catalogue::shipped().expect("TOML of the right form");
        let names: HashSet<_> = catalogue.names().collect();
        assert_eq!(names.len(), catalogue.names().count(), "a name twice");
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

    #[test]
    fn members_of_groups_are_in_the_catalogue_or_say_how_to_get_them() {
        let catalogue = Catalogue::shipped().expect("TOML of the right form");
        for member in catalogue.groups.iter().flat_map(|group| &group.members) {
            let name = &member.name;
            match catalogue.dataset_of(member) {
                Some(entry) => {
                    let splits: HashSet<_> = member.files(entry).map(|file| file.split).collect();
                    assert!(splits.contains(&Some(Split::Train)), "{name}");
                    assert!(splits.contains(&Some(Split::Test)), "{name}");
                }
                None => assert!(
                    member.dataset.is_none() && member.remedy.is_some(),
                    "{name}"
                ),
            }
        }
        let names = |group: &str| -> Vec<String> {
            let group = catalogue.group(group).expect("a group");
            group
                .members
                .iter()
                .map(|member| member.name.clone())
                .collect()
        };
        assert_eq!(names("crossner-mit"), crate::BENCHMARK_SETS);
        let keys =
            |names: &[String]| -> Vec<String> { names.iter().map(|n| crate::set_key(n)).collect() };
        let expected = crate::IN_DOMAIN_SETS.map(String::from);
        assert_eq!(keys(&names("instructuie-20")), keys(&expected));
    }
}

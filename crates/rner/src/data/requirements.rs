//! What a run needs, and whether it is on this machine, without asking anybody.

use std::path::{Path, PathBuf};

use ner_datasets::{Catalogue, CatalogueEntry, CatalogueFile, Group, Member, SetOnDisk, set_key};

use crate::error::{Context, Error, Result};
use crate::recipe::{CotSource, Data, DataSource};

/// A dataset that a run reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The key of the recipe that names it, such as `data.train`.
    pub key: &'static str,
    /// Its name in the catalogue, or the path.
    pub dataset: String,
    /// Whether it is on this machine.
    pub state: State,
    /// Its licence, where the catalogue says.
    pub licence: Option<String>,
    /// Whether the licence has to be accepted and is not: `--accept-licence` and [`Requirement::accept`].
    pub needs_acceptance: bool,
    /// Identifier of the licence that has to be accepted, accepted or not.
    pub accept: Option<String>,
    /// Whether the run goes on without it, and says so: a set of a group from which a sample is drawn.
    pub is_optional: bool,
}

/// Whether a dataset is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is there. Hashes are compared when it is read.
    Present {
        /// Its file or folder.
        path: PathBuf,
        /// Bytes of its files.
        bytes: u64,
    },
    /// Some or all of its files have to be fetched first.
    Fetchable {
        /// Bytes to fetch, if the catalogue knows all of them.
        bytes: Option<u64>,
        /// Files to fetch.
        files: usize,
    },
    /// No program can get it.
    Missing {
        /// What to do about it.
        remedy: String,
    },
}

/// What a run with this `[data]` reads, and whether it is there; `cache` is the folder of downloads, usually
/// [`Data::cache_dir`].
///
/// Looks at names and sizes only: nothing is asked of the network, and no hash is computed.
///
/// # Errors
/// A folder that cannot be listed.
pub fn requirements(data: &Data, cache: &Path) -> Result<Vec<Requirement>> {
    let look = Look {
        data,
        cache,
        catalogue: catalogue()?,
    };
    let mut found = Vec::new();
    match data.cot_source() {
        CotSource::Generate => {
            look.add("data.train", DataSource::parse(&data.train), &mut found)?
        }
        CotSource::Ready(source) => look.add("data.cot", source, &mut found)?,
    }
    look.add("data.grpo", DataSource::parse(&data.grpo), &mut found)?;
    look.add("data.eval", DataSource::parse(&data.eval), &mut found)?;
    Ok(found)
}

/// Where people find a dataset or the sets of a group.
pub fn place_of(name: &str) -> String {
    let Ok(catalogue) = catalogue() else {
        return String::new();
    };
    if let Some(entry) = catalogue.get(name) {
        return format!("{} ({})", entry.home, entry.licence);
    }
    let members = catalogue
        .group(name)
        .map_or(&[][..], |group| &group.members);
    let here = members
        .iter()
        .filter_map(|member| catalogue.dataset_of(member));
    let mut homes: Vec<&str> = here.map(|entry| entry.home.as_str()).collect();
    homes.sort_unstable();
    homes.dedup();
    homes.join(", ")
}

/// Whether `data.without` leaves out a set of a group from which a sample is drawn.
pub(super) fn is_left_out(data: &Data, group: &Group, member: &Member) -> bool {
    let key = set_key(&member.name);
    !group.complete && data.without.iter().any(|name| set_key(name) == key)
}

/// Refuses a `[data]` of which something is missing or not accepted; all of it is said at once.
///
/// # Errors
/// What is missing or not accepted, each with its remedy; a set of `data.without` that no group has.
pub fn check(data: &Data) -> Result<()> {
    let mut refused = unknown_names(data)?;
    for found in requirements(data, &data.cache_dir())? {
        if let (true, Some(accept)) = (found.needs_acceptance, &found.accept) {
            let leave = if found.is_optional {
                ", or leave the set out with data.without"
            } else {
                ""
            };
            refused.push(format!(
                "{} = {:?} is under {}: accept it with --accept-licence {accept} (data.accept_licences){leave}",
                found.key,
                found.dataset,
                found.licence.as_deref().unwrap_or(accept)
            ));
        }
        if let (State::Missing { remedy }, false) = (&found.state, found.is_optional) {
            refused.push(remedy.clone());
        }
    }
    refused.dedup();
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::Usage(refused.join("\n")))
}

/// Names in `data.without`, `data.accept_licences` and `data.hold_out` that nothing has.
///
/// # Errors
/// A catalogue that cannot be read.
pub(crate) fn unknown_names(data: &Data) -> Result<Vec<String>> {
    let mut unknown = unknown_sets(data)?;
    unknown.extend(unknown_licences(data)?);
    unknown.extend(unknown_held_out(data)?);
    Ok(unknown)
}

fn unknown_licences(data: &Data) -> Result<Vec<String>> {
    let catalogue = catalogue()?;
    let mut known: Vec<&str> = (catalogue.datasets.iter())
        .filter_map(|entry| entry.accept.as_deref())
        .collect();
    known.sort_unstable();
    known.dedup();
    let key = "data.accept_licences (--accept-licence)";
    let same = |name: &str, id: &str| id.eq_ignore_ascii_case(name.trim());
    Ok(none_of(key, &data.accept_licences, &known, same))
}

/// The sets of a group are known before any of them is read.
fn unknown_held_out(data: &Data) -> Result<Vec<String>> {
    let catalogue = catalogue()?;
    let Some(group) = catalogue.group(&data.eval) else {
        return Ok(Vec::new());
    };
    let known: Vec<&str> = group.members.iter().map(|set| set.name.as_str()).collect();
    let key = "data.hold_out (--hold-out)";
    Ok(none_of(key, &data.hold_out, &known, is_same_set))
}

fn unknown_sets(data: &Data) -> Result<Vec<String>> {
    let catalogue = catalogue()?;
    let groups = catalogue.groups.iter().filter(|group| !group.complete);
    let members = groups.flat_map(|group| &group.members);
    let known: Vec<&str> = members.map(|member| member.name.as_str()).collect();
    Ok(none_of("data.without", &data.without, &known, is_same_set))
}

fn is_same_set(one: &str, other: &str) -> bool {
    set_key(one) == set_key(other)
}

/// A sentence for each of `names` that is none of `known`.
fn none_of(
    key: &str,
    names: &[String],
    known: &[&str],
    same: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let unknown = (names.iter()).filter(|name| !known.iter().any(|one| same(name, one)));
    unknown
        .map(|name| format!("{key}: {name:?} is none of {}", known.join(", ")))
        .collect()
}

/// The catalogue of this build.
pub(crate) fn catalogue() -> Result<Catalogue> {
    Catalogue::shipped().context("the catalogue of this build")
}

struct Look<'a> {
    data: &'a Data,
    cache: &'a Path,
    catalogue: Catalogue,
}

impl Look<'_> {
    fn add(
        &self,
        key: &'static str,
        source: DataSource,
        found: &mut Vec<Requirement>,
    ) -> Result<()> {
        match source {
            DataSource::Tiny | DataSource::Train => {}
            DataSource::Path(path) => found.push(of_path(key, &path)?),
            DataSource::Public(name) => {
                found.extend(self.catalogue.get(&name).map(|entry| {
                    let files = entry.files.iter().collect();
                    self.of_entry(key, name.clone(), entry, files, false)
                }));
            }
            DataSource::Group(name) => {
                if let Some(group) = self.catalogue.group(&name) {
                    found.extend(self.of_group(key, group)?);
                }
            }
        }
        Ok(())
    }

    fn of_group(&self, key: &'static str, group: &Group) -> Result<Vec<Requirement>> {
        let members = group.members.iter();
        let members = members.filter(|member| !is_left_out(self.data, group, member));
        members
            .map(|member| self.of_member(key, group, member))
            .collect()
    }

    fn of_member(&self, key: &'static str, group: &Group, member: &Member) -> Result<Requirement> {
        let optional = !group.complete;
        let entry = self.catalogue.dataset_of(member);
        if !self.data.folder.is_empty()
            && let Some(set) = SetOnDisk::find(member, entry, Path::new(&self.data.folder))
        {
            let path = set.paths().next().and_then(Path::parent);
            let path = path.unwrap_or(Path::new(&self.data.folder)).to_owned();
            let sizes = set
                .paths()
                .map(|path| std::fs::metadata(path).map(|meta| meta.len()));
            let bytes: std::io::Result<u64> = sizes.sum();
            let bytes = bytes.with_context(|| format!("cannot read {}", path.display()))?;
            return Ok(requirement(
                key,
                &member.name,
                State::Present { path, bytes },
                optional,
            ));
        }
        let Some(entry) = entry else {
            let remedy = member.remedy.clone().unwrap_or_default();
            return Ok(requirement(
                key,
                &member.name,
                State::Missing { remedy },
                optional,
            ));
        };
        let files = member.files(entry).collect();
        Ok(self.of_entry(key, member.name.clone(), entry, files, optional))
    }

    fn of_entry(
        &self,
        key: &'static str,
        dataset: String,
        entry: &CatalogueEntry,
        files: Vec<&CatalogueFile>,
        is_optional: bool,
    ) -> Requirement {
        let accept = entry.accept.clone();
        Requirement {
            licence: Some(entry.licence.clone()),
            needs_acceptance: accept.as_ref().is_some_and(|id| !self.data.accepts(id)),
            accept,
            ..requirement(key, &dataset, self.state(entry, &files), is_optional)
        }
    }

    fn state(&self, entry: &CatalogueEntry, files: &[&CatalogueFile]) -> State {
        let size = |file: &&CatalogueFile| std::fs::metadata(self.cache.join(&file.path)).ok();
        let to_fetch: Vec<_> = files.iter().filter(|file| size(file).is_none()).collect();
        if files.is_empty() {
            let note = entry.note.as_deref().unwrap_or_default();
            let remedy = format!("{note} Home: {}", entry.home);
            return State::Missing { remedy };
        }
        if to_fetch.is_empty() {
            let bytes = files.iter().filter_map(size).map(|meta| meta.len()).sum();
            let path = self.cache.join(&files[0].path);
            let path = path.parent().unwrap_or(&path).to_owned();
            return State::Present { path, bytes };
        }
        State::Fetchable {
            bytes: to_fetch.iter().map(|file| file.bytes).sum(),
            files: to_fetch.len(),
        }
    }
}

fn requirement(key: &'static str, dataset: &str, state: State, is_optional: bool) -> Requirement {
    Requirement {
        key,
        dataset: dataset.into(),
        state,
        licence: None,
        needs_acceptance: false,
        accept: None,
        is_optional,
    }
}

/// A file or folder of the user's, which has to have something in it.
fn of_path(key: &'static str, path: &Path) -> Result<Requirement> {
    let size = path.exists().then(|| bytes_below(path)).transpose();
    let size = size.with_context(|| format!("cannot list {}", path.display()))?;
    let state = match size {
        None => State::Missing {
            remedy: super::unknown_source(key, path),
        },
        Some(0) => State::Missing {
            remedy: format!(
                "{key} = {:?} is empty: name a file or folder with rows",
                path.display().to_string()
            ),
        },
        Some(bytes) => State::Present {
            path: path.into(),
            bytes,
        },
    };
    Ok(requirement(key, &path.display().to_string(), state, false))
}

fn bytes_below(path: &Path) -> std::io::Result<u64> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        bytes += bytes_below(&entry?.path())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    type TestResult = std::result::Result<(), Box<dyn std::error::Error>>;

    fn of(profile: &str, sets: &[&str], cache: &Path) -> Result<Vec<Requirement>> {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        requirements(&Recipe::resolve(profile, &sets)?.data, cache)
    }

    #[test]
    fn the_papers_run_needs_what_it_says_and_asks_nobody() -> TestResult {
        let dir = tempfile::tempdir()?;
        let found = of("paper-8b", &[], dir.path())?;
        let find = |name: &str| found.iter().find(|found| found.dataset == name);
        let pile = find("pile-ner-type").ok_or("the training data")?;
        assert_eq!(pile.key, "data.train");
        assert!(pile.needs_acceptance && !pile.is_optional);
        assert_eq!(pile.accept.as_deref(), Some("cc-by-nc-4.0"));
        assert_eq!(
            pile.state,
            State::Fetchable {
                bytes: None,
                files: 1
            }
        );
        let ai = find("CrossNER_AI").ok_or("a set of the benchmark")?;
        let bytes = Some(40_202 + 114_516 + 134_455);
        assert_eq!(ai.state, State::Fetchable { bytes, files: 3 });
        assert!(!ai.is_optional && !ai.needs_acceptance);
        let ace = find("ACE 2005").ok_or("a set of the sample")?;
        assert!(
            ace.is_optional
                && matches!(&ace.state, State::Missing { remedy } if remedy.contains("LDC"))
        );
        assert_eq!(
            found
                .iter()
                .filter(|found| found.key == "data.grpo")
                .count(),
            20
        );
        assert_eq!(std::fs::read_dir(dir.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn accepted_left_out_present_and_ready_data_is_told_apart() -> TestResult {
        let dir = tempfile::tempdir()?;
        for split in ["train", "dev", "test"] {
            let path = dir.path().join(format!("crossner/ai/{split}.txt"));
            std::fs::create_dir_all(path.parent().ok_or("a folder")?)?;
            std::fs::write(path, "Brel\tB-x\n")?;
        }
        let sets = [
            "data.cot=published",
            "data.without=[\"wikiann EN\", \"ACE 2005\"]",
            "data.accept_licences=[\"CC-BY-NC-4.0\"]",
        ];
        let found = of("paper-8b", &sets, dir.path())?;
        let find = |name: &str| found.iter().find(|found| found.dataset == name);
        assert!(find("pile-ner-type").is_none(), "nobody annotates");
        let cot = find("ner-cot").ok_or("the chains of thought")?;
        assert!(cot.key == "data.cot" && !cot.needs_acceptance);
        assert!(find("WikiANN en").is_none() && find("ACE 2005").is_none());
        assert!(find("WikiNeural").is_some_and(|found| found.needs_acceptance));
        let ai = find("CrossNER_AI").ok_or("a set of the benchmark")?;
        let path = dir.path().join("crossner/ai");
        assert_eq!(ai.state, State::Present { path, bytes: 27 });
        assert_eq!(of("tiny", &[], dir.path())?, []);
        Ok(())
    }

    #[test]
    fn places_of_names_are_shown() {
        assert!(place_of("pile-ner-type").contains("huggingface.co/datasets/Universal-NER"));
        assert!(place_of("crossner-mit").contains("zliucr/CrossNER"));
        assert_eq!(place_of("nothing"), "");
    }
}

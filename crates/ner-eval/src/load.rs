//! Finding the sets of a suite under a folder, in whichever layout and copy they came.

use std::fs;
use std::path::{Path, PathBuf};

use ner_datasets::{BioColumns, Split, instruct_uie, read_bio, read_examples};
use ner_types::{Example, is_dropped_label, normalize_label};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::suite::{EvalSet, Suite};
use crate::suite_spec::{SetSpec, SuiteSpec};

/// What to do about a fault in the data: end, or go on without the faulty part. Either way it is named and counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFault {
    /// The first one ends the evaluation.
    #[default]
    Fatal,
    /// It is left out.
    Skip,
}

/// How a set lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetLayout {
    /// `{train,dev,test}.json` beside `labels.json`.
    InstructUie,
    /// Token and tag a line.
    Bio,
    /// One file of examples, `<set>.jsonl` or `<set>.json`.
    Examples,
}

/// Where a set was found and which copy it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSource {
    /// Name of the set.
    pub name: String,
    /// Its folder or file.
    pub path: PathBuf,
    /// Its layout.
    pub layout: SetLayout,
    /// Sentences that were read.
    pub sentences: usize,
    /// Sentence counts of the known copies.
    pub known_counts: Vec<usize>,
    /// The types that are asked for, normalised.
    pub schema: Vec<String>,
}

/// A suite with the sentences of its sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedSuite {
    /// What is answered and scored.
    pub suite: Suite,
    /// Where each set came from, in the order of the sets.
    pub sources: Vec<SetSource>,
    /// Sets that are not there and were left out, each with the places where it was looked for.
    pub absent: Vec<String>,
    /// What the reader of the results should know about the copies.
    pub notes: Vec<String>,
    /// How many sentences of each set were kept at most, where not all were: then it is no published benchmark.
    pub limit: Option<usize>,
    /// Where all of it can be read again.
    pub place: Option<DataPlace>,
}

/// Where the data of an evaluation are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataPlace {
    /// The suite, by its name or the path of its file.
    pub suite: String,
    /// The folder of its sets.
    pub dir: PathBuf,
}

impl SuiteSpec {
    /// Reads the sets of the suite under `dir`.
    ///
    /// A set is looked for under its name and its other folders, in `dir` and in `dir/instructuie-format`; first as
    /// InstructUIE's JSON, then as BIO files, then as one file of examples. A folder may carry a suffix `_sample_<n>`.
    ///
    /// # Errors
    ///
    /// If a set cannot be read; and if one is not there, unless `absent` says to leave it out and another one is there.
    pub fn load_data(&self, dir: &Path, absent: OnFault) -> Result<LoadedSuite, Error> {
        let mut loaded = LoadedSuite {
            suite: Suite {
                name: self.title.clone(),
                sets: Vec::new(),
            },
            sources: Vec::new(),
            absent: Vec::new(),
            notes: Vec::new(),
            limit: None,
            place: None,
        };
        for set in &self.sets {
            match self.read_set(set, dir, self.split.into()) {
                Ok((source, examples)) => loaded.add(source, examples),
                Err(error @ Error::SetAbsent { .. }) if absent == OnFault::Skip => {
                    loaded.absent.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        if loaded.suite.sets.is_empty() {
            // Leaving out everything would be a result over nothing.
            return self.load_data(dir, OnFault::Fatal);
        }
        Ok(loaded)
    }

    /// Reads one split of a set, with the labels renamed as the suite says.
    pub(crate) fn read_set(
        &self,
        set: &SetSpec,
        dir: &Path,
        split: Split,
    ) -> Result<(SetSource, Vec<Example>), Error> {
        let folders = candidates(set, dir);
        let found = find_instruct_uie(&folders, split)
            .map(|path| (path, SetLayout::InstructUie))
            .or_else(|| find_bio(set, &folders, split).map(|path| (path, SetLayout::Bio)))
            .or_else(|| find_examples(set, dir).map(|path| (path, SetLayout::Examples)));
        let (path, layout) = found.ok_or_else(|| absent(set, dir, split))?;
        let mut examples = match layout {
            SetLayout::InstructUie => instruct_uie::read_split(&path, split)?.examples,
            SetLayout::Bio => read_bio_split(set, &path, split)?,
            SetLayout::Examples => read_examples(&path)?,
        };
        self.rename_labels(&mut examples);
        let source = SetSource {
            name: set.name.clone(),
            path,
            layout,
            sentences: examples.len(),
            known_counts: set.sentences.clone(),
            schema: schema(&examples),
        };
        Ok((source, examples))
    }

    fn rename_labels(&self, examples: &mut [Example]) {
        if self.labels.is_empty() {
            return;
        }
        let rename = |label: &mut String| {
            if let Some(new) = self.labels.get(&normalize_label(label)) {
                label.clone_from(new);
            }
        };
        let of_entities = |example: &&mut Example| example.task().is_entities();
        for example in examples.iter_mut().filter(of_entities) {
            example.schema.iter_mut().for_each(rename);
            let labels = example.entities.iter_mut().map(|entity| &mut entity.label);
            labels.for_each(rename);
        }
    }
}

impl LoadedSuite {
    /// A suite that was made in another way; no other copies of its sets are known.
    pub fn from_suite(suite: Suite) -> LoadedSuite {
        let mut loaded = LoadedSuite {
            suite: Suite {
                name: suite.name,
                sets: Vec::new(),
            },
            sources: Vec::new(),
            absent: Vec::new(),
            notes: Vec::new(),
            limit: None,
            place: None,
        };
        for set in suite.sets {
            let source = SetSource {
                path: PathBuf::new(),
                layout: SetLayout::Examples,
                sentences: set.examples.len(),
                known_counts: Vec::new(),
                schema: schema(&set.examples),
                name: set.name,
            };
            loaded.add(source, set.examples);
        }
        loaded
    }

    /// The first sentences of each set, with a note that says so.
    #[must_use]
    pub fn limited(mut self, limit: usize) -> LoadedSuite {
        let before = self.suite.sentences();
        self.suite = self.suite.limited(limit);
        let after = self.suite.sentences();
        for (source, set) in self.sources.iter_mut().zip(&self.suite.sets) {
            source.sentences = set.examples.len();
        }
        if after < before {
            self.limit = Some(limit);
            self.notes.push(format!(
                "the first {limit} sentences of each set, {after} of {before}: no score of the whole benchmark"
            ));
        }
        self
    }

    fn add(&mut self, source: SetSource, examples: Vec<Example>) {
        self.notes.extend(source.note());
        self.suite.sets.push(EvalSet {
            name: source.name.clone(),
            examples,
        });
        self.sources.push(source);
    }
}

impl SetSource {
    /// Which of the copies in circulation was read, where that is not the usual one.
    fn note(&self) -> Option<String> {
        let usual = self.known_counts.first()?;
        let (name, found) = (&self.name, self.sentences);
        if found == *usual {
            None
        } else if self.known_counts.contains(&found) {
            Some(format!(
                "{name}: {found} sentences, a known copy; the original has {usual}"
            ))
        } else {
            Some(format!(
                "{name}: {found} sentences, which is none of the known copies ({:?})",
                self.known_counts
            ))
        }
    }
}

/// The types that are asked for, over all examples.
fn schema(examples: &[Example]) -> Vec<String> {
    // The examples of a set share their schema, so looking at a changed one only is enough.
    let mut labels: Vec<String> = Vec::new();
    let mut last: Option<&Vec<String>> = None;
    for example in examples {
        if last != Some(&example.schema) {
            labels.extend(example.schema.iter().map(|label| normalize_label(label)));
            last = Some(&example.schema);
        }
    }
    labels.retain(|label| !is_dropped_label(label));
    labels.sort_unstable();
    labels.dedup();
    labels
}

/// The folders in which a set may lie, those that exist.
fn candidates(set: &SetSpec, dir: &Path) -> Vec<PathBuf> {
    let bases = [
        dir.to_path_buf(),
        dir.join("instructuie-format"),
        dir.join("in-domain"),
    ];
    let mut folders: Vec<PathBuf> = Vec::new();
    for base in &bases {
        let names = std::iter::once(&set.name).chain(&set.folders);
        folders.extend(
            names
                .map(|name| base.join(name))
                .filter(|path| path.is_dir()),
        );
        folders.extend(samples_of(base, &set.name));
    }
    folders
}

/// Folders `<name>_sample_<n>`, in which InstructUIE keeps shortened copies.
fn samples_of(base: &Path, name: &str) -> Vec<PathBuf> {
    let is_sample = |path: &PathBuf| {
        let file = path.file_name().and_then(|file| file.to_str());
        let rest = file.and_then(|file| file.strip_prefix(name)?.strip_prefix("_sample_"));
        rest.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(is_sample)
        .collect();
    found.sort_unstable();
    found
}

fn find_instruct_uie(folders: &[PathBuf], split: Split) -> Option<PathBuf> {
    let is_dataset = |dir: &&PathBuf| {
        dir.join("labels.json").is_file() && dir.join(format!("{split}.json")).is_file()
    };
    folders.iter().find(is_dataset).cloned()
}

fn find_bio(set: &SetSpec, folders: &[PathBuf], split: Split) -> Option<PathBuf> {
    let has_split = |dir: &&PathBuf| !bio_files(set, dir, split).is_empty();
    folders.iter().find(has_split).cloned()
}

fn find_examples(set: &SetSpec, dir: &Path) -> Option<PathBuf> {
    let names = ["jsonl", "json"].map(|end| dir.join(format!("{}.{end}", set.name)));
    names.into_iter().find(|path| path.is_file())
}

/// The BIO files of a split: those that the suite names, else the first usual name that exists.
fn bio_files(set: &SetSpec, dir: &Path, split: Split) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = set
        .files
        .of(split)
        .iter()
        .map(|file| dir.join(file))
        .collect();
    if !named.is_empty() && named.iter().all(|path| path.is_file()) {
        return named;
    }
    let stems: &[&str] = match split {
        Split::Train => &["train"],
        Split::Dev => &["dev", "devel", "valid", "val"],
        Split::Test => &["test"],
    };
    let names = stems.iter().flat_map(|stem| {
        ["txt", "tsv", "conll", "bio", "iob"].map(|end| dir.join(format!("{stem}.{end}")))
    });
    { names }.find(|path| path.is_file()).into_iter().collect()
}

/// Reads a split with the types of all splits, as a split need not have every type of its dataset.
fn read_bio_split(set: &SetSpec, dir: &Path, wanted: Split) -> Result<Vec<Example>, Error> {
    let mut labels = Vec::new();
    let mut examples = Vec::new();
    for split in Split::ALL {
        for path in bio_files(set, dir, split) {
            let read = read_bio(&path, &set.name, columns(set, &path)?)?;
            labels.extend(
                read.first()
                    .map(|example| example.schema.clone())
                    .unwrap_or_default(),
            );
            if split == wanted {
                examples.extend(read);
            }
        }
    }
    labels.sort_unstable();
    labels.dedup();
    examples
        .iter_mut()
        .for_each(|example| example.schema.clone_from(&labels));
    Ok(examples)
}

/// The column of the tags: what the suite says, else judged by the first line of which one end alone can be a tag.
fn columns(set: &SetSpec, path: &Path) -> Result<BioColumns, Error> {
    if let Some(columns) = set.columns {
        return Ok(columns.into());
    }
    let bytes = fs::read(path).map_err(|source| Error::Read {
        path: path.into(),
        source,
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let judged = text.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        match (is_tag(fields.next()?), is_tag(fields.next_back()?)) {
            (true, false) => Some(BioColumns::TagFirst),
            (false, true) => Some(BioColumns::TagLast),
            _ => None,
        }
    });
    Ok(judged.unwrap_or(BioColumns::TagLast))
}

fn is_tag(field: &str) -> bool {
    let label = field
        .strip_prefix("B-")
        .or_else(|| field.strip_prefix("I-"));
    field == "O" || label.is_some_and(|label| !label.is_empty())
}

fn absent(set: &SetSpec, dir: &Path, split: Split) -> Error {
    let names = std::iter::once(&set.name).chain(&set.folders);
    let names: Vec<&str> = names.map(String::as_str).collect();
    let folder = names.join(" or ");
    Error::SetAbsent {
        dir: dir.into(),
        set: set.name.clone(),
        split: split.name(),
        expected: format!(
            "{folder} with {split}.json and labels.json (also in instructuie-format), or with {split}.txt, .tsv, \
             .conll or .bio, or {}.jsonl",
            set.name
        ),
    }
}

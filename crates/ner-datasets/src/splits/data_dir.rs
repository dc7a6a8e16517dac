//! A folder that holds the paper's seven benchmark sets, in whichever layout they came.

use std::path::{Path, PathBuf};

use ner_types::Example;

use crate::error::Error;
use crate::formats::bio::{BioColumns, detect_columns};
use crate::row::Row;
use crate::splits::bio::{labels, read_rows};
use crate::splits::dataset::{Dataset, Split, guid};
use crate::splits::instruct_uie;

/// The seven zero-shot sets of the paper, in the order of its Table 1.
pub const BENCHMARK_SETS: [&str; 7] = [
    "mit-movie",
    "mit-restaurant",
    "CrossNER_AI",
    "CrossNER_literature",
    "CrossNER_music",
    "CrossNER_politics",
    "CrossNER_science",
];

/// The benchmark sets found under a folder. Opening looks at names only; the splits are read on demand.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
    sets: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    name: &'static str,
    dir: PathBuf,
    layout: Layout,
}

/// How a dataset lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// `{train,dev,test}.json` and `labels.json`.
    InstructUie,
    /// `{train,dev,test}.txt`, a token and a tag a line.
    Bio,
}

/// Finds the seven benchmark sets under `dir`, each in one of the two layouts (the first that exists):
///
/// - InstructUIE: `<name>/labels.json`, in `dir` or in `dir/instructuie-format`;
/// - BIO: `<name>/test.txt` in `dir`, or for CrossNER as its repository has it, `crossner/<domain>/test.txt`.
///
/// # Errors
///
/// If one of the seven is missing; the message names all that are.
pub fn open_data_dir(dir: &Path) -> Result<DataDir, Error> {
    let sets: Vec<Source> = BENCHMARK_SETS
        .iter()
        .filter_map(|name| find(dir, name))
        .collect();
    let is_found = |name: &&&str| !sets.iter().any(|set| set.name == **name);
    let missing: Vec<&str> = BENCHMARK_SETS.iter().filter(is_found).copied().collect();
    if missing.is_empty() {
        return Ok(DataDir {
            root: dir.into(),
            sets,
        });
    }
    let expected = "the seven benchmark sets, as <set>/labels.json (also in instructuie-format/) or <set>/test.txt \
                    (CrossNER also as crossner/<domain>/test.txt)";
    Err(Error::missing(
        dir,
        expected,
        format!("no {}", missing.join(", ")),
    ))
}

impl DataDir {
    /// The folder that was opened.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Name, folder and layout of each set, in the order of [`BENCHMARK_SETS`].
    pub fn sets(&self) -> impl Iterator<Item = (&'static str, &Path, Layout)> {
        self.sets
            .iter()
            .map(|set| (set.name, set.dir.as_path(), set.layout))
    }

    /// Reads one split of every set, in the order of [`BENCHMARK_SETS`].
    ///
    /// # Errors
    ///
    /// If a set lacks that split (the MIT corpora have no dev split) or cannot be read.
    pub fn read(&self, split: Split) -> Result<Vec<Dataset>, Error> {
        self.sets.iter().map(|set| set.read(split)).collect()
    }

    /// The training splits.
    ///
    /// # Errors
    ///
    /// As [`DataDir::read`].
    pub fn train(&self) -> Result<Vec<Dataset>, Error> {
        self.read(Split::Train)
    }

    /// The test splits.
    ///
    /// # Errors
    ///
    /// As [`DataDir::read`].
    pub fn test(&self) -> Result<Vec<Dataset>, Error> {
        self.read(Split::Test)
    }
}

fn find(root: &Path, name: &'static str) -> Option<Source> {
    let instruct_uie = [root.join(name), root.join("instructuie-format").join(name)];
    let domain = name
        .strip_prefix("CrossNER_")
        .map(|domain| root.join("crossner").join(domain.to_lowercase()));
    let bio = [Some(root.join(name)), domain].into_iter().flatten();
    let is_bio = |dir: &PathBuf| bio_path(dir, Split::Test).is_file();
    let instruct_uie = instruct_uie
        .into_iter()
        .find(|dir| instruct_uie::is_dataset(dir));
    let found = instruct_uie.map(|dir| (dir, Layout::InstructUie));
    let found = found.or_else(|| bio.into_iter().find(is_bio).map(|dir| (dir, Layout::Bio)));
    found.map(|(dir, layout)| Source { name, dir, layout })
}

fn bio_path(dir: &Path, split: Split) -> PathBuf {
    dir.join(format!("{split}.txt"))
}

impl Source {
    fn read(&self, split: Split) -> Result<Dataset, Error> {
        let path = match self.layout {
            Layout::InstructUie => instruct_uie::split_path(&self.dir, split),
            Layout::Bio => bio_path(&self.dir, split),
        };
        if !path.is_file() {
            let expected = format!("the {split} split of {} as {}", self.name, path.display());
            return Err(Error::missing(&self.dir, expected, "no such file"));
        }
        match self.layout {
            Layout::InstructUie => instruct_uie::read_split(&self.dir, split),
            Layout::Bio => self.read_bio(split),
        }
    }

    /// Reads all splits for the list of types, as a split need not have every type of its dataset.
    fn read_bio(&self, wanted: Split) -> Result<Dataset, Error> {
        let mut all = Vec::new();
        for split in Split::ALL {
            let path = bio_path(&self.dir, split);
            if path.is_file() {
                let columns = detect_columns(&path)?.unwrap_or(BioColumns::TagLast);
                all.push((split, read_rows(&path, columns)?));
            }
        }
        let labels = labels(all.iter().flat_map(|(_, rows)| rows));
        let rows = all.into_iter().filter(|(split, _)| *split == wanted);
        let complete = |(i, row): (usize, Row)| Example {
            guid: Some(guid(self.name, wanted, i)),
            dataset: Some(self.name.into()),
            schema: labels.clone(),
            ..row.into_unplaced()
        };
        let rows = rows.flat_map(|(_, rows)| rows).enumerate();
        let examples = rows.map(complete).collect();
        Ok(Dataset {
            name: self.name.into(),
            labels,
            examples,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ner_types::Entity;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    /// Movie in InstructUIE's layout, Restaurant as tags first, CrossNER as words first.
    fn benchmark() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let row =
            r#"[{"sentence": "brel at night", "entities": [{"name": "brel", "type": "TITLE"}]}]"#;
        write(dir.path(), "instructuie-format/mit-movie/test.json", row);
        write(
            dir.path(),
            "instructuie-format/mit-movie/labels.json",
            r#"["TITLE", "YEAR"]"#,
        );
        write(
            dir.path(),
            "mit-restaurant/test.txt",
            "O\tin\nB-Location\tbrel\n",
        );
        write(dir.path(), "mit-restaurant/train.txt", "B-Dish\tsoup\n");
        for domain in ["ai", "literature", "music", "politics", "science"] {
            write(
                dir.path(),
                &format!("crossner/{domain}/test.txt"),
                "Brel\tB-city\nsleeps\tO\n",
            );
        }
        dir
    }

    #[test]
    fn the_seven_sets_are_found_in_either_layout() {
        let dir = benchmark();
        let data = open_data_dir(dir.path()).expect("all seven");
        let layouts: Vec<_> = data
            .sets()
            .map(|(name, _, layout)| (name, layout))
            .collect();
        assert_eq!(
            layouts[..2],
            [
                ("mit-movie", Layout::InstructUie),
                ("mit-restaurant", Layout::Bio)
            ]
        );
        let test = data.test().expect("readable");
        assert_eq!(
            test.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(),
            BENCHMARK_SETS
        );
        assert_eq!(test[0].labels, ["TITLE", "YEAR"]);
        assert_eq!(test[1].labels, ["Dish", "Location"], "types of all splits");
        assert_eq!(
            test[1].examples[0].entities,
            [Entity::new("brel", "Location")]
        );
        assert_eq!(
            test[6].examples[0].guid.as_deref(),
            Some("CrossNER_science-test-0")
        );
    }

    #[test]
    fn a_missing_set_or_split_is_named() {
        let dir = benchmark();
        let data = open_data_dir(dir.path()).expect("all seven");
        let message = data
            .train()
            .expect_err("movie has no train split")
            .to_string();
        assert!(
            message.contains("the train split of mit-movie"),
            "{message}"
        );
        fs::remove_dir_all(dir.path().join("crossner/music")).expect("removed");
        let message = open_data_dir(dir.path()).expect_err("no music").to_string();
        assert!(message.ends_with("found no CrossNER_music"), "{message}");
    }
}

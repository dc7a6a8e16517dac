//! Sets as they lie on disk, in whichever layout and format: which files are which split, and their rows.
//!
//! A folder is a set if a file in it is named after a split: `train.json`, `dev.tsv`, `test.parquet`; `devel`, `val`,
//! `valid` and `validation` mean `dev`. Any other file of rows is a set of its own, without splits.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::catalogue::{CatalogueEntry, Member};
use crate::error::Error;
use crate::fault::{FaultReport, Policy};
use crate::format::Format;
use crate::formats::instruct_uie::labels_beside;
use crate::reader::{ReadOptions, RowReader, open, open_as};
use crate::row::Row;
use crate::splits::dataset::{Split, guid_prefix, source_name};
use crate::splits::labels::scan_labels;

/// Endings of files of rows. Of two files of one split, the one whose ending stands first is read.
pub(super) const ENDINGS: [&str; 11] = [
    "json",
    "jsonl",
    "jsonlines",
    "ndjson",
    "parquet",
    "txt",
    "tsv",
    "bio",
    "conll",
    "iob",
    "conllu",
];

/// Folders in which a folder of data may keep its sets.
const INNER: [&str; 3] = ["", "instructuie-format", "in-domain"];

/// The files of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetOnDisk {
    /// Its name, which its rows carry unless they state another.
    pub name: String,
    /// Its files in the order of reading; without a split if they are not divided.
    files: Vec<(Option<Split>, PathBuf)>,
}

/// The rows of one split of a set, file after file.
#[derive(Debug)]
pub struct SetRows {
    files: std::vec::IntoIter<PathBuf>,
    current: Option<(RowReader, bool)>,
    options: ReadOptions,
    prefix: String,
    n_rows: usize,
    faults: Vec<(PathBuf, FaultReport)>,
    reading: PathBuf,
}

impl SetOnDisk {
    /// A file without splits, named after itself.
    pub fn of_file(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        SetOnDisk {
            name: source_name(&name),
            files: vec![(None, path.into())],
        }
    }

    /// The set in a folder, if a file there is named after a split.
    pub fn in_folder(name: &str, dir: &Path) -> Option<Self> {
        let names = file_names(dir).ok()?;
        let of_split = |split| {
            let rank = |name: &String| {
                let (stem, ending) = name.rsplit_once('.')?;
                let rank = ENDINGS.iter().position(|known| *known == ending)?;
                (split_of(stem) == Some(split)).then_some(rank)
            };
            let ranked = names.iter().filter_map(|name| Some((rank(name)?, name)));
            let (_, name) = ranked.min()?;
            Some((Some(split), dir.join(name)))
        };
        let files: Vec<_> = Split::ALL.into_iter().filter_map(of_split).collect();
        let name = name.to_owned();
        (!files.is_empty()).then_some(SetOnDisk { name, files })
    }

    /// A member of a group as its dataset's files lie below `root`; none if one of them is not there.
    pub fn of_member(member: &Member, entry: &CatalogueEntry, root: &Path) -> Option<Self> {
        let files: Vec<_> = member
            .files(entry)
            .map(|file| (file.split, root.join(&file.path)))
            .collect();
        let is_whole = !files.is_empty() && files.iter().all(|(_, path)| path.is_file());
        let name = member.name.clone();
        is_whole.then_some(SetOnDisk { name, files })
    }

    /// A member of a group below a folder of the user's: in a folder of its name, divided by the names of its files, or
    /// under the names that the files have in the catalogue.
    pub fn find(member: &Member, entry: Option<&CatalogueEntry>, root: &Path) -> Option<Self> {
        let bases = INNER.map(|inner| root.join(inner));
        let in_folder = |base: &PathBuf| {
            let dir = member.folder_in(base)?;
            Self::in_folder(&member.name, &dir)
                .or_else(|| Self::by_file_names(member, entry?, &dir))
        };
        let found = bases.iter().find_map(in_folder);
        found.or_else(|| {
            bases
                .iter()
                .find_map(|base| Self::of_member(member, entry?, base))
        })
    }

    /// The set in a folder whose files have the names, not the paths, that the catalogue gives them.
    fn by_file_names(member: &Member, entry: &CatalogueEntry, dir: &Path) -> Option<Self> {
        let place = |path: &str| dir.join(path.rsplit('/').next().unwrap_or(path));
        let files: Vec<_> = member
            .files(entry)
            .map(|file| (file.split, place(&file.path)))
            .collect();
        let is_whole = !files.is_empty() && files.iter().all(|(_, path)| path.is_file());
        let name = member.name.clone();
        is_whole.then_some(SetOnDisk { name, files })
    }

    /// The files of a split; for a set that is not divided, all of them.
    pub fn files(&self, split: Split) -> impl Iterator<Item = &Path> {
        let files = self.files.iter();
        let wanted = files.filter(move |(of, _)| of.is_none_or(|of| of == split));
        wanted.map(|(_, path)| path.as_path())
    }

    /// All files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(_, path)| path.as_path())
    }

    /// Whether it has rows of a split.
    pub fn has(&self, split: Split) -> bool {
        self.files(split).next().is_some()
    }

    /// Its labels: the `labels.json` beside its files, else those of all its files, sorted; none if every row states
    /// its own schema.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is of no known format.
    pub fn labels(&self) -> Result<Option<Vec<String>>, Error> {
        let mut labels = BTreeSet::new();
        let mut is_stated = true;
        for path in self.paths() {
            if let Some(listed) = labels_beside(path)? {
                return Ok(Some(listed));
            }
            let format = Format::detect(path)?;
            if !format.has_schema() {
                is_stated = false;
                // Faults are reported when the rows are read.
                labels.extend(scan_labels(path, format, lenient())?);
            }
        }
        Ok((!is_stated).then(|| labels.into_iter().collect()))
    }

    /// The rows of a split, each with the name of the set, an identifier and the set's labels where it states none.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is of no known format; further ones come with the rows.
    pub fn rows(&self, split: Split, policy: Policy) -> Result<SetRows, Error> {
        let files: Vec<PathBuf> = self.files(split).map(Path::to_owned).collect();
        let options = ReadOptions {
            dataset: Some(self.name.clone()),
            labels: self.labels()?,
            policy,
            max_row_bytes: usize::MAX,
            ..ReadOptions::default()
        };
        Ok(SetRows {
            files: files.into_iter(),
            current: None,
            options,
            prefix: guid_prefix(&self.name, split),
            n_rows: 0,
            faults: Vec::new(),
            reading: PathBuf::new(),
        })
    }
}

fn lenient() -> ReadOptions {
    ReadOptions {
        policy: Policy::lenient(),
        max_row_bytes: usize::MAX,
        ..ReadOptions::default()
    }
}

impl SetRows {
    /// What was wrong with each file that has been read.
    pub fn faults(&self) -> &[(PathBuf, FaultReport)] {
        &self.faults
    }

    fn advance(&mut self) -> Result<Option<Row>, Error> {
        loop {
            if let Some((reader, is_listed)) = &mut self.current {
                match reader.next() {
                    Some(row) => {
                        let is_listed = *is_listed;
                        return Ok(Some(self.complete(row?, is_listed)));
                    }
                    None => {
                        let report = reader.faults().clone();
                        self.faults.push((self.reading.clone(), report));
                        self.current = None;
                    }
                }
            }
            let Some(path) = self.files.next() else {
                return Ok(None);
            };
            self.current = Some(self.open(&path)?);
            self.reading = path;
        }
    }

    /// Opens a file. InstructUIE's labels outside of its list stay, as written: the paper's loader drops their
    /// entities, and so does [`ner_types::Example::normalized`].
    fn open(&self, path: &Path) -> Result<(RowReader, bool), Error> {
        let format = Format::detect(path)?;
        if format == Format::InstructUie {
            let labels = None;
            let options = self.options.clone();
            return Ok((
                open_as(path, format, ReadOptions { labels, ..options })?,
                true,
            ));
        }
        Ok((open(path, format, self.options.clone())?, false))
    }

    fn complete(&mut self, mut row: Row, is_listed: bool) -> Row {
        if let (true, Some(labels)) = (is_listed, &self.options.labels) {
            row.example.schema.clone_from(labels);
        }
        let index = self.n_rows;
        self.n_rows += 1;
        let guid = || format!("{}-{index}", self.prefix);
        row.example.guid.get_or_insert_with(guid);
        row
    }
}

impl Iterator for SetRows {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.advance().transpose();
        if let Some(Err(_)) = &row {
            (self.files, self.current) = (Vec::new().into_iter(), None);
        }
        row
    }
}

/// The split that a file is named after.
fn split_of(stem: &str) -> Option<Split> {
    match stem {
        "train" => Some(Split::Train),
        "dev" | "devel" | "val" | "valid" | "validation" => Some(Split::Dev),
        "test" => Some(Split::Test),
        _ => None,
    }
}

pub(super) fn file_names(dir: &Path) -> Result<Vec<String>, Error> {
    names(dir, Path::is_file)
}

pub(super) fn folder_names(dir: &Path) -> Result<Vec<String>, Error> {
    names(dir, Path::is_dir)
}

/// Names of what is in a folder and not hidden, sorted.
fn names(dir: &Path, is_wanted: impl Fn(&Path) -> bool) -> Result<Vec<String>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::io(dir, "list"))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(dir, "list"))?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
            && is_wanted(&entry.path())
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splits::testing::{folder, rows};

    #[test]
    fn a_split_of_several_files_is_one_split() {
        let catalogue = crate::Catalogue::shipped().expect("a catalogue");
        let group = catalogue.group("instructuie-20").expect("a group");
        let member = &group.members[5];
        let entry = catalogue.dataset_of(member).expect("fetchable");
        let files: Vec<(String, &str)> = ["a", "b", "e", "f", "g", "h"]
            .iter()
            .map(|part| {
                (
                    format!("in-domain/BroadTweetCorpus/{part}.conll"),
                    "Brel\tB-LOC\n\nso\tO\n",
                )
            })
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), *text))
            .collect();
        let dir = folder(&files);
        let set = SetOnDisk::find(member, Some(entry), dir.path()).expect("found");
        let train = rows(&set, Split::Train);
        assert_eq!(
            (train.len(), rows(&set, Split::Test).len()),
            (8, 2),
            "a, b, e, g; f"
        );
        let guids: std::collections::HashSet<_> =
            train.iter().map(|row| &row.example.guid).collect();
        assert_eq!(guids.len(), 8, "one count over all files");
        assert!(SetOnDisk::find(&group.members[0], None, dir.path()).is_none());
    }
}

//! Files by name, folders and patterns: which files they are, in a fixed order, and what is passed over.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::folder::MANIFESTS;

/// How standard input is typed.
pub const STDIN: &str = "-";

/// Endings of files that a folder may have texts in. A file that is named itself may have any.
const ENDINGS: [&str; 14] = [
    "txt",
    "text",
    "md",
    "json",
    "jsonl",
    "jsonlines",
    "ndjson",
    "csv",
    "tsv",
    "parquet",
    "conll",
    "conllu",
    "bio",
    "iob",
];

/// A file of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Where it is; `-` for standard input.
    pub path: PathBuf,
    /// Its name below the folder or the pattern that it was found by, with slashes.
    pub name: String,
}

impl Input {
    /// Whether it is standard input.
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new(STDIN)
    }
}

/// The files that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// In the order of what was given, and below that of their names.
    pub files: Vec<Input>,
    /// What lies in a folder and is not read, with the reason.
    pub passed_over: Vec<(PathBuf, &'static str)>,
}

impl Inputs {
    /// Finds the files of what was given: files, folders with all below them, patterns (`*`, `?`, `[…]`, `**`), or `-`.
    ///
    /// Below a folder, hidden files and folders, folders behind symbolic links or with answers of this program,
    /// `labels.json` and files with other endings than those of texts are passed over.
    ///
    /// # Errors
    /// A folder that cannot be listed; a folder or a pattern without a file; two files of one name, of which there
    /// could be one output only; a name that is not UTF-8.
    pub fn find(given: &[PathBuf]) -> Result<Self> {
        let mut inputs = Self::default();
        for path in given {
            inputs.add(path)?;
        }
        inputs.are_different()?;
        Ok(inputs)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        if path == Path::new(STDIN) {
            return self.add_file(path, "stdin".into());
        }
        if path.is_dir() {
            return self.add_folder(path);
        }
        let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']));
        match pattern {
            Some(pattern) if !path.exists() => self.add_pattern(pattern),
            _ => {
                path.metadata().map_err(Error::io(path, "read"))?;
                let name = path.file_name().map(Path::new).unwrap_or(path);
                self.add_file(path, name_of(name)?)
            }
        }
    }

    fn add_file(&mut self, path: &Path, name: String) -> Result<()> {
        let path = path.to_owned();
        self.files.push(Input { path, name });
        Ok(())
    }

    fn add_folder(&mut self, folder: &Path) -> Result<()> {
        let before = self.files.len();
        self.search(folder, folder)?;
        if self.files.len() > before {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{}: expected files of texts, found none ({} passed over); their names end in {}",
            folder.display(),
            self.passed_over.len(),
            ENDINGS.join(", ")
        )))
    }

    fn search(&mut self, base: &Path, folder: &Path) -> Result<()> {
        let listed = || Error::io(folder, "list");
        let entries = fs::read_dir(folder).map_err(listed())?;
        let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut paths = paths.map_err(listed())?;
        paths.sort_unstable();
        for path in paths {
            match why_not(&path) {
                Some(why) => self.passed_over.push((path, why)),
                None if path.is_dir() => self.search(base, &path)?,
                None => {
                    let below = path.strip_prefix(base).unwrap_or(&path);
                    let name = name_of(below)?;
                    self.add_file(&path, name)?;
                }
            }
        }
        Ok(())
    }

    fn add_pattern(&mut self, pattern: &str) -> Result<()> {
        let wrong = |why: String| Error::usage(format!("--input {pattern}: {why}"));
        let base = literal_folder(pattern);
        let matches = glob::glob(pattern).map_err(|error| wrong(error.to_string()))?;
        let before = self.files.len();
        for found in matches {
            let path = found.map_err(|error| {
                let path = error.path().to_owned();
                Error::io(&path, "list")(error.into())
            })?;
            if path.is_file() {
                let below = path.strip_prefix(&base).unwrap_or(&path);
                let name = name_of(below)?;
                self.add_file(&path, name)?;
            }
        }
        if self.files.len() == before {
            return Err(wrong("no file has such a name".into()));
        }
        Ok(())
    }

    /// A file that is given twice is read once; two of one name have no outputs of their own.
    fn are_different(&mut self) -> Result<()> {
        let mut seen = HashSet::new();
        self.files
            .retain(|file| seen.insert(file.path.canonicalize().unwrap_or(file.path.clone())));
        let mut names: BTreeMap<&str, &Path> = BTreeMap::new();
        for file in &self.files {
            if let Some(other) = names.insert(&file.name, &file.path) {
                return Err(Error::usage(format!(
                    "--input: {} and {} have one name; give the folder above them, or call the program for each",
                    other.display(),
                    file.path.display()
                )));
            }
        }
        Ok(())
    }
}

/// Why something in a folder is not read.
fn why_not(path: &Path) -> Option<&'static str> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('.') {
        return Some("hidden");
    }
    if path.is_dir() {
        let is_ours = name == MANIFESTS || path.join(MANIFESTS).is_dir();
        let is_link = path.is_symlink().then_some("a link to a folder");
        return is_link.or(is_ours.then_some("answers of this program"));
    }
    if name == "labels.json" {
        return Some("labels of a dataset");
    }
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let ending = ending.to_ascii_lowercase();
    (!ENDINGS.contains(&ending.as_str())).then_some("another ending")
}

/// The folder in front of a pattern's first wildcard.
fn literal_folder(pattern: &str) -> PathBuf {
    let is_literal = |part: &Component<'_>| {
        let part = part.as_os_str().to_string_lossy();
        !part.contains(['*', '?', '['])
    };
    Path::new(pattern)
        .components()
        .take_while(is_literal)
        .collect()
}

/// A relative path as a name, with slashes on every system.
fn name_of(path: &Path) -> Result<String> {
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    parts.map(|parts| parts.join("/")).ok_or_else(|| {
        Error::usage(format!(
            "{}: expected a name in UTF-8; rename the file",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for name in [
            "b.txt",
            "a.jsonl",
            "sub/c.CSV",
            "sub/d.gz",
            ".hidden/e.txt",
            "labels.json",
            "x/a.jsonl",
            "out/_manifest/question.json",
            "out/b.txt.jsonl",
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, "one").expect("written");
        }
        dir
    }

    fn names(dir: &Path, given: &[&str]) -> Result<Vec<String>, String> {
        let given: Vec<PathBuf> = given.iter().map(|name| dir.join(name)).collect();
        let found = Inputs::find(&given).map_err(|error| error.to_string())?;
        Ok(found.files.into_iter().map(|file| file.name).collect())
    }

    #[test]
    fn folders_are_searched_in_order_and_what_is_passed_over_is_told() {
        let dir = world();
        let found = Inputs::find(&[dir.path().to_owned()]).expect("files");
        let names: Vec<&str> = found.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.jsonl", "b.txt", "sub/c.CSV", "x/a.jsonl"]);
        let why: Vec<&str> = found.passed_over.iter().map(|(_, why)| *why).collect();
        let expected = [
            "hidden",
            "labels of a dataset",
            "answers of this program",
            "another ending",
        ];
        assert_eq!(why, expected);
    }

    #[test]
    fn patterns_and_files_have_names_below_what_was_typed() {
        let dir = world();
        assert_eq!(
            names(dir.path(), &["*.txt", "a.jsonl"]),
            Ok(vec!["b.txt".into(), "a.jsonl".into()])
        );
        assert_eq!(
            names(dir.path(), &["**/a.jsonl"]),
            Ok(vec!["a.jsonl".into(), "x/a.jsonl".into()])
        );
        assert_eq!(names(dir.path(), &["sub/d.gz"]), Ok(vec!["d.gz".into()]));
        assert_eq!(
            names(dir.path(), &["b.txt", "./b.txt"]),
            Ok(vec!["b.txt".into()])
        );
        for (given, words) in [
            (&["a.jsonl", "x/a.jsonl"][..], "have one name"),
            (&["*.xml"], "no file has such a name"),
            (&["[", "b.txt"], "--input"),
            (&[".hidden"], "none"),
        ] {
            let said = names(dir.path(), given);
            if given == [".hidden"] {
                assert_eq!(said, Ok(vec!["e.txt".into()]), "it was named itself");
                continue;
            }
            let said = said.expect_err("refused");
            assert!(said.contains(words), "{said}");
        }
        fs::create_dir(dir.path().join("empty")).expect("made");
        let said = names(dir.path(), &["empty"]).expect_err("nothing there");
        assert!(said.contains("found none (0 passed over)"), "{said}");
    }
}

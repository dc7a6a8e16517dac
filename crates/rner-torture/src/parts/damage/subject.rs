//! What is damaged: the files of a folder, and how they are read back.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What a command makes of a folder: a value that stands for its result, or the words with which it refuses.
pub(super) type Reading = Result<String, String>;

/// Whether damage can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// There is a hash: an error, or the same result.
    Hashed,
    /// There is none. Another result is then one that a sound file could have given: whoever reads holds what it read
    /// to its own rules, such as that it can be written and read again.
    Open,
}

/// One kind of file that a command reads back.
pub(super) trait Subject {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Whether damage can be seen.
    fn proof(&self) -> Proof;

    /// Fills an empty folder with sound files.
    ///
    /// # Errors
    /// A case that cannot be set up.
    fn write(&self, dir: &Path) -> Result<()>;

    /// Which of the files are damaged.
    fn is_target(&self, _file: &Path) -> bool {
        true
    }

    /// Reads the folder as the command does, which may change it.
    ///
    /// # Errors
    /// What must not be: a result that contradicts itself.
    fn read(&self, dir: &Path) -> Result<Reading>;
}

/// A short word for a value.
pub(super) fn digest(value: impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What an error says, with what caused it.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let words: Vec<String> = causes.map(ToString::to_string).collect();
    words.join(": ")
}

/// The files below a folder in the order of their names, relative to it.
///
/// # Errors
/// A folder that cannot be listed.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let listed = dir.join(&folder);
        for entry in fs::read_dir(&listed).with_context(|| listed.display().to_string())? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let list = if entry.file_type()?.is_dir() {
                &mut folders
            } else {
                &mut found
            };
            list.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Replaces a folder by a copy of another one.
///
/// # Errors
/// A folder that cannot be read or written.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let what = || format!("copying {} to {}", from.display(), to.display());
    if to.exists() {
        fs::remove_dir_all(to).with_context(what)?;
    }
    fs::create_dir_all(to).with_context(what)?;
    for file in files(from)? {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().unwrap_or(to)).with_context(what)?;
        fs::copy(from.join(&file), target).with_context(what)?;
    }
    Ok(())
}

//! What lies in folders: contents to compare, and leftovers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The files at some paths, files or folders, by their place below `root`.
fn contents(root: &Path, paths: &[PathBuf]) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for path in paths {
        for file in files_at(path)? {
            let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
            let name = file.strip_prefix(root).unwrap_or(&file).to_owned();
            files.insert(name, bytes);
        }
    }
    Ok(files)
}

fn files_at(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| path.display().to_string())? {
        files.extend(files_at(&entry?.path())?);
    }
    Ok(files)
}

/// Refuses results that differ from others: other files, or other bytes.
pub(super) fn check_same(
    (expected_root, expected): (&Path, &[PathBuf]),
    (root, found): (&Path, &[PathBuf]),
) -> Result<()> {
    let (expected, found) = (contents(expected_root, expected)?, contents(root, found)?);
    let names = |files: &BTreeMap<PathBuf, _>| files.keys().cloned().collect::<Vec<_>>();
    let (wanted, there) = (names(&expected), names(&found));
    ensure!(
        wanted == there,
        "expected the files {wanted:?}, found {there:?}"
    );
    for (name, bytes) in &expected {
        ensure!(
            found.get(name) == Some(bytes),
            "{}: not the bytes of a command that nothing disturbed",
            name.display()
        );
    }
    Ok(())
}

/// Refuses hidden files: what was being written, and locks.
pub(super) fn check_no_leftovers(folder: &Path) -> Result<()> {
    for file in files_at(folder)? {
        let mut parts = file.strip_prefix(folder).unwrap_or(&file).iter();
        let is_hidden = parts.any(|part| part.as_encoded_bytes().starts_with(b"."));
        ensure!(!is_hidden, "{} was left behind", file.display());
    }
    Ok(())
}

/// Bytes of all files in a folder, each rounded up to pages.
pub(super) fn pages(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for file in files_at(folder)? {
        let length = file
            .metadata()
            .with_context(|| file.display().to_string())?;
        sum += length.len().div_ceil(PAGE);
    }
    Ok(sum)
}

/// Bytes of a page.
pub(super) const PAGE: u64 = 4096;

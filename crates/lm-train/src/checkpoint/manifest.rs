//! `checkpoint.json`: which files a checkpoint consists of, with length and BLAKE3 of each, so that a damaged one is
//! found out before it is believed.
//!
//! It is the last file of a checkpoint that is written, and ends in a hash of its own text: a flipped bit in the list
//! is told from the list of a newer program.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Name of the list.
pub(super) const MANIFEST: &str = "checkpoint.json";
/// The form of the list that this program writes.
const FORMAT: u32 = 1;
/// What stands before the hash of everything before it. Hashes of files are indented further.
const SEAL: &str = ",\n  \"blake3\": \"";
/// Bytes of the longest list that is read. A checkpoint of a thousand files has a tenth of a megabyte.
const LONGEST: u64 = 1 << 24;

/// The list without its own hash.
#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    files: Vec<Listed>,
}

/// The part of a list that every program can read.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// One file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Inside the checkpoint, parts separated by `/`.
    path: String,
    /// In bytes.
    length: u64,
    blake3: String,
}

/// What is known of a folder that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Every file is what was written.
    Verified,
    /// There is no list, as an older program wrote the folder.
    None,
}

/// Lists the files of a checkpoint that is otherwise complete.
///
/// # Errors
/// [`Error::Io`] if a file cannot be read or the list not be written.
pub(super) fn write(dir: &Path) -> Result<(), Error> {
    let list = |path: String| {
        let file = inside(dir, &path);
        let length = fs::metadata(&file).map_err(Error::io(&file))?.len();
        let blake3 = hash(&file)?;
        Ok(Listed {
            path,
            length,
            blake3,
        })
    };
    let files: Result<Vec<_>, Error> = files_of(dir)?.into_iter().map(list).collect();
    let manifest = Manifest {
        format: FORMAT,
        files: files?,
    };
    let path = dir.join(MANIFEST);
    let text = serde_json::to_string_pretty(&manifest);
    let text = text.map_err(|error| Error::corrupt(&path, error.to_string()))?;
    fs::write(&path, sealed(&text)).map_err(Error::io(&path))
}

/// Adds its hash to a list.
fn sealed(text: &str) -> String {
    let body = text.trim_end_matches("\n}");
    format!("{body}{SEAL}{}\"\n}}\n", blake3::hash(body.as_bytes()))
}

/// Compares a folder with its list.
///
/// # Errors
/// [`Error::Corrupt`] naming the first file that is not as it was written, [`Error::NewerCheckpoint`] for a list in a
/// form that this program does not know, [`Error::Io`] if a file cannot be read.
pub(super) fn check(dir: &Path) -> Result<Proof, Error> {
    let path = dir.join(MANIFEST);
    let Some(text) = read(&path)? else {
        return Ok(Proof::None);
    };
    let manifest = parse(&path, &text)?;
    check_names(dir, &manifest)?;
    for listed in &manifest.files {
        check_length(dir, listed)?;
    }
    for listed in &manifest.files {
        let path = inside(dir, &listed.path);
        if hash(&path)? != listed.blake3 {
            return Err(Error::corrupt(
                &path,
                "expected what was written, found other bytes (its BLAKE3 differs)",
            ));
        }
    }
    Ok(Proof::Verified)
}

/// The text of a list, if there is one.
fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(path)(error)),
        Ok(found) if found.is_file() && found.len() <= LONGEST => {}
        Ok(_) => return Err(Error::corrupt(path, "expected a list of files")),
    }
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let text = String::from_utf8(bytes);
    text.map(Some)
        .map_err(|error| Error::corrupt(path, error.to_string()))
}

fn parse(path: &Path, text: &str) -> Result<Manifest, Error> {
    let corrupt = |error: serde_json::Error| Error::corrupt(path, error.to_string());
    let body = text.rsplit_once(SEAL).map_or(text, |(body, _)| body);
    if sealed(body) != text {
        return Err(Error::corrupt(
            path,
            "expected a list that ends in its own hash, found another one",
        ));
    }
    let Head { format } = serde_json::from_str(text).map_err(corrupt)?;
    if format > FORMAT {
        return Err(Error::NewerCheckpoint {
            path: path.to_path_buf(),
            format,
        });
    }
    serde_json::from_str(text).map_err(corrupt)
}

/// A path of the list must stay inside the folder, and what a checkpoint is read from must be in the list.
fn check_names(dir: &Path, manifest: &Manifest) -> Result<(), Error> {
    let listed: BTreeSet<&str> = manifest.files.iter().map(|file| &*file.path).collect();
    let is_inside = |path: &str| {
        let mut parts = Path::new(path).components();
        !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
    };
    if let Some(outside) = listed.iter().find(|path| !is_inside(path)) {
        let problem = format!("expected paths inside the checkpoint, found {outside:?}");
        return Err(Error::corrupt(&dir.join(MANIFEST), problem));
    }
    let is_state = |path: &str| path.ends_with(".json") || path.ends_with(".safetensors");
    let found = files_of(dir)?;
    let added = found
        .iter()
        .find(|path| is_state(path) && !listed.contains(path.as_str()));
    match added {
        None => Ok(()),
        Some(path) => Err(Error::corrupt(
            &inside(dir, path),
            "was not there when the checkpoint was written",
        )),
    }
}

fn check_length(dir: &Path, listed: &Listed) -> Result<(), Error> {
    let path = inside(dir, &listed.path);
    let found = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::corrupt(&path, "is missing"));
        }
        found => found.map_err(Error::io(&path))?,
    };
    if found.is_file() && found.len() == listed.length {
        return Ok(());
    }
    let problem = format!("expected {} bytes, found {}", listed.length, found.len());
    Err(Error::corrupt(&path, problem))
}

/// The files below a folder that are not hidden, the list left out, sorted.
fn files_of(dir: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    collect(dir, "", &mut found)?;
    found.retain(|path| path != MANIFEST);
    found.sort();
    Ok(found)
}

fn collect(dir: &Path, prefix: &str, found: &mut Vec<String>) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let path = entry.path();
        let name = entry.file_name().into_string();
        let name = name.map_err(|_| Error::corrupt(&path, "expected a name in UTF-8"))?;
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), found)?;
        } else {
            found.push(name);
        }
    }
    Ok(())
}

fn inside(dir: &Path, path: &str) -> PathBuf {
    dir.join(path.split('/').collect::<PathBuf>())
}

/// BLAKE3 of a file. It is read and not mapped: what a disk cannot read is an error then, and not a signal.
fn hash(path: &Path) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    let read = fs::File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
    read.map_err(Error::io(path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listed folder with a file in a folder of its own.
    fn listed() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("policy")).unwrap();
        for (name, text) in [
            ("a.json", "{}"),
            ("policy/b.safetensors", "weights"),
            (".c", ""),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        write(dir.path()).unwrap();
        dir
    }

    #[track_caller]
    fn check_change(change: impl FnOnce(&Path), expected: &str) {
        let dir = listed();
        assert_eq!(check(dir.path()).unwrap(), Proof::Verified);
        change(dir.path());
        let said = check(dir.path()).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn every_change_is_named() {
        let write = |name: &'static str, text: &'static str| {
            move |dir: &Path| fs::write(dir.join(name), text).unwrap()
        };
        check_change(write("a.json", "[]"), "a.json: expected what was written");
        check_change(write("a.json", "{}\n"), "a.json: expected 2 bytes, found 3");
        check_change(
            write("policy/b.safetensors", ""),
            "expected 7 bytes, found 0",
        );
        check_change(write("policy/c.json", "{}"), "c.json: was not there");
        check_change(write(MANIFEST, "{}"), "its own hash");
        check_change(write(MANIFEST, ""), "its own hash");
        let remove = |dir: &Path| fs::remove_file(dir.join("a.json")).unwrap();
        check_change(remove, "a.json: is missing");
    }

    #[test]
    fn what_is_no_part_of_the_state_may_be_added() {
        let dir = listed();
        fs::write(dir.path().join("notes.txt"), "the good one").unwrap();
        fs::write(dir.path().join("._a.json"), "of a Mac").unwrap();
        assert_eq!(check(dir.path()).unwrap(), Proof::Verified);
    }

    #[test]
    fn a_folder_without_a_list_is_of_an_older_program() {
        let dir = listed();
        fs::remove_file(dir.path().join(MANIFEST)).unwrap();
        assert_eq!(check(dir.path()).unwrap(), Proof::None);
    }

    #[test]
    fn a_list_of_a_newer_program_is_no_damage_but_a_flipped_bit_is() {
        let dir = listed();
        let path = dir.path().join(MANIFEST);
        let text = fs::read_to_string(&path).unwrap();
        let newer = text.replacen("\"format\": 1", "\"format\": 3, \"more\": 0", 1);
        fs::write(&path, &newer).unwrap();
        assert!(matches!(check(dir.path()), Err(Error::Corrupt { .. })));
        let (body, _) = newer.rsplit_once(SEAL).unwrap();
        fs::write(&path, sealed(body)).unwrap();
        let error = check(dir.path()).unwrap_err();
        assert!(
            matches!(error, Error::NewerCheckpoint { format: 3, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_list_names_nothing_outside() {
        let dir = listed();
        let path = dir.path().join(MANIFEST);
        for outside in ["../a.json", "/dev/zero", ""] {
            let files = vec![Listed {
                path: outside.into(),
                length: 0,
                blake3: String::new(),
            }];
            let manifest = Manifest { format: 1, files };
            fs::write(
                &path,
                sealed(&serde_json::to_string_pretty(&manifest).unwrap()),
            )
            .unwrap();
            let said = check(dir.path()).unwrap_err().to_string();
            assert!(said.contains("inside the checkpoint"), "{said}");
        }
    }
}

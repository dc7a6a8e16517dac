//! Whole files in and out: UTF-8 with the line of a fault, and writes that appear only when complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Reads a text file and drops its byte order mark.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(Error::io(path, "read"))?;
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map(String::from)
        .unwrap_or(text))
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Error {
    let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    Error::Format {
        path: path.into(),
        line: 1 + valid.iter().filter(|&&byte| byte == b'\n').count(),
        expected: "UTF-8".into(),
        found: "other bytes".into(),
    }
}

/// Writes a file so that it appears under its name only when it is complete and on disk: written beside, synced,
/// renamed. If `write` fails or the program ends in between, an earlier file of that name stays as it was.
///
/// # Errors
///
/// If the folder does not exist or the file cannot be written, synced or renamed.
pub fn write_atomic(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), Error> {
    replace_file(path, |file| {
        let mut out = BufWriter::new(file);
        write(&mut out)
            .and_then(|()| out.flush())
            .map_err(Error::io(path, "write"))
    })
}

/// [`write_atomic`] for writers that need the file itself or have errors of their own.
pub(crate) fn replace_file<T>(
    path: &Path,
    write: impl FnOnce(&File) -> Result<T, Error>,
) -> Result<T, Error> {
    let beside = beside(path);
    let written = write_and_sync(path, &beside, write);
    if written.is_err() {
        // The first error is the one worth reporting; a leftover is harmless.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_and_sync<T>(
    path: &Path,
    beside: &Path,
    write: impl FnOnce(&File) -> Result<T, Error>,
) -> Result<T, Error> {
    let file = File::create(beside).map_err(Error::io(path, "write"))?;
    let value = write(&file)?;
    let kept = file.sync_all().and_then(|()| rename(beside, path));
    kept.map_err(Error::io(path, "write"))?;
    Ok(value)
}

/// Renames a complete file, and makes the rename itself durable.
pub(crate) fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(to)
}

/// A hidden name in the same folder, as a rename must not cross file systems; with the process id, so that two
/// processes writing the same file do not mix their bytes.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

/// Only Unix lets a folder be opened and synced.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows.jsonl");
        write_atomic(&path, |out| out.write_all(b"old")).expect("written");
        let failed = write_atomic(&path, |out| {
            out.write_all(b"half")?;
            Err(std::io::Error::other("the disk is full"))
        });
        let message = failed.expect_err("the writer failed").to_string();
        assert!(
            message.contains("rows.jsonl: cannot write: the disk is full"),
            "{message}"
        );
        assert_eq!(fs::read(&path).expect("still there"), b"old");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
    }

    #[test]
    fn the_line_of_a_wrong_byte_is_named_and_the_mark_dropped() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.txt");
        fs::write(&path, b"one\ntwo \xff").expect("written");
        assert!(
            read_text(&path)
                .expect_err("not UTF-8")
                .to_string()
                .ends_with("a.txt:2: expected UTF-8, found other bytes")
        );
        fs::write(&path, "\u{feff}text").expect("written");
        assert_eq!(read_text(&path).expect("UTF-8"), "text");
    }
}

//! Whole files in and out: UTF-8 with the line of a fault, and writes that appear only when complete.

use std::fs;
use std::io::Write;
use std::path::Path;

use atomic_files::AtomicFile;

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
    replace_file(path, |file| write(file).map_err(Error::io(path, "write")))
}

/// [`write_atomic`] for writers that need the file itself or have errors of their own.
pub(crate) fn replace_file<T>(
    path: &Path,
    write: impl FnOnce(&mut AtomicFile) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut file = AtomicFile::create(path)?;
    let value = write(&mut file)?;
    file.commit()?;
    Ok(value)
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

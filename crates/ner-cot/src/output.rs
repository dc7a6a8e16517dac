//! Writing the dataset: files appear under their names only when complete.

use std::io::Write;
use std::path::{Path, PathBuf};

use atomic_files::AtomicFile;
use ner_types::Example;

use crate::error::Error;
use crate::report::Funnel;

/// Name of the files with the accepted rows, without their ending.
pub(crate) const DATASET_STEM: &str = "ner-cot";

/// Name of the file with the accepted rows, one JSON object per line.
pub const DATASET_FILE: &str = "ner-cot.jsonl";

/// Name of the file with the funnel.
pub const FUNNEL_FILE: &str = "funnel.json";

/// Writes [`DATASET_FILE`] and [`FUNNEL_FILE`] to `dir` and returns their paths.
///
/// Each file is written beside its name, forced to the disk and renamed, so a
/// reader sees the old file or the whole new one.
///
/// # Errors
/// If a file cannot be written; the message names it.
pub fn write_dataset(
    dir: &Path,
    rows: &[Example],
    funnel: &Funnel,
) -> Result<(PathBuf, PathBuf), Error> {
    atomic_files::fs::create_dir_all(dir)
        .map_err(|source| Error::io("create the directory", dir, source))?;
    let dataset = dir.join(DATASET_FILE);
    replace(&dataset, |out| {
        for row in rows {
            serde_json::to_writer(&mut *out, row)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })?;
    Ok((dataset, write_funnel(dir, funnel)?))
}

/// Writes [`FUNNEL_FILE`] to `dir` and returns its path.
pub(crate) fn write_funnel(dir: &Path, funnel: &Funnel) -> Result<PathBuf, Error> {
    let report = dir.join(FUNNEL_FILE);
    replace(&report, |out| {
        serde_json::to_writer_pretty(&mut *out, funnel)?;
        out.write_all(b"\n")
    })?;
    Ok(report)
}

fn replace(
    path: &Path,
    write: impl FnOnce(&mut AtomicFile) -> std::io::Result<()>,
) -> Result<(), Error> {
    let mut file = AtomicFile::create(path)?;
    write(&mut file).map_err(|source| Error::io("write", path, source))?;
    Ok(file.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ner_types::Entity;

    #[test]
    fn the_dataset_is_rows_of_ner_cot() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let row = Example {
            sentence: "Brel".into(),
            schema: vec!["city".into()],
            cot: Some("\"Brel\" is a city.".into()),
            entities: vec![Entity::new("Brel", "city")],
            ..Example::default()
        };
        let rows = [row.clone(), row.clone()];
        let (dataset, report) =
            write_dataset(dir.path(), &rows, &Funnel::default()).expect("written");
        let text = std::fs::read_to_string(dataset).expect("readable");
        let read: Vec<Example> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a row"))
            .collect();
        assert_eq!(read, rows);
        let text = std::fs::read_to_string(report).expect("readable");
        let funnel: Funnel = serde_json::from_str(&text).expect("a funnel");
        assert_eq!(funnel, Funnel::default());
        let files = std::fs::read_dir(dir.path()).expect("readable").count();
        assert_eq!(files, 2, "nothing is left beside the two files");
    }

    #[test]
    fn an_unusable_directory_is_named() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("writable");
        let error = write_dataset(&file.join("sub"), &[], &Funnel::default())
            .expect_err("a file is in the way")
            .to_string();
        assert!(error.contains("sub"), "{error}");
    }
}

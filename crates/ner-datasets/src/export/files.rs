//! Stored rows of `rner extract` from files to a file, or to a folder, in another form.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use atomic_files::{AtomicDir, AtomicFile};

use super::Brat;
use super::form::Form;
use super::kinds::{ExportFormat, ExportOptions};
use super::row::ExportRow;
use crate::error::Error;
use crate::fault::FaultReport;
use crate::files::write_atomic;
use crate::json_rows::{JsonRows, Piece};

/// Longest stored row, in bytes: a text of some megabytes with all that was found in it.
const MAX_ROW: usize = 1 << 30;

/// Where stored rows come from.
pub struct ExportSource {
    /// What it is called in messages.
    pub name: PathBuf,
    /// JSON lines, or an array.
    pub rows: Box<dyn Read>,
}

impl std::fmt::Debug for ExportSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportSource")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ExportSource {
    /// A file.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io(path, "read"))?;
        Ok(Self {
            name: path.into(),
            rows: Box::new(file),
        })
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows that were read.
    pub n_rows: usize,
    /// Their mentions, one for each place.
    pub n_mentions: usize,
    /// What the form could not hold.
    pub left_out: FaultReport,
    /// A second file that belongs beside the first.
    pub beside: Option<PathBuf>,
}

/// Writes stored rows in a form. What is written appears only when complete. Of several sources, each row has the name
/// of its own.
///
/// A folder that is there already stays if it has the same files; another one is refused, or with
/// [`ExportOptions::sets_aside`] gets another name. Files are as the caller [keeps](atomic_files::Keep) them.
///
/// # Errors
/// A source that cannot be read, has no row, or something else than such rows, with its line; a place that cannot be
/// written to.
pub fn export(
    sources: Vec<ExportSource>,
    output: &Path,
    format: ExportFormat,
    options: &ExportOptions,
) -> Result<Exported, Error> {
    let options = ExportOptions {
        name: output.into(),
        ..options.clone()
    };
    if format.is_folder() {
        let dir = AtomicDir::create(output)?;
        let form = Box::new(Brat::new(dir.path(), output));
        let exported = fill(form, sources, output)?;
        place(dir, output, options.sets_aside)?;
        return Ok(exported);
    }
    let mut file = AtomicFile::create(output)?;
    let form = format.form(&mut file, &options);
    let exported = fill(form.map_err(Error::io(output, "write"))?, sources, output)?;
    file.commit()?;
    Ok(exported)
}

/// Writes all rows, and the file beside.
fn fill(
    mut form: Box<dyn Form + '_>,
    sources: Vec<ExportSource>,
    output: &Path,
) -> Result<Exported, Error> {
    let failed = || Error::io(output, "write");
    let (mut exported, names_files) = (Exported::default(), sources.len() > 1);
    for source in sources {
        let name = source.name.clone();
        each_row(source, |mut row| {
            if names_files && row.file.is_none() {
                name_file(&mut row, &name);
            }
            exported.n_rows += 1;
            exported.n_mentions += row.mentions.len();
            form.write(&row).map_err(failed())
        })?;
    }
    exported.left_out = form.left_out().clone();
    if let Some(beside) = form.beside() {
        let path = output.with_extension(beside.ending);
        write_atomic(&path, |out| out.write_all(beside.text.as_bytes()))?;
        exported.beside = Some(path);
    }
    form.finish().map_err(failed())?;
    Ok(exported)
}

fn name_file(row: &mut ExportRow, name: &Path) {
    let name = name.display().to_string();
    row.source
        .shift_insert(0, "file".into(), name.clone().into());
    row.file = Some(name);
}

/// Hands each row on. One that says no line has the line at which it stands.
fn each_row(
    source: ExportSource,
    mut take: impl FnMut(ExportRow) -> Result<(), Error>,
) -> Result<(), Error> {
    let path = &source.name;
    let mut rows =
        JsonRows::new(BufReader::new(source.rows), MAX_ROW).map_err(Error::io(path, "read"))?;
    let mut n_rows = 0;
    while let Some(row) = next_row(&mut rows, path)? {
        n_rows += 1;
        take(row)?;
    }
    if n_rows == 0 {
        return Err(Error::Empty { path: path.clone() });
    }
    Ok(())
}

fn next_row<R: BufRead>(rows: &mut JsonRows<R>, path: &Path) -> Result<Option<ExportRow>, Error> {
    let piece = rows.next_piece().map_err(Error::io(path, "read"))?;
    let expected = "a row of `rner extract`: sentence and entities, or error";
    let (line, expected, found) = match piece {
        None => return Ok(None),
        Some(Piece::Element(bytes, line)) => match ExportRow::read(bytes) {
            Ok(mut row) => {
                row.line = if row.line == 0 { line } else { row.line };
                return Ok(Some(row));
            }
            Err(found) => (line, expected, found),
        },
        Some(Piece::TooLong(line, length)) => (line, "fewer bytes", length.to_string()),
        Some(Piece::Broken(line, expected, found)) => (line, expected, found),
    };
    Err(Error::Format {
        path: path.into(),
        line,
        expected: expected.into(),
        found,
    })
}

/// Gives a folder its name, if there is none with the same files.
fn place(dir: AtomicDir, output: &Path, sets_aside: bool) -> Result<(), Error> {
    let is_there = output.symlink_metadata().is_ok();
    if is_there && files(dir.path()).ok() == files(output).ok() {
        return Ok(());
    }
    if is_there && !sets_aside {
        let path = output.into();
        return Err(atomic_files::Error::Exists { path }.into());
    }
    if is_there {
        atomic_files::set_aside(output)?;
    }
    dir.commit()?;
    Ok(())
}

/// The files of a folder, each with the hash of its content.
fn files(dir: &Path) -> std::io::Result<BTreeMap<std::ffi::OsString, blake3::Hash>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let content = std::fs::read(entry.path())?;
        files.insert(entry.file_name(), blake3::hash(&content));
    }
    Ok(files)
}

//! One streaming writer for every format but those that are only read.
//!
//! What a format cannot hold is left out: BIO and GLiNER have neither reasoning nor schema-only labels, conversations
//! no offsets. What it cannot hold *of a mention* is a fault, counted and by the policy fatal: a mention that does not
//! occur in its sentence or does not lie on the borders of words (BIO, GLiNER), and in BIO one that overlaps a longer
//! one.

use std::io::Write;
use std::path::Path;

use atomic_files::AtomicFile;

use crate::error::Error;
use crate::fault::{FaultKind, FaultReport, Policy, excerpt};
use crate::files::replace_file;
use crate::format::Format;
use crate::formats::codec::encode;
use crate::formats::{bio, gliner, hub};
use crate::recorder::Recorder;
use crate::row::{ByteSpan, Row};

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows in the file.
    pub n_rows: usize,
    /// What the format could not hold. Lines are those of the rows' source.
    pub faults: FaultReport,
}

/// Writes rows in a format. The file appears only when complete, and an earlier one stays if anything fails, be it the
/// reading of the rows.
///
/// JSON formats are written as an array, one row a line, or as JSON lines if the file's name ends in `.jsonl` or
/// `.ndjson`. Places that the rows do not state are searched, see [`Row::located`].
///
/// # Errors
///
/// If a row is an error, the file cannot be written, the format cannot be written, or a fault is fatal by `policy`.
pub fn write_rows(
    path: &Path,
    format: Format,
    rows: impl IntoIterator<Item = Result<Row, Error>>,
    policy: Policy,
) -> Result<Written, Error> {
    let mut recorder = Recorder::new(path, policy);
    let rows = rows.into_iter().map(|row| fits(path, format, row?));
    let n_rows = match format {
        _ if format.is_read_only() => Err(Error::missing(
            path,
            "a format to write",
            format!("{format}, read only"),
        )),
        Format::Parquet => write_parquet(path, rows),
        _ => replace_file(path, |file| {
            write_text(path, file, format, rows, &mut recorder)
        }),
    }?;
    Ok(Written {
        n_rows,
        faults: recorder.report,
    })
}

/// The row, unless it is one of relations or events and the format holds entities alone.
fn fits(path: &Path, format: Format, row: Row) -> Result<Row, Error> {
    if format == Format::NerCot {
        return Ok(row);
    }
    row.of_entities(path)
}

#[cfg(feature = "parquet")]
fn write_parquet(
    path: &Path,
    rows: impl Iterator<Item = Result<Row, Error>>,
) -> Result<usize, Error> {
    replace_file(path, |file| {
        crate::formats::parquet::write(path, file.file(), rows)
    })
}

#[cfg(not(feature = "parquet"))]
fn write_parquet(path: &Path, _: impl Iterator<Item = Result<Row, Error>>) -> Result<usize, Error> {
    let expected = "a build with the feature `parquet`";
    Err(Error::missing(path, expected, "one without it"))
}

fn write_text(
    path: &Path,
    out: &mut AtomicFile,
    format: Format,
    rows: impl Iterator<Item = Result<Row, Error>>,
    recorder: &mut Recorder,
) -> Result<usize, Error> {
    let mut writer = TextWriter::new(format, is_lines(path));
    let failed = Error::io(path, "write");
    let write = || -> Result<std::io::Result<()>, Error> {
        for row in rows {
            if let Err(error) = writer.write(&row?, out, recorder)? {
                return Ok(Err(error));
            }
        }
        Ok(writer.close(out))
    };
    write()?.map_err(failed)?;
    Ok(writer.n_rows)
}

/// Whether a file of this name has a row on each line.
pub(crate) fn is_lines(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|extension| extension == "jsonl" || extension == "ndjson")
}

/// Records the mentions that a JSON format cannot hold; its encoder leaves them out.
fn check(
    format: Format,
    row: &Row,
    located: &[Option<ByteSpan>],
    recorder: &mut Recorder,
) -> Result<(), Error> {
    match format {
        Format::Gliner => gliner::check(row, located, recorder),
        Format::Hub => hub::check(row, located, recorder),
        Format::Doccano | Format::LabelStudio | Format::Prodigy | Format::Spacy => {
            let entities = row.example.entities.iter().zip(located);
            for (entity, _) in entities.filter(|(_, place)| place.is_none()) {
                let (expected, found) = ("a mention of its sentence", || excerpt(&entity.text));
                recorder.record(FaultKind::Ungrounded, row.line, expected, found)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Writes rows of a format of text, one after the other.
#[derive(Debug)]
pub(crate) struct TextWriter {
    format: Format,
    is_lines: bool,
    n_rows: usize,
}

impl TextWriter {
    pub(crate) fn new(format: Format, is_lines: bool) -> Self {
        Self {
            format,
            is_lines,
            n_rows: 0,
        }
    }

    /// Writes a row. The outer error is a fatal fault, the inner one that of the file.
    pub(crate) fn write(
        &mut self,
        row: &Row,
        out: &mut dyn Write,
        recorder: &mut Recorder,
    ) -> Result<std::io::Result<()>, Error> {
        let located = row.located();
        match self.format {
            Format::Bio | Format::MitBio => {
                let Some(lines) = bio::encode(row, &located, self.format, recorder)? else {
                    return Ok(Ok(()));
                };
                self.n_rows += 1;
                Ok(out.write_all(lines.as_bytes()))
            }
            _ => {
                check(self.format, row, &located, recorder)?;
                self.n_rows += 1;
                Ok(self.write_json(row, &located, out))
            }
        }
    }

    fn write_json(
        &self,
        row: &Row,
        located: &[Option<ByteSpan>],
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        if !self.is_lines {
            out.write_all(if self.n_rows == 1 { b"[\n" } else { b",\n" })?;
        }
        encode(self.format, row, located, out)?;
        if self.is_lines {
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Writes what stands behind the last row.
    pub(crate) fn close(&self, out: &mut dyn Write) -> std::io::Result<()> {
        match (self.format, self.is_lines, self.n_rows) {
            (Format::Bio | Format::MitBio, ..) | (_, true, _) => Ok(()),
            (_, _, 0) => out.write_all(b"[\n]\n"),
            _ => out.write_all(b"\n]\n"),
        }
    }
}

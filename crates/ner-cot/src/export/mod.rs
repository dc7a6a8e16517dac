//! Writing the dataset in the formats that its readers expect.
//!
//! Every format is written row by row in constant memory, beside its name, and
//! gets the name only when it is whole and on the disk. `ner_datasets::read_examples`
//! reads all of them.

#[cfg(feature = "parquet")]
mod parquet;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use atomic_files::AtomicFile;
use ner_types::{Entity, Example};
use serde::{Deserialize, Serialize};

#[cfg(feature = "parquet")]
use self::parquet::ParquetFile;
use crate::error::Error;

/// What a row was made with and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RowProvenance {
    /// The teacher's model as the server reported it, or else as it was asked for.
    pub teacher: String,
    /// The judge's model, likewise.
    pub judge: String,
    /// Number of the accepted attempt, from 1.
    pub attempt: u32,
    /// The judge's score, from 0 to 10.
    pub score: Option<f64>,
    /// Tokens of the teacher's prompts, all attempts together.
    pub prompt_tokens: u64,
    /// Tokens of the teacher's answers, all attempts together.
    pub completion_tokens: u64,
    /// Tokens of the judge, prompts and answers.
    pub judge_tokens: u64,
}

/// A row of the dataset: the fields of NER-CoT, and where the row comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CotRow {
    /// The annotated sentence with its reasoning.
    #[serde(flatten)]
    pub example: Example,
    /// Where it comes from; left out of the file if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<RowProvenance>,
}

impl From<Example> for CotRow {
    fn from(example: Example) -> Self {
        let provenance = None;
        Self {
            example,
            provenance,
        }
    }
}

/// A file format of the dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// One object a line, with the provenance.
    #[default]
    Jsonl,
    /// The array of the published NER-CoT: exactly its fields, so without
    /// provenance and without the places of entities.
    Json,
    /// Parquet, Snappy-compressed, with the provenance as columns of their own
    /// and without the places of entities. Needs the feature `parquet`.
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Format {
    /// All formats of this build.
    pub const ALL: &[Self] = &[
        Self::Jsonl,
        Self::Json,
        #[cfg(feature = "parquet")]
        Self::Parquet,
    ];

    /// The format's name, which is the extension of its files too.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            #[cfg(feature = "parquet")]
            Self::Parquet => "parquet",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let mut formats = Self::ALL.iter().copied();
        let format = formats.find(|format| format.extension() == name);
        let names = || Self::ALL.iter().map(|format| format.extension());
        format.ok_or_else(|| Error::unknown("format", &names().collect::<Vec<_>>(), name))
    }
}

/// A dataset file that is being written.
///
/// Nothing stands under the final name before [`RowWriter::finish`], and an
/// earlier file of that name stays until then. A writer that is dropped
/// unfinished removes what it wrote.
#[derive(Debug)]
pub struct RowWriter {
    out: Out,
    n_rows: usize,
    /// A write has failed, so that half a row may stand in the file.
    is_broken: bool,
}

#[derive(Debug)]
enum Out {
    Jsonl(AtomicFile),
    Json(AtomicFile),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetFile>),
}

impl Out {
    fn file(&self) -> &AtomicFile {
        match self {
            Self::Jsonl(file) | Self::Json(file) => file,
            #[cfg(feature = "parquet")]
            Self::Parquet(file) => file.file(),
        }
    }
}

impl RowWriter {
    /// Begins a file; its folder must exist.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: &Path, format: Format) -> Result<Self, Error> {
        let file = AtomicFile::create(path)?;
        let out = match format {
            Format::Jsonl => Out::Jsonl(file),
            Format::Json => Out::Json(file),
            #[cfg(feature = "parquet")]
            Format::Parquet => Out::Parquet(Box::new(ParquetFile::new(file)?)),
        };
        Ok(Self {
            out,
            n_rows: 0,
            is_broken: false,
        })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// If the file cannot be written. [`RowWriter::finish`] then fails as well.
    pub fn write(&mut self, row: &CotRow) -> Result<(), Error> {
        let written = self.write_row(row);
        self.is_broken |= written.is_err();
        self.n_rows += usize::from(written.is_ok());
        written
    }

    fn write_row(&mut self, row: &CotRow) -> Result<(), Error> {
        match &mut self.out {
            Out::Jsonl(file) => {
                let written = write_line(file, row);
                written.map_err(|source| cannot_write(file, source))
            }
            Out::Json(file) => {
                let before: &[u8] = if self.n_rows == 0 { b"[\n" } else { b",\n" };
                let written = write_element(file, before, row);
                written.map_err(|source| cannot_write(file, source))
            }
            #[cfg(feature = "parquet")]
            Out::Parquet(file) => file.write(row),
        }
    }

    /// Rows written so far.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Completes the file, forces it to the disk and gives it its name.
    ///
    /// # Errors
    /// If the file cannot be written or renamed, or a row could not be written.
    pub fn finish(self) -> Result<(), Error> {
        if self.is_broken {
            let source = io::Error::other("a row could not be written");
            return Err(cannot_write(self.out.file(), source));
        }
        match self.out {
            Out::Jsonl(file) => Ok(file.commit()?),
            Out::Json(mut file) => {
                let end: &[u8] = if self.n_rows == 0 {
                    b"[\n]\n"
                } else {
                    b"\n]\n"
                };
                let written = file.write_all(end);
                written.map_err(|source| cannot_write(&file, source))?;
                Ok(file.commit()?)
            }
            #[cfg(feature = "parquet")]
            Out::Parquet(file) => file.finish(),
        }
    }
}

fn write_line(out: &mut AtomicFile, row: &CotRow) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row)?;
    out.write_all(b"\n")
}

fn write_element(out: &mut AtomicFile, before: &[u8], row: &CotRow) -> io::Result<()> {
    out.write_all(before)?;
    Ok(serde_json::to_writer(out, &published(&row.example))?)
}

fn cannot_write(file: &AtomicFile, source: io::Error) -> Error {
    Error::io("write", file.target(), source)
}

/// An example with the fields of the published dataset only.
fn published(example: &Example) -> Example {
    let plain = |entity: &Entity| Entity::new(entity.text.as_str(), entity.label.as_str());
    Example {
        entities: example.entities.iter().map(plain).collect(),
        ..example.clone()
    }
}

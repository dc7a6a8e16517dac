//! The dataset as Parquet, one row group at a time.
//!
//! The columns are those that `ner_datasets` writes and reads, followed by the
//! provenance. Rows are gathered until a group is full, so memory does not depend
//! on the length of the file.

use atomic_files::fs::File;
use std::sync::Arc;

use atomic_files::AtomicFile;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{CotRow, RowProvenance, cannot_write};
use crate::error::Error;

/// Most rows of a row group.
pub(super) const GROUP_ROWS: usize = 4096;

/// Bytes of text after which a row group is closed.
const GROUP_BYTES: usize = 16 << 20;

const SCHEMA: &str = "message ner_cot {
  optional binary guid (STRING);
  optional binary dataset (STRING);
  required binary sentence (STRING);
  required group schema (LIST) { repeated group list { required binary element (STRING); } }
  optional binary cot (STRING);
  required group entities (LIST) { repeated group list { required group element {
    required binary text (STRING); required binary label (STRING); } } }
  optional group provenance {
    required binary teacher (STRING);
    required binary judge (STRING);
    required int64 attempt;
    optional double score;
    required int64 prompt_tokens;
    required int64 completion_tokens;
    required int64 judge_tokens;
  }
}";

/// A Parquet file that is being written.
pub(super) struct ParquetFile {
    // Declared first, and so dropped before the file is removed.
    writer: SerializedFileWriter<File>,
    file: AtomicFile,
    group: Vec<CotRow>,
    group_bytes: usize,
}

impl std::fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("ParquetFile");
        debug.field("file", &self.file).finish_non_exhaustive()
    }
}

impl ParquetFile {
    pub(super) fn new(file: AtomicFile) -> Result<Self, Error> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let properties = Arc::new(properties.build());
        let inner = file.file().try_clone();
        let inner = inner.map_err(|source| cannot_write(&file, source))?;
        let schema = parse_message_type(SCHEMA).map(Arc::new);
        let writer = schema.and_then(|schema| SerializedFileWriter::new(inner, schema, properties));
        Ok(Self {
            writer: writer.map_err(|source| failed(&file, source))?,
            file,
            group: Vec::new(),
            group_bytes: 0,
        })
    }

    pub(super) fn file(&self) -> &AtomicFile {
        &self.file
    }

    pub(super) fn write(&mut self, row: &CotRow) -> Result<(), Error> {
        self.group_bytes += text_bytes(row);
        self.group.push(row.clone());
        if self.group.len() >= GROUP_ROWS || self.group_bytes >= GROUP_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), Error> {
        if !self.group.is_empty() {
            self.write_group()?;
        }
        let Self { writer, file, .. } = self;
        writer.close().map_err(|source| failed(&file, source))?;
        Ok(file.commit()?)
    }

    fn write_group(&mut self) -> Result<(), Error> {
        let written = write_group(&mut self.writer, &self.group);
        written.map_err(|source| failed(&self.file, source))?;
        self.group.clear();
        self.group_bytes = 0;
        Ok(())
    }
}

fn failed(file: &AtomicFile, source: ParquetError) -> Error {
    cannot_write(file, std::io::Error::other(source))
}

fn text_bytes(row: &CotRow) -> usize {
    let example = &row.example;
    let entities = example
        .entities
        .iter()
        .map(|e| e.text.len() + e.label.len());
    let schema = example.schema.iter().map(String::len);
    let cot = example.cot.as_ref().map_or(0, String::len);
    example.sentence.len() + cot + entities.sum::<usize>() + schema.sum::<usize>()
}

fn write_group(
    writer: &mut SerializedFileWriter<File>,
    rows: &[CotRow],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let mut out = Columns(&mut group);
    out.optional(rows, |row| row.example.guid.as_deref())?;
    out.optional(rows, |row| row.example.dataset.as_deref())?;
    let sentences = rows.iter().map(|row| text(&row.example.sentence)).collect();
    out.column::<ByteArrayType>(sentences, None, None)?;
    out.list(rows, |row| {
        row.example.schema.iter().map(String::as_str).collect()
    })?;
    out.optional(rows, |row| row.example.cot.as_deref())?;
    out.list(rows, |row| {
        row.example
            .entities
            .iter()
            .map(|e| e.text.as_str())
            .collect()
    })?;
    out.list(rows, |row| {
        row.example
            .entities
            .iter()
            .map(|e| e.label.as_str())
            .collect()
    })?;
    out.known::<ByteArrayType>(rows, |made| text(&made.teacher))?;
    out.known::<ByteArrayType>(rows, |made| text(&made.judge))?;
    out.known::<Int64Type>(rows, |made| made.attempt.into())?;
    out.scores(rows)?;
    out.known::<Int64Type>(rows, |made| count(made.prompt_tokens))?;
    out.known::<Int64Type>(rows, |made| count(made.completion_tokens))?;
    out.known::<Int64Type>(rows, |made| count(made.judge_tokens))?;
    group.close().map(drop)
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text)
}

/// No count of tokens comes near the limit.
fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// The columns of a row group, written one after the other, in Dremel's form:
/// values, definition levels, repetition levels.
struct Columns<'g, 'w>(&'g mut SerializedRowGroupWriter<'w, File>);

impl Columns<'_, '_> {
    fn optional(
        &mut self,
        rows: &[CotRow],
        value: impl Fn(&CotRow) -> Option<&str>,
    ) -> Result<(), ParquetError> {
        let defined = rows.iter().map(|row| i16::from(value(row).is_some()));
        let defined = defined.collect();
        let values = rows.iter().filter_map(value).map(text).collect();
        self.column::<ByteArrayType>(values, Some(defined), None)
    }

    /// An empty list has one level and no value.
    fn list<'r>(
        &mut self,
        rows: &'r [CotRow],
        values: impl Fn(&'r CotRow) -> Vec<&'r str>,
    ) -> Result<(), ParquetError> {
        let (mut all, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let values = values(row);
            if values.is_empty() {
                defined.push(0);
                repeated.push(0);
            }
            for (i, value) in values.into_iter().enumerate() {
                defined.push(1);
                repeated.push(i16::from(i > 0));
                all.push(text(value));
            }
        }
        self.column::<ByteArrayType>(all, Some(defined), Some(repeated))
    }

    /// A field that every known provenance has.
    fn known<T: DataType>(
        &mut self,
        rows: &[CotRow],
        value: impl Fn(&RowProvenance) -> T::T,
    ) -> Result<(), ParquetError> {
        let defined = rows.iter().map(|row| i16::from(row.provenance.is_some()));
        let defined = defined.collect();
        let known = rows.iter().filter_map(|row| row.provenance.as_ref());
        let values = known.map(value).collect();
        self.column::<T>(values, Some(defined), None)
    }

    /// Level 1 is a provenance without a score.
    fn scores(&mut self, rows: &[CotRow]) -> Result<(), ParquetError> {
        let score = |row: &CotRow| row.provenance.as_ref().map(|made| made.score);
        let level = |row: &CotRow| match score(row) {
            None => 0,
            Some(None) => 1,
            Some(Some(_)) => 2,
        };
        let defined = rows.iter().map(level).collect();
        let values = rows.iter().filter_map(|row| score(row).flatten()).collect();
        self.column::<DoubleType>(values, Some(defined), None)
    }

    fn column<T: DataType>(
        &mut self,
        values: Vec<T::T>,
        defined: Option<Vec<i16>>,
        repeated: Option<Vec<i16>>,
    ) -> Result<(), ParquetError> {
        let next = self.0.next_column()?;
        let mut writer = next.ok_or_else(|| ParquetError::General("too many columns".into()))?;
        let (defined, repeated) = (defined.as_deref(), repeated.as_deref());
        writer
            .typed::<T>()
            .write_batch(&values, defined, repeated)?;
        writer.close()
    }
}

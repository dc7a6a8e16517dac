//! Parquet: reading rows of any known format, writing rows with the columns of NER-CoT.
//!
//! Files are read one row group at a time, column chunks as they are needed, so memory depends on the size of a row
//! group. Snappy, which is what the Hugging Face hub serves, zstd (Polars' default), gzip, LZ4, Brotli and uncompressed
//! pages are read; Snappy is written.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use atomic_files::fs::File as Out;
use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::reader::RowIter;
use parquet::schema::parser::parse_message_type;

use ner_types::Example;
use serde_json::Value;

use crate::error::Error;
use crate::fault::FaultKind;
use crate::foreign::guarded;
use crate::format::Format;
use crate::formats::detect::of_row;
use crate::formats::draft::Decoding;
use crate::formats::hub::names_in;
use crate::formats::json::Decoder;
use crate::formats::keys::keys;
use crate::recorder::Recorder;
use crate::row::Row;

/// Rows of a row group.
const GROUP: usize = 4096;

const SCHEMA: &str = "message ner_cot {
  optional binary guid (STRING);
  optional binary dataset (STRING);
  required binary sentence (STRING);
  required group schema (LIST) { repeated group list { required binary element (STRING); } }
  optional binary cot (STRING);
  required group entities (LIST) { repeated group list { required group element {
    required binary text (STRING); required binary label (STRING); } } }
}";

/// The rows of a Parquet file.
pub(crate) struct ParquetSource {
    rows: RowIter<'static>,
    /// Number of the latest row, from 1.
    number: usize,
    how: Decoding,
    /// Known from the first row.
    decoder: Option<Decoder>,
    ready: VecDeque<Row>,
}

impl std::fmt::Debug for ParquetSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetSource")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl ParquetSource {
    pub(crate) fn new(path: &Path, file: File, mut how: Decoding) -> Result<Self, Error> {
        let opened = guarded(path, || {
            let reader = SerializedFileReader::new(file)?;
            let names = tag_names(&reader);
            Ok((RowIter::from_file_into(Box::new(reader)), names))
        })?;
        let (rows, names) = opened.map_err(failed(path, "read"))?;
        how.tag_names = how.tag_names.or(names);
        Ok(ParquetSource {
            rows,
            number: 0,
            how,
            decoder: None,
            ready: VecDeque::new(),
        })
    }

    fn next_value(&mut self) -> Option<Result<serde_json::Value, ParquetError>> {
        let row = self.rows.next()?;
        Some(row.map(|row| row.to_json_value()))
    }

    pub(crate) fn next_row(&mut self, recorder: &mut Recorder) -> Result<Option<Row>, Error> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Ok(Some(row));
            }
            let Some(value) = guarded(&recorder.path, || self.next_value())? else {
                return Ok(None);
            };
            self.number += 1;
            self.decode(&value.map_err(failed(&recorder.path, "read"))?, recorder)?;
        }
    }

    fn decode(&mut self, value: &Value, recorder: &mut Recorder) -> Result<(), Error> {
        if self.decoder.is_none() {
            let how = self.how.clone();
            self.decoder = of_row(value).map(|format| Decoder { format, how });
        }
        let Some(decoder) = &self.decoder else {
            let expected = Format::Parquet.expected();
            let found = || format!("a row {}", keys(value));
            return recorder.record(FaultKind::NotARow, self.number, expected, found);
        };
        let bytes = value.to_string();
        decoder.decode_at(bytes.as_bytes(), self.number, recorder, &mut self.ready)
    }
}

/// The names of numbered tags in a file's own metadata, as `datasets` writes them.
fn tag_names(reader: &SerializedFileReader<File>) -> Option<Arc<[String]>> {
    let metadata = reader.metadata().file_metadata().key_value_metadata()?;
    let described = metadata.iter().find(|pair| pair.key == "huggingface")?;
    names_in(&serde_json::from_str(described.value.as_deref()?).ok()?)
}

/// Writes rows, Snappy-compressed; gives how many.
pub(crate) fn write(
    path: &Path,
    file: &Out,
    rows: impl Iterator<Item = Result<Row, Error>>,
) -> Result<usize, Error> {
    write_as(path, file, rows, Compression::SNAPPY)
}

fn write_as(
    path: &Path,
    file: &Out,
    rows: impl Iterator<Item = Result<Row, Error>>,
    compression: Compression,
) -> Result<usize, Error> {
    let file = file.try_clone().map_err(Error::io(path, "write"))?;
    let failed = || failed(path, "write");
    let schema = parse_message_type(SCHEMA).map_err(failed())?;
    let properties = WriterProperties::builder().set_compression(compression);
    let properties = Arc::new(properties.build());
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), properties).map_err(failed())?;
    let mut group = Vec::with_capacity(GROUP);
    let mut n_rows = 0;
    for row in rows {
        group.push(row?.example);
        n_rows += 1;
        if group.len() == GROUP {
            write_group(&mut writer, &group).map_err(failed())?;
            group.clear();
        }
    }
    if !group.is_empty() {
        write_group(&mut writer, &group).map_err(failed())?;
    }
    writer.close().map_err(failed())?;
    Ok(n_rows)
}

fn write_group(
    writer: &mut SerializedFileWriter<Out>,
    group: &[Example],
) -> Result<(), ParquetError> {
    let mut columns = writer.next_row_group()?;
    let text = |text: &String| ByteArray::from(text.as_str());
    write_column(&mut columns, Column::optional(group, |e| e.guid.as_ref()))?;
    write_column(
        &mut columns,
        Column::optional(group, |e| e.dataset.as_ref()),
    )?;
    let sentences = Column {
        values: group
            .iter()
            .map(|example| text(&example.sentence))
            .collect(),
        ..Column::default()
    };
    write_column(&mut columns, sentences)?;
    write_column(
        &mut columns,
        Column::list(group, |e| e.schema.iter().collect()),
    )?;
    write_column(&mut columns, Column::optional(group, |e| e.cot.as_ref()))?;
    let texts = |e: &'_ Example| -> Vec<String> {
        e.entities
            .iter()
            .map(|entity| entity.text.clone())
            .collect()
    };
    let labels = |e: &'_ Example| -> Vec<String> {
        e.entities
            .iter()
            .map(|entity| entity.label.clone())
            .collect()
    };
    write_column(&mut columns, Column::owned_list(group, texts))?;
    write_column(&mut columns, Column::owned_list(group, labels))?;
    columns.close().map(drop)
}

/// A column in Dremel's form: values, definition levels, repetition levels; the levels empty where a value is required.
#[derive(Default)]
struct Column {
    values: Vec<ByteArray>,
    defined: Option<Vec<i16>>,
    repeated: Option<Vec<i16>>,
}

impl Column {
    fn optional(group: &[Example], value: impl Fn(&Example) -> Option<&String>) -> Self {
        let values: Vec<Option<&String>> = group.iter().map(value).collect();
        Column {
            defined: Some(
                values
                    .iter()
                    .map(|value| i16::from(value.is_some()))
                    .collect(),
            ),
            values: bytes(values.into_iter().flatten()),
            repeated: None,
        }
    }

    fn list(group: &[Example], values: impl Fn(&Example) -> Vec<&String>) -> Self {
        Self::owned_list(group, |example| {
            values(example).into_iter().cloned().collect()
        })
    }

    /// An empty list has one level and no value.
    fn owned_list(group: &[Example], values: impl Fn(&Example) -> Vec<String>) -> Self {
        let (mut column, mut defined, mut repeated) = (Column::default(), Vec::new(), Vec::new());
        for example in group {
            let values = values(example);
            if values.is_empty() {
                defined.push(0);
                repeated.push(0);
            }
            for (i, value) in values.iter().enumerate() {
                defined.push(1);
                repeated.push(i16::from(i > 0));
                column.values.push(ByteArray::from(value.as_str()));
            }
        }
        column.defined = Some(defined);
        column.repeated = Some(repeated);
        column
    }
}

fn bytes<'a>(values: impl Iterator<Item = &'a String>) -> Vec<ByteArray> {
    values
        .map(|value| ByteArray::from(value.as_str()))
        .collect()
}

fn write_column(
    columns: &mut SerializedRowGroupWriter<'_, Out>,
    column: Column,
) -> Result<(), ParquetError> {
    let next = columns.next_column()?;
    let mut writer = next.ok_or_else(|| ParquetError::General("too many columns".into()))?;
    match writer.untyped() {
        ColumnWriter::ByteArrayColumnWriter(_) => {}
        _ => return Err(ParquetError::General("a column that is no text".into())),
    }
    writer.typed::<ByteArrayType>().write_batch(
        &column.values,
        column.defined.as_deref(),
        column.repeated.as_deref(),
    )?;
    writer.close()
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(ParquetError) -> Error {
    move |error| Error::io(path, action)(std::io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use ner_types::Entity;

    use super::*;
    use crate::fault::Policy;
    use crate::reader::{ReadOptions, open};
    use crate::writer::write_rows;

    #[test]
    fn rows_round_trip_over_several_groups() {
        let example = |i: usize| Example {
            guid: (!i.is_multiple_of(3)).then(|| format!("row-{i}")),
            dataset: i.is_multiple_of(2).then(|| "set".into()),
            sentence: format!("Brel {i} é"),
            schema: (0..i % 4).map(|k| format!("type{k}")).collect(),
            cot: i.is_multiple_of(5).then(|| "because".into()),
            entities: vec![Entity::new("Brel", "type0"); i % 3],
            ..Example::default()
        };
        // A row without schema and entities would be given its own labels on reading.
        let examples: Vec<Example> = (0..GROUP + 10).map(|i| example(4 * i + 3)).collect();
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows.parquet");
        let rows = examples
            .iter()
            .cloned()
            .map(|example| Ok(Row::new(example)));
        let written = write_rows(&path, Format::Parquet, rows, Policy::strict());
        assert_eq!(written.expect("written").n_rows, examples.len());
        let rows = open(&path, Format::Parquet, ReadOptions::default()).expect("opened");
        let read: Vec<Example> = rows.map(|row| row.expect("a row").example).collect();
        assert!(read == examples);
    }

    #[test]
    fn every_compression_is_read() {
        use parquet::basic::{BrotliLevel, GzipLevel, ZstdLevel};
        let row = Row::new(Example {
            sentence: "Brel ".repeat(99).trim_end().into(),
            schema: vec!["city".into()],
            entities: vec![Entity::new("Brel", "city")],
            ..Example::default()
        });
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows.parquet");
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::LZ4,
            Compression::LZ4_RAW,
            Compression::BROTLI(BrotliLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
        ] {
            let rows = std::iter::once(Ok(row.clone()));
            let written = crate::files::replace_file(&path, |file| {
                write_as(&path, file.file(), rows, compression)
            });
            assert_eq!(written.expect("written"), 1, "{compression}");
            let rows = open(&path, Format::Parquet, ReadOptions::default()).expect("opened");
            let read: Vec<Row> = rows.map(|row| row.expect("a row")).collect();
            assert_eq!(read[0].example, row.example, "{compression}");
        }
    }

    #[test]
    fn what_is_no_parquet_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows.parquet");
        std::fs::write(&path, "PAR1 no").expect("written");
        let error = open(&path, Format::Parquet, ReadOptions::default()).expect_err("not Parquet");
        assert!(
            error.to_string().contains("rows.parquet: cannot read"),
            "{error}"
        );
    }
}

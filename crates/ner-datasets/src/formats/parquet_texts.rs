//! Parquet: one column of texts, for whoever has no annotation to read.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::ConvertedType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row as Record};
use parquet::schema::types::{Type, TypePtr};

use crate::error::Error;
use crate::foreign::guarded;

/// Columns that name a row.
const IDS: [&str; 2] = ["id", "guid"];

/// A row of a [`ParquetTexts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParquetText {
    /// Number of the row, from 1.
    pub number: usize,
    /// What stands in the column `id` or `guid`, if there is one.
    pub id: Option<String>,
    /// The text, or what stands in its place.
    pub text: Result<String, String>,
}

/// The texts of one column of a Parquet file. Other columns are not read.
pub struct ParquetTexts {
    path: PathBuf,
    column: String,
    rows: RowIter<'static>,
    number: usize,
    /// After an error there are no more.
    is_done: bool,
}

impl std::fmt::Debug for ParquetTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetTexts")
            .field("path", &self.path)
            .field("column", &self.column)
            .finish_non_exhaustive()
    }
}

/// The names of the columns of a Parquet file that hold texts.
///
/// # Errors
///
/// If the file cannot be read.
pub fn parquet_columns(path: &Path) -> Result<Vec<String>, Error> {
    let reader = reader(path)?;
    let root = reader.metadata().file_metadata().schema();
    let texts = root.get_fields().iter().filter(|field| is_text(field));
    Ok(texts.map(|field| field.name().to_owned()).collect())
}

fn reader(path: &Path) -> Result<SerializedFileReader<File>, Error> {
    let file = File::open(path).map_err(Error::io(path, "read"))?;
    guarded(path, || SerializedFileReader::new(file))?.map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(ParquetError) -> Error {
    move |error| Error::io(path, "read")(std::io::Error::other(error))
}

fn is_text(field: &Type) -> bool {
    let info = field.get_basic_info();
    field.is_primitive()
        && matches!(
            info.converted_type(),
            ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON
        )
}

impl ParquetTexts {
    /// Opens a file; `column` is one of [`parquet_columns`].
    ///
    /// # Errors
    ///
    /// If the file cannot be read or has no such column.
    pub fn open(path: &Path, column: &str) -> Result<Self, Error> {
        let reader = reader(path)?;
        let root = reader.metadata().file_metadata().schema();
        let is_wanted = |field: &&TypePtr| {
            field.is_primitive() && (field.name() == column || IDS.contains(&field.name()))
        };
        let fields: Vec<TypePtr> = root
            .get_fields()
            .iter()
            .filter(is_wanted)
            .cloned()
            .collect();
        if !fields.iter().any(|field| field.name() == column) {
            return Err(Error::missing(path, format!("a column {column:?}"), "none"));
        }
        let projection = Type::group_type_builder(root.name()).with_fields(fields);
        let rows = projection.build().and_then(|projection| {
            let rows = RowIter::from_file_into(Box::new(reader));
            rows.project(Some(projection))
        });
        Ok(Self {
            path: path.to_owned(),
            column: column.to_owned(),
            rows: rows.map_err(failed(path))?,
            number: 0,
            is_done: false,
        })
    }

    fn text(&self, record: &Record) -> ParquetText {
        let mut row = ParquetText {
            number: self.number,
            id: None,
            text: Err(format!("there is no {:?}", self.column)),
        };
        for (name, field) in record.get_column_iter() {
            if *name == self.column {
                row.text = match field {
                    Field::Str(text) => Ok(text.clone()),
                    Field::Null => Err(format!("{:?} is null", self.column)),
                    other => Err(format!("expected a text, found {other}")),
                };
            } else {
                row.id = match field {
                    Field::Null => row.id,
                    Field::Str(id) => Some(id.clone()),
                    other => Some(other.to_string()),
                };
            }
        }
        row
    }
}

impl Iterator for ParquetTexts {
    type Item = Result<ParquetText, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let record = match guarded(&self.path, || self.rows.next()) {
            Ok(record) => record?.map_err(failed(&self.path)),
            Err(error) => Err(error),
        };
        self.is_done = record.is_err();
        self.number += 1;
        Some(record.map(|record| self.text(&record)))
    }
}

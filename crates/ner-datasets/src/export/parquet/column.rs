//! Columns of a row group in Dremel's form: values, and for each the level at which it is defined and repeated.

use std::io::Write;

use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedRowGroupWriter};

use crate::export::row::ExportRow;

/// A value of a column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Text(&'a str),
    Int(i64),
    Real(f64),
    Flag(bool),
}

/// A count or a place.
pub(super) fn number(n: usize) -> Cell<'static> {
    Cell::Int(n as i64)
}

/// A row group that gets its columns one after the other.
pub(super) struct Group<'a, 'w, W: Write + Send> {
    writer: SerializedRowGroupWriter<'w, W>,
    rows: &'a [ExportRow],
}

/// The levels of a column; none where a value is required.
#[derive(Default)]
struct Levels {
    defined: Option<Vec<i16>>,
    repeated: Option<Vec<i16>>,
}

impl<'a, 'w, W: Write + Send> Group<'a, 'w, W> {
    pub(super) fn new(writer: SerializedRowGroupWriter<'w, W>, rows: &'a [ExportRow]) -> Self {
        Self { writer, rows }
    }

    pub(super) fn close(self) -> Result<(), ParquetError> {
        self.writer.close().map(drop)
    }

    pub(super) fn required(
        &mut self,
        value: impl Fn(&'a ExportRow) -> Cell<'a>,
    ) -> Result<(), ParquetError> {
        let cells: Vec<Cell<'a>> = self.rows.iter().map(value).collect();
        self.write(&cells, Levels::default())
    }

    pub(super) fn optional(
        &mut self,
        value: impl Fn(&'a ExportRow) -> Option<Cell<'a>>,
    ) -> Result<(), ParquetError> {
        let values: Vec<Option<Cell<'a>>> = self.rows.iter().map(value).collect();
        let defined = values.iter().map(|value| value.is_some().into());
        let levels = Levels {
            defined: Some(defined.collect()),
            repeated: None,
        };
        let cells: Vec<Cell<'a>> = values.into_iter().flatten().collect();
        self.write(&cells, levels)
    }

    /// A field that each item of a list has.
    pub(super) fn list<T: 'a>(
        &mut self,
        items: impl Fn(&'a ExportRow) -> &'a [T],
        value: impl Fn(&'a T) -> Cell<'a>,
    ) -> Result<(), ParquetError> {
        self.write_list(items, |item| Some(value(item)), 1)
    }

    /// A field that an item of a list may have.
    pub(super) fn optional_list<T: 'a>(
        &mut self,
        items: impl Fn(&'a ExportRow) -> &'a [T],
        value: impl Fn(&'a T) -> Option<Cell<'a>>,
    ) -> Result<(), ParquetError> {
        self.write_list(items, value, 2)
    }

    /// An empty list has one level and no value. `defined` is the level of a value that is there.
    fn write_list<T: 'a>(
        &mut self,
        items: impl Fn(&'a ExportRow) -> &'a [T],
        value: impl Fn(&'a T) -> Option<Cell<'a>>,
        level: i16,
    ) -> Result<(), ParquetError> {
        let (mut cells, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        for row in self.rows {
            let items = items(row);
            if items.is_empty() {
                defined.push(0);
                repeated.push(0);
            }
            for (i, item) in items.iter().enumerate() {
                let cell = value(item);
                defined.push(if cell.is_some() { level } else { 1 });
                repeated.push(i16::from(i > 0));
                cells.extend(cell);
            }
        }
        let levels = Levels {
            defined: Some(defined),
            repeated: Some(repeated),
        };
        self.write(&cells, levels)
    }

    fn write(&mut self, cells: &[Cell<'_>], levels: Levels) -> Result<(), ParquetError> {
        let next = self.writer.next_column()?;
        let mut column = next.ok_or_else(|| ParquetError::General("too many columns".into()))?;
        match column.untyped() {
            ColumnWriter::ByteArrayColumnWriter(_) => {
                batch::<_, ByteArrayType>(&mut column, cells, text, &levels)
            }
            ColumnWriter::Int64ColumnWriter(_) => {
                batch::<_, Int64Type>(&mut column, cells, int, &levels)
            }
            ColumnWriter::DoubleColumnWriter(_) => {
                batch::<_, DoubleType>(&mut column, cells, real, &levels)
            }
            ColumnWriter::BoolColumnWriter(_) => {
                batch::<_, BoolType>(&mut column, cells, flag, &levels)
            }
            _ => Err(of_another_type()),
        }?;
        column.close()
    }
}

fn text(cell: &Cell<'_>) -> Option<ByteArray> {
    match cell {
        Cell::Text(text) => Some(ByteArray::from(*text)),
        _ => None,
    }
}

fn int(cell: &Cell<'_>) -> Option<i64> {
    match cell {
        Cell::Int(number) => Some(*number),
        _ => None,
    }
}

fn real(cell: &Cell<'_>) -> Option<f64> {
    match cell {
        Cell::Real(number) => Some(*number),
        _ => None,
    }
}

fn flag(cell: &Cell<'_>) -> Option<bool> {
    match cell {
        Cell::Flag(flag) => Some(*flag),
        _ => None,
    }
}

/// Writes all cells as values of the column's type.
fn batch<V, T: DataType<T = V>>(
    column: &mut SerializedColumnWriter<'_>,
    cells: &[Cell<'_>],
    value: fn(&Cell<'_>) -> Option<V>,
    levels: &Levels,
) -> Result<(), ParquetError> {
    let values: Option<Vec<V>> = cells.iter().map(value).collect();
    let values = values.ok_or_else(of_another_type)?;
    let (defined, repeated) = (levels.defined.as_deref(), levels.repeated.as_deref());
    let writer = column.typed::<T>();
    writer.write_batch(&values, defined, repeated).map(drop)
}

fn of_another_type() -> ParquetError {
    ParquetError::General("a value of another type than its column".into())
}

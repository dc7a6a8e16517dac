//! Tables with a header: CSV, or divided by tabs.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::text::{IDS, Text, TextOptions, utf8};
use crate::error::{Error, Result};

/// Bytes that the parser reads ahead.
const BUFFER: usize = 1 << 16;

/// The rows of a table.
pub(super) struct Table {
    reader: Reader<Bounded>,
    /// Bytes that may still be read for this row.
    left: Arc<AtomicUsize>,
    max_bytes: usize,
    record: ByteRecord,
    text_at: usize,
    id_at: Option<usize>,
}

impl Table {
    /// Reads the header and finds the column of the texts.
    ///
    /// # Errors
    /// A source that cannot be read; a header without such a column.
    pub(super) fn new(
        name: &Path,
        source: impl Read + Send + 'static,
        delimiter: u8,
        options: &TextOptions,
    ) -> Result<Self> {
        let left = Arc::new(AtomicUsize::new(options.max_bytes + BUFFER));
        let source = Bounded {
            source: Box::new(source),
            left: Arc::clone(&left),
        };
        let mut builder = ReaderBuilder::new();
        let builder = builder.delimiter(delimiter).flexible(true);
        let mut reader = builder.buffer_capacity(BUFFER).from_reader(source);
        let header = reader
            .byte_headers()
            .map_err(|error| broken(name, 1, &error))?;
        let names: Vec<String> = header
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim().to_owned())
            .collect();
        let text_at = options.column(names.iter().map(String::as_str));
        let text_at = text_at.ok_or_else(|| no_column(name, &names, options))?;
        let id_at = IDS
            .iter()
            .find_map(|id| names.iter().position(|name| name == id));
        Ok(Self {
            reader,
            left,
            max_bytes: options.max_bytes,
            record: ByteRecord::new(),
            text_at,
            id_at: id_at.filter(|at| *at != text_at),
        })
    }

    /// The next row.
    ///
    /// # Errors
    /// A source that cannot be read any further, such as one with a quote that is never closed.
    pub(super) fn next(&mut self, name: &Path) -> Result<Option<Text>> {
        self.left.store(self.max_bytes + BUFFER, Ordering::Relaxed);
        let line = self.reader.position().line();
        let read = self.reader.read_byte_record(&mut self.record);
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        if !read.map_err(|error| broken(name, line, &error))? {
            return Ok(None);
        }
        let at = self.record.position().map(csv::Position::line);
        let line = at.map_or(line, |at| usize::try_from(at).unwrap_or(usize::MAX));
        let id = self.id_at.and_then(|at| self.record.get(at));
        let id = id.map(|id| String::from_utf8_lossy(id).into_owned());
        let text = match self.record.get(self.text_at) {
            Some(text) => utf8(text.to_vec(), "text"),
            None => Err(format!(
                "expected {} columns, found {}",
                self.text_at + 1,
                self.record.len()
            )),
        };
        let id = id.filter(|id| !id.is_empty());
        Ok(Some(Text::new(line, id, text)))
    }
}

fn no_column(name: &Path, names: &[String], options: &TextOptions) -> Error {
    let found = names.join(", ");
    Error::Broken {
        path: name.to_owned(),
        line: 1,
        what: format!(
            "expected a column {}, found {found}",
            options.expected().replace(';', ",")
        ),
    }
}

fn broken(name: &Path, line: usize, error: &csv::Error) -> Error {
    let what = match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    };
    Error::Broken {
        path: name.to_owned(),
        line,
        what,
    }
}

/// A source of which no row takes more memory than it may.
struct Bounded {
    source: Box<dyn Read + Send>,
    left: Arc<AtomicUsize>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::Error::other(
                "the row that begins here is too long; is a quote not closed?",
            ));
        }
        let n_bytes = buffer.len().min(left);
        let n_bytes = self.source.read(&mut buffer[..n_bytes])?;
        self.left.store(left - n_bytes, Ordering::Relaxed);
        Ok(n_bytes)
    }
}

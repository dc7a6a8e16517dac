//! One streaming reader for every format.
//!
//! [`RowReader`] is an iterator over the rows of a file. It holds one block and one row, whatever the file's size;
//! only [`ReadOptions::check_ids`] needs memory for each row, 16 bytes.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ner_types::Offsets;

use crate::checks::{check_labels, check_mentions, drop_blank, own_labels};
use crate::error::Error;
use crate::fault::{FaultKind, FaultReport, Policy};
use crate::format::Format;
use crate::formats::bio::{BioColumns, BioSource};
use crate::formats::draft::Decoding;
use crate::formats::hub::names_beside;
use crate::formats::instruct_uie::labels_beside;
use crate::formats::json::{Decoder, JsonSource};
use crate::hash::short_hash;
use crate::recorder::Recorder;
use crate::row::Row;
use crate::types::Types;

/// Bytes read from a JSON file at a time.
const BUFFER: usize = 1 << 18;

/// How a file is read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Name given to rows that do not state their dataset.
    pub dataset: Option<String>,
    /// Beginning of the identifier `<prefix>-<index>`, from 0, given to rows without one.
    pub guid_prefix: Option<String>,
    /// The dataset's labels: the schema of rows that state none, and the labels that entities may have. Without them
    /// such a row's schema is the sorted set of its own labels, and every label is allowed.
    pub labels: Option<Vec<String>>,
    /// The schema of rows that state none, in the place of `labels` and of their own labels.
    pub types: Option<Types>,
    /// Which faults are fatal.
    pub policy: Policy,
    /// Longest line or JSON element, in bytes.
    pub max_row_bytes: usize,
    /// Whether identifiers are compared. Needs memory for each row.
    pub check_ids: bool,
    /// In what the file's offsets are counted.
    pub offsets: Offsets,
    /// The names of numbered tags, in their order, for files that do not state them.
    pub tag_names: Option<Vec<String>>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            dataset: None,
            guid_prefix: None,
            labels: None,
            types: None,
            policy: Policy::default(),
            max_row_bytes: 1 << 20,
            check_ids: false,
            offsets: Offsets::Characters,
            tag_names: None,
        }
    }
}

impl ReadOptions {
    fn decoding(&self) -> Decoding {
        Decoding {
            offsets: self.offsets,
            tag_names: self.tag_names.as_deref().map(Into::into),
        }
    }
}

/// The rows of a file, one after the other. After an error there are no more.
#[derive(Debug)]
pub struct RowReader {
    source: Source,
    recorder: Recorder,
    options: ReadOptions,
    /// Beginnings of the hashes of the identifiers met.
    ids: HashSet<u128>,
    n_rows: usize,
    n_without_types: usize,
    is_done: bool,
}

#[derive(Debug)]
enum Source {
    Bio(BioSource<Input>),
    Json(JsonSource<BufReader<Input>>),
    #[cfg(feature = "parquet")]
    Parquet(crate::formats::parquet::ParquetSource),
}

/// Where text comes from.
struct Input(Box<dyn Read + Send>);

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Input")
    }
}

/// Opens a file of a known format; [`Format::detect`] finds out which.
///
/// For InstructUIE, the labels are those of the `labels.json` beside the file, unless the options give them or there
/// is none.
///
/// # Errors
///
/// If the file or its `labels.json` cannot be opened, or the format needs a feature that is not compiled in.
pub fn open(path: &Path, format: Format, mut options: ReadOptions) -> Result<RowReader, Error> {
    if format == Format::InstructUie && options.labels.is_none() {
        options.labels = labels_beside(path)?;
    }
    open_as(path, format, options)
}

/// [`open`] with the labels of the options only.
pub(crate) fn open_as(
    path: &Path,
    format: Format,
    options: ReadOptions,
) -> Result<RowReader, Error> {
    let file = File::open(path).map_err(Error::io(path, "read"))?;
    let mut how = options.decoding();
    if matches!(format, Format::Hub | Format::Parquet) && how.tag_names.is_none() {
        how.tag_names = names_beside(path);
    }
    if format == Format::Parquet {
        let recorder = Recorder::new(path, options.policy);
        let source = parquet_source(path, file, how)?;
        return Ok(RowReader::new(source, recorder, options));
    }
    read_as(path, file, format, options, how)
}

/// Reads rows from any source of text, such as standard input; `name` stands for it in messages.
///
/// # Errors
///
/// If the source cannot be read, or the format is Parquet, which needs a file.
pub fn from_reader(
    name: &Path,
    source: impl Read + Send + 'static,
    format: Format,
    options: ReadOptions,
) -> Result<RowReader, Error> {
    let how = options.decoding();
    read_as(name, source, format, options, how)
}

fn read_as(
    name: &Path,
    source: impl Read + Send + 'static,
    format: Format,
    options: ReadOptions,
    how: Decoding,
) -> Result<RowReader, Error> {
    let input = Input(Box::new(source));
    let mut recorder = Recorder::new(name, options.policy);
    let max = options.max_row_bytes;
    let source = match format {
        Format::Bio => Source::Bio(BioSource::new(
            input,
            BioColumns::TagLast,
            max,
            &mut recorder,
        )?),
        Format::MitBio => Source::Bio(BioSource::new(
            input,
            BioColumns::TagFirst,
            max,
            &mut recorder,
        )?),
        Format::IndexedBio => Source::Bio(BioSource::new(
            input,
            BioColumns::Indexed,
            max,
            &mut recorder,
        )?),
        Format::Parquet => return Err(Error::missing(name, "a file for Parquet", "a stream")),
        _ => {
            let input = BufReader::with_capacity(BUFFER, input);
            Source::Json(JsonSource::new(
                input,
                Decoder { format, how },
                max,
                &mut recorder,
            )?)
        }
    };
    Ok(RowReader::new(source, recorder, options))
}

#[cfg(feature = "parquet")]
fn parquet_source(path: &Path, file: File, how: Decoding) -> Result<Source, Error> {
    crate::formats::parquet::ParquetSource::new(path, file, how).map(Source::Parquet)
}

#[cfg(not(feature = "parquet"))]
fn parquet_source(path: &Path, _: File, _: Decoding) -> Result<Source, Error> {
    let expected = "a build with the feature `parquet`";
    Err(Error::missing(path, expected, "one without it"))
}

impl RowReader {
    fn new(source: Source, recorder: Recorder, options: ReadOptions) -> Self {
        RowReader {
            source,
            recorder,
            options,
            ids: HashSet::new(),
            n_rows: 0,
            n_without_types: 0,
            is_done: false,
        }
    }

    /// The faults met so far.
    pub fn faults(&self) -> &FaultReport {
        &self.recorder.report
    }

    /// How many rows were given out.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// How many rows stated no types.
    pub fn n_without_types(&self) -> usize {
        self.n_without_types
    }

    /// Reads the rest and gives what was wrong.
    ///
    /// # Errors
    ///
    /// The first fatal fault.
    pub fn finish(mut self) -> Result<FaultReport, Error> {
        self.by_ref().try_for_each(|row| row.map(drop))?;
        Ok(self.recorder.report)
    }

    fn advance(&mut self) -> Result<Option<Row>, Error> {
        loop {
            let row = match &mut self.source {
                Source::Bio(source) => source.next_row(&mut self.recorder)?,
                Source::Json(source) => source.next_row(&mut self.recorder)?,
                #[cfg(feature = "parquet")]
                Source::Parquet(source) => source.next_row(&mut self.recorder)?,
            };
            let Some(mut row) = row else {
                return self.end();
            };
            self.complete(&mut row)?;
            if !self.options.check_ids || self.is_new(&row)? {
                self.n_rows += 1;
                return Ok(Some(row));
            }
        }
    }

    fn end(&mut self) -> Result<Option<Row>, Error> {
        if self.n_rows == 0 {
            let found = || "none".to_string();
            self.recorder
                .record(FaultKind::Empty, 0, "at least one example", found)?;
        }
        Ok(None)
    }

    /// Gives the row its dataset, identifier and schema, and looks at its labels.
    fn complete(&mut self, row: &mut Row) -> Result<(), Error> {
        drop_blank(row, &mut self.recorder)?;
        if let Some(labels) = &self.options.labels {
            check_labels(row, labels, &mut self.recorder)?;
        }
        if row.example.schema.is_empty() {
            self.n_without_types += 1;
            row.example.schema = self.schema_of(row);
        }
        check_mentions(row, &mut self.recorder)?;
        if row.example.dataset.is_none() {
            row.example.dataset.clone_from(&self.options.dataset);
        }
        if let (None, Some(prefix)) = (&row.example.guid, &self.options.guid_prefix) {
            row.example.guid = Some(format!("{prefix}-{}", self.n_rows));
        }
        Ok(())
    }

    /// The schema of a row that states none.
    fn schema_of(&self, row: &Row) -> Vec<String> {
        match (&self.options.types, &self.options.labels) {
            (Some(types), _) => types.of_row(&row.example.sentence, own_labels(row)),
            (None, Some(labels)) => labels.clone(),
            (None, None) => own_labels(row),
        }
    }

    fn is_new(&mut self, row: &Row) -> Result<bool, Error> {
        let Some(guid) = &row.example.guid else {
            return Ok(true);
        };
        let is_new = self.ids.insert(short_hash(guid));
        if !is_new {
            let found = || format!("{guid:?} again");
            let expected = "a new identifier";
            self.recorder
                .record(FaultKind::DuplicateId, row.line, expected, found)?;
        }
        Ok(is_new)
    }
}

impl Iterator for RowReader {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let row = self.advance();
        self.is_done = !matches!(row, Ok(Some(_)));
        row.transpose()
    }
}

//! The texts of a file, one after the other, whatever kind of file it is: lines, JSON lines, a table with a header,
//! Parquet, an annotated dataset, or one text.
//!
//! One row is in memory at a time, of Parquet a page. A row that is none is a [`Text`] with a fault, and the next one
//! follows.

mod lines;
mod rows;
mod table;
mod text;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ner_datasets::{Format, ParquetTexts, Policy, ReadOptions, RowReader, open, parquet_columns};

use crate::error::{Error, Result};
use crate::inputs::Input;
use lines::Lines;
use rows::row_of;
use table::Table;

pub use text::{Text, TextOptions};

/// The texts of a source.
pub struct Texts {
    name: PathBuf,
    options: TextOptions,
    source: Source,
    /// Read already, to see whether there is one.
    next: Option<Text>,
    notes: Vec<String>,
}

enum Source {
    /// A text on each line, or a JSON object of this kind.
    Lines { lines: Lines, kind: Kind },
    /// A table with a header.
    Table(Box<Table>),
    /// A column of Parquet.
    Column(Box<ParquetTexts>),
    /// A dataset of another kind, and the faults that were told of.
    Dataset { reader: Box<RowReader>, told: usize },
    /// All of a file.
    Whole(Option<Box<dyn Read + Send>>),
}

/// What stands on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    /// A JSON object with the text under a key that was named.
    Field,
    /// A row of a dataset.
    Row(Format),
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Texts {
    /// Opens a file. What kind it is, its ending says (`csv`, `tsv`, `parquet`), or else its content.
    ///
    /// # Errors
    /// A file that cannot be read, or in which no text is found: a table without such a column, an array of JSON
    /// objects of no known kind.
    pub fn open(path: &Path, options: &TextOptions) -> Result<Self> {
        let file = || File::open(path).map_err(Error::io(path, "read"));
        if options.is_whole {
            let source = Source::Whole(Some(Box::new(file()?)));
            return Ok(Self::new(path, options, source));
        }
        let source = match ending(path).as_deref() {
            Some("csv") => Source::Table(Box::new(Table::new(path, file()?, b',', options)?)),
            Some("parquet") => of_parquet(path, options)?,
            ending => of_text(path, ending, options)?,
        };
        Ok(Self::new(path, options, source))
    }

    /// Opens a file that was found, or standard input.
    ///
    /// # Errors
    /// As [`Texts::open`].
    pub fn of_input(input: &Input, options: &TextOptions) -> Result<Self> {
        if input.is_stdin() {
            return Self::from_reader(Path::new("standard input"), std::io::stdin(), options);
        }
        Self::open(&input.path, options)
    }

    /// Reads lines or JSON lines, or all as one text, from any source; `name` stands for it in messages.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub fn from_reader(
        name: &Path,
        source: impl Read + Send + 'static,
        options: &TextOptions,
    ) -> Result<Self> {
        let source = if options.is_whole {
            Source::Whole(Some(Box::new(source)))
        } else {
            of_lines(name, source, None, options)?
        };
        Ok(Self::new(name, options, source))
    }

    fn new(name: &Path, options: &TextOptions, source: Source) -> Self {
        Self {
            name: name.to_owned(),
            options: options.clone(),
            source,
            next: None,
            notes: Vec::new(),
        }
    }

    /// The file, for messages.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Rows that the reader of a dataset passed over so far, because they are none.
    pub fn passed_over(&self) -> usize {
        let Source::Dataset { reader, .. } = &self.source else {
            return 0;
        };
        let counts = reader.faults().counts.iter();
        let skipped = counts.filter(|(kind, _)| kind.remedy() == "row skipped");
        let skipped = skipped.map(|(_, count)| usize::try_from(*count).unwrap_or(usize::MAX));
        skipped.sum()
    }

    /// What is to be said about the rows since this was called before.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// The next text, or `None` at the end.
    ///
    /// # Errors
    /// A source that cannot be read any further.
    pub fn next_text(&mut self) -> Result<Option<Text>> {
        match self.next.take() {
            Some(text) => Ok(Some(text)),
            None => self.read(),
        }
    }

    /// Whether there is no further text.
    ///
    /// # Errors
    /// As [`Texts::next_text`].
    pub fn is_at_end(&mut self) -> Result<bool> {
        if self.next.is_none() {
            self.next = self.read()?;
        }
        Ok(self.next.is_none())
    }

    /// Passes over so many texts at most; gives how many there were. Lines are not looked at.
    ///
    /// # Errors
    /// As [`Texts::next_text`].
    pub fn skip(&mut self, most: usize) -> Result<usize> {
        let mut skipped = 0;
        while skipped < most {
            let unread = self.next.is_none();
            let was_there = match &mut self.source {
                Source::Lines { lines, .. } if unread => {
                    lines.skip().map_err(Error::io(&self.name, "read"))?
                }
                _ => self.next_text()?.is_some(),
            };
            if !was_there {
                break;
            }
            skipped += 1;
        }
        Ok(skipped)
    }

    fn read(&mut self) -> Result<Option<Text>> {
        let name = &self.name;
        match &mut self.source {
            Source::Lines { lines, kind } => {
                let line = lines.next().map_err(Error::io(name, "read"))?;
                Ok(line.map(|(line, bytes)| row_of(name, line, bytes, *kind, &self.options)))
            }
            Source::Table(table) => table.next(name),
            Source::Column(column) => {
                let Some(row) = column.next().transpose()? else {
                    return Ok(None);
                };
                Ok(Some(Text::new(row.number, row.id, row.text)))
            }
            Source::Dataset { reader, told } => next_of_dataset(reader, told, &mut self.notes),
            Source::Whole(source) => match source.take() {
                None => Ok(None),
                Some(source) => whole(name, source, &self.options).map(Some),
            },
        }
    }
}

/// The ending of a name in lower case.
fn ending(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_str()?;
    Some(ending.to_ascii_lowercase())
}

fn of_parquet(path: &Path, options: &TextOptions) -> Result<Source> {
    let columns = parquet_columns(path)?;
    match options.column(columns.iter().map(String::as_str)) {
        Some(at) => {
            let texts = ParquetTexts::open(path, &columns[at])?;
            Ok(Source::Column(Box::new(texts)))
        }
        // Words and their tags are no column of texts, but a dataset.
        None if options.field.is_none() => of_dataset(path, Format::Parquet),
        None => Err(Error::Usage(format!(
            "{}: expected a column {}, found {}",
            path.display(),
            options.expected(),
            columns.join(", ")
        ))),
    }
}

fn of_dataset(path: &Path, format: Format) -> Result<Source> {
    let reader = Box::new(open(path, format, lenient())?);
    Ok(Source::Dataset { reader, told: 0 })
}

fn lenient() -> ReadOptions {
    ReadOptions {
        policy: Policy::lenient(),
        ..ReadOptions::default()
    }
}

/// A file that is no table and no Parquet, unless it is one divided by tabs.
fn of_text(path: &Path, ending: Option<&str>, options: &TextOptions) -> Result<Source> {
    let file = || File::open(path).map_err(Error::io(path, "read"));
    let format = {
        file()?;
        Format::detect(path).ok()
    };
    if ending == Some("tsv") && (format.is_none() || options.field.is_some()) {
        let table = Table::new(path, file()?, b'\t', options)?;
        return Ok(Source::Table(Box::new(table)));
    }
    if format.is_none() && begins_an_array_of_objects(path, file()?)? {
        return Err(Error::Usage(format!(
            "{}: a JSON array whose rows have no sentence that is read; a row has `text`, or is one that `rner data \
             formats` lists. JSON lines with `sentence` are read too",
            path.display()
        )));
    }
    match (of_lines(path, file()?, format, options)?, format) {
        (
            Source::Lines {
                kind: Kind::Plain, ..
            },
            Some(format),
        ) => of_dataset(path, format),
        (source, _) => Ok(source),
    }
}

/// Lines of text; of JSON if the first of them begins an object.
fn of_lines(
    name: &Path,
    source: impl Read + Send + 'static,
    format: Option<Format>,
    options: &TextOptions,
) -> Result<Source> {
    let mut lines = Lines::new(source, options.max_bytes);
    let first = lines.first_byte().map_err(Error::io(name, "read"))?;
    let kind = match (first, &options.field) {
        (Some(b'{'), Some(_)) => Kind::Field,
        (Some(b'{'), None) => Kind::Row(match format {
            // Of rows that state no more than a sentence, no reader asks for less than the plain one.
            None | Some(Format::NerCot | Format::InstructUie) => Format::Plain,
            Some(other) => other,
        }),
        (Some(_), Some(_)) => {
            return Err(Error::Usage(format!(
                "{}: --text-field names a key of JSON lines or a column, and these are plain lines",
                name.display()
            )));
        }
        _ => Kind::Plain,
    };
    Ok(Source::Lines { lines, kind })
}

/// Whether a text begins as a JSON array of objects does, which nobody writes in front of a sentence.
fn begins_an_array_of_objects(path: &Path, file: File) -> Result<bool> {
    let mut head = Vec::new();
    let read = file.take(1 << 10).read_to_end(&mut head);
    read.map_err(Error::io(path, "read"))?;
    let mut seen = head.iter().filter(|byte| !byte.is_ascii_whitespace());
    Ok(seen.next() == Some(&b'[') && seen.next() == Some(&b'{'))
}

/// A dataset's next row. A row that its reader passes over is told of, as far as its place is known.
fn next_of_dataset(
    reader: &mut RowReader,
    told: &mut usize,
    notes: &mut Vec<String>,
) -> Result<Option<Text>> {
    let next = reader.next().transpose()?;
    let report = reader.faults();
    let new = report.first.iter().skip(*told);
    notes.extend(new.map(|fault| format!("{fault} ({})", fault.kind.remedy())));
    *told = report.first.len();
    Ok(next.map(|row| Text::new(row.line, row.example.guid, Ok(row.example.sentence))))
}

/// All of a source as one text; a byte order mark is dropped.
fn whole(name: &Path, source: Box<dyn Read + Send>, options: &TextOptions) -> Result<Text> {
    let max = options.max_whole_bytes();
    let mut bytes = Vec::new();
    let mut bounded = source.take(max as u64 + 1);
    let read = bounded.read_to_end(&mut bytes);
    read.map_err(Error::io(name, "read"))?;
    let text = if bytes.len() > max {
        Err(format!("the text has over {max} bytes"))
    } else {
        text::utf8(bytes, "text")
    };
    let text = text.map(|text| match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    });
    Ok(Text::new(1, None, text))
}

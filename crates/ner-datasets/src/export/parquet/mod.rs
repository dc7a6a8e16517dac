//! Parquet: a row for each text, its mentions as `entities: list<struct>` with their places in characters, bytes and
//! UTF-16 units.
//!
//! Snappy-compressed, in row groups of at most [`GROUP`] rows or about [`GROUP_BYTES`] of text, which is what is held
//! in memory.

mod column;

use std::io::{self, Write};
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use ner_types::Span;

use self::column::{Cell, Group, number};
use super::form::{Form, LeftOut};
use super::mention::ExportMention;
use super::row::{ExportProblem, ExportRow};
use crate::fault::FaultReport;

const GROUP: usize = 4096;
const GROUP_BYTES: usize = 32 << 20;

const SCHEMA: &str = "message extraction {
  optional binary file (STRING);
  required int64 line;
  optional binary id (STRING);
  required binary sentence (STRING);
  required group entities (LIST) { repeated group list { required group element {
    required binary text (STRING); required binary label (STRING);
    optional int64 start; optional int64 end;
    optional int64 byte_start; optional int64 byte_end;
    optional int64 utf16_start; optional int64 utf16_end;
    required binary grounding (STRING); optional binary answer (STRING); optional int64 edits;
    optional double confidence; optional binary evidence (STRING); } } }
  optional binary reasoning (STRING);
  required group problems (LIST) { repeated group list { required group element {
    required binary kind (STRING); optional binary detail (STRING); required binary message (STRING); } } }
  required boolean cut_off;
  optional binary error (STRING);
}";

/// Writes row groups.
pub(super) struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    group: Vec<ExportRow>,
    n_bytes: usize,
    left_out: LeftOut,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(out: W, left_out: LeftOut) -> io::Result<Self> {
        let schema = parse_message_type(SCHEMA)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let properties = Arc::new(properties.build());
        Ok(Self {
            writer: SerializedFileWriter::new(out, Arc::new(schema), properties)?,
            group: Vec::new(),
            n_bytes: 0,
            left_out,
        })
    }

    fn write_group(&mut self) -> io::Result<()> {
        if !self.group.is_empty() {
            write_group(&mut self.writer, &self.group)?;
        }
        self.group.clear();
        self.n_bytes = 0;
        Ok(())
    }
}

impl<W: Write + Send> Form for Parquet<W> {
    fn write(&mut self, row: &ExportRow) -> io::Result<()> {
        let reasoning = row.reasoning.as_deref().unwrap_or_default();
        self.n_bytes += row.sentence.len() + reasoning.len() + 100 * row.mentions.len();
        // What was read from is not needed again, and is as large as all the rest.
        let source = serde_json::Map::new();
        self.group.push(ExportRow {
            source,
            ..row.clone()
        });
        if self.group.len() == GROUP || self.n_bytes >= GROUP_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    fn left_out(&self) -> &FaultReport {
        self.left_out.report()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.write_group()?;
        self.writer.finish()?;
        self.writer.inner_mut().flush()
    }
}

/// The columns in the order of the schema.
fn write_group<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    rows: &[ExportRow],
) -> Result<(), ParquetError> {
    let mut group = Group::new(writer.next_row_group()?, rows);
    group.optional(|row| row.file.as_deref().map(Cell::Text))?;
    group.required(|row| number(row.line))?;
    group.optional(|row| row.id.as_deref().map(Cell::Text))?;
    group.required(|row| Cell::Text(&row.sentence))?;
    write_mentions(&mut group)?;
    group.optional(|row| row.reasoning.as_deref().map(Cell::Text))?;
    write_problems(&mut group)?;
    group.required(|row| Cell::Flag(row.is_cut_off))?;
    group.optional(|row| row.error.as_deref().map(Cell::Text))?;
    group.close()
}

fn mentions(row: &ExportRow) -> &[ExportMention] {
    &row.mentions
}

fn write_mentions<W: Write + Send>(group: &mut Group<'_, '_, W>) -> Result<(), ParquetError> {
    group.list(mentions, |mention| Cell::Text(&mention.text))?;
    group.list(mentions, |mention| Cell::Text(&mention.label))?;
    let places: [fn(&Span) -> usize; 4] = [
        |span| span.char_start,
        |span| span.char_end,
        |span| span.byte_start,
        |span| span.byte_end,
    ];
    for place in places {
        group.optional_list(mentions, |mention| Some(number(place(&mention.span?))))?;
    }
    for end in 0..2 {
        group.optional_list(mentions, |mention| {
            mention.span.map(|_| number(mention.utf16[end]))
        })?;
    }
    group.list(mentions, |mention| Cell::Text(&mention.grounding))?;
    group.optional_list(mentions, |mention| {
        mention.answer.as_deref().map(Cell::Text)
    })?;
    group.optional_list(mentions, |mention| {
        mention.edits.map(|edits| Cell::Int(edits as i64))
    })?;
    group.optional_list(mentions, |mention| mention.confidence.map(Cell::Real))?;
    group.optional_list(mentions, |mention| {
        mention.evidence.as_deref().map(Cell::Text)
    })
}

fn write_problems<W: Write + Send>(group: &mut Group<'_, '_, W>) -> Result<(), ParquetError> {
    fn problems(row: &ExportRow) -> &[ExportProblem] {
        &row.problems
    }
    group.list(problems, |problem| Cell::Text(&problem.kind))?;
    group.optional_list(problems, |problem| {
        problem.detail.as_deref().map(Cell::Text)
    })?;
    group.list(problems, |problem| Cell::Text(&problem.message))
}

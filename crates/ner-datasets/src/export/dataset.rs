//! Forms of output that are formats of datasets: GLiNER, BIO in columns, doccano and Prodigy.

use std::io::{self, Write};

use ner_types::{Entity, Example};

use super::form::{Form, LeftOut};
use super::row::ExportRow;
use crate::fault::FaultReport;
use crate::format::Format;
use crate::row::Row;
use crate::writer::TextWriter;

/// Writes rows as `rner data convert` does.
pub(super) struct Dataset<W> {
    out: W,
    writer: TextWriter,
    left_out: LeftOut,
}

impl<W: Write> Dataset<W> {
    /// `is_lines` is whether a JSON format has a row on each line, and is no array.
    pub(super) fn new(out: W, format: Format, is_lines: bool, left_out: LeftOut) -> Self {
        let writer = TextWriter::new(format, is_lines);
        Self {
            out,
            writer,
            left_out,
        }
    }
}

impl<W: Write> Form for Dataset<W> {
    fn write(&mut self, row: &ExportRow) -> io::Result<()> {
        if self.left_out.unanswered(row) {
            return Ok(());
        }
        // What stands nowhere is not searched for again: it is known to be absent.
        self.left_out.ungrounded(row);
        let (row, recorder) = (to_row(row), self.left_out.recorder());
        let written = self.writer.write(&row, &mut self.out, recorder);
        written.map_err(io::Error::other)?
    }

    fn left_out(&self) -> &FaultReport {
        self.left_out.report()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.writer.close(&mut self.out)?;
        self.out.flush()
    }
}

/// The row of a dataset: the mentions that have a place, with the text that stands there.
fn to_row(row: &ExportRow) -> Row {
    let entities = row.placed();
    let entities =
        entities.map(|(mention, span)| Entity::new(&mention.text, &mention.label).at(span));
    Row {
        line: row.line,
        words: Vec::new(),
        example: Example {
            guid: row.id.clone(),
            sentence: row.sentence.clone(),
            cot: row.reasoning.clone(),
            entities: entities.collect(),
            ..Example::default()
        },
    }
}

//! CSV, as RFC 4180 has it: a line for each mention, with its places in characters, bytes and UTF-16 units.
//!
//! The text itself is not repeated on every line; `id` leads back to it. A row without mentions has a line without
//! one, so that no identifier is missing.

use std::borrow::Cow;
use std::io::{self, Write};

use super::form::{Form, LeftOut};
use super::mention::ExportMention;
use super::row::ExportRow;
use crate::fault::FaultReport;

const HEAD: &str = "file,line,id,text,label,start,end,byte_start,byte_end,utf16_start,utf16_end,grounding,answer,\
                    confidence,evidence,error\n";

/// Writes a line for each mention.
pub(super) struct Csv<W> {
    out: W,
    left_out: LeftOut,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(mut out: W, left_out: LeftOut) -> io::Result<Self> {
        out.write_all(HEAD.as_bytes())?;
        Ok(Self { out, left_out })
    }

    fn line(&mut self, row: &ExportRow, mention: &[Cow<'_, str>; 12]) -> io::Result<()> {
        let line = row.line.to_string();
        let file = row.file.as_deref().unwrap_or_default();
        let id = row.id.as_deref().unwrap_or_default();
        let error = row.error.as_deref().unwrap_or_default();
        let head = [file, &line, id];
        let cells = head.into_iter().chain(mention.iter().map(|cell| &**cell));
        for cell in cells {
            write!(self.out, "{},", quoted(cell))?;
        }
        writeln!(self.out, "{}", quoted(error))
    }
}

impl<W: Write> Form for Csv<W> {
    fn write(&mut self, row: &ExportRow) -> io::Result<()> {
        if row.mentions.is_empty() {
            self.line(row, &[const { Cow::Borrowed("") }; 12])?;
        }
        for mention in &row.mentions {
            self.line(row, &cells(mention))?;
        }
        Ok(())
    }

    fn left_out(&self) -> &FaultReport {
        self.left_out.report()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// The cells of a mention; those of places are empty if it has none.
fn cells(mention: &ExportMention) -> [Cow<'_, str>; 12] {
    let number =
        |n: usize| -> Cow<'_, str> { mention.span.map_or(String::new(), |_| n.to_string()).into() };
    let span = mention.span.unwrap_or_default();
    let confidence = mention.confidence.map_or(String::new(), |c| c.to_string());
    [
        mention.text.as_str().into(),
        mention.label.as_str().into(),
        number(span.char_start),
        number(span.char_end),
        number(span.byte_start),
        number(span.byte_end),
        number(mention.utf16[0]),
        number(mention.utf16[1]),
        mention.grounding.as_str().into(),
        mention.answer.as_deref().unwrap_or_default().into(),
        confidence.into(),
        mention.evidence.as_deref().unwrap_or_default().into(),
    ]
}

/// A cell: in quotes if it holds what divides cells or lines, or begins or ends with a blank.
fn quoted(cell: &str) -> Cow<'_, str> {
    let is_bare = !cell.contains([',', '"', '\n', '\r']) && cell.trim() == cell;
    if is_bare {
        Cow::Borrowed(cell)
    } else {
        Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\"")))
    }
}

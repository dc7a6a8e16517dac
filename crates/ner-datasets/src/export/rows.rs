//! JSON lines of stored rows, as they are: so that parts become one file.

use std::io::{self, Write};

use super::form::{Form, LeftOut};
use super::row::ExportRow;
use crate::fault::FaultReport;

/// Writes each row on a line.
pub(super) struct Rows<W> {
    out: W,
    left_out: LeftOut,
}

impl<W: Write> Rows<W> {
    pub(super) fn new(out: W, left_out: LeftOut) -> Self {
        Self { out, left_out }
    }
}

impl<W: Write> Form for Rows<W> {
    fn write(&mut self, row: &ExportRow) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &row.source)?;
        self.out.write_all(b"\n")
    }

    fn left_out(&self) -> &FaultReport {
        self.left_out.report()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

//! The rows of a JSON file: its elements one after the other, each decoded in the file's format.

use std::io::BufRead;

use crate::error::Error;
use crate::fault::FaultKind;
use crate::format::Format;
use crate::formats::codec::decode;
use crate::formats::draft::Draft;
use crate::json_rows::{JsonRows, Piece};
use crate::recorder::Recorder;
use crate::row::Row;

/// The rows of a JSON file.
#[derive(Debug)]
pub(crate) struct JsonSource<R> {
    rows: JsonRows<R>,
    format: Format,
}

impl<R: BufRead> JsonSource<R> {
    pub(crate) fn new(
        source: R,
        format: Format,
        max_row_bytes: usize,
        recorder: &mut Recorder,
    ) -> Result<Self, Error> {
        let rows = JsonRows::new(source, max_row_bytes);
        let rows = rows.map_err(Error::io(&recorder.path, "read"))?;
        if rows.has_mark() {
            recorder.note_mark()?;
        }
        Ok(JsonSource { rows, format })
    }

    pub(crate) fn next_row(&mut self, recorder: &mut Recorder) -> Result<Option<Row>, Error> {
        while let Some(step) = self.step(recorder)? {
            if let Some(row) = step {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Takes one piece: `None` at the end, `Some(None)` if it is a fault.
    fn step(&mut self, recorder: &mut Recorder) -> Result<Option<Option<Row>>, Error> {
        let piece = self.rows.next_piece();
        let piece = piece.map_err(Error::io(&recorder.path, "read"))?;
        let row = match piece {
            None => {
                // Noted once a file, when all of it is known.
                if let Some(line) = self.rows.carriage_return() {
                    recorder.note_return(line)?;
                }
                return Ok(None);
            }
            Some(Piece::Element(bytes, line)) => decode_at(self.format, bytes, line, recorder)?,
            Some(Piece::TooLong(line, length)) => {
                recorder.note_length(line, length)?;
                None
            }
            Some(Piece::Broken(line, expected, found)) => {
                recorder.record(FaultKind::NotARow, line, expected, || found)?;
                None
            }
        };
        Ok(Some(row))
    }
}

/// Decodes an element that begins at a line; `None` after a fault that is not fatal.
pub(crate) fn decode_at(
    format: Format,
    bytes: &[u8],
    line: usize,
    recorder: &mut Recorder,
) -> Result<Option<Row>, Error> {
    match decode(format, bytes) {
        Ok(Draft {
            mut row,
            wrong_offsets,
        }) => {
            row.line = line;
            for found in wrong_offsets {
                let expected = "offsets of the mention's text";
                recorder.record(FaultKind::WrongOffset, line, expected, || found)?;
            }
            Ok(Some(row))
        }
        Err(fault) => {
            if std::str::from_utf8(bytes).is_err() {
                recorder.note_encoding(line)?;
            } else {
                let line = line + fault.lines_below;
                recorder.record(FaultKind::NotARow, line, format.expected(), || fault.found)?;
            }
            Ok(None)
        }
    }
}

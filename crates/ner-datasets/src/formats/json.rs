//! The rows of a JSON file: its elements one after the other, each decoded in the file's format.

use std::collections::VecDeque;
use std::io::BufRead;

use serde_json::Value;

use crate::error::Error;
use crate::fault::FaultKind;
use crate::format::Format;
use crate::formats::codec::decode;
use crate::formats::draft::{Decoding, Draft};
use crate::formats::keys::keys;
use crate::json_rows::{JsonRows, Piece};
use crate::recorder::Recorder;
use crate::row::Row;

/// The rows of a JSON file.
#[derive(Debug)]
pub(crate) struct JsonSource<R> {
    rows: JsonRows<R>,
    decoder: Decoder,
    /// Rows that are decoded and not yet given out: an element may hold several.
    ready: VecDeque<Row>,
}

impl<R: BufRead> JsonSource<R> {
    pub(crate) fn new(
        source: R,
        decoder: Decoder,
        max_row_bytes: usize,
        recorder: &mut Recorder,
    ) -> Result<Self, Error> {
        let rows = match decoder.format {
            Format::Spacy => JsonRows::of_lists(source, max_row_bytes),
            _ => JsonRows::new(source, max_row_bytes),
        };
        let rows = rows.map_err(Error::io(&recorder.path, "read"))?;
        if rows.has_mark() {
            recorder.note_mark()?;
        }
        let ready = VecDeque::new();
        Ok(JsonSource {
            rows,
            decoder,
            ready,
        })
    }

    pub(crate) fn next_row(&mut self, recorder: &mut Recorder) -> Result<Option<Row>, Error> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Ok(Some(row));
            }
            if !self.step(recorder)? {
                return Ok(None);
            }
        }
    }

    /// Takes one piece; false at the end.
    fn step(&mut self, recorder: &mut Recorder) -> Result<bool, Error> {
        let piece = self.rows.next_piece();
        let piece = piece.map_err(Error::io(&recorder.path, "read"))?;
        match piece {
            None => {
                // Noted once a file, when all of it is known.
                if let Some(line) = self.rows.carriage_return() {
                    recorder.note_return(line)?;
                }
                return Ok(false);
            }
            Some(Piece::Element(bytes, line)) => {
                self.decoder
                    .decode_at(bytes, line, recorder, &mut self.ready)?;
            }
            Some(Piece::TooLong(line, length)) => recorder.note_length(line, length)?,
            Some(Piece::Broken(line, expected, found)) => {
                recorder.record(FaultKind::NotARow, line, expected, || found)?;
            }
        }
        Ok(true)
    }
}

/// Decodes elements of one format.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    pub(crate) format: Format,
    pub(crate) how: Decoding,
}

impl Decoder {
    /// Decodes an element that begins at a line, and adds its rows; none after a fault that is not fatal.
    pub(crate) fn decode_at(
        &self,
        bytes: &[u8],
        line: usize,
        recorder: &mut Recorder,
        rows: &mut VecDeque<Row>,
    ) -> Result<(), Error> {
        match decode(self.format, bytes, &self.how) {
            Ok(draft) => take(draft, line, recorder, rows),
            Err(_) if std::str::from_utf8(bytes).is_err() => recorder.note_encoding(line),
            Err(fault) => {
                let line = line + fault.lines_below;
                let expected = self.format.expected();
                let found = || fault.found + &keys_of(bytes);
                recorder.record(FaultKind::NotARow, line, expected, found)
            }
        }
    }
}

/// The keys of an element that is no row, if it is an object.
fn keys_of(bytes: &[u8]) -> String {
    match serde_json::from_slice(bytes) {
        Ok(row @ Value::Object(_)) => format!(", {}", keys(&row)),
        _ => String::new(),
    }
}

fn take(
    draft: Draft,
    line: usize,
    recorder: &mut Recorder,
    rows: &mut VecDeque<Row>,
) -> Result<(), Error> {
    let Draft {
        mut row,
        faults,
        is_left_out,
        more,
    } = draft;
    row.line = line;
    for (kind, found) in faults {
        recorder.record(kind, line, kind.expected(), || found)?;
    }
    if !is_left_out {
        rows.push_back(row);
    }
    more.into_iter()
        .try_for_each(|draft| take(draft, line, recorder, rows))
}

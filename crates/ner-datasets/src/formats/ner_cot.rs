//! NER-CoT's rows, which are [`ner_types::Example`] itself.

use std::io::{self, Write};

use ner_types::Example;

use crate::formats::draft::{Draft, NotARow, parse};
use crate::row::Row;

pub(super) fn decode(bytes: &[u8]) -> Result<Draft, NotARow> {
    let example: Example = parse(bytes)?;
    Ok(Draft {
        row: Row::new(example),
        wrong_offsets: Vec::new(),
    })
}

pub(super) fn encode(row: &Row, out: &mut dyn Write) -> io::Result<()> {
    Ok(serde_json::to_writer(out, &row.example)?)
}

//! The JSON formats by their names: how one element is decoded, and how one row is encoded.

use std::io::{self, Write};

use crate::format::Format;
use crate::formats::draft::{Draft, NotARow};
use crate::formats::{conversations, gliner, instruct_uie, ner_cot, plain, slimer, tokens};
use crate::row::{ByteSpan, Row};

/// Decodes one element of a JSON format.
pub(super) fn decode(format: Format, bytes: &[u8]) -> Result<Draft, NotARow> {
    match format {
        Format::InstructUie => instruct_uie::decode(bytes),
        Format::UniNer => conversations::decode(bytes),
        Format::NerCot => ner_cot::decode(bytes),
        Format::Gliner => gliner::decode(bytes),
        Format::Plain => plain::decode(bytes),
        Format::Slimer => slimer::decode(bytes),
        Format::Tokens => tokens::decode(bytes),
        Format::Bio | Format::MitBio | Format::IndexedBio | Format::Parquet => {
            Err(NotARow::new("JSON"))
        }
    }
}

/// Writes one row of a JSON format, without a line end. `located` are the places of the row's entities.
pub(crate) fn encode(
    format: Format,
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::InstructUie => instruct_uie::encode(row, located, out),
        Format::UniNer => conversations::encode(row, out),
        Format::NerCot => ner_cot::encode(row, out),
        Format::Gliner => gliner::encode(row, located, out),
        Format::Plain => plain::encode(row, located, out),
        Format::Slimer
        | Format::Tokens
        | Format::Bio
        | Format::MitBio
        | Format::IndexedBio
        | Format::Parquet => Err(io::Error::other("no JSON format to write")),
    }
}

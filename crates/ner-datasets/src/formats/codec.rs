//! The JSON formats by their names: how one element is decoded, and how one row is encoded.

use std::io::{self, Write};

use serde_json::Value;

use crate::format::Format;
use crate::formats::detect::of_row;
use crate::formats::draft::{Decoding, Draft, NotARow, parse};
use crate::formats::{
    conversations, extraction, gliner, gliner2, hub, instruct_uie, ner_cot, plain, slimer, spacy,
    tokens, tools,
};
use crate::row::{ByteSpan, Row};

/// Decodes one element of a JSON format.
pub(super) fn decode(format: Format, bytes: &[u8], how: &Decoding) -> Result<Draft, NotARow> {
    match format {
        Format::InstructUie => instruct_uie::decode(bytes, how),
        Format::UniNer => conversations::decode(bytes),
        Format::NerCot => ner_cot::decode(bytes),
        Format::Gliner => gliner::decode(bytes),
        Format::Plain => decode_plain(bytes, how),
        Format::Extraction => extraction::decode(bytes),
        Format::Slimer => slimer::decode(bytes),
        Format::Tokens => tokens::decode(bytes),
        _ => {
            let decoded = decode_value(format, &parse(bytes)?, how);
            decoded.unwrap_or_else(|| Err(NotARow::new("JSON")))
        }
    }
}

/// Decodes a plain row; one that is not read so, or has a key of an annotation tool, as that tool's if it looks like
/// it.
fn decode_plain(bytes: &[u8], how: &Decoding) -> Result<Draft, NotARow> {
    let (read, is_of_a_tool) = plain::decode(bytes, how);
    if read.is_ok() && !is_of_a_tool {
        return read;
    }
    let row: Option<Value> = serde_json::from_slice(bytes).ok();
    let of_tool = row.and_then(|row| {
        let format = of_row(&row).filter(|format| *format != Format::Plain)?;
        decode_value(format, &row, how)
    });
    of_tool.unwrap_or(read)
}

/// Decodes a row of an annotation tool or of the Hub; `None` if the format is none of these.
fn decode_value(format: Format, row: &Value, how: &Decoding) -> Option<Result<Draft, NotARow>> {
    match format {
        Format::LabelStudio if row.get("data").is_some_and(Value::is_object) => {
            Some(tools::decode_task(row, how))
        }
        Format::Doccano | Format::Prodigy | Format::LabelStudio => Some(tools::decode(row, how)),
        Format::Spacy => Some(spacy::decode(row, how)),
        Format::Hub => Some(hub::decode(row, how)),
        Format::Gliner2 => Some(gliner2::decode(row, how)),
        _ => None,
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
        Format::Doccano => tools::encode_doccano(row, located, out),
        Format::Prodigy => tools::encode_prodigy(row, located, out),
        Format::LabelStudio => tools::encode_task(row, located, out),
        Format::Spacy => spacy::encode(row, located, out),
        Format::Hub => hub::encode(row, located, out),
        Format::Gliner2 => gliner2::encode(row, out),
        Format::Slimer
        | Format::Extraction
        | Format::Tokens
        | Format::Bio
        | Format::MitBio
        | Format::IndexedBio
        | Format::Parquet => Err(io::Error::other("no JSON format to write")),
    }
}

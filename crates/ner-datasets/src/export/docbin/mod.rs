//! spaCy's `DocBin`, the binary format of its training data and of `spacy convert`: msgpack, compressed by zlib.
//!
//! `Doc.ents` are flat, so of mentions that overlap the longest is there, as in BIO; `Doc.spans["sc"]`, where spaCy's
//! span categorizer looks, has all of them. `Doc.user_data` has the identifier and the reasoning. The text is kept to
//! the character: white space that is no single blank is a token of its own, as spaCy's tokenizer has it.
//!
//! The format is that of `spacy/tokens/_serialize.py` and `span_group.pyx`, version 3. It is one message, so the tokens
//! of all rows (24 bytes each) are held until its end; spaCy reads it in one piece too.

pub(super) mod hash;
mod symbols;

use std::collections::BTreeSet;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use rmp::encode as msgpack;

use super::form::{Form, LeftOut};
use super::row::ExportRow;
use super::tokens::Doc;
use crate::fault::FaultReport;
use crate::row::ByteSpan;
use crate::tags::{Mention, Tag, tags};
use crate::words::word_range;

/// spaCy's numbers of the attributes of a token: `ORTH`, `ENT_IOB`, `ENT_TYPE`. The first is always `ORTH`.
const ATTRS: [u64; 3] = [65, 77, 78];
/// Values of `ENT_IOB`.
const INSIDE: u64 = 1;
const OUTSIDE: u64 = 2;
const BEGIN: u64 = 3;
/// Where the span categorizer looks for spans.
const SPANS: &str = "sc";

/// Collects the tokens of all rows, and writes the message at the end.
pub(super) struct DocBin<W> {
    out: W,
    /// The attributes of each token, little-endian.
    tokens: Vec<u8>,
    /// Whether a blank follows each token.
    spaces: Vec<u8>,
    /// Tokens of each document, little-endian.
    lengths: Vec<u8>,
    strings: BTreeSet<String>,
    spans: Vec<Vec<u8>>,
    user_data: Vec<Vec<u8>>,
    left_out: LeftOut,
}

impl<W: Write> DocBin<W> {
    pub(super) fn new(out: W, left_out: LeftOut) -> Self {
        Self {
            out,
            tokens: Vec::new(),
            spaces: Vec::new(),
            lengths: Vec::new(),
            strings: BTreeSet::new(),
            spans: Vec::new(),
            user_data: Vec::new(),
            left_out,
        }
    }

    /// The number of a string, which the file explains.
    fn number(&mut self, string: &str) -> u64 {
        if !string.is_empty() && !self.strings.contains(string) {
            self.strings.insert(string.into());
        }
        hash::string_id(string)
    }

    fn push_tokens(&mut self, text: &str, doc: &Doc, mentions: &[Mention<'_>]) -> io::Result<()> {
        let (tags, _) = tags(doc.tokens.len(), mentions);
        for (token, tag) in doc.tokens.iter().zip(&tags) {
            let (iob, label) = match Tag::read(tag) {
                Some(Tag::Begin(label)) => (BEGIN, label),
                Some(Tag::Inside(label)) => (INSIDE, label),
                _ => (OUTSIDE, ""),
            };
            let orth = self.number(&text[token.span.clone()]);
            let label = self.number(label);
            for value in [orth, iob, label] {
                self.tokens.extend(value.to_le_bytes());
            }
            self.spaces.push(token.has_space.into());
        }
        let length = i32::try_from(doc.tokens.len()).map_err(io::Error::other)?;
        self.lengths.extend(length.to_le_bytes());
        Ok(())
    }

    /// The spans of a document, in msgpack inside of msgpack, as `SpanGroups.to_bytes` nests them.
    fn push_spans(&mut self, placed: &[Placed<'_>]) -> io::Result<()> {
        let mut group = Vec::new();
        msgpack::write_map_len(&mut group, 3)?;
        msgpack::write_str(&mut group, "name")?;
        msgpack::write_str(&mut group, SPANS)?;
        msgpack::write_str(&mut group, "attrs")?;
        msgpack::write_map_len(&mut group, 0)?;
        msgpack::write_str(&mut group, "spans")?;
        msgpack::write_array_len(&mut group, length(placed.len())?)?;
        for placed in placed {
            let label = self.number(placed.mention.label);
            msgpack::write_bin(&mut group, &span_bytes(label, placed)?)?;
        }
        let mut groups = Vec::new();
        if placed.is_empty() {
            msgpack::write_array_len(&mut groups, 0)?;
        } else {
            msgpack::write_map_len(&mut groups, 1)?;
            msgpack::write_bin(&mut groups, &group)?;
            msgpack::write_array_len(&mut groups, 1)?;
            msgpack::write_str(&mut groups, SPANS)?;
        }
        self.spans.push(groups);
        Ok(())
    }

    fn write_message(&self, out: &mut impl Write) -> io::Result<()> {
        msgpack::write_map_len(out, 10)?;
        msgpack::write_str(out, "version")?;
        msgpack::write_str(out, "0.1")?;
        msgpack::write_str(out, "attrs")?;
        msgpack::write_array_len(out, length(ATTRS.len())?)?;
        for attr in ATTRS {
            msgpack::write_uint(out, attr)?;
        }
        write_bytes(out, "tokens", &self.tokens)?;
        write_bytes(out, "spaces", &self.spaces)?;
        write_bytes(out, "lengths", &self.lengths)?;
        msgpack::write_str(out, "strings")?;
        msgpack::write_array_len(out, length(self.strings.len())?)?;
        for string in &self.strings {
            msgpack::write_str(out, string)?;
        }
        let n_docs = length(self.spans.len())?;
        msgpack::write_str(out, "cats")?;
        msgpack::write_array_len(out, n_docs)?;
        (0..n_docs).try_for_each(|_| msgpack::write_map_len(out, 0).map(drop))?;
        msgpack::write_str(out, "flags")?;
        msgpack::write_array_len(out, n_docs)?;
        (0..n_docs).try_for_each(|_| write_flags(out))?;
        write_list(out, "span_groups", &self.spans)?;
        write_list(out, "user_data", &self.user_data)
    }
}

impl<W: Write> Form for DocBin<W> {
    fn write(&mut self, row: &ExportRow) -> io::Result<()> {
        if self.left_out.unanswered(row) {
            return Ok(());
        }
        self.left_out.ungrounded(row);
        let places: Vec<ByteSpan> = row.placed().map(|(_, span)| span.bytes()).collect();
        let doc = Doc::new(&row.sentence, &places);
        let placed = placed(row, &doc, &mut self.left_out);
        let mentions: Vec<_> = placed.iter().map(|it| it.mention.clone()).collect();
        self.push_tokens(&row.sentence, &doc, &mentions)?;
        self.push_spans(&placed)?;
        self.user_data.push(user_data(row)?);
        Ok(())
    }

    fn left_out(&self) -> &FaultReport {
        self.left_out.report()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        self.write_message(&mut encoder)?;
        self.out.write_all(&encoder.finish()?)?;
        self.out.flush()
    }
}

/// A mention as a stretch of tokens, and its characters.
struct Placed<'a> {
    mention: Mention<'a>,
    characters: [usize; 2],
}

/// The mentions of a row as stretches of tokens. What begins or ends with white space is no stretch, and is counted.
fn placed<'a>(row: &'a ExportRow, doc: &Doc, left_out: &mut LeftOut) -> Vec<Placed<'a>> {
    let mut placed = Vec::new();
    for (mention, span) in row.placed() {
        match word_range(&doc.words, &span.bytes()) {
            Some(words) => placed.push(Placed {
                mention: Mention {
                    label: &mention.label,
                    words: doc.token_of[words.start]..doc.token_of[words.end - 1] + 1,
                },
                characters: [span.char_start, span.char_end],
            }),
            None => left_out.no_words(row, mention),
        }
    }
    placed
}

/// A span as `SpanGroup.to_bytes` packs it, big-endian: its identifier and that of a knowledge base, its label, first
/// and last token, first and last character.
fn span_bytes(label: u64, placed: &Placed<'_>) -> io::Result<Vec<u8>> {
    let words = &placed.mention.words;
    let [first, last] = placed.characters;
    let mut bytes: Vec<u8> = [0, 0, label].map(u64::to_be_bytes).concat();
    for place in [words.start, words.end, first, last] {
        let place = i32::try_from(place).map_err(io::Error::other)?;
        bytes.extend(place.to_be_bytes());
    }
    Ok(bytes)
}

fn user_data(row: &ExportRow) -> io::Result<Vec<u8>> {
    let name = row.name();
    let data = [
        ("id", Some(name.as_str())),
        ("reasoning", row.reasoning.as_deref()),
    ];
    let data: Vec<_> = data
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    let mut bytes = Vec::new();
    msgpack::write_map_len(&mut bytes, length(data.len())?)?;
    for (key, value) in data {
        msgpack::write_str(&mut bytes, key)?;
        msgpack::write_str(&mut bytes, value)?;
    }
    Ok(bytes)
}

fn write_flags(out: &mut impl Write) -> io::Result<()> {
    msgpack::write_map_len(out, 1)?;
    msgpack::write_str(out, "has_unknown_spaces")?;
    msgpack::write_bool(out, false)
}

fn write_bytes(out: &mut impl Write, key: &str, bytes: &[u8]) -> io::Result<()> {
    length(bytes.len())?;
    msgpack::write_str(out, key)?;
    Ok(msgpack::write_bin(out, bytes)?)
}

fn write_list(out: &mut impl Write, key: &str, items: &[Vec<u8>]) -> io::Result<()> {
    msgpack::write_str(out, key)?;
    msgpack::write_array_len(out, length(items.len())?)?;
    items
        .iter()
        .try_for_each(|item| Ok(msgpack::write_bin(out, item)?))
}

/// A length as msgpack has it, of 32 bits.
fn length(n: usize) -> io::Result<u32> {
    u32::try_from(n).map_err(|_| {
        io::Error::other(
            "over 4 GiB of tokens, more than a DocBin holds: write the rows in several parts",
        )
    })
}

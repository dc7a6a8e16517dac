//! What forms hold, read back: by this crate's readers where it has one, else by a few lines here.

use std::io::Cursor;
use std::path::Path;

use serde_json::{Value, json};

use crate::export::kinds::ExportFormat;
use crate::export::row::ExportRow;
use crate::fault::Policy;
use crate::format::Format;
use crate::reader::{ReadOptions, from_reader};
use crate::row::Row;

/// A text and its mentions, each with label, place in characters and what stands there; sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) mentions: Vec<(usize, usize, String, String)>,
}

impl Found {
    pub(super) fn new(
        text: &str,
        mentions: impl IntoIterator<Item = (usize, usize, String)>,
    ) -> Self {
        let mentions = mentions.into_iter().map(|(start, end, label)| {
            let there = text.chars().skip(start).take(end - start).collect();
            (start, end, label, there)
        });
        let mut mentions: Vec<_> = mentions.collect();
        mentions.sort();
        Self {
            text: text.into(),
            mentions,
        }
    }

    pub(super) fn of(row: &ExportRow) -> Self {
        let mentions = row.placed();
        let mentions =
            mentions.map(|(mention, span)| (span.char_start, span.char_end, mention.label.clone()));
        Self::new(&row.sentence, mentions)
    }

    fn of_row(row: &Row) -> Self {
        let mentions = row.example.entities.iter().map(|entity| {
            let span = entity.span.expect("a place");
            assert_eq!(span.text(&row.example.sentence), Some(entity.text.as_str()));
            (span.char_start, span.char_end, entity.label.clone())
        });
        Self::new(&row.example.sentence, mentions)
    }

    /// As brat holds it: a blank for each carriage return.
    pub(super) fn with_blanks(self) -> Self {
        let mentions = self
            .mentions
            .into_iter()
            .map(|(start, end, label, _)| (start, end, label));
        Self::new(&self.text.replace('\r', " "), mentions)
    }
}

/// The rows of a form.
pub(super) fn read(
    format: ExportFormat,
    name: &str,
    bytes: &[u8],
    rows: &[ExportRow],
) -> Vec<Found> {
    match format {
        ExportFormat::Jsonl => dataset(Format::Extraction, bytes.to_vec()),
        ExportFormat::Doccano => dataset(Format::Doccano, bytes.to_vec()),
        ExportFormat::Prodigy => dataset(Format::Prodigy, bytes.to_vec()),
        ExportFormat::LabelStudio => dataset(Format::LabelStudio, corrected(bytes)),
        ExportFormat::Csv => csv(bytes, rows),
        #[cfg(feature = "parquet")]
        ExportFormat::Parquet => parquet(name, bytes),
        #[cfg(feature = "docbin")]
        ExportFormat::DocBin => super::msgpack::docs(bytes),
        other => panic!("{other}, {name}"),
    }
}

fn lenient() -> ReadOptions {
    ReadOptions {
        policy: Policy::lenient(),
        ..ReadOptions::default()
    }
}

fn dataset(format: Format, bytes: Vec<u8>) -> Vec<Found> {
    let rows = from_reader(Path::new("a"), Cursor::new(bytes), format, lenient()).expect("opened");
    rows.map(|row| Found::of_row(&row.expect("a row")))
        .collect()
}

/// Tasks as Label Studio exports them when an annotator has accepted each prediction.
pub(super) fn corrected(bytes: &[u8]) -> Vec<u8> {
    let mut tasks: Vec<Value> = serde_json::from_slice(bytes).expect("tasks");
    for (i, task) in tasks.iter_mut().enumerate() {
        let result = task["predictions"][0]["result"].clone();
        task["id"] = json!(i);
        task["annotations"] = json!([{"id": i, "was_cancelled": false, "result": result}]);
    }
    serde_json::to_vec(&tasks).expect("JSON")
}

#[cfg(feature = "parquet")]
fn parquet(name: &str, bytes: &[u8]) -> Vec<Found> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    let rows = crate::reader::open(&path, Format::Parquet, lenient()).expect("opened");
    rows.map(|row| Found::of_row(&row.expect("a row")))
        .collect()
}

/// The mentions of each row, by its identifier; bytes and UTF-16 units slice to the same text as characters.
fn csv(bytes: &[u8], rows: &[ExportRow]) -> Vec<Found> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let lines = csv_lines(text);
    let of = |row: &ExportRow| {
        let lines = lines
            .iter()
            .filter(|line| Some(&line[2]) == row.id.as_ref() && !line[4].is_empty());
        let mentions = lines.map(|line| {
            let number = |i: usize| line[i].parse::<usize>().expect("a number");
            assert_eq!(&row.sentence[number(7)..number(8)], line[3]);
            let units: Vec<u16> = row.sentence.encode_utf16().collect();
            assert_eq!(
                String::from_utf16(&units[number(9)..number(10)])
                    .ok()
                    .as_ref(),
                Some(&line[3])
            );
            (number(5), number(6), line[4].clone())
        });
        Found::new(&row.sentence, mentions)
    };
    rows.iter().map(of).collect()
}

/// RFC 4180 in a few lines: records behind the first, with their cells.
pub(super) fn csv_lines(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut cells, mut cell, mut quoted) =
        (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                cells.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut cells));
            }
            other => cell.push(other),
        }
    }
    records.split_off(1)
}

/// Words of a text without any white space, and the mentions as they are in it.
type Squeezed = (String, Vec<(String, String)>);

fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

pub(super) fn squeezed(row: &ExportRow) -> Squeezed {
    let mentions = row.mentions.iter();
    let mentions = mentions.map(|m| (m.label.clone(), without_blanks(&m.text)));
    (without_blanks(&row.sentence), mentions.collect())
}

pub(super) fn gliner(bytes: &[u8]) -> Vec<Squeezed> {
    let rows: Vec<Value> = serde_json::from_slice(bytes).expect("rows");
    let row = |row: &Value| {
        let words: Vec<String> =
            serde_json::from_value(row["tokenized_text"].clone()).expect("words");
        let ner: Vec<(usize, usize, String)> =
            serde_json::from_value(row["ner"].clone()).expect("mentions");
        let mentions = ner
            .into_iter()
            .map(|(first, last, label)| (label, words[first..=last].concat()));
        let mentions = mentions.map(|(label, text)| (label, without_blanks(&text)));
        (without_blanks(&words.concat()), mentions.collect())
    };
    rows.iter().map(row).collect()
}

/// The rows of a folder of brat, in the order of their numbers.
pub(super) fn brat(dir: &Path) -> Vec<Found> {
    let read = |path: &Path| std::fs::read_to_string(path).expect("UTF-8");
    let shown = read(&dir.join("visual.conf"));
    let labels = shown.lines().filter_map(|line| line.split_once(" | "));
    let labels: std::collections::HashMap<&str, &str> = labels.collect();
    let entries = std::fs::read_dir(dir).expect("a folder");
    let mut texts: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    texts.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    texts.sort();
    let of = |path: &std::path::PathBuf| {
        let (text, annotations) = (read(path), read(&path.with_extension("ann")));
        let mentions = annotations.split('\n').filter(|line| line.starts_with('T'));
        let mentions = mentions.map(|line| brat_mention(&text, line, &labels));
        Found::new(&text, mentions.collect::<Vec<_>>())
    };
    texts.iter().map(of).collect()
}

/// A mention with the label that brat shows; its pieces are its text, as brat itself checks.
fn brat_mention(
    text: &str,
    line: &str,
    labels: &std::collections::HashMap<&str, &str>,
) -> (usize, usize, String) {
    let mut fields = line.splitn(3, '\t');
    let (_, place, said) = (
        fields.next(),
        fields.next().expect("a place"),
        fields.next().expect("a text"),
    );
    let (label, pieces) = place.split_once(' ').expect("a label");
    assert!(
        label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
        "{label}"
    );
    let pieces = pieces.split(';').map(|piece| {
        let (start, end) = piece.split_once(' ').expect("two numbers");
        (
            start.parse::<usize>().expect("a number"),
            end.parse::<usize>().expect("a number"),
        )
    });
    let pieces: Vec<(usize, usize)> = pieces.collect();
    let slice =
        |&(start, end): &(usize, usize)| text.chars().skip(start).take(end - start).collect();
    let slices: Vec<String> = pieces.iter().map(slice).collect();
    assert_eq!(slices.join(" "), said);
    let label = labels.get(label).copied().unwrap_or(label);
    (pieces[0].0, pieces[pieces.len() - 1].1, label.into())
}

/// The texts of a page, without its marks and their labels.
pub(super) fn html_texts(page: &str) -> Vec<String> {
    let texts = page.split("<p class=\"text\" dir=\"auto\">").skip(1);
    texts
        .map(|text| bare(text.split("</p>\n").next().expect("an end")))
        .collect()
}

fn bare(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text += &rest[..at];
        let end = if rest[at..].starts_with("<small>") {
            "</small>"
        } else {
            ">"
        };
        let length = rest[at..].find(end).expect("an end") + end.len();
        rest = &rest[at + length..];
    }
    text + rest
}

/// A text as a page shows it.
pub(super) fn as_shown(row: &ExportRow) -> String {
    let mut shown = String::new();
    for c in row
        .sentence
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
    {
        match c {
            '&' => shown += "&amp;",
            '<' => shown += "&lt;",
            '>' => shown += "&gt;",
            '"' => shown += "&quot;",
            '\'' => shown += "&#39;",
            '\n' | '\t' => shown.push(c),
            c if c.is_control()
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c) =>
            {
                shown += &format!("⟦U+{:04X}⟧", c as u32);
            }
            '\u{200e}' | '\u{200f}' => shown += &format!("⟦U+{:04X}⟧", c as u32),
            c => shown.push(c),
        }
    }
    shown
}

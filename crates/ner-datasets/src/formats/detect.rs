//! Which format a file has, judged by its name and its first row.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::format::Format;
use crate::formats::bio::{BioColumns, detect_columns};
use crate::formats::draft::json_fault;
use crate::formats::hub;
use crate::formats::keys::keys;
use crate::json_rows::{JsonRows, Piece};

/// No first row is longer than this.
const MAX_FIRST_ROW: usize = 1 << 26;
/// Rows that are looked at if the first cannot be read.
const ROWS: usize = 100;

impl Format {
    /// Recognises the format of a file: Parquet by its name, JSON formats by the keys of the first row, BIO by the
    /// first line of which one column alone can be a tag.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or its first row is of no known format.
    pub fn detect(path: &Path) -> Result<Format, Error> {
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            return Ok(Format::Parquet);
        }
        match first_row(path)? {
            First::Row(row) => {
                of_row(&row).ok_or_else(|| unknown(path, format!("a row {}", keys(&row))))
            }
            // A sentence may begin with a bracket.
            First::BrokenJson(line, found) => {
                of_columns(path)?.ok_or_else(|| broken(path, line, found))
            }
            First::Nothing => Err(unknown(path, "an empty one")),
            First::NoJson => of_columns(path)?
                .ok_or_else(|| unknown(path, "neither JSON nor a word with its tag")),
        }
    }
}

/// The JSON format whose keys a row has.
pub(crate) fn of_row(row: &Value) -> Option<Format> {
    let has = |key: &str| row.get(key).is_some();
    let mention_has = |key: &str| row.pointer(&format!("/entities/0/{key}")).is_some();
    if has("conversations") {
        Some(Format::UniNer)
    } else if has("tokenized_text") {
        Some(Format::Gliner)
    } else if has("tokens") && has("entity_mentions") {
        Some(Format::Tokens)
    } else if has("doc_question_pairID") {
        Some(Format::Slimer)
    } else if has("cut_off") && has("sentence") && has("entities") || is_unanswered(row) {
        Some(Format::Extraction)
    } else if has("sentence") && has("schema") {
        Some(Format::NerCot)
    } else if let Some(format) = of_tool(row) {
        Some(format)
    } else if has("text") || mention_has("label") || mention_has("start") {
        Some(Format::Plain)
    } else if has("sentence") && has("entities") {
        Some(Format::InstructUie)
    } else {
        None
    }
}

/// A row of `rner extract` that has an error in place of an answer, and nothing else.
fn is_unanswered(row: &Value) -> bool {
    let keys = row.as_object().map(|row| row.keys());
    let known = ["file", "line", "id", "error"];
    row.get("error").is_some_and(Value::is_string)
        && row.get("line").is_some_and(Value::is_number)
        && keys.is_some_and(|mut keys| keys.all(|key| known.contains(&key.as_str())))
}

/// The format of an annotation tool, of spaCy, of GLiNER2 or of the Hub that a row has.
fn of_tool(row: &Value) -> Option<Format> {
    let has = |key: &str| row.get(key).is_some();
    let list = |key: &str| row.get(key).and_then(Value::as_array);
    let first_is =
        |key: &str, is: fn(&Value) -> bool| list(key).and_then(|list| list.first()).is_some_and(is);
    let is_labelled = |value: &Value| value.get("labels").is_some();
    let is_offset = |value: &Value| value.get("start_offset").is_some();
    let has_text = ["text", "data", "sentence", "content"]
        .iter()
        .any(|key| row.get(*key).is_some_and(Value::is_string));
    if is_tuple(row) || (has("text") && list("ents").is_some()) {
        return Some(Format::Spacy);
    }
    if has("data") && (list("annotations").is_some() || list("completions").is_some()) && !has_text
    {
        return Some(Format::LabelStudio);
    }
    if !has("text") && first_is("annotations", |value| value.is_null() || is_tuple(value)) {
        return Some(Format::Spacy);
    }
    if (has("input") && has("output")) || (has("text") && row["entities"].is_object()) {
        return Some(Format::Gliner2);
    }
    if hub::keys(row).is_some() {
        return Some(Format::Hub);
    }
    if !has_text {
        return None;
    }
    if first_is("label", is_labelled) {
        Some(Format::LabelStudio)
    } else if has("answer") {
        Some(Format::Prodigy)
    } else if list("label").is_some()
        || ["labels", "entities", "annotations", "annotation", "spans"]
            .iter()
            .any(|key| first_is(key, Value::is_array))
        || ["entities", "annotations"]
            .iter()
            .any(|key| first_is(key, is_offset))
        || ((list("annotations").or(list("annotation"))).is_some() && list("entities").is_none())
    {
        Some(Format::Doccano)
    } else {
        None
    }
}

/// `[text, {…}]`, as spaCy's training data are written.
fn is_tuple(row: &Value) -> bool {
    row.as_array()
        .is_some_and(|pair| matches!(&pair[..], [Value::String(_), Value::Object(_)]))
}

fn of_columns(path: &Path) -> Result<Option<Format>, Error> {
    Ok(detect_columns(path)?.map(BioColumns::format))
}

enum First {
    Row(Value),
    /// The line of the fault, and what is wrong there.
    BrokenJson(usize, String),
    NoJson,
    /// Nothing but white space.
    Nothing,
}

/// The first row that can be read, of the first [`ROWS`]; what is wrong with those before it is a fault of theirs and
/// not of the format.
fn first_row(path: &Path) -> Result<First, Error> {
    let file = File::open(path).map_err(Error::io(path, "read"))?;
    let rows = JsonRows::of_lists(BufReader::new(file), MAX_FIRST_ROW);
    let mut rows = rows.map_err(Error::io(path, "read"))?;
    let mut first = None;
    for _ in 0..ROWS {
        match next_row(path, &mut rows)? {
            found @ (First::Row(_) | First::NoJson) => {
                return Ok(first
                    .filter(|_| matches!(found, First::NoJson))
                    .unwrap_or(found));
            }
            First::Nothing => break,
            broken => first = first.or(Some(broken)),
        }
    }
    Ok(first.unwrap_or(if rows.is_array() {
        First::BrokenJson(1, "an empty array".into())
    } else {
        First::Nothing
    }))
}

fn next_row<R: std::io::BufRead>(path: &Path, rows: &mut JsonRows<R>) -> Result<First, Error> {
    let is_array = rows.is_array();
    let piece = rows.next_piece().map_err(Error::io(path, "read"))?;
    Ok(match piece {
        Some(Piece::Element(bytes, line)) => match serde_json::from_slice(bytes) {
            Ok(row) => First::Row(row),
            Err(error) if is_array || bytes.starts_with(b"{") => {
                let line = line + error.line().saturating_sub(1);
                First::BrokenJson(line, format!("JSON with {}", json_fault(&error, bytes)))
            }
            Err(_) => First::NoJson,
        },
        Some(Piece::Broken(line, expected, found)) => {
            First::BrokenJson(line, format!("{found} instead of {expected}"))
        }
        Some(Piece::TooLong(..)) => First::NoJson,
        None => First::Nothing,
    })
}

fn unknown(path: &Path, found: impl Into<String>) -> Error {
    Error::missing(path, expected(), found)
}

fn broken(path: &Path, line: usize, found: String) -> Error {
    let (path, expected) = (path.into(), expected());
    Error::Format {
        path,
        line,
        expected,
        found,
    }
}

fn expected() -> String {
    let names = Format::ALL.map(Format::name).join(", ");
    format!("a file of a known format ({names}; `rner data formats` says how each is recognised)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, expected: Result<Format, &str>) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        match (Format::detect(&path), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn formats_are_recognised_by_their_first_row() {
        let row = r#"{"sentence": "a", "entities": []}"#;
        check("a.json", &format!("[{row}]"), Ok(Format::InstructUie));
        check(
            "a.json",
            r#"[{"sentence": "a", "schema": [], "entities": []}]"#,
            Ok(Format::NerCot),
        );
        check("a.jsonl", r#"{"text": "a"}"#, Ok(Format::Plain));
        check("a.jsonl", r#"{"conversations": []}"#, Ok(Format::UniNer));
        check("a", r#"[{"tokenized_text": []}]"#, Ok(Format::Gliner));
        check("a", r#"{"doc_question_pairID": "1"}"#, Ok(Format::Slimer));
        check(
            "a",
            r#"{"tokens": [], "entity_mentions": []}"#,
            Ok(Format::Tokens),
        );
        check("a", "0\tBrel\tB-city\n\n0\tso\tO\n", Ok(Format::IndexedBio));
        check("a", "0\tin\tO\n1\tBrel\tB-city\n", Ok(Format::IndexedBio));
        check("a", "0\tCD\tO\nBrel\tNN\tB-city\n", Ok(Format::Bio));
        check("a", "Brel\tB-city\n", Ok(Format::Bio));
        check("a", "[\tO\nBrel\tB-city\n", Ok(Format::Bio));
        check("a", "O Brel\n", Ok(Format::MitBio));
        check("a.parquet", "", Ok(Format::Parquet));
    }

    #[test]
    fn what_is_of_no_format_is_described() {
        check("a", "", Err("an empty one"));
        check("a", "word", Err("neither JSON"));
        check("a", "[]", Err("an empty array"));
        check("a", "[1]", Err("no object"));
        check("a", "{\"x\": 1, \"y\": 2}", Err("the keys x, y"));
        let slip = Err("did you mean \"sentence\"?");
        check("a", "{\"sentense\": \"b\", \"schema\": []}", slip);
        check("a", "{\"x\": ", Err("JSON with EOF"));
    }
}

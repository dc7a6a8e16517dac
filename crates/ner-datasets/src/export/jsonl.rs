//! JSON lines: what was found in each text with all that is known of it, or why there is no answer.

use std::io::{self, Write};

use ner_types::Extraction;
use serde::Serialize;

use super::{ExtractionWriter, RowOf};

/// Writes a JSON object on a line for each row.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: W,
}

/// A line.
#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(flatten)]
    found: T,
}

#[derive(Serialize)]
struct Fault<'a> {
    error: &'a str,
}

impl<W: Write> JsonLines<W> {
    /// Writes to this place, in many small pieces.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    fn line(&mut self, row: &RowOf<'_>, found: impl Serialize) -> io::Result<()> {
        let RowOf { file, line, id } = *row;
        let line = Line {
            file,
            line,
            id,
            found,
        };
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")
    }
}

impl<W: Write> ExtractionWriter for JsonLines<W> {
    fn write(&mut self, row: &RowOf<'_>, found: &Extraction) -> io::Result<()> {
        self.line(row, found)
    }

    fn write_fault(&mut self, row: &RowOf<'_>, error: &str) -> io::Result<()> {
        self.line(row, Fault { error })
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use ner_types::parse;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_row_is_a_line_in_its_order() -> io::Result<()> {
        let found = Extraction::new(parse("{\"entities\": {}}"), &[], "a \u{2028}\nb", false);
        let mut out = Vec::new();
        let mut writer = Box::new(JsonLines::new(&mut out));
        let (id, file) = (Some("a-7"), Some("b.txt"));
        writer.write(&RowOf { id, line: 4, file }, &found)?;
        let row = RowOf {
            line: 5,
            ..RowOf::default()
        };
        writer.write_fault(&row, "too \"long\"")?;
        writer.finish()?;
        let text = String::from_utf8(out).map_err(io::Error::other)?;
        let rows: Vec<Value> = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        assert_eq!(rows.len(), 2, "{text}");
        let head = serde_json::json!([rows[0]["file"], rows[0]["line"], rows[0]["id"]]);
        assert_eq!(head, serde_json::json!(["b.txt", 4, "a-7"]));
        assert_eq!(rows[0]["sentence"], "a \u{2028}\nb");
        let fault = serde_json::json!({"line": 5, "error": "too \"long\""});
        assert_eq!(rows[1], fault);
        Ok(())
    }
}

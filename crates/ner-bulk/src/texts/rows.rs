//! One line: a text, or a row of JSON.

use std::io::Cursor;
use std::path::Path;

use ner_datasets::{Format, from_reader};
use ner_types::Example;
use serde_json::Value;

use super::lines::Bytes;
use super::text::{Text, TextOptions, id_of, utf8};
use super::{Kind, lenient};

/// The row on a line.
pub(super) fn row_of(
    name: &Path,
    line: usize,
    bytes: Bytes,
    kind: Kind,
    options: &TextOptions,
) -> Text {
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(fault) => return Text::new(line, None, Err(fault)),
    };
    match kind {
        Kind::Plain => Text::new(line, None, utf8(bytes, "line")),
        Kind::Field => of_field(line, &bytes, options),
        Kind::Row(format) => match of_json(name, bytes, format) {
            Ok(row) => Text::new(line, row.guid, Ok(row.sentence)),
            Err(fault) => Text::new(line, None, Err(fault)),
        },
    }
}

/// The text under the key that was named.
fn of_field(line: usize, bytes: &[u8], options: &TextOptions) -> Text {
    let row: Value = match serde_json::from_slice(bytes) {
        Ok(row) => row,
        Err(error) => {
            let fault = format!("expected a JSON object, found {error}");
            return Text::new(line, None, Err(fault));
        }
    };
    let field = options.field.as_deref().unwrap_or_default();
    let text = match row.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("expected a text under {}", options.expected())),
        None => Err(format!("expected the key {}", options.expected())),
    };
    Text::new(line, id_of(&row), text)
}

/// The example of one row of JSON.
fn of_json(name: &Path, bytes: Vec<u8>, format: Format) -> Result<Example, String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("the line is blank".to_owned());
    }
    let rows = from_reader(name, Cursor::new(bytes), format, lenient());
    let mut rows = rows.map_err(|error| error.to_string())?;
    match rows.next() {
        Some(Ok(row)) => Ok(row.example),
        Some(Err(error)) => Err(error.to_string()),
        None => {
            let fault = rows.faults().first.first();
            let told =
                fault.map(|fault| format!("expected {}, found {}", fault.expected, fault.found));
            Err(told.unwrap_or_else(|| "no row".to_owned()))
        }
    }
}

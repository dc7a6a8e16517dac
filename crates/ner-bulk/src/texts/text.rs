//! A text that is asked about, and how it is looked for in a file.

use serde_json::Value;

/// Bytes of the longest row.
const MAX_BYTES: usize = 1 << 20;

/// Bytes of the longest file that is one text.
const MAX_WHOLE_BYTES: usize = 64 << 20;

/// Keys that hold the text of a row, unless another one is named.
pub(super) const FIELDS: [&str; 2] = ["text", "sentence"];

/// Keys that hold the identifier of a row.
pub(super) const IDS: [&str; 2] = ["id", "guid"];

/// A text with its place, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Line of the file, or number of its row, from 1.
    pub line: usize,
    /// The identifier that the row gives itself.
    pub id: Option<String>,
    /// The text, which is not blank, or what is wrong with the row.
    pub text: Result<String, String>,
}

impl Text {
    pub(super) fn new(line: usize, id: Option<String>, text: Result<String, String>) -> Self {
        let text = text.and_then(not_blank);
        Self { line, id, text }
    }

    /// Bytes of the text.
    pub(crate) fn len(&self) -> usize {
        self.text.as_ref().map_or(0, String::len)
    }
}

/// How texts are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// The key or column that holds the text; `text` or `sentence`, or what a dataset's format says, if left out.
    pub field: Option<String>,
    /// Whether a file is one text.
    pub is_whole: bool,
    /// Longest row in bytes; of a file that is one text, 64 times that.
    pub max_bytes: usize,
}

impl Default for TextOptions {
    /// Rows of at most 1 MiB.
    fn default() -> Self {
        Self {
            field: None,
            is_whole: false,
            max_bytes: MAX_BYTES,
        }
    }
}

impl TextOptions {
    /// Bytes of the longest file that is one text.
    pub(super) fn max_whole_bytes(&self) -> usize {
        self.max_bytes.saturating_mul(MAX_WHOLE_BYTES / MAX_BYTES)
    }

    /// Which of these columns holds the text.
    pub(super) fn column<'a>(&self, mut columns: impl Iterator<Item = &'a str>) -> Option<usize> {
        match &self.field {
            Some(field) => columns.position(|column| column == field),
            None => {
                let columns: Vec<&str> = columns.collect();
                let mut fields = FIELDS.iter();
                fields.find_map(|field| columns.iter().position(|column| column == field))
            }
        }
    }

    /// What a row should have had, for messages.
    pub(super) fn expected(&self) -> String {
        match &self.field {
            Some(field) => format!("{field:?} (--text-field)"),
            None => "\"text\" or \"sentence\"; --text-field names another one".to_owned(),
        }
    }
}

fn not_blank(text: String) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("the text is blank".to_owned());
    }
    Ok(text)
}

pub(super) fn utf8(bytes: Vec<u8>, of: &str) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("byte {} of the {of} is not UTF-8", at + 1)
    })
}

/// The identifier of a row of JSON.
pub(super) fn id_of(row: &Value) -> Option<String> {
    match IDS.iter().find_map(|id| row.get(id))? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

//! What was found in a text, as every form of output needs it: read from a stored line of `rner extract`, or from an
//! [`Extraction`] itself.
//!
//! Both ways go through JSON, so that what is written today and what was stored by an older program are one thing. A
//! field that is absent is absent here too.

use ner_types::{Extraction, Span};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::RowOf;
use super::mention::{Stored, Units};
use crate::Offsets;

pub use super::mention::ExportMention;

/// A text and what was found in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExportRow {
    /// The file that it came from, where one output has the rows of several.
    pub file: Option<String>,
    /// Line of that file, or number of its row, from 1; 0 if nothing says it.
    pub line: usize,
    /// The identifier that the row gave itself.
    pub id: Option<String>,
    /// The text; empty if there is no answer.
    pub sentence: String,
    /// What the model named, once for each place; what stands nowhere has no place.
    pub mentions: Vec<ExportMention>,
    /// The reasoning before the answer.
    pub reasoning: Option<String>,
    /// What is wrong with the answer and its entities.
    pub problems: Vec<ExportProblem>,
    /// Whether the answer was cut off because it had become too long.
    pub is_cut_off: bool,
    /// Why there is no answer.
    pub error: Option<String>,
    /// The row as it is stored, with all that is not read here.
    pub source: Map<String, Value>,
}

/// Something that is wrong with an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ExportProblem {
    /// Its kind, such as `duplicate_key`.
    pub kind: String,
    /// What it is about, such as the key.
    #[serde(default)]
    pub detail: Option<String>,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
}

/// A stored line.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    line: usize,
    #[serde(default)]
    id: Option<Id>,
    #[serde(default, alias = "text")]
    sentence: Option<String>,
    #[serde(default)]
    entities: Option<Vec<Stored>>,
    #[serde(default)]
    offsets: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
    #[serde(default)]
    problems: Vec<ExportProblem>,
    #[serde(default)]
    cut_off: bool,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(serde_json::Number),
}

impl ExportRow {
    /// Reads a stored row, a JSON object.
    ///
    /// # Errors
    /// What is wrong with it, in words that go on after "found": no JSON object, neither a sentence with entities nor
    /// an error, a place outside of the text.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let source: Map<String, Value> =
            serde_json::from_slice(json).map_err(|error| error.to_string())?;
        Self::of_map(source)
    }

    /// What was found in a row.
    ///
    /// # Errors
    /// A place outside of the text.
    pub fn new(row: &RowOf<'_>, found: &Extraction) -> Result<Self, String> {
        let source = match serde_json::to_value(found) {
            Ok(Value::Object(source)) => source,
            Ok(_) => return Err("no JSON object".into()),
            Err(error) => return Err(error.to_string()),
        };
        Self::of_map(placed(row, source))
    }

    /// A row without an answer.
    pub fn unanswered(row: &RowOf<'_>, error: &str) -> Self {
        let mut source = Map::new();
        source.insert("error".into(), error.into());
        Self {
            file: row.file.map(String::from),
            line: row.line,
            id: row.id.map(String::from),
            error: Some(error.into()),
            source: placed(row, source),
            ..Self::default()
        }
    }

    fn of_map(source: Map<String, Value>) -> Result<Self, String> {
        let line = Line::deserialize(Value::Object(source.clone()));
        let line = line.map_err(|error| error.to_string())?;
        if line.error.is_none() && (line.sentence.is_none() || line.entities.is_none()) {
            return Err("a row without `sentence` and `entities`, or `error`".into());
        }
        let sentence = line.sentence.unwrap_or_default();
        let units = Units::new(&sentence, unit(line.offsets.as_deref())?);
        let reasoning = line.reasoning.as_deref();
        let stored = line.entities.unwrap_or_default().into_iter();
        let mentions = stored.map(|stored| stored.read(&sentence, &units, reasoning));
        Ok(Self {
            mentions: mentions.collect::<Result<_, _>>()?,
            file: line.file,
            line: line.line,
            id: line.id.map(|id| match id {
                Id::Text(text) => text,
                Id::Number(number) => number.to_string(),
            }),
            sentence,
            reasoning: line.reasoning,
            problems: line.problems,
            is_cut_off: line.cut_off,
            error: line.error,
            source,
        })
    }

    /// What the row is called: its identifier, or else the file and the line.
    pub fn name(&self) -> String {
        match (&self.id, &self.file) {
            (Some(id), _) => id.clone(),
            (None, Some(file)) => format!("{file}:{}", self.line),
            (None, None) => self.line.to_string(),
        }
    }

    /// The mentions that have a place, with it.
    pub fn placed(&self) -> impl Iterator<Item = (&ExportMention, Span)> {
        self.mentions
            .iter()
            .filter_map(|mention| Some((mention, mention.span?)))
    }
}

/// The row's place in front of what was found.
fn placed(row: &RowOf<'_>, found: Map<String, Value>) -> Map<String, Value> {
    let mut source = Map::new();
    if let Some(file) = row.file {
        source.insert("file".into(), file.into());
    }
    source.insert("line".into(), row.line.into());
    if let Some(id) = row.id {
        source.insert("id".into(), id.into());
    }
    source.extend(found);
    source
}

/// In what the places of a row are counted.
fn unit(named: Option<&str>) -> Result<Offsets, String> {
    match named {
        None => Ok(Offsets::Characters),
        Some("utf-16") => Ok(Offsets::Utf16),
        Some(name) => name.parse(),
    }
}

//! Rows of a file of predictions, in our own form or in any format of `ner-datasets`.

use std::path::Path;
use std::{fs, iter};

use ner_datasets::{Format, ReadOptions, Row, open};
use ner_types::{CharIndex, Entity, Span};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::matching::Keys;

/// A prediction as it stands in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PredictionRow {
    /// `id` or `guid`.
    pub id: Option<String>,
    /// Name of the dataset.
    pub dataset: Option<String>,
    /// Position in the dataset, from 0.
    pub index: Option<usize>,
    /// `sentence` or `text`.
    pub sentence: Option<String>,
    /// What was found.
    pub said: Said,
    /// The one type that was asked for; all types if it is not there.
    pub label: Option<String>,
    /// Whether the completion ended because it reached its length limit.
    pub truncated: bool,
    /// Tokens of the completion, where they were counted.
    pub tokens: Option<usize>,
    /// The offsets that its entities state, in characters; as long as their list, or empty.
    pub offsets: Vec<Option<[usize; 2]>>,
}

/// What a prediction says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A raw completion, to be read.
    Completion(String),
    /// Entities.
    Entities(Vec<Entity>),
}

impl Default for Said {
    fn default() -> Self {
        Said::Entities(Vec::new())
    }
}

impl PredictionRow {
    /// What tells its sentence.
    pub fn keys(&self) -> Keys<'_> {
        Keys {
            id: self.id.as_deref(),
            dataset: self.dataset.as_deref(),
            index: self.index,
            sentence: self.sentence.as_deref(),
            question: self.label.as_deref(),
        }
    }

    /// The entities at their stated places in a sentence, and how many states one at which its text does not stand;
    /// those have no place.
    pub fn placed(&self, sentence: &str) -> (Vec<Entity>, usize) {
        let Said::Entities(entities) = &self.said else {
            return (Vec::new(), 0);
        };
        let (index, mut misplaced) = (CharIndex::new(sentence), 0);
        let offsets = self.offsets.iter().copied().chain(iter::repeat(None));
        let placed = entities.iter().zip(offsets).map(|(entity, stated)| {
            let stated = stated.and_then(|[start, end]| index.span_of_chars(start..end));
            let span = stated.or(entity.span);
            let span = span.filter(|span| span.text(sentence) == Some(&*entity.text));
            Entity {
                span,
                ..entity.clone()
            }
        });
        let placed: Vec<Entity> = placed.collect();
        for (at, entity) in placed.iter().enumerate() {
            misplaced += usize::from(entity.span.is_none() && self.states_place(at));
        }
        (placed, misplaced)
    }

    /// How many of its entities state where they stand.
    pub fn n_with_place(&self) -> usize {
        match &self.said {
            Said::Entities(all) => (0..all.len()).filter(|at| self.states_place(*at)).count(),
            Said::Completion(_) => 0,
        }
    }

    fn states_place(&self, at: usize) -> bool {
        let Said::Entities(entities) = &self.said else {
            return false;
        };
        entities[at].span.is_some() || self.offsets.get(at).is_some_and(Option::is_some)
    }
}

/// A row with its line, from 1; or what was found there instead.
pub type ReadRow = (usize, Result<PredictionRow, String>);

/// Reads a file of predictions: JSON lines (or an array, whose rows are counted in place of lines) with `completion`
/// or `entities`, else any format of `ner-datasets`.
///
/// An entity has `text` or `name`, `label` or `type`, and perhaps `start` and `end` in characters; entities may also be
/// an object of labels with lists of texts. A byte order mark and blank lines are passed over.
///
/// # Errors
///
/// If the file cannot be read; of another format, if it has a fault that would lose a row or a label.
pub fn read_rows(path: &Path) -> Result<Vec<ReadRow>, Error> {
    if path.extension().is_some_and(|end| end == "parquet") {
        return foreign(path, Format::Parquet);
    }
    let bytes = fs::read(path).map_err(|source| Error::Read {
        path: path.into(),
        source,
    })?;
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    if let Ok(rows) = serde_json::from_slice::<Vec<Value>>(text)
        && are_ours(rows.iter().cloned())
    {
        return Ok((1..).zip(rows.into_iter().map(of_value)).collect());
    }
    let lines = || text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let values = lines().map_while(|line| match line {
        [] => Some(Value::Null),
        line => serde_json::from_slice(line).ok(),
    });
    if !are_ours(values.filter(|value| !value.is_null()))
        && let Ok(format) = Format::detect(path)
    {
        return foreign(path, format);
    }
    let numbered = (1..).zip(lines()).filter(|(_, line)| !line.is_empty());
    Ok(numbered.map(|(at, line)| (at, of_line(line))).collect())
}

/// Whether rows are in our own form: with a completion, or with entities as objects. The first that has either decides.
fn are_ours(rows: impl Iterator<Item = Value>) -> bool {
    let mut is_empty = true;
    let mut decided = rows.map(|row| {
        is_empty = false;
        match &row["entities"] {
            Value::Array(list) => list.first().map(|entity| {
                let has = |key: &str| entity.get(key).is_some();
                (has("text") || has("name")) && (has("label") || has("type"))
            }),
            Value::Object(_) => Some(true),
            _ if row.get("completion").is_some() => Some(true),
            _ => Some(false),
        }
    });
    let decided = decided.find_map(|ours| ours);
    decided.unwrap_or(!is_empty)
}

/// Rows of a format that is made for gold; whoever found the entities may have written them so.
fn foreign(path: &Path, format: Format) -> Result<Vec<ReadRow>, Error> {
    let rows = open(path, format, ReadOptions::default())?;
    rows.map(|row| {
        row.map(|row| (row.line, Ok(row.into())))
            .map_err(Error::from)
    })
    .collect()
}

impl From<Row> for PredictionRow {
    fn from(row: Row) -> PredictionRow {
        PredictionRow {
            id: row.example.guid,
            dataset: row.example.dataset,
            sentence: Some(row.example.sentence),
            said: Said::Entities(row.example.entities),
            ..PredictionRow::default()
        }
    }
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    guid: Value,
    #[serde(default)]
    id: Value,
    dataset: Option<String>,
    index: Option<usize>,
    sentence: Option<String>,
    text: Option<String>,
    entities: Option<StoredEntities>,
    completion: Option<String>,
    #[serde(default)]
    truncated: bool,
    tokens: Option<usize>,
    #[serde(rename = "type")]
    label: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StoredEntities {
    Listed(Vec<StoredEntity>),
    ByLabel(serde_json::Map<String, Value>),
}

#[derive(Deserialize)]
struct StoredEntity {
    #[serde(alias = "name")]
    text: String,
    #[serde(alias = "type")]
    label: String,
    start: Option<usize>,
    end: Option<usize>,
    span: Option<Span>,
}

fn of_line(line: &[u8]) -> Result<PredictionRow, String> {
    let stored: Stored = serde_json::from_slice(line).map_err(|error| {
        let message = error.to_string();
        let what = message
            .rsplit_once(" at line ")
            .map_or(&*message, |(what, _)| what);
        format!("{} (column {})", words(what), error.column())
    })?;
    of_stored(stored)
}

fn of_value(row: Value) -> Result<PredictionRow, String> {
    let stored = serde_json::from_value(row).map_err(|error| words(&error.to_string()).into());
    stored.and_then(of_stored)
}

/// What serde says of an untagged list, in words that help.
fn words(message: &str) -> &str {
    if message.contains("untagged enum StoredEntities") {
        "entities that are neither objects with text (or name) and label (or type) nor lists of texts by label"
    } else {
        message
    }
}

fn of_stored(stored: Stored) -> Result<PredictionRow, String> {
    let mut offsets = Vec::new();
    let said = match (stored.entities, stored.completion) {
        (None, Some(completion)) => Said::Completion(completion),
        (Some(StoredEntities::ByLabel(labels)), None) => Said::Entities(by_label(labels)?),
        (Some(StoredEntities::Listed(list)), None) => {
            let stated = list.iter().map(|entity| Some([entity.start?, entity.end?]));
            offsets = stated.collect();
            let entities = list.into_iter().map(|stored| Entity {
                span: stored.span,
                ..Entity::new(stored.text.trim(), stored.label)
            });
            Said::Entities(entities.collect())
        }
        (None, None) => return Err("neither \"entities\" nor \"completion\"".into()),
        (Some(_), Some(_)) => return Err("both \"entities\" and \"completion\"".into()),
    };
    Ok(PredictionRow {
        id: id(stored.id).or(id(stored.guid)),
        dataset: stored.dataset,
        index: stored.index,
        sentence: stored.sentence.or(stored.text),
        said,
        label: stored.label,
        truncated: stored.truncated,
        tokens: stored.tokens,
        offsets,
    })
}

fn id(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(id) => Some(id),
        other => Some(other.to_string()),
    }
}

fn by_label(labels: serde_json::Map<String, Value>) -> Result<Vec<Entity>, String> {
    let mut entities = Vec::new();
    for (label, texts) in labels {
        let texts: Vec<String> = serde_json::from_value(texts)
            .map_err(|_| format!("no list of texts under the label {label:?}"))?;
        entities.extend(
            texts
                .into_iter()
                .map(|text| Entity::new(text.trim(), &*label)),
        );
    }
    Ok(entities)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<ReadRow> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("predictions.jsonl");
        fs::write(&path, text).expect("written");
        read_rows(&path).expect("readable")
    }

    /// The rows of a file that say that Brel is a city, in whatever way.
    #[track_caller]
    fn check_city(text: &str, place: Option<usize>) {
        let rows = read(text);
        let [(_, Ok(row))] = &rows[..] else {
            panic!("{text}: {rows:?}");
        };
        let (entities, misplaced) = row.placed(row.sentence.as_deref().unwrap_or_default());
        let [entity] = &entities[..] else {
            panic!("{text}: {row:?}");
        };
        assert_eq!((&*entity.text, &*entity.label), ("Brel", "city"), "{text}");
        let start = entity.span.map(|span| span.char_start);
        assert_eq!((misplaced, start), (0, place), "{text}");
    }

    #[test]
    fn entities_are_read_however_they_are_written() {
        let rows = [
            r#"{"entities":[{"text":"Brel","label":"city"}]}"#,
            r#"{"id":7,"entities":[{"name":" Brel","type":"city"}]}"#,
            r#"{"sentence":"In Brel","entities":{"city":["Brel"]}}"#,
            r#"{"sentence":"In Brel","schema":["city"],"cot":"x","entities":[{"text":"Brel","label":"city"}]}"#,
        ];
        for row in rows {
            check_city(row, None);
            check_city(&format!("\u{feff}\n[{row}]"), None);
        }
        let placed =
            r#"{"text":"Ça, Brel","entities":[{"text":"Brel","type":"city","start":4,"end":8}]}"#;
        check_city(placed, Some(4));
        check_city("In\tO\nBrel\tB-city\n", Some(3));
        check_city(r#"{"text":"In Brel","label":[[3,7,"city"]]}"#, Some(3));
        check_city(
            r#"{"tokens":["In","Brel"],"ner_tags":["O","B-city"]}"#,
            Some(3),
        );
    }

    #[test]
    fn offsets_that_give_another_text_are_counted() {
        let rows = read(
            r#"{"text":"In Brel","entities":[{"text":"Brel","label":"city","start":2,"end":6}]}"#,
        );
        let row = rows[0].1.as_ref().expect("a row");
        assert_eq!((row.placed("In Brel").1, row.n_with_place()), (1, 1));
        assert_eq!(row.placed("I, Brel").1, 1, "of another sentence");
        assert_eq!(row.placed("--Brel").1, 0, "where it does stand");
    }

    #[test]
    fn faults_keep_their_line() {
        let text = "\n{\"completion\": \"x\"}\nnot json\n{\"guid\": \"a\"}\n{\"entities\": [], \"completion\": \"\"}\n\
                    {\"entities\": [{\"text\": \"x\"}]}\n";
        let rows = read(text);
        let faults = rows
            .iter()
            .filter_map(|(line, row)| Some((*line, row.as_ref().err()?)));
        let faults: Vec<String> = faults
            .map(|(line, fault)| format!("{line}: {fault}"))
            .collect();
        let expected = [
            "3: expected",
            "4: neither",
            "5: both",
            "6: entities that are neither",
        ];
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.starts_with(expected), "{fault}");
        }
    }
}

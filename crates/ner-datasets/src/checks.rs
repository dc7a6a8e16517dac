//! What is wrong with the content of a row, whatever its format: mentions and labels.

use ner_types::{Entity, normalize_label};

use crate::error::Error;
use crate::fault::{FaultKind, excerpt};
use crate::recorder::Recorder;
use crate::row::Row;

/// Counts mentions that do not stand in their sentence, and those of types that the row, which states its own, does
/// not ask for. They are kept.
pub(crate) fn check_mentions(row: &Row, recorder: &mut Recorder) -> Result<(), Error> {
    let example = &row.example;
    for entity in &example.entities {
        if !stands_in(entity, &example.sentence) {
            let found = || format!("{} as a {}", excerpt(&entity.text), entity.label);
            note(FaultKind::NotInSentence, row, recorder, found)?;
        }
        if !example.schema.is_empty() && !is_asked_for(&entity.label, &example.schema) {
            let found = || format!("{:?} for {}", entity.label, excerpt(&entity.text));
            note(FaultKind::OutsideSchema, row, recorder, found)?;
        }
    }
    Ok(())
}

fn note(
    kind: FaultKind,
    row: &Row,
    recorder: &mut Recorder,
    found: impl FnOnce() -> String,
) -> Result<(), Error> {
    recorder.record(kind, row.line, kind.expected(), found)
}

fn stands_in(entity: &Entity, sentence: &str) -> bool {
    let text = entity.text.trim();
    let stated = entity.span.and_then(|span| span.text(sentence));
    stated.is_some_and(|stated| stated.trim() == text) || sentence.contains(text)
}

fn is_asked_for(label: &str, schema: &[String]) -> bool {
    let is_same = |asked: &String| normalize_label(asked) == normalize_label(label);
    schema.iter().any(|asked| asked == label) || schema.iter().any(is_same)
}

/// The labels of a row's mentions, sorted, each once.
pub(crate) fn own_labels(row: &Row) -> Vec<String> {
    let labels = row
        .example
        .entities
        .iter()
        .map(|entity| entity.label.as_str());
    let mut labels: Vec<&str> = labels.collect();
    labels.sort_unstable();
    labels.dedup();
    labels.into_iter().map(String::from).collect()
}

/// Drops mentions without a text.
pub(crate) fn drop_blank(row: &mut Row, recorder: &mut Recorder) -> Result<(), Error> {
    let is_blank = |entity: &Entity| entity.text.trim().is_empty();
    for entity in row
        .example
        .entities
        .iter()
        .filter(|entity| is_blank(entity))
    {
        let found = || format!("{:?} as a {}", entity.text, entity.label);
        let expected = FaultKind::BlankMention.expected();
        recorder.record(FaultKind::BlankMention, row.line, expected, found)?;
    }
    row.example.entities.retain(|entity| !is_blank(entity));
    Ok(())
}

/// Drops mentions whose label is not in the dataset's list.
pub(crate) fn check_labels(
    row: &mut Row,
    labels: &[String],
    recorder: &mut Recorder,
) -> Result<(), Error> {
    let is_known = |label: &str| labels.iter().any(|known| known == label);
    let mut n_unknown = 0;
    for entity in &row.example.entities {
        if !is_known(&entity.label) {
            n_unknown += 1;
            let found = || format!("{:?}", entity.label);
            let expected = "a label of the dataset's list (labels.json, or the one that was given)";
            recorder.record(FaultKind::UnknownLabel, row.line, expected, found)?;
        }
    }
    if n_unknown > 0 {
        row.example
            .entities
            .retain(|entity| is_known(&entity.label));
    }
    Ok(())
}

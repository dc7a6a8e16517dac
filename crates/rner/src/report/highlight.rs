//! Sentences and reasoning with their entities marked.

use ner_types::{Entity, normalize_label, normalize_text, parse};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashSet;

use super::data::Sample;

/// A stretch of text; an entity if it has a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// The text.
    pub text: String,
    /// Label of the entity.
    pub label: Option<String>,
    /// Whether the entity is right.
    pub matched: bool,
}

/// What the page shows: every sentence once, with the answers of all models.
///
/// Where several seeds answered the same sentence, the first one is shown.
pub(super) fn samples(samples: &[Sample]) -> Vec<Value> {
    let mut sentences: Vec<Vec<&Sample>> = Vec::new();
    for sample in samples {
        let same = |group: &&mut Vec<&Sample>| {
            group[0].set == sample.set && group[0].sentence == sample.sentence
        };
        match sentences.iter_mut().find(same) {
            Some(group) if group.iter().any(|s| s.model == sample.model) => {}
            Some(group) => group.push(sample),
            None => sentences.push(vec![sample]),
        }
    }
    sentences.iter().map(|group| sentence(group)).collect()
}

fn sentence(group: &[&Sample]) -> Value {
    let (line, elsewhere) = mark(&group[0].sentence, &group[0].gold, &group[0].gold);
    json!({
        "set": group[0].set,
        "sentence": line,
        "elsewhere": elsewhere,
        "answers": group.iter().map(|sample| answer(sample)).collect::<Vec<_>>(),
    })
}

fn answer(sample: &Sample) -> Value {
    let completion = parse(&sample.completion);
    let entities = &completion.entities;
    let gold = keys(&sample.gold);
    let found: Vec<Segment> = entities
        .iter()
        .map(|e| segment(e, &e.text, &gold))
        .collect();
    let problems: Vec<String> = completion
        .problems
        .iter()
        .map(ToString::to_string)
        .collect();
    json!({
        "model": sample.model,
        "entities": found,
        "reasoning": completion.reasoning.as_ref().map(|r| mark(r, entities, &sample.gold).0),
        // An answer that cannot be read is shown as it was written.
        "unread": (!completion.is_json).then_some(&sample.completion),
        "problems": problems,
    })
}

type Key = (String, String);

fn key(entity: &Entity) -> Key {
    (normalize_text(&entity.text), normalize_label(&entity.label))
}

fn keys(entities: &[Entity]) -> HashSet<Key> {
    entities.iter().map(key).collect()
}

fn segment(entity: &Entity, text: &str, gold: &HashSet<Key>) -> Segment {
    Segment {
        text: text.to_owned(),
        label: Some(entity.label.clone()),
        matched: gold.contains(&key(entity)),
    }
}

/// The text in segments, and the entities that do not occur in it.
///
/// Longer entities are placed first, each at its first place that is still free.
pub fn mark(text: &str, entities: &[Entity], gold: &[Entity]) -> (Vec<Segment>, Vec<Segment>) {
    let gold = keys(gold);
    let mut order: Vec<&Entity> = entities.iter().collect();
    order.sort_by_key(|e| std::cmp::Reverse(e.text.len()));
    let mut taken: Vec<(usize, usize, Segment)> = Vec::new();
    let mut rest = Vec::new();
    for entity in order {
        match free_place(text, &entity.text, &taken) {
            Some((start, end)) => {
                taken.push((start, end, segment(entity, &text[start..end], &gold)))
            }
            None => rest.push(segment(entity, &entity.text, &gold)),
        }
    }
    taken.sort_by_key(|(start, _, _)| *start);
    (with_gaps(text, taken), rest)
}

fn free_place(
    text: &str,
    wanted: &str,
    taken: &[(usize, usize, Segment)],
) -> Option<(usize, usize)> {
    if wanted.is_empty() {
        return None;
    }
    text.match_indices(wanted)
        .map(|(start, found)| (start, start + found.len()))
        .find(|(start, end)| taken.iter().all(|(s, e, _)| end <= s || start >= e))
}

fn with_gaps(text: &str, taken: Vec<(usize, usize, Segment)>) -> Vec<Segment> {
    let plain = |from: usize, to: usize| {
        (from < to).then(|| Segment {
            text: text[from..to].to_owned(),
            label: None,
            matched: false,
        })
    };
    let mut out = Vec::new();
    let mut at = 0;
    for (start, end, segment) in taken {
        out.extend(plain(at, start));
        out.push(segment);
        at = end;
    }
    out.extend(plain(at, text.len()));
    out
}

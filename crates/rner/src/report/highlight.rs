//! Sentences and reasoning with their entities marked.

use ner_eval::page::problems_in_words;
use ner_types::{Entity, normalize_label, normalize_text, parse};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

use super::data::Sample;
use super::fold::folded;

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
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut sentences: Vec<Vec<&Sample>> = Vec::new();
    for sample in samples {
        let place = places.entry((&sample.set, &sample.sentence));
        let place = *place.or_insert(sentences.len());
        match sentences.get_mut(place) {
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

/// Characters of reasoning above which it is folded away.
const LONG: usize = 700;
/// Characters of an unreadable answer that are shown, once its repetitions are folded.
const UNREAD: usize = 4_000;
/// Different entities of an answer that are shown.
const SHOWN: usize = 20;

fn answer(sample: &Sample) -> Value {
    let completion = parse(&sample.completion);
    let entities = &completion.entities;
    let found = counted(entities, &keys(&sample.gold));
    let reasoning = completion.reasoning.as_deref().map(folded);
    json!({
        "model": sample.model,
        "more": found.len().saturating_sub(SHOWN),
        "entities": found.into_iter().take(SHOWN).collect::<Vec<_>>(),
        "is_long": reasoning.as_ref().is_some_and(|text| text.chars().count() > LONG),
        "reasoning": reasoning.map(|text| mark(&text, entities, &sample.gold).0),
        // An answer that cannot be read is shown as it was written.
        "unread": (!completion.is_json).then(|| clipped(&folded(&sample.completion))),
        "problems": problems_in_words(&sample.completion, &completion),
    })
}

/// Every entity once, with how often the answer gives it.
fn counted(entities: &[Entity], gold: &HashSet<Key>) -> Vec<Value> {
    let mut times: HashMap<(&str, &str), usize> = HashMap::new();
    let mut order = Vec::new();
    for entity in entities {
        let count = times.entry((&entity.text, &entity.label)).or_default();
        if *count == 0 {
            order.push(entity);
        }
        *count += 1;
    }
    let view = |entity: &Entity| {
        let times = times.get(&(entity.text.as_str(), entity.label.as_str()));
        json!({"segment": segment(entity, &entity.text, gold), "times": times})
    };
    order.into_iter().map(view).collect()
}

/// The beginning of a long text.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(UNREAD) {
        Some((at, _)) => format!("{} … (cut here)", &text[..at]),
        None => text.to_owned(),
    }
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
    let mut places = Places::new(text);
    let (mut taken, mut rest) = (Vec::new(), Vec::new());
    for entity in order {
        match places.take(&entity.text) {
            Some((start, end)) => {
                taken.push((start, end, segment(entity, &text[start..end], &gold)))
            }
            None => rest.push(segment(entity, &entity.text, &gold)),
        }
    }
    taken.sort_by_key(|(start, _, _)| *start);
    (with_gaps(text, taken), rest)
}

/// Where entities stand in a text. Each text of an entity is searched for once from the beginning to the end, however
/// often a model repeats it.
struct Places<'a> {
    text: &'a str,
    /// Ends of what is taken, by the starts.
    taken: BTreeMap<usize, usize>,
    /// Where the search for an entity goes on. What was taken before stays taken.
    next: HashMap<&'a str, usize>,
    /// Bytes and places that were looked at.
    steps: usize,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            taken: BTreeMap::new(),
            next: HashMap::new(),
            steps: 0,
        }
    }

    /// Takes the first free place.
    fn take(&mut self, wanted: &'a str) -> Option<(usize, usize)> {
        if wanted.is_empty() {
            return None;
        }
        let mut from = self.next.get(wanted).copied().unwrap_or(0);
        let mut found = None;
        while let Some(start) = self.text[from..].find(wanted).map(|at| from + at) {
            let end = start + wanted.len();
            self.steps += end - from;
            from = end;
            if self.is_free(start, end) {
                self.taken.insert(start, end);
                found = Some((start, end));
                break;
            }
        }
        if found.is_none() {
            self.steps += self.text.len() - from;
            from = self.text.len();
        }
        self.next.insert(wanted, from);
        found
    }

    /// Whether nothing that is taken reaches into a stretch.
    fn is_free(&self, start: usize, end: usize) -> bool {
        let before = self.taken.range(..end).next_back();
        before.is_none_or(|(_, taken)| *taken <= start)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes looked at for an answer that gives one entity again and again, in a reasoning that does the same, and
    /// whether it was found each time.
    fn steps(n: usize) -> usize {
        let text = "Brel is a city. ".repeat(n);
        let mut places = Places::new(&text);
        for _ in 0..n {
            assert!(places.take("Brel").is_some());
            assert!(places.take("Oslin").is_none());
        }
        // All places of the shorter one are taken by then.
        for _ in 0..n {
            assert!(places.take("rel").is_none());
        }
        places.steps
    }

    #[test]
    fn twice_the_repeats_are_twice_the_work() {
        let (once, twice) = (steps(2_000), steps(4_000));
        assert!(2 * twice <= 5 * once, "{once} {twice}");
        let entities = vec![Entity::new("Brel", "city"); 3];
        let (line, rest) = mark("Brel, Brel", &entities, &[]);
        assert_eq!((line.len(), rest.len()), (3, 1));
    }
}

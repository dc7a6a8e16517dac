//! Sentences with errors, their entities marked, for the page.

use std::collections::BTreeSet;
use std::ops::Range;

use ner_score::analysis::EntityError;
use ner_score::{ErrorClass, Scorer, score_sentence};
use ner_types::Entity;
use serde_json::{Value, json};

use super::problems::problems_in_words;
use crate::analysis::{Answered, answers};
use crate::prediction::Prediction;
use crate::suite::EvalSet;

/// Sentences with errors that the page shows of a set, spread evenly over it.
const SHOWN: usize = 25;
/// Sentences that it shows besides for each class of errors, the first ones.
const OF_EACH_CLASS: usize = 2;
/// Characters of an unreadable answer that the page shows.
const UNREAD: usize = 4_000;

/// Some of a set's sentences with errors, and how many there are in all.
pub(super) fn of_set(set: &EvalSet, predictions: &[Prediction], scorer: Scorer) -> Value {
    let answered = answers(set, predictions);
    let scored = answered.iter().map(|answer| {
        let errors = score_sentence(scorer, &answer.sentence(scorer)).errors;
        (answer, errors)
    });
    let wrong: Vec<_> = scored.filter(|(_, errors)| !errors.is_empty()).collect();
    let chosen = choose(
        &wrong
            .iter()
            .map(|(_, errors)| errors.as_slice())
            .collect::<Vec<_>>(),
    );
    let shown = chosen
        .iter()
        .map(|&i| sentence(scorer, wrong[i].0, &wrong[i].1));
    json!({
        "total": wrong.len(),
        "shown": chosen.len(),
        "sentences": shown.collect::<Vec<_>>(),
    })
}

/// Positions of the sentences to show: a few of every class of errors, so that rare ones are seen, and others spread
/// evenly.
fn choose(sentences: &[&[EntityError]]) -> Vec<usize> {
    let shown = SHOWN.min(sentences.len());
    let mut chosen: BTreeSet<usize> = (0..shown).map(|i| i * sentences.len() / shown).collect();
    for class in ErrorClass::ALL {
        let has_class = |i: &usize| sentences[*i].iter().any(|error| error.class == class);
        chosen.extend((0..sentences.len()).filter(has_class).take(OF_EACH_CLASS));
    }
    chosen.into_iter().collect()
}

fn sentence(scorer: Scorer, answer: &Answered<'_>, errors: &[EntityError]) -> Value {
    let text = &answer.example.sentence;
    let gold = &answer.example.entities;
    let found = answer.counted(scorer);
    let missed = |i: usize| {
        errors
            .iter()
            .find(|e| e.false_negative && e.gold == Some(i))
    };
    let wrong = |i: usize| errors.iter().find(|e| e.predicted == Some(i));
    let class = |error: Option<&EntityError>| error.map(|error| error.class.name());
    let (gold_line, gold_rest) = mark(text, gold, |i| class(missed(i)));
    let (found_line, found_rest) = mark(text, found, |i| class(wrong(i)));
    let mut classes: Vec<&str> = errors.iter().map(|error| error.class.name()).collect();
    classes.sort_unstable();
    classes.dedup();
    let problems = problems_in_words(&answer.prediction.completion, &answer.completion);
    json!({
        "index": answer.prediction.index,
        "classes": classes,
        "gold": gold_line,
        "gold_rest": gold_rest,
        "found": found_line,
        "found_rest": found_rest,
        "reasoning": answer.completion.reasoning,
        "problems": problems,
        "truncated": answer.prediction.truncated,
        // An answer that cannot be read is shown as it was written.
        "is_read": answer.completion.is_json,
        "unread": (!answer.completion.is_json).then(|| clipped(&answer.prediction.completion)),
    })
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(UNREAD) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text.into(),
    }
}

/// The text in segments with the entities marked, and the entities that have no place left in it.
///
/// Longer entities are placed first, each at its first place that is still free.
fn mark(
    text: &str,
    entities: &[Entity],
    class: impl Fn(usize) -> Option<&'static str>,
) -> (Vec<Value>, Vec<Value>) {
    let mut order: Vec<usize> = (0..entities.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(entities[i].text.len()));
    let mut taken: Vec<(Range<usize>, usize)> = Vec::new();
    let mut rest = Vec::new();
    for i in order {
        match free_place(text, &entities[i].text, &taken) {
            Some(place) => taken.push((place, i)),
            None => rest.push(i),
        }
    }
    taken.sort_by_key(|(place, _)| place.start);
    let segment =
        |text: &str, i: usize| json!({"text": text, "label": entities[i].label, "class": class(i)});
    let mut line = Vec::new();
    let mut at = 0;
    for (place, i) in taken {
        line.push(json!({"text": &text[at..place.start]}));
        line.push(segment(&text[place.clone()], i));
        at = place.end;
    }
    line.push(json!({"text": &text[at..]}));
    rest.sort_unstable();
    let rest = rest.into_iter().map(|i| segment(&entities[i].text, i));
    (line, rest.collect())
}

fn free_place(text: &str, wanted: &str, taken: &[(Range<usize>, usize)]) -> Option<Range<usize>> {
    if wanted.is_empty() {
        return None;
    }
    let is_free = |place: &Range<usize>| {
        let apart = |other: &Range<usize>| place.end <= other.start || place.start >= other.end;
        taken.iter().all(|(other, _)| apart(other))
    };
    text.match_indices(wanted)
        .map(|(start, found)| start..start + found.len())
        .find(is_free)
}

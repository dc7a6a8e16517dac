//! Properties of the reader of relations and events on random input.

use ner_types::{
    Completion, Event, Example, ReadMode, Relation, Signature, Task, parse_with, render_target,
};
use proptest::collection::vec;
use proptest::prelude::*;

const TASKS: [Task; 2] = [Task::Relations, Task::Events];

/// Any text as the reader gives it, without what frames an answer.
fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| {
        let text = text.replace("think>", "").replace("<answer", "");
        let text = text.replace("```", "");
        text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
            .to_owned()
    })
}

/// In the order in which they are written: by label, in order of first appearance.
fn grouped<T>(mut items: Vec<T>, key: impl Fn(&T) -> String) -> Vec<T> {
    let order: Vec<String> = items.iter().map(&key).collect();
    items.sort_by_key(|item| order.iter().position(|known| *known == key(item)));
    items
}

fn example() -> impl Strategy<Value = Example> {
    let label = || prop_oneof!["[a-c]{1,2}".boxed(), text().boxed()];
    let pairs = vec((label(), text(), text()), 0..6);
    let arguments = vec((label(), text()), 0..5);
    let events = vec((label(), text(), arguments), 0..4);
    let relations = pairs.prop_map(|pairs| {
        let all = pairs.into_iter().map(|(l, h, t)| Relation::new(l, h, t));
        Example {
            relations: Some(grouped(all.collect(), |it: &Relation| it.label.clone())),
            ..Example::default()
        }
    });
    let events = events.prop_map(|events| {
        let all = events.into_iter().map(|(label, trigger, arguments)| {
            let arguments = grouped(arguments, |(role, _)| role.clone()).into_iter();
            arguments.fold(Event::new(label, trigger), |event, (role, text)| {
                event.with(role, text)
            })
        });
        Example {
            events: Some(grouped(all.collect(), |it: &Event| it.label.clone())),
            ..Example::default()
        }
    });
    prop_oneof![relations, events]
}

fn found(read: &Completion) -> (&[Relation], &[Event]) {
    (&read.relations, &read.events)
}

fn gold(example: &Example) -> (&[Relation], &[Event]) {
    (
        example.relations.as_deref().unwrap_or_default(),
        example.events.as_deref().unwrap_or_default(),
    )
}

/// Pieces of answers, in any order.
fn completion() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(vec![
        "<think>",
        "</think>",
        "<answer>",
        "```json",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\"relations\": {",
        "\"events\": {",
        "\"a\": [",
        "[\"x\", \"y\"]",
        "\"trigger\": \"x\"",
        "{\"trigger\": \"x\", \"arguments\": {",
        "\"arguments\"",
        "null",
        "1",
        "\"x\"",
        "é",
    ]);
    let piece = prop_oneof![6 => known.prop_map(String::from), 1 => any::<String>()];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read(example in example(), reasoning in "[a-z \n]{0,30}") {
        let text = render_target(Some(&reasoning), &example);
        for mode in [ReadMode::Reference, ReadMode::Tolerant] {
            let read = example.task().read(&text, mode);
            prop_assert_eq!(found(&read), gold(&example), "{}", text);
            prop_assert_eq!(read.reasoning.as_deref(), Some(reasoning.trim()));
            prop_assert!(read.is_json && read.problems.is_empty(), "{:?}", read.problems);
        }
    }

    /// A truncated answer gives a beginning of the whole one, and nothing that it does not say.
    #[test]
    fn what_is_cut_off_is_a_beginning(example in example(), cut in any::<proptest::sample::Index>()) {
        let text = render_target(None, &example);
        let end = text.floor_char_boundary(cut.index(text.len() + 1));
        let read = example.task().read(&text[..end], ReadMode::Tolerant);
        let ((relations, events), whole) = (found(&read), gold(&example));
        prop_assert!(whole.0.starts_with(relations) && whole.1.starts_with(events), "{:?}", read);
    }

    #[test]
    fn every_text_is_read(text in completion()) {
        for task in TASKS {
            let reference = task.read(&text, ReadMode::Reference);
            let tolerant = task.read(&text, ReadMode::Tolerant);
            prop_assert!(!reference.salvaged && reference.entities.is_empty());
            prop_assert!(reference.is_json || (found(&reference) == (&[], &[]) && !reference.problems.is_empty()));
            prop_assert!(tolerant.salvaged || reference == tolerant);
            prop_assert!(tolerant.problems.starts_with(&reference.problems));
            tolerant.check_as(task, &["a(b)".into()], &text);
            let items = task.read_items(&text, ReadMode::Tolerant).entities;
            prop_assert!(items.len() >= tolerant.relations.len() + tolerant.events.len());
        }
        prop_assert_eq!(
            Task::Entities.read(&text, ReadMode::Tolerant),
            parse_with(&text, ReadMode::Tolerant)
        );
    }

    #[test]
    fn every_entry_of_a_schema_is_a_label(entry in any::<String>()) {
        let signature = Signature::parse(&entry);
        prop_assert!(signature.label.len() <= entry.len());
        prop_assert_eq!(signature.label.is_empty(), entry.trim().is_empty());
    }
}

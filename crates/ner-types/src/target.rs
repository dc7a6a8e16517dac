//! Writing an answer that is not one of entities: each tuple and each event on a line of its own.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::answer::{render_answer, with_reasoning};
use crate::example::Example;
use crate::structures::{Argument, Event, Relation};
use crate::task::Task;

/// The target of an example in its task: `<think>\n{cot}\n</think>\n{json}`, or the JSON alone without a chain of
/// thought. For entities it is what [`render_completion`](crate::render_completion) writes.
///
/// ```
/// use ner_types::{Example, Relation, render_target};
///
/// let relations = vec![Relation::new("works for", "Ann", "Acme")];
/// let example = Example { relations: Some(relations), ..Example::default() };
/// assert_eq!(
///     render_target(None, &example),
///     "{\n  \"relations\": {\n    \"works for\": [\n      [\"Ann\", \"Acme\"]\n    ]\n  }\n}"
/// );
/// ```
pub fn render_target(cot: Option<&str>, example: &Example) -> String {
    let answer = match example.task() {
        Task::Entities => render_answer(&example.entities),
        task => {
            let relations = example.relations.as_deref().unwrap_or_default();
            let events = example.events.as_deref().unwrap_or_default();
            render_structures(task, relations, events)
        }
    };
    with_reasoning(cot, answer)
}

/// The answer of relations or of events as JSON, grouped by label in order of first appearance.
pub fn render_structures(task: Task, relations: &[Relation], events: &[Event]) -> String {
    let groups = match task {
        Task::Relations => grouped(relations.iter().map(|one| (one.label.as_str(), pair(one)))),
        _ => grouped(events.iter().map(|one| (one.label.as_str(), event(one)))),
    };
    let mut out = format!("{{\n  {}: {{", json(task.key()));
    for (i, (label, items)) in groups.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let items = items.join(",\n      ");
        let _ = write!(out, "{comma}\n    {}: [\n      {items}\n    ]", json(label));
    }
    out += if groups.is_empty() {
        "}\n}"
    } else {
        "\n  }\n}"
    };
    out
}

/// Items by their keys, in order of first appearance.
fn grouped<'a>(items: impl Iterator<Item = (&'a str, String)>) -> Vec<(&'a str, Vec<String>)> {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    let mut places = HashMap::new();
    for (key, item) in items {
        let place = *places.entry(key).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(item);
    }
    groups
}

fn pair(relation: &Relation) -> String {
    format!("[{}, {}]", json(&relation.head), json(&relation.tail))
}

fn event(event: &Event) -> String {
    let texts = |argument: &Argument| json(&argument.text);
    let arguments = event.arguments.iter();
    let roles = grouped(arguments.map(|argument| (argument.role.as_str(), texts(argument))));
    let roles = roles
        .iter()
        .map(|(role, texts)| format!("{}: [{}]", json(role), texts.join(", ")));
    let roles = roles.collect::<Vec<_>>().join(", ");
    let trigger = json(&event.trigger);
    format!("{{\"trigger\": {trigger}, \"arguments\": {{{roles}}}}}")
}

fn json(text: &str) -> String {
    Value::from(text).to_string()
}

//! What is compared: every task as a list of labelled texts, so that whatever counts entities counts these too.

use std::borrow::Cow;

use crate::example::{Entity, Example};
use crate::parse::{Completion, ReadMode};
use crate::signature::Signature;
use crate::structures::{Event, Relation, argument_label};
use crate::task::Task;

/// Stands between head and tail where a relation is compared as one text. Normalisation leaves it alone; inside of an
/// argument a shorter arrow is put in its place, so that two pairs are the same text only if they are the same pair.
pub const TUPLE_SEPARATOR: &str = " ⟶ ";

impl Task {
    /// The labels that items may have, by the schema: the relations; the events, and each with each of its roles as
    /// `event: role`.
    pub fn item_labels(self, schema: &[String]) -> Vec<String> {
        let signatures = schema.iter().map(|entry| Signature::parse(entry));
        match self {
            Self::Entities => schema.to_vec(),
            Self::Relations => signatures.map(|it| it.label.to_owned()).collect(),
            Self::Events => signatures
                .flat_map(|it| {
                    let roles = it.parts.iter().map(|role| argument_label(it.label, role));
                    std::iter::once(it.label.to_owned())
                        .chain(roles)
                        .collect::<Vec<_>>()
                })
                .collect(),
        }
    }

    /// Reads a completion into what is compared: its [`Completion::entities`] are the items of the relations or events.
    pub fn read_items(self, text: &str, mode: ReadMode) -> Completion {
        let mut read = self.read(text, mode);
        if !self.is_entities() {
            read.entities = items(&read.relations, &read.events);
        }
        read
    }

    /// Whether an item's texts stand in the sentence, letter by letter.
    pub fn stands_in(self, item: &Entity, sentence: &str) -> bool {
        self.item_texts(item).all(|text| sentence.contains(text))
    }

    /// The texts of an item: one, or head and tail.
    pub fn item_texts(self, item: &Entity) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Relations => match item.text.split_once(TUPLE_SEPARATOR) {
                Some((head, tail)) => (head, Some(tail)),
                None => (item.text.as_str(), None),
            },
            _ => (item.text.as_str(), None),
        };
        std::iter::once(first).chain(second)
    }
}

impl Example {
    /// The example as it is compared: relations and events are items in place of entities, and the schema has their
    /// labels. An example of entities is what it is.
    pub fn as_items(&self) -> Cow<'_, Example> {
        let task = self.task();
        if task.is_entities() {
            return Cow::Borrowed(self);
        }
        let relations = self.relations.as_deref().unwrap_or_default();
        let events = self.events.as_deref().unwrap_or_default();
        Cow::Owned(Example {
            schema: task.item_labels(&self.schema),
            entities: items(relations, events),
            relations: None,
            events: None,
            ..self.clone()
        })
    }
}

fn items(relations: &[Relation], events: &[Event]) -> Vec<Entity> {
    let pairs = relations.iter().map(|relation| {
        let [head, tail] = [&relation.head, &relation.tail].map(|text| text.replace('⟶', "→"));
        Entity::new(format!("{head}{TUPLE_SEPARATOR}{tail}"), &relation.label)
    });
    let events = events.iter().flat_map(|event| {
        let trigger = Entity::new(&event.trigger, &event.label);
        let arguments = event.arguments.iter().map(|argument| {
            let label = argument_label(&event.label, &argument.role);
            Entity::new(&argument.text, label)
        });
        std::iter::once(trigger).chain(arguments)
    });
    pairs.chain(events).collect()
}

//! The entities of an answer by label, as they are read from the JSON.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::Problem;
use super::json::{Fault, Kind, Reader};
use crate::example::Entity;
use crate::normalize::trim;

const KEY: &str = "entities";

/// What a JSON text says under `entities`. After a fault, what was complete before it.
#[derive(Default)]
pub(super) struct Document {
    /// Kind of the value of `entities`, if there is one.
    pub(super) entities: Option<Kind>,
    /// The labels with their texts.
    pub(super) groups: Groups,
}

impl Document {
    /// Reads a whole text as one JSON value. As in Python, the last of two equal keys counts.
    pub(super) fn read(&mut self, text: &str) -> Result<(), Fault> {
        let mut reader = Reader::new(text, 0);
        if reader.kind()? == Kind::Object {
            reader.object(|reader, key| match key.as_ref() {
                KEY => self.read_entities(reader),
                _ => reader.skip(),
            })?;
        } else {
            reader.skip()?;
        }
        reader.end()
    }

    fn read_entities(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let mut groups = Groups::default();
        if self.entities.is_some() {
            groups.repeated.push(KEY.into());
        }
        self.groups = groups;
        let kind = reader.kind()?;
        self.entities = Some(kind);
        match kind {
            Kind::Object => self.groups.read(reader),
            _ => reader.skip(),
        }
    }
}

/// The labels in the order of their first appearance.
#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    index: HashMap<String, usize>,
    repeated: Vec<String>,
    /// Whether two groups of one label are joined. Otherwise the last one counts, as in Python.
    joins: bool,
}

/// One label with its value.
struct Group {
    label: String,
    kind: Kind,
    texts: Vec<String>,
    has_others: bool,
}

impl Groups {
    /// No groups yet; those of one label will be joined.
    pub(super) fn joined() -> Self {
        Groups {
            joins: true,
            ..Groups::default()
        }
    }

    /// Reads an object of labels.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        reader.object(|reader, label| {
            let kind = reader.kind()?;
            self.group(&label, kind).read(reader)
        })
    }

    /// The group of a label, emptied unless groups are joined.
    fn group(&mut self, label: &str, kind: Kind) -> &mut Group {
        let new = self.groups.len();
        let idx = *self.index.entry(label.into()).or_insert(new);
        if idx == new {
            self.groups.push(Group::new(label, kind));
        } else {
            self.repeated.push(label.into());
            if !self.joins {
                self.groups[idx] = Group::new(label, kind);
            }
        }
        let group = &mut self.groups[idx];
        group.kind = kind;
        group
    }

    /// Whether no text was read.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.texts.is_empty())
    }

    /// What is wrong with the values, one problem for each label.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        let repeated = self.repeated.iter().cloned().map(Problem::DuplicateKey);
        repeated.chain(self.groups.iter().filter_map(Group::problem))
    }

    /// The entities that the paper's code reads: a string by its characters, an object by its keys. `None` where it
    /// fails.
    pub(super) fn reference_entities(&self) -> Option<Vec<Entity>> {
        let mut entities = Vec::new();
        for group in &self.groups {
            match group.kind {
                Kind::List | Kind::Object => entities.extend(group.entities()),
                Kind::String => entities.extend(group.characters()),
                Kind::Null | Kind::Boolean | Kind::Number => return None,
            }
        }
        Some(entities)
    }

    /// The entities that the answer means: a string is one text, what is no text is passed over.
    pub(super) fn meant_entities(&self) -> Vec<Entity> {
        let entities = self.groups.iter().flat_map(Group::entities);
        entities.filter(|entity| !entity.text.is_empty()).collect()
    }
}

impl Group {
    fn new(label: &str, kind: Kind) -> Self {
        Group {
            label: label.into(),
            kind,
            texts: Vec::new(),
            has_others: false,
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        match self.kind {
            Kind::List => reader.list(|reader| match reader.kind()? {
                Kind::String => self.push(reader.string()?),
                _ => {
                    self.has_others = true;
                    reader.skip()
                }
            }),
            Kind::String => self.push(reader.string()?),
            Kind::Object => self.read_keys(reader),
            Kind::Null | Kind::Boolean | Kind::Number => reader.skip(),
        }
    }

    fn push(&mut self, text: Cow<'_, str>) -> Result<(), Fault> {
        self.texts.push(text.into_owned());
        Ok(())
    }

    fn read_keys(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let mut seen = HashSet::new();
        reader.object(|reader, key| {
            if seen.insert(key.clone()) {
                self.push(key)?;
            }
            reader.skip()
        })
    }

    fn problem(&self) -> Option<Problem> {
        match self.kind {
            Kind::List => self
                .has_others
                .then(|| Problem::NotAString(self.label.clone())),
            kind => Some(Problem::WrongShape(format!(
                "the value of {:?} is {}",
                self.label,
                kind.name()
            ))),
        }
    }

    fn entities(&self) -> impl Iterator<Item = Entity> {
        let entity = |text: &String| Entity::new(trim(text), self.label.as_str());
        self.texts.iter().map(entity)
    }

    fn characters(&self) -> impl Iterator<Item = Entity> {
        let characters = self.texts.iter().flat_map(|text| text.chars());
        characters.map(|c| Entity::new(trim(&c.to_string()), self.label.as_str()))
    }
}

//! The entities of an answer by label, as they are read from the JSON.
//!
//! Labels and texts are borrowed from the answer wherever nothing in them is escaped, and all texts lie in one list, so
//! that reading an ordinary answer allocates twice, whatever it holds.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::Problem;
use super::json::{Fault, Kind, Reader};
use crate::normalize::trim;

const KEY: &str = "entities";

/// Up to so many labels, comparing with each is faster than hashing.
const FEW_LABELS: usize = 16;

/// What a JSON text says under `entities`. After a fault, what was complete before it.
#[derive(Default)]
pub(super) struct Document<'a> {
    /// Kind of the value of `entities`, if there is one.
    pub(super) entities: Option<Kind>,
    /// The labels with their texts.
    pub(super) groups: Groups<'a>,
}

impl<'a> Document<'a> {
    /// Reads a whole text as one JSON value. As in Python, the last of two equal keys counts.
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), Fault> {
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

    fn read_entities(&mut self, reader: &mut Reader<'a>) -> Result<(), Fault> {
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

/// The labels in the order of their first appearance, and their texts in the order of the answer.
#[derive(Default)]
pub(super) struct Groups<'a> {
    groups: Vec<Group<'a>>,
    texts: Vec<Text<'a>>,
    /// Where the labels lie in `groups`; made when there are more than [`FEW_LABELS`].
    index: Option<HashMap<Cow<'a, str>, usize>>,
    /// Keys that were given before.
    repeated: Vec<String>,
    /// Whether two groups of one label are joined. Otherwise the last one counts, as in Python.
    joins: bool,
}

/// One label with what is known of its value.
struct Group<'a> {
    label: Cow<'a, str>,
    kind: Kind,
    has_others: bool,
    /// The first of its texts that counts: those before it belong to an earlier value of the same key.
    first: usize,
}

/// A text and the index of its group.
struct Text<'a> {
    group: usize,
    text: Cow<'a, str>,
}

impl<'a> Groups<'a> {
    /// No groups yet; those of one label will be joined.
    pub(super) fn joined() -> Self {
        Groups {
            joins: true,
            ..Groups::default()
        }
    }

    /// Reads an object of labels.
    pub(super) fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), Fault> {
        reader.object(|reader, label| {
            let kind = reader.kind()?;
            let group = self.group(label, kind);
            self.read_texts(group, reader)
        })
    }

    /// The index of a label's group, emptied unless groups are joined.
    fn group(&mut self, label: Cow<'a, str>, kind: Kind) -> usize {
        let group = Group {
            kind,
            has_others: false,
            first: self.texts.len(),
            label,
        };
        match self.find(&group.label) {
            None => {
                self.groups.push(group);
                self.index_last();
                self.groups.len() - 1
            }
            Some(idx) => {
                self.repeated.push(group.label.as_ref().into());
                if self.joins {
                    self.groups[idx].kind = kind;
                } else {
                    self.groups[idx] = group;
                }
                idx
            }
        }
    }

    fn find(&self, label: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(label).copied(),
            None => self.groups.iter().position(|group| group.label == label),
        }
    }

    /// Keeps the index in step with a group that was added.
    fn index_last(&mut self) {
        if self.groups.len() > FEW_LABELS {
            let index = self.index.get_or_insert_default();
            let new = self.groups.iter().enumerate().skip(index.len());
            index.extend(new.map(|(idx, group)| (group.label.clone(), idx)));
        }
    }

    fn read_texts(&mut self, group: usize, reader: &mut Reader<'a>) -> Result<(), Fault> {
        match self.groups[group].kind {
            Kind::List => reader.list(|reader| match reader.kind()? {
                Kind::String => {
                    self.push(group, reader.string()?);
                    Ok(())
                }
                _ => {
                    self.groups[group].has_others = true;
                    reader.skip()
                }
            }),
            Kind::String => {
                self.push(group, reader.string()?);
                Ok(())
            }
            Kind::Object => self.read_keys(group, reader),
            Kind::Null | Kind::Boolean | Kind::Number => reader.skip(),
        }
    }

    fn read_keys(&mut self, group: usize, reader: &mut Reader<'a>) -> Result<(), Fault> {
        let mut seen = HashSet::new();
        reader.object(|reader, key| {
            if seen.insert(key.clone()) {
                self.push(group, key);
            }
            reader.skip()
        })
    }

    fn push(&mut self, group: usize, text: Cow<'a, str>) {
        self.texts.push(Text { group, text });
    }

    /// Whether no text was read.
    pub(super) fn is_empty(&self) -> bool {
        self.counting().next().is_none()
    }

    /// What is wrong with the values, one problem for each label.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        let repeated = self.repeated.iter().cloned().map(Problem::DuplicateKey);
        repeated.chain(self.groups.iter().filter_map(Group::problem))
    }

    /// Whether the paper's code reads entities here, or fails at a value that holds none.
    pub(super) fn is_readable(&self) -> bool {
        let holds_none = |kind| matches!(kind, Kind::Null | Kind::Boolean | Kind::Number);
        !self.groups.iter().any(|group| holds_none(group.kind))
    }

    /// How many texts were read; those of values that do not count included.
    pub(super) fn n_texts(&self) -> usize {
        self.texts.len()
    }

    /// The entities that the paper's code reads, as label and text: a string by its characters, an object by its keys.
    /// None where it fails.
    pub(super) fn visit_reference(&self, mut each: impl FnMut(&str, &str)) {
        if !self.is_readable() {
            return;
        }
        self.visit(|group, text| {
            if group.kind == Kind::String {
                let mut buffer = [0; 4];
                for c in text.chars() {
                    each(&group.label, trim(c.encode_utf8(&mut buffer)));
                }
            } else {
                each(&group.label, trim(text));
            }
        });
    }

    /// The entities that the answer means, as label and text: a string is one text, what is no text is passed over.
    pub(super) fn visit_meant(&self, mut each: impl FnMut(&str, &str)) {
        self.visit(|group, text| match trim(text) {
            "" => {}
            text => each(&group.label, text),
        });
    }

    /// The texts that count, by group.
    fn visit(&self, mut each: impl FnMut(&Group<'a>, &str)) {
        let mut give = |text: &Text<'a>| each(&self.groups[text.group], &text.text);
        if self.repeated.is_empty() {
            // No label came twice, so the texts lie in the order of their groups.
            self.texts.iter().for_each(give);
        } else {
            let mut texts: Vec<&Text<'a>> = self.counting().collect();
            texts.sort_by_key(|text| text.group);
            texts.into_iter().for_each(&mut give);
        }
    }

    /// The texts that belong to the value that counts of their label.
    fn counting(&self) -> impl Iterator<Item = &Text<'a>> {
        let counts = |idx: usize, text: &Text<'a>| self.groups[text.group].first <= idx;
        let texts = self.texts.iter().enumerate();
        texts.filter_map(move |(idx, text)| counts(idx, text).then_some(text))
    }
}

impl Group<'_> {
    fn problem(&self) -> Option<Problem> {
        match self.kind {
            Kind::List => self
                .has_others
                .then(|| Problem::NotAString(self.label.as_ref().into())),
            kind => Some(Problem::WrongShape(format!(
                "the value of {:?} is {}",
                self.label,
                kind.name()
            ))),
        }
    }
}

//! Reading relations and events: the same frame as of entities, another shape under a label.
//!
//! There is no reference to agree with, so the rule is one: what has the shape is read, what has not is passed over and
//! named, and an answer that is not JSON says nothing. The tolerant mode looks for the key anywhere in the answer, as
//! it does for entities.

use std::borrow::Cow;
use std::collections::HashMap;

use super::json::{Fault, Kind, Reader};
use super::salvage::{Body, take_reasoning};
use super::{Completion, Head, Problem, ReadMode, parse_with, take_answer};
use crate::normalize::trim;
use crate::structures::{Argument, Event, Relation};
use crate::task::Task;

impl Task {
    /// Reads a completion: the entities, relations or events that it names. Total, as [`parse_with`] is, which this is
    /// for entities.
    ///
    /// What has no place in the answer's form is passed over and named: a tuple that is not a pair, an event without a
    /// trigger. [`ReadMode::Tolerant`] also takes what is complete in an answer that is cut off or has text around it.
    ///
    /// ```
    /// use ner_types::{ReadMode, Relation, Task};
    ///
    /// let answer = r#"{"relations": {"works for": [["Ann", "Acme"], ["Bob"]]}}"#;
    /// let read = Task::Relations.read(answer, ReadMode::Reference);
    /// assert_eq!(read.relations, [Relation::new("works for", "Ann", "Acme")]);
    /// assert_eq!(read.problems[0].to_string(), "a tuple under \"works for\" is not a pair of texts");
    /// ```
    pub fn read(self, text: &str, mode: ReadMode) -> Completion {
        match self {
            Self::Entities => parse_with(text, mode),
            _ => read_structures(self, text, mode),
        }
    }
}

/// Reads a completion of relations or of events.
fn read_structures(task: Task, text: &str, mode: ReadMode) -> Completion {
    let head = Head::read(text);
    let mut completion = Completion {
        reasoning: head.reasoning.map(Into::into),
        problems: head.problems.clone(),
        ..Completion::default()
    };
    match take_answer(&head.body, &mut completion.problems).map(trim) {
        None | Some("") => completion.problems.push(Problem::NoJson),
        Some(answer) => read_answer(task, answer, &mut completion),
    }
    if mode == ReadMode::Tolerant && !completion.problems.is_empty() {
        salvage(task, text, &mut completion);
    }
    completion
}

/// Reads a whole answer as one JSON value.
fn read_answer(task: Task, answer: &str, completion: &mut Completion) {
    let mut found = Found::new(task);
    match found.read(answer) {
        Ok(None) => {
            let what = format!("there is no object with the key \"{task}\"");
            completion.problems.push(Problem::WrongShape(what));
            completion.is_json = true;
        }
        Ok(Some(Kind::Object)) => {
            completion.is_json = true;
            completion.problems.append(&mut found.problems);
            found.give(completion);
        }
        Ok(Some(kind)) => {
            let what = format!("\"{task}\" is {}, not an object", kind.name());
            completion.problems.push(Problem::WrongShape(what));
        }
        Err(fault) => completion.problems.push(fault.into()),
    }
}

/// Takes what the last `"relations": {` or `"events": {` of an answer holds, complete ones and those with something in
/// them before others.
fn salvage(task: Task, text: &str, completion: &mut Completion) {
    let body = Body::new(text);
    let key = format!("\"{task}\"");
    let (mut best, mut at): (Option<Candidate>, usize) = (None, 0);
    while let Some(place) = body.text[at..].find(&key) {
        let start = at + place;
        let mut reader = Reader::new(&body.text, start + key.len());
        if let Some(next) = Candidate::read(task, start, &mut reader)
            && best.as_ref().is_none_or(|best| next.rank() >= best.rank())
        {
            best = Some(next);
        }
        at = reader.at();
    }
    if let Some(start) = body.reasoning_start {
        let end = best.as_ref().map_or(body.text.len(), |best| best.start);
        let before = body.text.get(start..end).unwrap_or_default().trim_end();
        take_reasoning(before.strip_suffix('{').unwrap_or(before), completion);
    }
    if let Some(best) = best {
        best.found.replace(completion);
    }
}

/// What one place of an answer says.
struct Candidate {
    /// Where its key begins.
    start: usize,
    found: Found,
    is_complete: bool,
}

impl Candidate {
    fn read(task: Task, start: usize, reader: &mut Reader<'_>) -> Option<Self> {
        reader.colon().ok()?;
        if reader.kind() != Ok(Kind::Object) {
            return None;
        }
        let mut found = Found::new(task);
        let is_complete = found.read_labels(reader).is_ok();
        Some(Candidate {
            start,
            found,
            is_complete,
        })
    }

    fn rank(&self) -> (bool, bool) {
        (self.found.len() > 0, self.is_complete)
    }
}

/// What was read so far.
struct Found {
    task: Task,
    relations: Vec<Relation>,
    events: Vec<Event>,
    problems: Vec<Problem>,
    /// Of each label, how many items were read before its last value.
    begins: HashMap<String, usize>,
}

impl Found {
    fn new(task: Task) -> Self {
        Found {
            task,
            relations: Vec::new(),
            events: Vec::new(),
            problems: Vec::new(),
            begins: HashMap::new(),
        }
    }

    fn len(&self) -> usize {
        self.relations.len() + self.events.len()
    }

    fn give(self, completion: &mut Completion) {
        completion.relations = self.relations;
        completion.events = self.events;
    }

    /// Puts itself in the place of what was read otherwise, and says so.
    fn replace(self, completion: &mut Completion) {
        let is_same = self.relations == completion.relations && self.events == completion.events;
        if !is_same {
            completion.salvaged = true;
            completion.problems.push(Problem::Salvaged(self.len()));
            self.give(completion);
        }
    }

    /// The kind of what stands under the task's key, if there is an object with it. The last of two equal keys counts.
    fn read(&mut self, answer: &str) -> Result<Option<Kind>, Fault> {
        let (mut reader, mut found) = (Reader::new(answer, 0), None);
        if reader.kind()? == Kind::Object {
            reader.object(|reader, key| {
                if *key != *self.task.key() {
                    return reader.skip();
                }
                let is_repeated = found.is_some();
                *self = Found::new(self.task);
                if is_repeated {
                    let key = self.task.key().to_owned();
                    self.problems.push(Problem::DuplicateKey(key));
                }
                let kind = reader.kind()?;
                found = Some(kind);
                match kind {
                    Kind::Object => self.read_labels(reader),
                    _ => reader.skip(),
                }
            })?;
        } else {
            reader.skip()?;
        }
        reader.end()?;
        Ok(found)
    }

    /// Reads an object of labels. Of a label that is given twice the last value counts, whatever comes after it.
    fn read_labels(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let read = reader.object(|reader, label| {
            let begin = self.len();
            if self.begins.insert(label.clone().into(), begin).is_some() {
                self.problems
                    .push(Problem::DuplicateKey(label.clone().into()));
            }
            match reader.kind()? {
                Kind::List => reader.list(|reader| self.read_item(&label, reader)),
                kind => {
                    let what = format!("the value of {label:?} is {}", kind.name());
                    self.problems.push(Problem::WrongShape(what));
                    reader.skip()
                }
            }
        });
        let begins = &self.begins;
        keep_last(&mut self.relations, |it| begins.get(&it.label).copied());
        keep_last(&mut self.events, |it| begins.get(&it.label).copied());
        read
    }

    fn read_item(&mut self, label: &str, reader: &mut Reader<'_>) -> Result<(), Fault> {
        match self.task {
            Task::Events => self.read_event(label, reader),
            _ => self.read_pair(label, reader),
        }
    }

    fn read_pair(&mut self, label: &str, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let (mut texts, mut n_items) = (Vec::new(), 0);
        match reader.kind()? {
            Kind::List => reader.list(|reader| {
                n_items += 1;
                read_text(reader, |text| texts.push(text)).map(drop)
            })?,
            _ => reader.skip()?,
        }
        match texts.as_slice() {
            [head, tail] if n_items == 2 => {
                self.relations
                    .push(Relation::new(label, trim(head), trim(tail)));
            }
            _ => self.problems.push(Problem::NotAPair(label.into())),
        }
        Ok(())
    }

    fn read_event(&mut self, label: &str, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.kind()? != Kind::Object {
            self.problems.push(Problem::NotAnEvent(label.into()));
            return reader.skip();
        }
        let (mut trigger, mut arguments) = (None, Vec::new());
        reader.object(|reader, key| match key.as_ref() {
            "trigger" => read_text(reader, |text| trigger = Some(text)).map(drop),
            "arguments" => {
                arguments.clear();
                self.read_arguments(&mut arguments, reader)
            }
            _ => reader.skip(),
        })?;
        match trigger {
            Some(trigger) => self.events.push(Event {
                arguments,
                ..Event::new(label, trim(&trigger))
            }),
            None => self.problems.push(Problem::NotAnEvent(label.into())),
        }
        Ok(())
    }

    fn read_arguments(
        &mut self,
        arguments: &mut Vec<Argument>,
        reader: &mut Reader<'_>,
    ) -> Result<(), Fault> {
        if reader.kind()? != Kind::Object {
            let what = "\"arguments\" is not an object".into();
            self.problems.push(Problem::WrongShape(what));
            return reader.skip();
        }
        let mut begins: HashMap<String, usize> = HashMap::new();
        reader.object(|reader, role| {
            let begin = arguments.len();
            if begins.insert(role.clone().into(), begin).is_some() {
                self.problems
                    .push(Problem::DuplicateKey(role.clone().into()));
            }
            self.read_role(&role, arguments, reader)
        })?;
        keep_last(arguments, |it| begins.get(&it.role).copied());
        Ok(())
    }

    fn read_role(
        &mut self,
        role: &str,
        arguments: &mut Vec<Argument>,
        reader: &mut Reader<'_>,
    ) -> Result<(), Fault> {
        let kind = reader.kind()?;
        if kind != Kind::List {
            let what = format!("the value of {role:?} is {}", kind.name());
            self.problems.push(Problem::WrongShape(what));
            return reader.skip();
        }
        let mut has_others = false;
        reader.list(|reader| {
            let is_text = read_text(reader, |text| {
                arguments.push(Argument {
                    role: role.into(),
                    text: trim(&text).into(),
                });
            })?;
            has_others |= !is_text;
            Ok(())
        })?;
        if has_others {
            self.problems.push(Problem::NotAString(role.into()));
        }
        Ok(())
    }
}

/// Removes the items that were read before the value that counts of their key begins.
fn keep_last<T>(items: &mut Vec<T>, begin: impl Fn(&T) -> Option<usize>) {
    let mut place = 0;
    items.retain(|item| {
        place += 1;
        begin(item).is_none_or(|begin| begin < place)
    });
}

/// Hands a string to `each`, or passes over another value; whether it was a string.
fn read_text<'a>(reader: &mut Reader<'a>, each: impl FnOnce(Cow<'a, str>)) -> Result<bool, Fault> {
    if reader.kind()? == Kind::String {
        each(reader.string()?);
        return Ok(true);
    }
    reader.skip()?;
    Ok(false)
}

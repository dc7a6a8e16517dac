//! Relations and events.

use serde::{Deserialize, Serialize};

use crate::normalize::{normalize_label, trim};

/// Two texts that stand in a relation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Relation {
    /// The relation as written.
    pub label: String,
    /// Who or what has it.
    pub head: String,
    /// To whom or what.
    pub tail: String,
    /// Type of the head, where an annotation states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_type: Option<String>,
    /// Type of the tail, where an annotation states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail_type: Option<String>,
}

impl Relation {
    /// A relation between arguments of unstated types.
    pub fn new(label: impl Into<String>, head: impl Into<String>, tail: impl Into<String>) -> Self {
        Relation {
            label: label.into(),
            head: head.into(),
            tail: tail.into(),
            ..Self::default()
        }
    }

    /// Label normalised, white space around the texts removed.
    pub(crate) fn normalized(&self) -> Self {
        Relation {
            label: normalize_label(&self.label),
            head: trim(&self.head).into(),
            tail: trim(&self.tail).into(),
            ..self.clone()
        }
    }
}

/// Something that happens, and who or what takes part in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Event {
    /// The type of the event as written.
    pub label: String,
    /// The word or words that tell of it.
    pub trigger: String,
    /// Who or what takes part, in the order of the answer.
    #[serde(default)]
    pub arguments: Vec<Argument>,
}

/// Who or what takes part in an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Argument {
    /// The role as written.
    pub role: String,
    /// The text.
    pub text: String,
}

impl Event {
    /// An event without arguments.
    pub fn new(label: impl Into<String>, trigger: impl Into<String>) -> Self {
        Event {
            label: label.into(),
            trigger: trigger.into(),
            arguments: Vec::new(),
        }
    }

    /// The same with one argument more.
    #[must_use]
    pub fn with(mut self, role: impl Into<String>, text: impl Into<String>) -> Self {
        let (role, text) = (role.into(), text.into());
        self.arguments.push(Argument { role, text });
        self
    }

    /// Label and roles normalised, white space around the texts removed.
    pub(crate) fn normalized(&self) -> Self {
        let argument = |argument: &Argument| Argument {
            role: normalize_label(&argument.role),
            text: trim(&argument.text).into(),
        };
        Event {
            label: normalize_label(&self.label),
            trigger: trim(&self.trigger).into(),
            arguments: self.arguments.iter().map(argument).collect(),
        }
    }
}

/// The label under which an argument is compared.
pub(crate) fn argument_label(event: &str, role: &str) -> String {
    format!("{}: {}", normalize_label(event), normalize_label(role))
}

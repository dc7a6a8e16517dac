//! What is looked for in a sentence: entities, relations between them, or events.
//!
//! The tasks differ in the key of the answer and in what stands under a label. Everything else is shared: prompts with
//! a schema, reasoning before the answer, labels that must be in the schema, and sets that are compared.
//!
//! | task | answer | items that are compared |
//! |---|---|---|
//! | entities | `{"entities": {"person": ["Ann"]}}` | (type, text) |
//! | relations | `{"relations": {"works for": [["Ann", "Acme"]]}}` | (relation, head, tail) |
//! | events | `{"events": {"hire": [{"trigger": "hired", "arguments": {"person": ["Ann"]}}]}}` | (event, trigger) and (event, role, text) |

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is looked for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Texts of some types.
    #[default]
    Entities,
    /// Pairs of texts, head and tail, that stand in a relation.
    Relations,
    /// Events: the word that tells of each, and who or what takes part in which role.
    Events,
}

impl Task {
    /// All of them.
    pub const ALL: [Task; 3] = [Task::Entities, Task::Relations, Task::Events];

    /// The key of the answer, which is also the task's name.
    pub fn key(self) -> &'static str {
        match self {
            Self::Entities => "entities",
            Self::Relations => "relations",
            Self::Events => "events",
        }
    }

    /// Whether it is the task that needs no telling.
    pub fn is_entities(&self) -> bool {
        *self == Self::Entities
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

//! A problem of an answer, in one shape for programs.

use serde::Serialize;
use serde_json::Value;

use crate::parse::Problem;

/// A [`Problem`], for programs: its kind is always a string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedProblem {
    /// The kind, such as `duplicate_key`.
    pub kind: String,
    /// What it is about, such as the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// A sentence for people.
    pub message: String,
    /// Which of the `windows` it is about, from 0, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
}

impl From<Problem> for NamedProblem {
    fn from(problem: Problem) -> Self {
        let message = problem.to_string();
        // The names are those of its variants, which carry nothing or one value.
        let (kind, detail) = match serde_json::to_value(&problem) {
            Ok(Value::Object(one)) => match one.into_iter().next() {
                Some((kind, Value::String(detail))) => (kind, Some(detail)),
                Some((kind, detail)) => (kind, Some(detail.to_string())),
                None => (String::new(), None),
            },
            Ok(Value::String(kind)) => (kind, None),
            _ => (String::new(), None),
        };
        Self {
            kind,
            detail,
            message,
            window: None,
        }
    }
}

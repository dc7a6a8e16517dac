//! Whose answers a log holds.

use std::collections::BTreeMap;
use std::path::Path;

use ner_types::PromptTemplate;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::suite::Suite;

/// What makes two runs the same, so that the predictions of one may go on with the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunIdentity {
    /// The suite.
    pub suite: String,
    /// Set and number of sentences, in order.
    pub sentences: Vec<(String, usize)>,
    /// Hash of the sentences and their schemas.
    #[serde(default)]
    pub content: String,
    /// What answers: a model's path, or its name and its address.
    pub source: String,
    /// Hash of the files that answer, for a model on this machine. It stands for the source, so that a folder may be
    /// moved, and may not get other files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
    /// The text of the prompt template.
    pub prompt: String,
    /// What else shapes an answer, such as its longest length, by name.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl RunIdentity {
    /// The identity of a run of `source` on `suite` with a prompt.
    pub fn new(suite: &Suite, source: impl Into<String>, template: &PromptTemplate) -> RunIdentity {
        let sets = suite.sets.iter();
        RunIdentity {
            suite: suite.name.clone(),
            sentences: sets
                .map(|set| (set.name.clone(), set.examples.len()))
                .collect(),
            content: content(suite),
            source: source.into(),
            files: None,
            prompt: template.text().into(),
            settings: BTreeMap::new(),
        }
    }

    /// The same run of a model on this machine whose files have this hash.
    #[must_use]
    pub fn with_files(mut self, hash: impl Into<String>) -> RunIdentity {
        self.files = Some(hash.into());
        self
    }

    /// The same run with a setting that shapes its answers.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> RunIdentity {
        self.settings.insert(name.into(), value.to_string());
        self
    }

    pub(crate) fn check(&self, other: &RunIdentity, path: &Path) -> Result<(), Error> {
        let difference = self
            .differing_field(other)
            .or_else(|| self.differing_setting(other));
        match difference {
            Some((field, expected, found)) => Err(Error::OtherRun {
                path: path.into(),
                field,
                expected,
                found,
            }),
            None => Ok(()),
        }
    }

    fn differing_field(&self, other: &RunIdentity) -> Option<(String, String, String)> {
        let fields = [
            ("suite", self.suite.clone(), other.suite.clone()),
            (
                "number of sentences",
                format!("{:?}", self.sentences),
                format!("{:?}", other.sentences),
            ),
            (
                "text of the sentences",
                self.content.clone(),
                other.content.clone(),
            ),
            ("prompt", self.prompt.clone(), other.prompt.clone()),
        ];
        if self.files.is_none() && other.files.is_none() {
            let source = ("source", self.source.clone(), other.source.clone());
            return differing(fields.into_iter().chain([source]));
        }
        if self.files != other.files {
            return Some(("source".into(), self.answering(), other.answering()));
        }
        differing(fields)
    }

    fn differing_setting(&self, other: &RunIdentity) -> Option<(String, String, String)> {
        let value = |run: &RunIdentity, name| match run.settings.get(name) {
            Some(value) => value.clone(),
            None => "none".to_owned(),
        };
        let names = self.settings.keys().chain(other.settings.keys());
        differing(names.map(|name| (name.as_str(), value(self, name), value(other, name))))
    }

    /// The source with the beginning of its files' hash, for messages.
    fn answering(&self) -> String {
        match &self.files {
            Some(hash) => format!("{} (files {:.12})", self.source, hash),
            None => self.source.clone(),
        }
    }
}

/// The first of these fields whose values differ.
fn differing<'a>(
    fields: impl IntoIterator<Item = (&'a str, String, String)>,
) -> Option<(String, String, String)> {
    let mut fields = fields.into_iter();
    let (name, expected, found) = fields.find(|(_, a, b)| a != b)?;
    Some((name.to_owned(), expected, found))
}

/// Hash of what is asked about; the gold entities shape no answer.
fn content(suite: &Suite) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut text = |text: &str| {
        // The length keeps one text from running into the next.
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for set in &suite.sets {
        text(&set.name);
        for example in &set.examples {
            text(&example.sentence);
            text(&example.schema.len().to_string());
            example.schema.iter().for_each(|label| text(label));
        }
    }
    hasher.finalize().to_hex().to_string()
}

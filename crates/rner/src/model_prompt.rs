//! How a tuned model is asked: `rner.json` in its folder, which other programs ignore.
//!
//! A model that was tuned with one prompt answers badly to another, so the prompt travels with the weights, and with it
//! the limits that the training had. `chat_template` cannot say this: it has a place for a message, but none for the
//! types that are looked for.

use std::path::{Path, PathBuf};

use ner_types::{PromptTemplate, Task, TemplateError};
use serde::{Deserialize, Serialize};

use crate::reasoning::ReasoningSwitch;
use crate::recipe::Recipe;

/// Name of the file.
pub const MODEL_PROMPT: &str = "rner.json";

/// The version of the file that this program writes, and the newest that it reads.
const FORMAT: u64 = 1;

/// What a tuned model was asked with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelPrompt {
    /// Version of the file.
    pub format: u64,
    /// The program that wrote it.
    pub written_by: String,
    /// What is looked for; not written if it is entities.
    #[serde(default, skip_serializing_if = "Task::is_entities")]
    pub task: Task,
    /// The prompt template: a text with `{{SCHEMA}}` and `{{SENTENCE}}`, which becomes the message of the user.
    pub prompt: String,
    /// How the types are written in place of `{{SCHEMA}}`.
    pub types: TypeForm,
    /// Whether the model was tuned to reason before it answers; nothing if nobody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// The words in a prompt that tell the model how much to reason, if it was trained with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_switch: Option<ReasoningSwitch>,
    /// Most new tokens of an answer.
    pub max_new_tokens: usize,
    /// Most tokens of a prompt, chat form included, in reinforcement learning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_prompt_tokens: Option<usize>,
    /// Most tokens of a prompt and its answer in fine-tuning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_sequence_tokens: Option<usize>,
}

/// How entity types are written in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TypeForm {
    /// In lower case without white space around them, sorted, each once, as a JSON list on one line.
    SortedLowerCaseList,
}

/// Why a model's own prompt cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelPromptError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not what this program writes.
    #[error(
        "{path} is damaged: {reason}; copy it again from where the model comes from, or move it away and give the prompt \
         with --prompt"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A newer program wrote the file.
    #[error(
        "{path} has format {found}, expected at most {FORMAT}: a newer rner wrote it; use that one, or move the file away \
         and give the prompt with --prompt"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
}

impl ModelPrompt {
    /// The prompt and the longest answer of a recipe.
    ///
    /// # Errors
    /// A prompt that cannot be read or is no template.
    pub fn of(recipe: &Recipe) -> Result<Self, TemplateError> {
        let template = recipe.model.template(None)?;
        Ok(Self {
            task: recipe.model.task,
            ..Self::with_template(&template, recipe.eval.max_new_tokens)
        })
    }

    /// A prompt for entities and the longest answer to it, in tokens.
    pub fn with_template(template: &PromptTemplate, max_new_tokens: usize) -> Self {
        Self {
            format: FORMAT,
            written_by: format!("rner {}", env!("CARGO_PKG_VERSION")),
            task: Task::Entities,
            prompt: template.text().to_owned(),
            types: TypeForm::SortedLowerCaseList,
            reasoning: None,
            reasoning_switch: None,
            max_new_tokens,
            max_prompt_tokens: None,
            max_sequence_tokens: None,
        }
    }

    /// What the folder of a model says; nothing if it has no such file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or was written by a newer program.
    pub fn read(dir: &Path) -> Result<Option<Self>, ModelPromptError> {
        let path = dir.join(MODEL_PROMPT);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ModelPromptError::Read { path, source }),
            Ok(bytes) => Self::parse(&path, &bytes).map(Some),
        }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ModelPromptError> {
        let path = path.to_owned();
        let damaged = |reason: String| ModelPromptError::Damaged {
            path: path.clone(),
            reason,
        };
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        // Before all else: a newer file may have other fields.
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if let Some(found) = format.filter(|&format| format > FORMAT) {
            return Err(ModelPromptError::Newer { path, found });
        }
        let read: Self =
            serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
        let template = read.template();
        template.map_err(|error| damaged(error.to_string()))?;
        if read.max_new_tokens == 0 {
            return Err(damaged(
                "max_new_tokens is 0, expected at least 1".to_owned(),
            ));
        }
        Ok(read)
    }

    /// The template.
    ///
    /// # Errors
    /// A text that is none; that of a file which was read is one.
    pub fn template(&self) -> Result<PromptTemplate, TemplateError> {
        PromptTemplate::parse(&self.prompt)
    }

    /// Writes the file into the folder of a model.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), ModelPromptError> {
        let path = dir.join(MODEL_PROMPT);
        atomic_files::fs::write(&path, self.to_json())
            .map_err(|source| ModelPromptError::Write { path, source })
    }

    /// The text of the file.
    pub fn to_json(&self) -> String {
        // A struct of texts and numbers has no value that cannot be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Most tokens of a prompt that the model was trained with, if that is known.
    pub fn longest_prompt(&self) -> Option<usize> {
        let limits = self
            .max_prompt_tokens
            .into_iter()
            .chain(self.max_sequence_tokens);
        limits.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> ModelPrompt {
        let recipe = Recipe::resolve("tiny", &[]).expect("a recipe");
        ModelPrompt {
            reasoning: Some(true),
            max_prompt_tokens: Some(512),
            ..ModelPrompt::of(&recipe).expect("a prompt")
        }
    }

    fn read(text: &str) -> Result<Option<ModelPrompt>, ModelPromptError> {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join(MODEL_PROMPT), text).expect("written");
        ModelPrompt::read(dir.path())
    }

    #[test]
    fn what_is_written_is_read() -> Result<(), Box<dyn std::error::Error>> {
        let prompt = written();
        assert_eq!(read(&prompt.to_json())?, Some(prompt.clone()));
        assert_eq!(prompt.template()?, PromptTemplate::parse(ner_toy::PROMPT)?);
        assert_eq!(prompt.longest_prompt(), Some(512));
        let more = prompt.to_json().replacen('{', "{\"colour\": \"blue\",", 1);
        assert_eq!(read(&more)?, Some(prompt), "a field that nobody knows");
        let nothing = tempfile::tempdir()?;
        assert_eq!(ModelPrompt::read(nothing.path())?, None);
        Ok(())
    }

    #[test]
    fn a_damaged_or_newer_file_is_an_error_with_a_remedy() {
        let good = written().to_json();
        let newer = good.replace("\"format\": 1", "\"format\": 2");
        for (text, words) in [
            ("", "is damaged"),
            (&good[..good.len() / 2], "is damaged"),
            ("{\"format\": 1}", "missing field"),
            (
                &good.replace("{{SCHEMA}}", "types"),
                "{{SCHEMA}} exactly once",
            ),
            (
                &good.replace("\"max_new_tokens\": 256", "\"max_new_tokens\": 0"),
                "at least 1",
            ),
            (
                &good.replace("sorted-lower-case-list", "upper-case"),
                "unknown variant",
            ),
            (
                &newer,
                "has format 2, expected at most 1: a newer rner wrote it",
            ),
            ("{\"format\": 7}", "has format 7"),
        ] {
            let said = read(text).expect_err(text).to_string();
            assert!(said.contains(words), "{said}");
            assert!(
                said.contains("--prompt") && said.contains("rner.json"),
                "{said}"
            );
        }
    }
}

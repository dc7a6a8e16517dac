//! Prompt templates: fixed text with places for the schema and the sentence.

use std::collections::BTreeMap;
use std::path::Path;

use crate::normalize::normalize_label;
use crate::task::Task;

const SCHEMA: &str = "{{SCHEMA}}";
const SENTENCE: &str = "{{SENTENCE}}";

/// The sentence that asks an untrained model to reason before it answers.
const STEP_BY_STEP: &str =
    "Think step by step: first reason between <think> and </think>, then give the JSON.";

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file cannot be read.
    #[error("cannot read the prompt template {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A placeholder occurs not exactly once.
    #[error("the prompt template must contain {placeholder} exactly once, found {found} times")]
    Placeholder {
        /// The placeholder.
        placeholder: &'static str,
        /// How often it occurs.
        found: usize,
    },
}

/// A prompt with one place for the schema and one for the sentence.
///
/// The template is cut at its placeholders once, so a placeholder or a control
/// token inside a sentence is text like any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptTemplate {
    text: String,
    /// What types mean, by their normalised names.
    descriptions: BTreeMap<String, String>,
}

impl PromptTemplate {
    /// The default template, worded for this project after the shape that the
    /// paper describes: instruction, two notes, schema, output shape, sentence.
    pub fn paper() -> Self {
        Self {
            text: include_str!("../prompts/paper.txt").trim().into(),
            descriptions: BTreeMap::new(),
        }
    }

    /// The default template of a task; [`PromptTemplate::paper`] for entities, and in its shape for the others.
    pub fn of(task: Task) -> Self {
        let text = match task {
            Task::Entities => return Self::paper(),
            Task::Relations => include_str!("../prompts/relations.txt"),
            Task::Events => include_str!("../prompts/events.txt"),
        };
        Self {
            text: text.trim().into(),
            descriptions: BTreeMap::new(),
        }
    }

    /// Takes a template's text; surrounding white space is not part of it.
    ///
    /// # Errors
    /// If `{{SCHEMA}}` or `{{SENTENCE}}` does not occur exactly once.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        for placeholder in [SCHEMA, SENTENCE] {
            let found = text.matches(placeholder).count();
            if found != 1 {
                return Err(TemplateError::Placeholder { placeholder, found });
            }
        }
        Ok(Self {
            text: text.trim().into(),
            descriptions: BTreeMap::new(),
        })
    }

    /// Reads a template file.
    ///
    /// # Errors
    /// If the file cannot be read, or as [`PromptTemplate::parse`].
    pub fn load(path: &Path) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(path).map_err(|source| TemplateError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(&text)
    }

    /// The template's text with its placeholders.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same template with a sentence before it that asks for reasoning.
    #[must_use]
    pub fn step_by_step(&self) -> Self {
        Self {
            text: format!("{STEP_BY_STEP}\n{}", self.text),
            descriptions: self.descriptions.clone(),
        }
    }

    /// The same template with what types mean. A schema with such a type is written as a JSON object of types and
    /// descriptions, in place of a list.
    ///
    /// ```
    /// let template = ner_types::PromptTemplate::parse("{{SCHEMA}} {{SENTENCE}}").unwrap();
    /// let template = template.describing([("City".to_owned(), "a named town".to_owned())]);
    /// let schema = ["city".to_string(), "person".to_string()];
    /// assert_eq!(template.render(&schema, "Hi."), r#"{"city": "a named town", "person": ""} Hi."#);
    /// assert_eq!(template.render(&schema[1..], "Hi."), r#"["person"] Hi."#);
    /// ```
    #[must_use]
    pub fn describing(mut self, types: impl IntoIterator<Item = (String, String)>) -> Self {
        let types = types.into_iter();
        let types = types.filter(|(_, description)| !description.is_empty());
        let types = types.map(|(name, description)| (normalize_label(&name), description));
        self.descriptions.extend(types);
        self
    }

    /// The prompt for one sentence: the schema as a JSON list on one line, or as an object, see
    /// [`PromptTemplate::describing`].
    pub fn render(&self, schema: &[String], sentence: &str) -> String {
        let schema = self.render_schema(schema);
        let mut out = String::with_capacity(self.text.len() + schema.len() + sentence.len());
        let mut rest = self.text.as_str();
        while let Some(at) = rest.find("{{") {
            let (before, tail) = rest.split_at(at);
            out.push_str(before);
            rest = if let Some(tail) = tail.strip_prefix(SCHEMA) {
                out.push_str(&schema);
                tail
            } else if let Some(tail) = tail.strip_prefix(SENTENCE) {
                out.push_str(sentence);
                tail
            } else {
                out.push_str("{{");
                &tail[2..]
            };
        }
        out.push_str(rest);
        out.trim().into()
    }

    /// The schema as Python's `json.dumps` writes a list, `["a", "b"]`, or a dictionary.
    fn render_schema(&self, schema: &[String]) -> String {
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let description = |label: &String| self.descriptions.get(&normalize_label(label));
        if !schema.iter().any(|label| description(label).is_some()) {
            let labels: Vec<String> = schema.iter().map(|label| json(label)).collect();
            return format!("[{}]", labels.join(", "));
        }
        let member = |label: &String| {
            let description = description(label).map_or("", String::as_str);
            format!("{}: {}", json(label), json(description))
        };
        let members: Vec<String> = schema.iter().map(member).collect();
        format!("{{{}}}", members.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_inside_the_sentence_stays_text() {
        let template = PromptTemplate::parse("{{SCHEMA}} {{x}} {{SENTENCE}}").expect("valid");
        let prompt = template.render(
            &["a".into(), "b \"c\"".into()],
            "see {{SCHEMA}} {{SENTENCE}}",
        );
        assert_eq!(
            prompt,
            "[\"a\", \"b \\\"c\\\"\"] {{x}} see {{SCHEMA}} {{SENTENCE}}"
        );
    }

    #[test]
    fn a_missing_placeholder_is_named() {
        let error = PromptTemplate::parse("{{SCHEMA}}").expect_err("no sentence");
        assert!(error.to_string().contains("{{SENTENCE}}"), "{error}");
    }

    #[test]
    fn the_default_templates_are_valid_and_step_by_step_keeps_them() {
        for task in Task::ALL {
            let template = PromptTemplate::of(task);
            assert_eq!(
                PromptTemplate::parse(template.text()).ok(),
                Some(template.clone())
            );
            assert!(template.text().contains(&format!("\"{task}\": {{")));
            assert!(template.step_by_step().text().ends_with(template.text()));
        }
        assert_eq!(PromptTemplate::of(Task::Entities), PromptTemplate::paper());
    }
}

//! The prompts of the teacher and the judge as template files.

use std::path::Path;

use crate::error::Error;

const TEACHER: &[&str] = &["{{SCHEMA}}", "{{SENTENCE}}"];
const JUDGE: &[&str] = &["{{SCHEMA}}", "{{SENTENCE}}", "{{REASONING}}", "{{ANSWER}}"];

/// Fixed text with named places.
///
/// Rendering is a single pass, so a placeholder inside an inserted text stays
/// the text that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    version: String,
}

impl Template {
    fn parse(name: &str, text: &str, places: &[&'static str]) -> Result<Self, Error> {
        for placeholder in places {
            let found = text.matches(placeholder).count();
            if found != 1 {
                let name = name.into();
                return Err(Error::Template {
                    name,
                    placeholder,
                    found,
                });
            }
        }
        Ok(Self::unchecked(text))
    }

    fn unchecked(text: &str) -> Self {
        let text = text.trim();
        let version = blake3::hash(text.as_bytes()).to_hex()[..16].into();
        Self {
            text: text.into(),
            version,
        }
    }

    /// The first 16 hexadecimal digits of the text's BLAKE3 hash.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The text with its placeholders.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn render(&self, values: &[(&str, &str)]) -> String {
        let values_len: usize = values.iter().map(|(_, value)| value.len()).sum();
        let mut out = String::with_capacity(self.text.len() + values_len);
        let mut rest = self.text.as_str();
        while let Some(open) = rest.find("{{") {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let value = values.iter().find(|(place, _)| rest.starts_with(place));
            let (place, value) = value.unwrap_or(&("{{", "{{"));
            out.push_str(value);
            rest = &rest[place.len()..];
        }
        out.push_str(rest);
        out
    }
}

/// The two prompts of the pipeline.
///
/// Both end in sections headed `Schema:` (a JSON list on the next line) and
/// `Sentence:`; the judge's goes on with `Reasoning:` and `Answer:`. The
/// instructions come first, so that a server's prefix cache can keep them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompts {
    /// Asks the teacher to annotate anew, with reasoning.
    pub teacher: Template,
    /// Asks the judge for a score; has no place for gold annotations.
    pub judge: Template,
}

impl Default for Prompts {
    fn default() -> Self {
        Self {
            teacher: Template::unchecked(include_str!("../prompts/teacher.txt")),
            judge: Template::unchecked(include_str!("../prompts/judge.txt")),
        }
    }
}

impl Prompts {
    /// Reads `teacher.txt` and `judge.txt` from a directory.
    ///
    /// # Errors
    /// If a file cannot be read, or a placeholder does not occur exactly once.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let read = |name: &str, places| {
            let path = dir.join(name);
            let text = std::fs::read_to_string(&path)
                .map_err(|source| Error::io("read the prompt template", &path, source))?;
            Template::parse(&path.display().to_string(), &text, places)
        };
        Ok(Self {
            teacher: read("teacher.txt", TEACHER)?,
            judge: read("judge.txt", JUDGE)?,
        })
    }

    /// The teacher's prompt for one sentence.
    pub fn render_teacher(&self, schema: &[String], sentence: &str) -> String {
        self.teacher.render(&[
            ("{{SCHEMA}}", &json_list(schema)),
            ("{{SENTENCE}}", sentence),
        ])
    }

    /// The judge's prompt for one answer of the teacher.
    pub fn render_judge(
        &self,
        schema: &[String],
        sentence: &str,
        reasoning: &str,
        answer: &str,
    ) -> String {
        self.judge.render(&[
            ("{{SCHEMA}}", &json_list(schema)),
            ("{{SENTENCE}}", sentence),
            ("{{REASONING}}", reasoning),
            ("{{ANSWER}}", answer),
        ])
    }
}

fn json_list(schema: &[String]) -> String {
    let labels = schema.iter().map(|label| label.as_str().into()).collect();
    serde_json::Value::Array(labels).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_templates_have_every_place_once() {
        let prompts = Prompts::default();
        for (template, places) in [(&prompts.teacher, TEACHER), (&prompts.judge, JUDGE)] {
            assert!(Template::parse("built-in", &template.text, places).is_ok());
        }
        assert_ne!(prompts.teacher.version(), prompts.judge.version());
    }

    #[test]
    fn instructions_come_first_and_the_judge_has_no_place_for_gold() {
        let Prompts { teacher, judge } = Prompts::default();
        for template in [&teacher, &judge] {
            let places = template.text().split_once("{{").expect("a place").1;
            // Behind the first place there are headings only, so that the prefix is shared.
            assert!(
                places
                    .lines()
                    .all(|line| line.split_whitespace().count() < 2)
            );
            assert!(!template.text().to_lowercase().contains("gold"));
        }
        assert!(teacher.text().contains("Reason in English"));
    }

    #[test]
    fn a_placeholder_inside_a_sentence_is_text() {
        let prompt = Prompts::default().render_teacher(&["a \"b\"".into()], "x {{SCHEMA}} {{ y");
        assert!(prompt.ends_with("Schema:\n[\"a \\\"b\\\"\"]\n\nSentence:\nx {{SCHEMA}} {{ y"));
    }

    #[test]
    fn a_template_without_its_sentence_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("teacher.txt"), "{{SCHEMA}}").expect("writable");
        let error = Prompts::load(dir.path())
            .expect_err("no sentence")
            .to_string();
        assert!(
            error.contains("{{SENTENCE}}") && error.contains("teacher.txt"),
            "{error}"
        );
    }
}

//! Finding the parts of a prompt by their headings.
//!
//! The convention: a heading stands alone on its line; the schema is the JSON
//! list on the line after the first `Schema:`; the sentence is on the line(s)
//! after the last `Sentence:` for the teacher, to the end of the prompt. A
//! judge's prompt goes on with `Reasoning:` and `Answer:`.

/// The parts of a teacher's prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Task<'a> {
    /// The entity types asked for.
    pub(super) schema: Vec<String>,
    /// The sentence.
    pub(super) sentence: &'a str,
}

/// The parts of a judge's prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Case<'a> {
    /// What the annotator was asked.
    pub(super) task: Task<'a>,
    /// The annotator's reasoning.
    pub(super) reasoning: &'a str,
    /// The annotator's answer.
    pub(super) answer: &'a str,
}

/// Reads a teacher's prompt; the error says what is missing.
pub(super) fn read_task(prompt: &str) -> Result<Task<'_>, String> {
    let (_, sentence) = prompt
        .rsplit_once("\nSentence:\n")
        .ok_or_else(|| missing("Sentence:"))?;
    let schema = read_schema(prompt)?;
    Ok(Task {
        schema,
        sentence: sentence.trim_matches('\n'),
    })
}

/// Reads a judge's prompt; the error says what is missing.
pub(super) fn read_case(prompt: &str) -> Result<Case<'_>, String> {
    let (_, rest) = prompt
        .split_once("\nSentence:\n")
        .ok_or_else(|| missing("Sentence:"))?;
    let (sentence, rest) = rest
        .split_once("\nReasoning:\n")
        .ok_or_else(|| missing("Reasoning:"))?;
    // The answer is JSON, so only the last such heading can be the real one.
    let (reasoning, answer) = rest
        .rsplit_once("\nAnswer:\n")
        .ok_or_else(|| missing("Answer:"))?;
    let task = Task {
        schema: read_schema(prompt)?,
        sentence: sentence.trim_matches('\n'),
    };
    Ok(Case {
        task,
        reasoning: reasoning.trim(),
        answer: answer.trim(),
    })
}

fn read_schema(prompt: &str) -> Result<Vec<String>, String> {
    let (_, rest) = prompt
        .split_once("\nSchema:\n")
        .ok_or_else(|| missing("Schema:"))?;
    let line = rest.lines().next().unwrap_or_default();
    serde_json::from_str(line)
        .map_err(|error| format!("expected a JSON list of labels after \"Schema:\": {error}"))
}

fn missing(heading: &str) -> String {
    format!("expected a line {heading:?} in the prompt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_of_the_pipeline_are_understood() {
        let prompts = ner_cot::prompts::Prompts::default();
        let schema = ["city".to_string(), "a \"b\"".to_string()];
        let sentence = "Sentence:\n Brel  sleeps\nAnswer:\nno";
        let prompt = prompts.render_teacher(&schema, "Brel sleeps.");
        let task = read_task(&prompt).expect("a task");
        assert_eq!(
            (task.schema.as_slice(), task.sentence),
            (&schema[..], "Brel sleeps.")
        );
        let prompt = prompts.render_judge(&schema, sentence, "why\nAnswer:\nhm", "{}");
        let case = read_case(&prompt).expect("a case");
        assert_eq!((case.task.sentence, case.answer), (sentence, "{}"));
        assert_eq!(case.reasoning, "why\nAnswer:\nhm");
        assert!(read_task("hello").is_err());
    }
}

//! Whether an answer is one JSON object and nothing else.
//!
//! [`ner_types::parse`] reads what the paper's code reads: it takes the first
//! fence or answer block and passes over what stands around it. For training data
//! that is too kind: a second block or a remark behind the first may hold the
//! better answer. Here nothing is passed over and nothing is repaired. One fence
//! marked `json` around the whole answer is allowed, since it says nothing about
//! entities and never reaches the student; a fence without that mark is not,
//! because the reader does not know it either.

use std::collections::BTreeMap;

use ner_types::Completion;
use serde::Deserialize;

/// The only shape; another key might hold entities too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// Read for its shape only: the entities themselves come from [`Completion`].
    #[serde(rename = "entities")]
    _entities: BTreeMap<String, Vec<String>>,
}

/// What is wrong with the form of an answer, `completion` being what was read from it.
pub(crate) fn fault(content: &str, completion: &Completion) -> Option<String> {
    // The reader's findings come first: it knows repeated keys and truncation.
    if let Some(problem) = completion.problems.first() {
        return Some(problem.to_string());
    }
    let body = content.trim();
    let body = unfenced(body).unwrap_or(body).trim();
    let error = serde_json::from_str::<Answer>(body).err()?;
    Some(format!("the answer is not one JSON object alone: {error}"))
}

/// What stands in a fence around the whole text.
fn unfenced(body: &str) -> Option<&str> {
    body.strip_prefix("```json")?.strip_suffix("```")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, expected: Option<&str>) {
        let found = fault(content, &ner_types::parse(content));
        match (&found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) if found.contains(expected) => {}
            _ => panic!("{content:?}: expected {expected:?}, found {found:?}"),
        }
    }

    #[test]
    fn one_object_is_complete() {
        check("{\"entities\": {}}", None);
        check(
            " \n{\"entities\": {\"city\": [\"Brel\"], \"person\": []}}\n",
            None,
        );
        check("```json\n{\"entities\": {\"city\": [\"Brel\"]}}\n```", None);
        check("{\"entities\": {\"tag\": [\"a ``` b\", \"{\"]}}", None);
    }

    #[test]
    fn everything_else_is_named() {
        let good = "{\"entities\": {\"city\": [\"Brel\"]}}";
        for (content, expected) in [
            ("", "there is no answer"),
            ("{\"entities\": {\"city\": [\"Brel\", \"Os", "truncated"),
            ("{\"entities\": {\"city\": [\"Brel\"]", "truncated"),
            (&format!("{good}\n{good}"), "not JSON"),
            (
                &format!("```json\n{good}\n```\n```json\n{good}\n```"),
                "alone",
            ),
            (
                &format!("```json\n{good}\n```\nI hope this helps."),
                "alone",
            ),
            (&format!("Sure:\n```json\n{good}\n```"), "alone"),
            (&format!("<answer>{good}</answer>"), "alone"),
            (&format!("{good} I hope this helps."), "not JSON"),
            (&format!("```\n{good}\n```"), "not JSON"),
            (&format!("```json\n{good}"), "not closed"),
            (&format!("<think>so {good}"), "not closed"),
            (&format!("so</think>{good}"), "closes no reasoning"),
            (
                "{\"entities\": {\"city\": [\"Brel\"], \"city\": []}}",
                "given twice",
            ),
            ("{\"entities\": {}, \"entities\": {}}", "given twice"),
            ("{\"entities\": {\"city\": [NaN]}}", "not a string"),
            ("{\"entities\": {}, \"confidence\": NaN}", "alone"),
            (
                "{\"entities\": {}, \"more\": {\"city\": []}}",
                "unknown field",
            ),
            ("[\"Brel\"]", "wrong shape"),
            ("{\"entities\": [\"Brel\"]}", "wrong shape"),
            ("{\"entities\": {\"city\": \"Brel\"}}", "wrong shape"),
            ("{\"entities\": {\"city\": [\"Brel\",]}}", "not JSON"),
            (
                "{\"entities\": {\"city\": [\"the \"old\" one\"]}}",
                "not JSON",
            ),
            ("{'entities': {}}", "not JSON"),
        ] {
            check(content, Some(expected));
        }
    }
}

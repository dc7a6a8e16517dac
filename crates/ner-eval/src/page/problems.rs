//! What is wrong with an answer, in words for readers.

use ner_types::{Completion, Problem};
use serde_json::{Deserializer, Value};

/// Places where a JSON object may begin that are looked at.
const TRIES: usize = 20;

/// The problems of a completion in words. An answer that is refused only because text stands around its JSON says so,
/// in place of "the answer is not JSON".
pub fn problems_in_words(text: &str, completion: &Completion) -> Vec<String> {
    let words = |problem: &Problem| match problem {
        Problem::InvalidJson => around(text).map_or(problem.to_string(), str::to_owned),
        _ => problem.to_string(),
    };
    completion.problems.iter().map(words).collect()
}

/// Where text stands around sound JSON with entities; none if there is no such JSON, or nothing around it.
fn around(text: &str) -> Option<&'static str> {
    let answer = text.rsplit("</think>").next().unwrap_or(text).trim();
    let starts = answer.match_indices('{').take(TRIES);
    let (before, after) = starts
        .filter_map(|(at, _)| Some((&answer[..at], after_object(&answer[at..])?)))
        .next()?;
    match (before.trim().is_empty(), after.trim().is_empty()) {
        (true, true) => None,
        (false, true) => Some("text before the JSON"),
        (true, false) => Some("text after the JSON"),
        (false, false) => Some("text before and after the JSON"),
    }
}

/// What follows on an object with entities that a text begins with.
fn after_object(text: &str) -> Option<&str> {
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    value.get("entities")?;
    text.get(values.byte_offset()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_json_with_text_around_it_is_not_called_no_json() {
        let json = r#"{"entities": {"city": ["Brel"]}}"#;
        for (text, expected) in [
            (
                format!("Step by step: {{1}} Brel is a city. {json}"),
                vec!["text before the JSON"],
            ),
            (
                format!("{json} I hope this helps."),
                vec!["text after the JSON"],
            ),
            (
                format!("<think>\nA city.\n</think>\nHere: {json}\nDone."),
                vec!["text before and after the JSON"],
            ),
            ("Brel is a city.".to_owned(), vec!["the answer is not JSON"]),
            (json.replace(']', ",]"), vec!["the answer is not JSON"]),
            (json.to_owned(), vec![]),
        ] {
            let words = problems_in_words(&text, &ner_types::parse(&text));
            assert_eq!(words, expected, "{text}");
        }
    }
}

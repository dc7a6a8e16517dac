//! Reading the judge's score.

use serde_json::Value;

/// The score in a judge's answer, if it gives one from 0 to 10.
///
/// The prompt asks for `{"score": n, "reason": "..."}`. Fences and text around
/// the object are tolerated, and so are `"9"`, `"9/10"` and `Score: 9`; anything
/// else is unreadable, because a guess would decide about a training row. That
/// goes for ranges and for answers with two different scores too.
pub(crate) fn score(content: &str) -> Option<f64> {
    let score = match json_score(content) {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => leading_number(&text),
        Some(_) => None,
        None => prose_score(content),
    };
    score.filter(|score| (0.0..=10.0).contains(score))
}

/// The reason in a judge's answer, `""` if it gives none; an answer in another form as it was written.
pub fn judge_reason(content: &str) -> String {
    match json_object(content) {
        Some((value, _)) => value["reason"].as_str().unwrap_or_default().trim().into(),
        None => content.trim().into(),
    }
}

/// The object in an answer, and its text.
fn json_object(content: &str) -> Option<(Value, &str)> {
    let (start, end) = (content.find('{')?, content.rfind('}')?);
    let object = content.get(start..=end)?;
    Some((serde_json::from_str(object).ok()?, object))
}

fn json_score(content: &str) -> Option<Value> {
    let (value, object) = json_object(content)?;
    let score = value.get("score").cloned()?;
    // The reader of JSON keeps the last of two equal keys.
    let is_once = object.matches("\"score\"").count() == 1;
    Some(if is_once { score } else { Value::Null })
}

/// The number behind the word "score", the same wherever the word has one.
fn prose_score(content: &str) -> Option<f64> {
    let lower = content.to_lowercase();
    let behind = lower.match_indices("score").map(|(at, word)| {
        let after = &lower[at + word.len()..];
        after.trim_start_matches([':', '=', '*', '"', ' '])
    });
    let numbers = behind.filter(|after| after.starts_with(|c: char| c.is_ascii_digit()));
    let scores: Vec<f64> = numbers.map(leading_number).collect::<Option<_>>()?;
    let first = *scores.first()?;
    scores.iter().all(|&score| score == first).then_some(first)
}

/// A number at the start of a text, alone or out of ten.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = rest.trim_start();
    let of_ten = rest.strip_prefix('/').is_none_or(|out_of| {
        let out_of = out_of.trim_start();
        let scale = out_of.find(|c: char| !c.is_ascii_digit());
        &out_of[..scale.unwrap_or(out_of.len())] == "10"
    });
    let number = number.trim_end_matches('.').parse().ok();
    number.filter(|_| of_ten && !goes_on(rest))
}

/// Whether what follows a number makes it a part of another one or of a range.
fn goes_on(rest: &str) -> bool {
    let joins = [",", "-", "–", "—", "~", "to ", "or ", "%"];
    let after = joins.iter().find_map(|join| rest.strip_prefix(join));
    after.is_some_and(|after| {
        rest.starts_with('%') || after.trim_start().starts_with(|c: char| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_read_where_there_is_one() {
        for (content, expected) in [
            ("{\"score\": 9, \"reason\": \" fine \"}", "fine"),
            ("```json\n{\"score\": 8.5}\n```", ""),
            (
                "Score: 6, as a city is missed. ",
                "Score: 6, as a city is missed.",
            ),
        ] {
            assert_eq!(judge_reason(content), expected, "{content:?}");
        }
    }

    #[test]
    fn scores_are_read_or_refused() {
        for (content, expected) in [
            ("{\"score\": 9, \"reason\": \"fine\"}", Some(9.0)),
            ("```json\n{\"score\": 8.5}\n```", Some(8.5)),
            ("Well. {\"score\": \"9/10\"}", Some(9.0)),
            ("{\"score\": \"7\"}", Some(7.0)),
            ("**Score:** 6 / 10.", Some(6.0)),
            ("Score: 10.", Some(10.0)),
            (
                "{\"score\": 9.0, \"reason\": \"the \\\"score\\\" of 3 goals\"}",
                Some(9.0),
            ),
            ("{\"reason\": \"8 of 9 found\", \"score\": 8}", Some(8.0)),
            ("I score it highly. Score: 9. Final score: 9/10", Some(9.0)),
            ("Score: 8 - one type is debatable", Some(8.0)),
            ("{\"score\": 0}", Some(0.0)),
            ("{\"score\": 10}", Some(10.0)),
            ("{\"score\": 9, \"score\": 2}", None),
            ("{\"score\": 9}\n{\"score\": 3}", None),
            ("Score: 9. On second thoughts, score: 6.", None),
            ("Score: 8-9", None),
            ("Score: 8 or 9", None),
            ("Score: 9,5", None),
            ("{\"score\": \"8 to 9\"}", None),
            ("Score: 90%", None),
            ("Score: 90/100, that is score 9", None),
            ("{\"score\": NaN}", None),
            ("{\"score\": true}", None),
            ("{\"score\": [9]}", None),
            ("{\"score\": \"ten\"}", None),
            ("{\"score\": 10.5}", None),
            ("{\"score\": 9", Some(9.0)),
            ("{\"score\": 11}", None),
            ("{\"score\": -1}", None),
            ("{\"score\": \"90/100\"}", None),
            ("{\"score\": null}", None),
            ("{\"rating\": 9}", None),
            ("Nine out of ten.", None),
            ("", None),
        ] {
            assert_eq!(score(content), expected, "{content:?}");
        }
    }
}

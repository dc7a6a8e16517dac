//! Reading the judge's score.

use serde_json::Value;

/// The score in a judge's answer, if it gives one from 0 to 10.
///
/// The prompt asks for `{"score": n, "reason": "..."}`. Fences and text around
/// the object are tolerated, and so are `"9"`, `"9/10"` and `Score: 9`; anything
/// else is unreadable, because a guess would decide about a training row.
pub(crate) fn score(content: &str) -> Option<f64> {
    let score = match json_score(content) {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => leading_number(&text),
        Some(_) => None,
        None => prose_score(content),
    };
    score.filter(|score| (0.0..=10.0).contains(score))
}

fn json_score(content: &str) -> Option<Value> {
    let start = content.find('{')?;
    let end = content.rfind('}')?;
    let object: Value = serde_json::from_str(content.get(start..=end)?).ok()?;
    object.get("score").cloned()
}

fn prose_score(content: &str) -> Option<f64> {
    let lower = content.to_lowercase();
    let (_, after) = lower.split_once("score")?;
    leading_number(after.trim_start_matches([':', '=', '*', '"', ' ']))
}

/// A number at the start of a text, alone or out of ten.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    let out_of = rest.trim_start().strip_prefix('/').map(str::trim_start);
    let of_ten = out_of.is_none_or(|out_of| {
        let scale = out_of.find(|c: char| !c.is_ascii_digit());
        &out_of[..scale.unwrap_or(out_of.len())] == "10"
    });
    number.trim_end_matches('.').parse().ok().filter(|_| of_ten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_or_refused() {
        for (content, expected) in [
            ("{\"score\": 9, \"reason\": \"fine\"}", Some(9.0)),
            ("```json\n{\"score\": 8.5}\n```", Some(8.5)),
            ("Well. {\"score\": \"9/10\"}", Some(9.0)),
            ("{\"score\": \"7\"}", Some(7.0)),
            ("**Score:** 6 / 10.", Some(6.0)),
            ("Score: 10.", Some(10.0)),
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

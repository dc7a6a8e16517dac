//! The keys of rows, for messages: which are there, and which was probably meant.

use serde_json::Value;

/// Keys that one format or another reads.
const KNOWN: [&str; 31] = [
    "annotation",
    "annotations",
    "answer",
    "conversations",
    "cot",
    "data",
    "dataset",
    "end",
    "entities",
    "entity_mentions",
    "ents",
    "guid",
    "id",
    "input",
    "label",
    "labels",
    "name",
    "ner",
    "ner_tags",
    "output",
    "pos",
    "reasoning",
    "schema",
    "sentence",
    "spans",
    "start",
    "tags",
    "text",
    "tokenized_text",
    "tokens",
    "type",
];

/// Most keys that a message names.
const NAMED: usize = 12;

/// A remark about the key that was probably meant; empty if the key is known, or like no other.
pub(crate) fn meant(key: &str) -> String {
    match nearest(key) {
        Some(known) => format!("; did you mean \"{known}\"?"),
        None => String::new(),
    }
}

/// The known key that a key is a slip of: one letter off, or two if it is long. Letters may be exchanged.
fn nearest(key: &str) -> Option<&'static str> {
    let lower = key.to_lowercase();
    let allowed = if lower.chars().count() > 5 { 2 } else { 1 };
    if KNOWN.contains(&key) || lower.chars().count() < 4 {
        return None;
    }
    let known = KNOWN.into_iter().filter(|known| known.len() >= 4);
    let distances = known.map(|known| (strsim::damerau_levenshtein(&lower, known), known));
    let best = distances.min_by_key(|(distance, _)| *distance);
    best.filter(|(distance, _)| *distance <= allowed)
        .map(|(_, known)| known)
}

/// A row's keys.
pub(crate) fn keys(row: &Value) -> String {
    let Some(object) = row.as_object() else {
        return "that is no object".into();
    };
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let mut remarks = names.iter().map(|key| meant(key));
    let remark = remarks.find(|remark| !remark.is_empty());
    let remark = remark.unwrap_or_default();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("with the keys {}{more}{remark}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_a_key_of_its_own() {
        for (key, expected) in [
            ("entites", Some("entities")),
            ("Entities", Some("entities")),
            ("shema", Some("schema")),
            ("lable", Some("label")),
            ("sentense", Some("sentence")),
            ("entities", None),
            ("slots", None),
            ("cat", None),
            ("comment", None),
        ] {
            assert_eq!(nearest(key), expected, "{key}");
        }
    }

    #[test]
    fn keys_are_named_up_to_a_number() {
        let row = serde_json::json!({"sentence": "a", "shema": []});
        let expected = "with the keys sentence, shema; did you mean \"schema\"?";
        assert_eq!(keys(&row), expected);
        let many: serde_json::Map<_, _> = (0..20).map(|i| (format!("k{i:02}"), i.into())).collect();
        assert!(keys(&Value::Object(many)).ends_with("k11 and 8 more"));
    }
}

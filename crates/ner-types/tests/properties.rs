//! Properties of the reader and of the grounder on random input.

use ner_types::{
    Borders, Completion, Entity, GroundOptions, GroundStatus, Grounder, OffsetIndex, Offsets,
    Problem, ReadMode, parse, parse_bytes, parse_with, render_completion,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// The pieces of which answers are made, and others.
fn piece() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(vec![
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "```json",
        "```",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\ud800",
        "\"entities\"",
        "\"entities\": {",
        "\"person\": [",
        "\"Ann Holt\"",
        "null",
        "NaN",
        "-Infinity",
        "1e999",
        "\u{feff}",
        "\u{1c}",
        "İ",
        "\n",
    ]);
    prop_oneof![4 => known.prop_map(String::from), 1 => any::<String>()]
}

fn completion() -> impl Strategy<Value = String> {
    vec(piece(), 0..30).prop_map(|pieces| pieces.concat())
}

fn entities() -> impl Strategy<Value = Vec<Entity>> {
    let entity = (any::<String>(), "[a-e]{1,3}");
    vec(entity, 0..8).prop_map(|pairs| {
        let pairs = pairs.into_iter().filter(|(text, _)| !is_blank(text));
        let mut read: Vec<Entity> = pairs
            .map(|(text, label)| Entity::new(trim(&text), label))
            .filter(|entity| {
                !entity.text.contains("think>")
                    && !entity.text.contains("<answer")
                    && !entity.text.contains("```")
            })
            .collect();
        // The answer groups by label, in the order of the first mention of each.
        let order: Vec<String> = read.iter().map(|e| e.label.clone()).collect();
        read.sort_by_key(|e| order.iter().position(|label| *label == e.label));
        read
    })
}

/// White space as Python sees it.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

fn is_blank(text: &str) -> bool {
    trim(text).is_empty()
}

/// What the documentation says of every completion.
fn holds(reference: &Completion, tolerant: &Completion) -> bool {
    !reference.salvaged
        && reference.is_json == tolerant.is_json
        && (reference.is_json || (reference.entities.is_empty() && !reference.problems.is_empty()))
        && (tolerant.salvaged || reference == tolerant)
        && tolerant.problems.starts_with(&reference.problems)
}

/// JSON values of any shape, with few keys, so that they repeat.
fn value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Map, Number, Value};
    let key = proptest::sample::select(vec!["entities", "a", "b", " A ", "é", "\""]);
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i32>().prop_map(|n| Value::Number(Number::from(n))),
        4 => "[ a-c\"\\\\é\u{1c}\n]{0,6}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..5).prop_map(Value::Array),
            2 => vec((key.clone(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.into(), v)).collect::<Map<_, _>>())),
        ]
    })
}

/// What the paper's code reads, told by a tree of values: `None` where it fails.
fn by_tree(value: &serde_json::Value) -> Option<Vec<Entity>> {
    use serde_json::Value;
    let Some(groups) = value.get("entities") else {
        return Some(Vec::new());
    };
    let mut entities = Vec::new();
    for (label, texts) in groups.as_object()? {
        let texts: Vec<String> = match texts {
            Value::Array(items) => items
                .iter()
                .filter_map(Value::as_str)
                .map(String::from)
                .collect(),
            Value::String(text) => text.chars().map(String::from).collect(),
            Value::Object(keys) => keys.keys().cloned().collect(),
            _ => return None,
        };
        entities.extend(
            texts
                .iter()
                .map(|text| Entity::new(trim(text), label.as_str())),
        );
    }
    Some(entities)
}

proptest! {
    /// The reader without a tree agrees with one that builds it, compact or indented.
    #[test]
    fn json_is_read_as_through_a_tree(value in value(), answer in value(), wraps: bool, indents: bool) {
        let value = if wraps { serde_json::json!({"x": value, "entities": answer}) } else { value };
        let text = if indents { format!("{value:#}") } else { value.to_string() };
        // What the tags and fences do is checked elsewhere.
        let read = parse(&text);
        let expected = by_tree(&value);
        prop_assert_eq!(read.is_json, expected.is_some(), "{}", text);
        prop_assert_eq!(read.entities, expected.unwrap_or_default(), "{}", text);
    }

    #[test]
    fn every_text_is_read(text in completion()) {
        let reference = parse_with(&text, ReadMode::Reference);
        let tolerant = parse_with(&text, ReadMode::Tolerant);
        prop_assert!(holds(&reference, &tolerant), "{:?}\n{:?}", reference, tolerant);
        tolerant.check(&["person".into()], &text);
    }

    #[test]
    fn all_bytes_are_read(bytes in vec(any::<u8>(), 0..200)) {
        let reference = parse_bytes(&bytes, ReadMode::Reference);
        prop_assert!(holds(&reference, &parse_bytes(&bytes, ReadMode::Tolerant)));
        let has_fault = matches!(reference.problems.first(), Some(Problem::InvalidUtf8(_)));
        prop_assert_eq!(has_fault, std::str::from_utf8(&bytes).is_err());
    }

    #[test]
    fn what_is_written_is_read(entities in entities(), reasoning in "[a-z \n]{0,30}") {
        let text = render_completion(Some(&reasoning), &entities);
        let read = parse(&text);
        prop_assert_eq!(&read.entities, &entities);
        prop_assert_eq!(read.reasoning.as_deref(), Some(reasoning.trim()));
        prop_assert_eq!(&read.problems, &[]);
        prop_assert_eq!(parse_with(&text, ReadMode::Tolerant), read);
    }

    /// A truncated answer gives a beginning of the whole one, and nothing that it does not say.
    #[test]
    fn what_is_cut_off_is_a_beginning(entities in entities(), cut in any::<proptest::sample::Index>()) {
        let text = render_completion(None, &entities);
        let read = parse_bytes(&text.as_bytes()[..cut.index(text.len() + 1)], ReadMode::Tolerant);
        prop_assert!(entities.starts_with(&read.entities), "{:?}", read);
    }

    #[test]
    fn every_place_is_one_of_the_sentence(sentence in text(), needle in text(), edits in 0.0..0.6) {
        let options = GroundOptions { borders: Borders::Prefer, max_edits_per_char: edits };
        let found = Grounder::with_options(&sentence, options).ground(&needle);
        prop_assert_eq!(found.spans.is_empty(), found.status == GroundStatus::Absent);
        for span in &found.spans {
            let surface = sentence.get(span.bytes());
            prop_assert!(surface.is_some_and(|surface| !surface.is_empty()));
            let chars: String = sentence.chars().take(span.char_end).skip(span.char_start).collect();
            prop_assert_eq!(surface, Some(chars.as_str()));
            prop_assert_eq!(found.status != GroundStatus::Exact, surface != Some(trim(&needle)));
        }
        let is_apart = found.spans.windows(2).all(|pair| pair[0].byte_end <= pair[1].byte_start);
        prop_assert!(is_apart, "{:?}", found);
    }

    /// A stretch of the sentence is found literally, whatever it is.
    #[test]
    fn a_part_of_the_sentence_is_found(sentence in text(), a in any::<proptest::sample::Index>(), b in any::<proptest::sample::Index>()) {
        let chars: Vec<char> = sentence.chars().collect();
        let (a, b) = (a.index(chars.len() + 1), b.index(chars.len() + 1));
        let part: String = chars[a.min(b)..a.max(b)].iter().collect();
        let found = Grounder::new(&sentence).ground(&part);
        let expected = if is_blank(&part) { GroundStatus::Absent } else { GroundStatus::Exact };
        prop_assert_eq!(found.status, expected);
    }

    /// So is the whole sentence in another spelling.
    #[test]
    fn another_spelling_of_the_sentence_is_found(sentence in "[a-cé小’“ -]{1,40}") {
        let spelling = sentence.to_uppercase().replace('’', "'").replace('“', "\"").replace(' ', " \u{a0}");
        let found = Grounder::new(&sentence).ground(&spelling);
        if is_blank(&sentence) {
            prop_assert_eq!(found.status, GroundStatus::Absent);
        } else {
            prop_assert!(matches!(found.status, GroundStatus::Exact | GroundStatus::Folded));
            let surface = found.spans[0].text(&sentence);
            prop_assert_eq!(surface, Some(trim(&sentence)));
        }
    }
}

/// Few letters, so that they repeat, and what normalisation treats in its own way.
fn text() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(vec![
        "a", "b", "ab", " ", "  ", "A", "é", "e\u{301}", "\u{301}", "ﬁ", "½", "İ", "ß", "Σ", "’",
        "“", "小", "樽", "\u{1100}", "\u{1161}", "각", "\u{ad}", "\u{a0}", ".", "😀",
    ]);
    let piece =
        prop_oneof![8 => known.prop_map(String::from), 1 => any::<char>().prop_map(String::from)];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Labels beyond those that are looked for one by one, some of them twice.
#[test]
fn many_labels_are_read() {
    for n_labels in [15, 16, 17, 18, 40] {
        let group = |i: usize| format!("\"l{}\": [\"t{i}\"]", i % n_labels);
        let groups: Vec<String> = (0..n_labels + 5).map(group).collect();
        let read = parse(&format!("{{\"entities\": {{{}}}}}", groups.join(", ")));
        let last = |i: usize| if i < 5 { i + n_labels } else { i };
        let expected: Vec<_> = (0..n_labels)
            .map(|i| Entity::new(format!("t{}", last(i)), format!("l{i}")))
            .collect();
        assert_eq!(read.entities, expected);
    }
}

proptest! {
    /// Every byte of any text is the character and the unit of UTF-16 that stands there, or no place at all.
    #[test]
    fn an_offset_slices_in_every_unit(text in any_text(), tail in any_text(), repeats in 1usize..400) {
        let text = text.repeat(repeats) + &tail;
        let index = OffsetIndex::new(&text);
        let bytes = (0..=text.len() + 1).step_by(1 + text.len() / 500).chain([text.len()]);
        for byte in bytes {
            let before = text.get(..byte);
            let expected = [
                before.map(|before| before.chars().count()),
                before.map(|before| before.encode_utf16().count()),
                before.map(str::len),
            ];
            prop_assert_eq!(Offsets::ALL.map(|unit| index.at(byte, unit)), expected);
        }
    }
}

/// Any scalar values, of one to four bytes.
fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter)
}

//! Faults of what rows say: mentions that are not in their sentence, types that were not asked for, slips in keys.

#[path = "cases/support.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use ner_datasets::{FaultKind, Format, Policy, ReadOptions, Types, open, scan_types};
use support::check;

use FaultKind::{NoAnnotation, NotInSentence, OutsideSchema, Unannotated, UnreadKey};

/// Every format with mentions as texts has them; what states offsets gives the text that stands there.
#[test]
fn mentions_that_are_not_in_their_sentence_are_named_in_every_format() {
    let found = [(NotInSentence, 1, "\"Halvek\" as a city")];
    let shown = ["Brel sleeps.; Halvek=city"];
    let ner_cot = r#"{"sentence": "Brel sleeps.", "schema": ["city"], "entities": [{"text": "Halvek", "label": "city"}]}"#;
    check("a.jsonl", ner_cot, Format::NerCot, &shown, &found);
    let plain = r#"{"text": "Brel sleeps.", "entities": [{"text": "Halvek", "label": "city"}]}"#;
    check("a.jsonl", plain, Format::Plain, &shown, &found);
    let gliner2 = r#"{"input": "Brel sleeps.", "output": {"entities": {"city": ["Halvek"]}}}"#;
    check("a.jsonl", gliner2, Format::Gliner2, &shown, &found);
    let uniner = r#"{"id": "1", "conversations": [{"from": "human", "value": "Text: Brel sleeps."}, {"from": "gpt", "value": "I've read this text."}, {"from": "human", "value": "What describes city in the text?"}, {"from": "gpt", "value": "[\"Halvek\"]"}]}"#;
    check("a.json", uniner, Format::UniNer, &shown, &found);
}

#[test]
fn types_that_a_row_does_not_ask_for_are_named() {
    let row = |schema: &str| {
        format!(
            r#"{{"sentence": "Brel sleeps.", "schema": {schema}, "entities": [{{"text": "Brel", "label": "City "}}]}}"#
        )
    };
    let shown = ["Brel sleeps.; Brel=City "];
    let outside = [(OutsideSchema, 1, "\"City \" for \"Brel\"")];
    let ner_cot = Format::NerCot;
    check("a.jsonl", &row("[\"town\"]"), ner_cot, &shown, &outside);
    check(
        "a.jsonl",
        &row("[\"town\", \"city\"]"),
        ner_cot,
        &shown,
        &[],
    );
    check("a.jsonl", &row("[]"), ner_cot, &shown, &[]);
}

#[test]
fn a_slip_in_a_key_is_named_with_the_key_that_was_meant() {
    let text = r#"{"text": "Brel sleeps.", "entites": [{"text": "Brel", "label": "city"}]}"#;
    let meant = [(NoAnnotation, 1, "did you mean \"entities\"?")];
    check("a.jsonl", text, Format::Plain, &["Brel sleeps.; "], &meant);
    let text = r#"{"sentence": "Brel sleeps.", "shema": ["city"], "entities": [{"text": "Brel", "label": "city"}]}"#;
    let meant = [(UnreadKey, 1, "did you mean \"schema\"?")];
    check(
        "a.jsonl",
        text,
        Format::Plain,
        &["Brel sleeps.; Brel=city"],
        &meant,
    );
    let text = r#"{"sentence": "Brel sleeps.", "schema": ["city"], "resoning": "\"Brel\" sleeps, so it is a city here.", "entities": []}"#;
    let meant = [(UnreadKey, 1, "did you mean \"reasoning\"?")];
    check("a.jsonl", text, Format::NerCot, &["Brel sleeps.; "], &meant);
}

#[test]
fn rows_that_are_still_to_be_annotated_are_read_and_named() {
    let found = [(Unannotated, 1, "none")];
    for (text, format) in [
        (
            r#"{"sentence": "Brel sleeps.", "schema": ["city"]}"#,
            Format::NerCot,
        ),
        (
            r#"{"text": "Brel sleeps.", "labels": ["city"]}"#,
            Format::Plain,
        ),
        (r#"{"text": "Brel sleeps."}"#, Format::Plain),
    ] {
        check("a.jsonl", text, format, &["Brel sleeps.; "], &found);
    }
    let policy = Policy::checking();
    assert!(policy.is_fatal(NotInSentence) && policy.is_fatal(OutsideSchema));
    assert!(!policy.is_fatal(Unannotated));
}

/// Rows that state their types keep them; the others get those of the file, or some.
#[test]
fn types_of_the_file_go_to_rows_that_state_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.jsonl");
    let rows = [
        r#"{"text": "Brel sleeps.", "labels": ["town"], "entities": []}"#,
        r#"{"text": "Brel wakes.", "entities": [{"text": "Brel", "label": "city"}]}"#,
        r#"{"text": "So it goes.", "entities": []}"#,
    ];
    std::fs::write(&path, rows.join("\n")).expect("written");
    let found = scan_types(&path, Format::Plain, ReadOptions::default()).expect("readable");
    assert_eq!(found.types, ["city", "town"]);
    assert_eq!((found.rows, found.without), (3, 2));
    let schemas = |types| {
        let options = ReadOptions {
            types: Some(types),
            ..ReadOptions::default()
        };
        let rows = open(&path, Format::Plain, options).expect("opened");
        rows.map(|row| row.expect("a row").example.schema)
            .collect::<Vec<_>>()
    };
    let all = ["city", "town"].map(String::from).to_vec();
    let town = vec!["town".to_owned()];
    assert_eq!(
        schemas(Types::All(found.types.clone())),
        [town.clone(), all.clone(), all.clone()]
    );
    let sampled = |negatives| Types::Sampled {
        of: found.types.clone(),
        negatives,
        seed: 3,
    };
    assert_eq!(schemas(sampled(1))[1], all);
    assert_eq!(schemas(sampled(1))[2].len(), 1);
    assert_eq!(schemas(sampled(0))[1..], [vec!["city".to_owned()], vec![]]);
}

//! Suites found on disk in every layout and copy, and predictions held against them.

use std::fs;
use std::path::Path;

use ner_eval::faults::{CheckedPredictions, read_predictions_for};
use ner_eval::load::{LoadedSuite, OnFault, SetLayout};
use ner_eval::{Error, SuiteSpec};

const SUITE: &str = r#"
name = "harbours"
title = "Three harbours"

[[set]]
name = "north"
sentences = [3, 2]

[[set]]
name = "south"
folders = ["corpora/south"]
sentences = [2]

[[set]]
name = "west"

[labels]
programlang = "program language"
"#;

fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().expect("inside the folder")).expect("made");
    fs::write(path, text).expect("written");
}

/// North as InstructUIE's JSON, south as BIO with tags first, west as one file of examples.
fn data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let row = |i: usize| {
        format!(r#"{{"sentence": "brel {i}", "entities": [{{"name": "brel", "type": "City"}}]}}"#)
    };
    let rows = [row(0), row(1), row(2)].join(",\n");
    let north = "instructuie-format/north_sample_3";
    write(
        dir.path(),
        &format!("{north}/test.json"),
        &format!("[{rows}]"),
    );
    write(
        dir.path(),
        &format!("{north}/labels.json"),
        r#"["City", "misc"]"#,
    );
    write(
        dir.path(),
        "corpora/south/train.bio",
        "B-programlang rust\n",
    );
    write(
        dir.path(),
        "corpora/south/test.bio",
        "O in\nB-city brel\n\nO so\n",
    );
    let west = r#"{"sentence": "so", "schema": ["city"], "entities": []}"#;
    write(dir.path(), "west.jsonl", &format!("{west}\n"));
    dir
}

fn load(dir: &Path) -> LoadedSuite {
    let spec = SuiteSpec::parse(SUITE, "harbours").expect("a suite");
    spec.load_data(dir, OnFault::Fatal).expect("all three sets")
}

#[test]
fn sets_are_found_in_every_layout_with_renamed_labels() {
    let dir = data();
    let loaded = load(dir.path());
    let found = loaded.sources.iter();
    let found: Vec<_> = found
        .map(|s| (s.name.as_str(), s.layout, s.sentences))
        .collect();
    assert_eq!(
        found,
        [
            ("north", SetLayout::InstructUie, 3),
            ("south", SetLayout::Bio, 2),
            ("west", SetLayout::Examples, 1)
        ]
    );
    assert_eq!(loaded.sources[0].schema, ["city"]);
    assert_eq!(
        loaded.sources[1].schema,
        ["city", "program language"],
        "of all splits, renamed"
    );
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
}

#[test]
fn an_absent_set_is_fatal_or_named() {
    let dir = data();
    fs::remove_file(dir.path().join("west.jsonl")).expect("removed");
    let spec = SuiteSpec::parse(SUITE, "harbours").expect("a suite");
    let message = spec
        .load_data(dir.path(), OnFault::Fatal)
        .expect_err("no west")
        .to_string();
    assert!(message.contains("the test split of \"west\""), "{message}");
    let loaded = spec.load_data(dir.path(), OnFault::Skip).expect("two sets");
    assert_eq!((loaded.suite.sets.len(), loaded.absent), (2, vec![message]));
    let nothing = tempfile::tempdir().expect("a folder");
    assert!(
        spec.load_data(nothing.path(), OnFault::Skip).is_err(),
        "nothing to score"
    );
}

#[test]
fn a_faulty_file_is_fatal_in_any_case() {
    let dir = data();
    write(dir.path(), "west.jsonl", "{}\n");
    let spec = SuiteSpec::parse(SUITE, "harbours").expect("a suite");
    let message = spec
        .load_data(dir.path(), OnFault::Skip)
        .expect_err("faulty")
        .to_string();
    assert!(message.contains("west.jsonl:1"), "{message}");
}

#[test]
fn the_copy_that_was_read_is_named() {
    let dir = data();
    write(dir.path(), "corpora/south/test.bio", "O in\nB-city brel\n");
    let notes = load(dir.path()).notes;
    assert_eq!(
        notes,
        ["south: 1 sentences, which is none of the known copies ([2])"]
    );
}

fn line(dataset: &str, index: usize) -> String {
    let value = serde_json::json!({"dataset": dataset, "index": index, "completion": "{}"});
    format!("{value}\n")
}

fn every_line() -> String {
    let places = [
        ("north", 0),
        ("north", 1),
        ("north", 2),
        ("south", 0),
        ("south", 1),
        ("west", 0),
    ];
    places.map(|(dataset, index)| line(dataset, index)).concat()
}

fn read(text: &str, on_fault: OnFault) -> (LoadedSuite, Result<CheckedPredictions, Error>) {
    let dir = data();
    let mut loaded = load(dir.path());
    let path = dir.path().join("predictions.jsonl");
    fs::write(&path, text).expect("written");
    let checked = read_predictions_for(&mut loaded, &path, on_fault);
    (loaded, checked)
}

#[test]
fn whole_files_are_read_with_a_mark_and_windows_line_ends() {
    let text = format!("\u{feff}{}\n", every_line().replace('\n', "\r\n"));
    let (_, checked) = read(&text, OnFault::Fatal);
    assert_eq!(checked.expect("nothing is wrong").predictions.len(), 6);
}

#[track_caller]
fn check_fault(text: &str, expected: &str) {
    let message = read(text, OnFault::Fatal)
        .1
        .expect_err("faulty")
        .to_string();
    assert!(message.contains(expected), "{message}");
    let (_, checked) = read(text, OnFault::Skip);
    let checked = checked.expect("the faulty lines are left out");
    assert_eq!(checked.faults.total(), 1, "{:?}", checked.faults);
}

#[test]
fn every_kind_of_fault_is_named_with_its_line_and_counted() {
    let whole = every_line();
    check_fault(
        &format!("{whole}{}", line("east", 0)),
        "predictions.jsonl:7: expected a dataset of the suite, found \"east\"",
    );
    check_fault(
        &format!("{}{whole}", line("south", 5)),
        "predictions.jsonl:1: \"south\": expected an index below 2, found 5",
    );
    check_fault(
        &format!("{whole}\n{}", line("north", 1)),
        "predictions.jsonl:8: \"north\", index 1: expected one prediction, found a second one; the first is on line 2",
    );
    check_fault(
        &format!("{whole}{{\"dataset\": \"north\", \"index\": -1, \"completion\": \"\"}}"),
        "predictions.jsonl:7: expected a prediction with a completion or entities, found invalid value",
    );
    check_fault(
        &format!("{whole}{{\"datas"),
        "found EOF while parsing a string",
    );
    check_fault(
        &whole.replace(&line("south", 0), ""),
        "expected a prediction for every sentence, found none for 1, the first of them index 0",
    );
    let message = read(&line("east", 0), OnFault::Fatal)
        .1
        .expect_err("faulty")
        .to_string();
    assert!(
        message.ends_with("in all 1 of unknown datasets, 6 sentences without a prediction"),
        "{message}"
    );
}

#[test]
fn bytes_that_are_no_text_are_a_fault_of_their_line() {
    let dir = data();
    let mut loaded = load(dir.path());
    let path = dir.path().join("predictions.jsonl");
    let mut bytes = every_line().into_bytes();
    bytes.extend(b"{\"dataset\": \"north\", \"index\": 0, \"completion\": \"\xff\"}\n");
    fs::write(&path, bytes).expect("written");
    let checked = read_predictions_for(&mut loaded, &path, OnFault::Skip).expect("read");
    assert_eq!(
        (checked.predictions.len(), checked.faults.not_a_prediction),
        (6, 1)
    );
    assert_eq!(checked.faults.listed[0].line, Some(7));
}

#[test]
fn predictions_for_the_copy_without_the_last_sentence_fit() {
    let (loaded, checked) = read(&every_line().replace(&line("north", 2), ""), OnFault::Fatal);
    assert_eq!(checked.expect("a known copy").predictions.len(), 5);
    assert_eq!(loaded.suite.sets[0].examples.len(), 2);
    assert!(
        loaded.notes[0].contains("its last sentence is left out"),
        "{:?}",
        loaded.notes
    );
    // No copy of the south without its last sentence is known, so there it is missing.
    let (_, checked) = read(&every_line().replace(&line("south", 1), ""), OnFault::Fatal);
    assert!(checked.is_err());
}

#[test]
fn predictions_for_the_longer_copy_fit_too() {
    let dir = data();
    let text = fs::read_to_string(
        dir.path()
            .join("instructuie-format/north_sample_3/test.json"),
    )
    .expect("readable");
    let (shorter, _) = text.rsplit_once(",\n").expect("three rows");
    write(
        dir.path(),
        "instructuie-format/north_sample_3/test.json",
        &format!("{shorter}]"),
    );
    let mut loaded = load(dir.path());
    assert_eq!(
        loaded.notes,
        ["north: 2 sentences, a known copy; the original has 3"]
    );
    let path = dir.path().join("predictions.jsonl");
    fs::write(&path, every_line()).expect("written");
    let checked = read_predictions_for(&mut loaded, &path, OnFault::Fatal).expect("a known copy");
    assert_eq!((checked.predictions.len(), checked.faults.total()), (5, 0));
    assert!(
        loaded.notes[1].contains("the last prediction is left out"),
        "{:?}",
        loaded.notes
    );
}

#[test]
fn few_shot_parts_are_drawn_from_the_training_split() {
    let dir = tempfile::tempdir().expect("a folder");
    let sentences: String = (0..200).map(|i| format!("word{i} B-city\n\n")).collect();
    for name in ["train.txt", "test.txt"] {
        write(dir.path(), &format!("conll2003/{name}"), &sentences);
    }
    let spec = SuiteSpec::find("few-shot").expect("shipped");
    let samples = spec.few_shot_samples(dir.path()).expect("a training split");
    let sizes: Vec<_> = samples
        .iter()
        .map(|s| (s.name(), s.examples.len(), s.of))
        .collect();
    let expected = [("1", 2), ("5", 10), ("10", 20)];
    assert_eq!(
        sizes,
        expected.map(|(percent, n)| (format!("CoNLL-2003-{percent}pct"), n, 200))
    );
    assert_eq!(spec.few_shot_samples(dir.path()).expect("again"), samples);
}

/// Replies as UniversalNER gives them: one line a type, the reply raw.
fn replies(lines: &[(&str, usize, &str, &str)]) -> String {
    let line = |(dataset, index, label, reply): &(&str, usize, &str, &str)| {
        let row = serde_json::json!({"dataset": dataset, "index": index, "type": label, "completion": reply, "tokens": 2});
        format!("{row}\n")
    };
    lines.iter().map(line).collect()
}

const ONE_A_TYPE: &str = "\
name = \"x\"\ntitle = \"x\"\n[[set]]\nname = \"south\"\nfolders = [\"corpora/south\"]\nsentences = [2]\n
[labels]\nprogramlang = \"program language\"\n";

fn check_replies(
    text: &str,
    on_fault: OnFault,
) -> Result<(LoadedSuite, CheckedPredictions), Error> {
    let dir = data();
    write(dir.path(), "replies.jsonl", text);
    let spec = SuiteSpec::parse(ONE_A_TYPE, "x").expect("a suite");
    let mut loaded = spec.load_data(dir.path(), OnFault::Fatal).expect("the set");
    let read = read_predictions_for(&mut loaded, &dir.path().join("replies.jsonl"), on_fault)?;
    Ok((loaded, read))
}

#[test]
fn replies_for_one_type_each_are_put_together() {
    let text = replies(&[
        ("south", 1, "City", "[]"),
        ("south", 0, "city", "[\"brel\", \"in\"] and more"),
        ("south", 0, "misc", "[\"so\"]"),
        ("south", 1, "program language", "I see none."),
        ("south", 0, "program language", "[\"rust\"]"),
    ]);
    let (loaded, read) = check_replies(&text, OnFault::Fatal).expect("no fault");
    let said: Vec<_> = read
        .predictions
        .iter()
        .map(|p| (p.index, p.tokens))
        .collect();
    assert_eq!(said, [(0, Some(6)), (1, Some(4))]);
    let entities = |at: usize| ner_types::parse(&read.predictions[at].completion).entities;
    let entity = |text: &str, label: &str| ner_types::Entity::new(text, label);
    let expected = [
        entity("brel", "city"),
        entity("in", "city"),
        entity("rust", "program language"),
    ];
    assert_eq!(entities(0), expected);
    assert_eq!(entities(1), []);
    let note =
        "1 of 5 replies are no list of strings and count as empty, as in UniversalNER's evaluator";
    assert!(
        loaded.notes.iter().any(|line| line == note),
        "{:?}",
        loaded.notes
    );
}

#[test]
fn replies_that_do_not_fit_are_named_with_their_line() {
    let text = replies(&[
        ("south", 0, "city", "[]"),
        ("south", 0, "city", "[]"),
        ("south", 0, "planet", "[]"),
        ("south", 7, "city", "[]"),
    ]) + "{\"dataset\": \"south\", \"index\": 0, \"completion\": \"{}\"}\n";
    let (_, read) = check_replies(&text, OnFault::Skip).expect("left out");
    let faults = &read.faults;
    assert_eq!(
        (
            faults.duplicate,
            faults.unknown_type,
            faults.index_out_of_range
        ),
        (2, 1, 1)
    );
    assert_eq!(
        (faults.missing_types, faults.missing, read.predictions.len()),
        (1, 1, 1)
    );
    let message = check_replies(&text, OnFault::Fatal)
        .expect_err("fatal")
        .to_string();
    for words in [
        ":2: \"south\", index 0: expected one prediction, found a second one; the first is on line 1",
        ":3: \"south\", index 0: expected a type of the dataset, found \"planet\"",
        ":4: \"south\": expected an index below 2, found 7",
        ":5: \"south\", index 0: expected one prediction",
        "expected a reply for every type, found none for 1, the first of them \"program language\" at index 0",
    ] {
        assert!(message.contains(words), "{words}\n{message}");
    }
}

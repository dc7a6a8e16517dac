//! Files of predictions that do not say a dataset and an index, for a suite of two sets.

use std::fs;

use ner_eval::faults::{CheckedPredictions, read_predictions_for};
use ner_eval::load::{LoadedSuite, OnFault};
use ner_eval::matching::MatchedBy;
use ner_eval::{Error, EvalSet, ReportSettings, RunReport, Suite};
use ner_types::{Entity, Example, parse};

/// Three sentences in the north, of which two are the same, and one of them again in the south.
fn loaded() -> LoadedSuite {
    let example = |id: &str, sentence: &str| Example {
        guid: Some(id.into()),
        sentence: sentence.into(),
        schema: vec!["city".into()],
        entities: vec![Entity::new(
            sentence.split(' ').next().unwrap_or_default(),
            "city",
        )],
        ..Example::default()
    };
    let set = |name: &str, examples: &[(&str, &str)]| EvalSet {
        name: name.into(),
        examples: examples
            .iter()
            .map(|(id, text)| example(id, text))
            .collect(),
    };
    let north = [
        ("n0", "Brel slept ."),
        ("n1", "Vask left ."),
        ("n2", "Brel slept ."),
    ];
    LoadedSuite::from_suite(Suite {
        name: "two".into(),
        sets: vec![
            set("north", &north),
            set("south", &[("s0", "Brel slept .")]),
        ],
    })
}

fn read(text: &str, on_fault: OnFault) -> Result<CheckedPredictions, Error> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("predictions.jsonl");
    fs::write(&path, text).expect("written");
    read_predictions_for(&mut loaded(), &path, on_fault)
}

/// Where the predictions of a file belong, with the first text of each.
#[track_caller]
fn check(text: &str, by: MatchedBy, expected: &[(&str, usize, &str)]) {
    let checked = read(text, OnFault::Fatal).expect("nothing is wrong");
    assert_eq!(checked.faults.matched_by, Some(by));
    let mut found: Vec<(String, usize, String)> = Vec::new();
    for made in &checked.predictions {
        let first = parse(&made.completion)
            .entities
            .first()
            .map(|e| e.text.clone());
        found.push((made.dataset.clone(), made.index, first.unwrap_or_default()));
    }
    let expected = expected
        .iter()
        .map(|(set, index, text)| ((*set).into(), *index, (*text).into()));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn a_sentence_or_an_id_is_enough_and_equal_sentences_are_paired_in_order() {
    let row = |sentence: &str, text: &str| {
        format!(
            "{{\"sentence\": \"{sentence}\", \"entities\": [{{\"text\": \"{text}\", \"type\": \"city\"}}]}}\n"
        )
    };
    let rows = [
        row("Brel  slept .", "1"),
        row("Vask left .", "2"),
        row("Brel slept .", "3"),
        row("Brel slept .", "4"),
    ];
    let expected = [
        ("north", 0, "1"),
        ("north", 1, "2"),
        ("north", 2, "3"),
        ("south", 0, "4"),
    ];
    check(&rows.concat(), MatchedBy::Sentence, &expected);
    let completion = |id: &str, text: &str| {
        let answer = format!("{{\"entities\": {{\"city\": [\"{text}\"]}}}}");
        format!("{}\n", serde_json::json!({"id": id, "completion": answer}))
    };
    let rows = [
        completion("s0", "1"),
        completion("n2", "2"),
        completion("n0", "3"),
        completion("n1", "4"),
    ];
    let expected = [
        ("south", 0, "1"),
        ("north", 2, "2"),
        ("north", 0, "3"),
        ("north", 1, "4"),
    ];
    check(&rows.concat(), MatchedBy::Id, &expected);
    let rows =
        ["1", "2", "3", "4"].map(|text| format!("{{\"entities\": {{\"city\": [\"{text}\"]}}}}\n"));
    let expected = [
        ("north", 0, "1"),
        ("north", 1, "2"),
        ("north", 2, "3"),
        ("south", 0, "4"),
    ];
    check(&rows.concat(), MatchedBy::Line, &expected);
}

/// Replies for one type each come several to a sentence.
#[test]
fn replies_by_type_are_matched_by_their_sentence_too() {
    let reply = |sentence: &str| {
        format!("{{\"sentence\": \"{sentence}\", \"type\": \"city\", \"completion\": \"[]\"}}\n")
    };
    let rows = [
        "Brel slept .",
        "Vask left .",
        "Brel slept .",
        "Brel slept .",
    ]
    .map(reply);
    let checked = read(&rows.concat(), OnFault::Fatal).expect("nothing is wrong");
    assert_eq!(checked.predictions.len(), 4);
}

#[test]
fn what_contradicts_itself_or_fits_nothing_is_named() {
    let whole = "{\"dataset\": \"north\", \"index\": 0, \"sentence\": \"Brel slept .\", \"completion\": \"\"}\n";
    let wrong = whole.replace("\"index\": 0", "\"id\": \"n1\"");
    for (text, words) in [
        (
            &*wrong,
            "the id of another sentence: \"Brel slept .\" is said here, \"Vask left .\" stands there",
        ),
        (
            "{\"sentence\": \"Nobody .\", \"completion\": \"\"}",
            "a sentence that is not there: \"Nobody .\"",
        ),
        (
            "{\"index\": 0, \"completion\": \"\"}",
            "no \"dataset\", of which the suite has several",
        ),
    ] {
        let message = read(text, OnFault::Fatal).expect_err("a fault").to_string();
        assert!(message.contains(words), "{message}");
        assert!(message.contains("predictions.jsonl:1"), "{message}");
        let skipped = read(text, OnFault::Skip).expect("left out");
        assert_eq!(skipped.predictions.len(), 0);
    }
}

#[test]
fn results_say_what_predictions_were_matched_by() {
    let rows = "{\"text\": \"Vask left .\", \"entities\": [{\"text\": \"Vask\", \"label\": \"city\", \"start\": 0, \"end\": 4}]}";
    let checked = read(rows, OnFault::Skip).expect("read");
    let faults = Some(checked.faults);
    let report = RunReport::new(
        &loaded(),
        checked.predictions,
        vec![],
        faults,
        &ReportSettings::default(),
    );
    let notes = report.expect("of the suite").notes.join("\n");
    for words in [
        "matched by sentence",
        "offsets of 1 predicted entities are not used",
    ] {
        assert!(notes.contains(words), "{notes}");
    }
}

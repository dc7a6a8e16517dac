//! From what was found to an annotation tool, corrected there, and back as rows to train on: Label Studio, doccano and
//! Prodigy, in the shapes in which each exports what its annotators did.

use std::path::Path;

use ner_datasets::export::{ExportFormat, ExportOptions, ExportSource, export};
use ner_datasets::{FaultKind, Format};
use serde_json::{Value, json};

use super::support::{check_path, lenient};

/// What `rner extract` stored: a wrong label, a missing mention, a row that a person will skip. An emoji stands first,
/// so that characters, bytes and UTF-16 units differ.
fn found() -> String {
    let row = |line: usize, sentence: &str, entities: Value| {
        json!({"line": line, "id": format!("r{line}"), "sentence": sentence, "entities": entities, "offsets": "characters",
            "reasoning": "because", "problems": [], "is_json": true, "salvaged": false, "cut_off": false})
    };
    let mira =
        json!([{"text": "Mira", "label": "city", "start": 2, "end": 6, "grounding": "exact"}]);
    let rows = [
        row(1, "👞 Mira left Brel.", mira),
        row(2, "So it is.", json!([])),
        row(3, "Brel again.", json!([])),
    ];
    rows.map(|row| format!("{row}\n")).concat()
}

/// The rows in the form of a tool.
fn exported(dir: &Path, to: ExportFormat, name: &str) -> Vec<Value> {
    let (from, to_path) = (dir.join("found.jsonl"), dir.join(name));
    std::fs::write(&from, found()).expect("written");
    let sources = vec![ExportSource::file(&from).expect("opened")];
    let written = export(sources, &to_path, to, &ExportOptions::default()).expect("written");
    assert_eq!(
        (written.n_rows, written.n_mentions, written.left_out.total()),
        (3, 1, 0)
    );
    let text = std::fs::read_to_string(&to_path).expect("readable");
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(&text).expect("an array");
    }
    let rows = text.lines();
    rows.map(|line| serde_json::from_str(line).expect("a row"))
        .collect()
}

const RIGHT: &str = "👞 Mira left Brel.; Mira=person@2-6, Brel=city@12-16";

#[test]
fn label_studios_annotations_come_back_and_its_predictions_do_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut tasks = exported(dir.path(), ExportFormat::LabelStudio, "tasks.json");
    assert!(dir.path().join("tasks.labels.xml").is_file());
    // As the tool exports it: each task with its predictions, and with what each annotator made of them.
    let mut corrected = tasks[0]["predictions"][0]["result"].clone();
    corrected[0]["value"]["labels"] = json!(["person"]);
    let added = json!({"from_name": "label", "to_name": "text", "type": "labels", "origin": "manual",
        "value": {"start": 12, "end": 16, "text": "Brel", "labels": ["city"]}});
    corrected.as_array_mut().expect("a list").push(added);
    let wrong = tasks[0]["predictions"][0]["result"].clone();
    tasks[0]["annotations"] = json!([
        {"id": 1, "completed_by": 1, "was_cancelled": true, "result": wrong},
        {"id": 2, "completed_by": 2, "was_cancelled": false, "ground_truth": false, "result": wrong},
        {"id": 3, "completed_by": 3, "was_cancelled": false, "ground_truth": true, "result": corrected},
    ]);
    tasks[1]["annotations"] = json!([{"id": 4, "was_cancelled": false, "result": []}]);
    tasks[2]["annotations"] = json!([{"id": 5, "was_cancelled": true, "result": []}]);
    let path = dir.path().join("corrected.json");
    std::fs::write(&path, json!(tasks).to_string()).expect("written");
    let faults = [
        (
            FaultKind::UnreadKey,
            1,
            "1 further annotations of the same text, that marked as ground truth",
        ),
        (FaultKind::NotAccepted, 1, "1 annotations, all cancelled"),
    ];
    check_path(
        &path,
        &lenient(),
        Format::LabelStudio,
        &[RIGHT, "So it is.; "],
        &faults,
    );
    // Predictions that nobody has looked at are no training data.
    for task in &mut tasks {
        task.as_object_mut()
            .expect("a task")
            .insert("annotations".into(), json!([]));
    }
    std::fs::write(&path, json!(tasks).to_string()).expect("written");
    let unseen = (FaultKind::NotAccepted, 1, "0 annotations");
    let none = (FaultKind::Empty, 0, "none");
    check_path(
        &path,
        &lenient(),
        Format::LabelStudio,
        &[],
        &[unseen, unseen, unseen, none],
    );
}

#[test]
fn doccanos_rows_come_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut rows = exported(dir.path(), ExportFormat::Doccano, "doccano.jsonl");
    assert_eq!(rows[0]["label"], json!([[2, 6, "city"]]));
    let path = dir.path().join("corrected.jsonl");
    let write = |rows: &[Value]| {
        let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
        std::fs::write(&path, lines).expect("written");
    };
    rows[0]["label"] = json!([[2, 6, "person"], [12, 16, "city"]]);
    rows[0]["Comments"] = json!([]);
    write(&rows);
    let read = [RIGHT, "So it is.; ", "Brel again.; "];
    check_path(&path, &lenient(), Format::Doccano, &read, &[]);
    // Its export with relations has objects.
    for row in &mut rows {
        let label = row["label"].take();
        let entities = label.as_array().into_iter().flatten().enumerate();
        let entities = entities.map(
            |(i, at)| json!({"id": i, "start_offset": at[0], "end_offset": at[1], "label": at[2]}),
        );
        row["entities"] = entities.collect();
        row["relations"] = json!([]);
        row.as_object_mut().expect("a row").remove("label");
    }
    write(&rows);
    check_path(&path, &lenient(), Format::Doccano, &read, &[]);
}

#[test]
fn prodigys_accepted_rows_come_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut rows = exported(dir.path(), ExportFormat::Prodigy, "prodigy.jsonl");
    assert!(
        rows.iter().all(|row| row.get("answer").is_none()),
        "nobody has answered yet"
    );
    rows[0]["spans"][0]["label"] = json!("person");
    let spans = rows[0]["spans"].as_array_mut().expect("a list");
    spans.push(json!({"start": 12, "end": 16, "token_start": 3, "token_end": 3, "label": "city"}));
    for (row, answer) in rows.iter_mut().zip(["accept", "reject", "ignore"]) {
        row["answer"] = json!(answer);
        row["_input_hash"] = json!(7);
        row["_timestamp"] = json!(1_700_000_000);
    }
    let path = dir.path().join("corrected.jsonl");
    std::fs::write(
        &path,
        rows.iter()
            .map(|row| format!("{row}\n"))
            .collect::<String>(),
    )
    .expect("written");
    let faults = [
        (FaultKind::NotAccepted, 2, "\"reject\""),
        (FaultKind::NotAccepted, 3, "\"ignore\""),
    ];
    check_path(&path, &lenient(), Format::Prodigy, &[RIGHT], &faults);
}

/// What was stored is itself a dataset: to be converted, scored and trained on.
#[test]
fn stored_rows_are_read_as_they_are() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("found.jsonl");
    let error = r#"{"line": 4, "error": "the line is blank"}"#;
    std::fs::write(&path, format!("{error}\n{}", found())).expect("written");
    let rows = [
        "👞 Mira left Brel.; Mira=city@2-6",
        "So it is.; ",
        "Brel again.; ",
    ];
    let faults = [(FaultKind::Unanswered, 1, "the line is blank")];
    check_path(&path, &lenient(), Format::Extraction, &rows, &faults);
}

//! Batch files instead of a server.

use std::path::Path;

use ner_cot::batch::{BatchLimits, export_batch, import_batch};
use ner_cot::replay::replay;
use ner_cot::{Error, Journal, PipelineConfig, Plan, Selection, SelectionOptions};
use serde_json::{Value, json};

use crate::server::completion;
use crate::{source, temp};

/// Answers a file of requests as a batch service does, the last line first.
fn answer(requests: &Path, results: &Path) {
    let text = std::fs::read_to_string(requests).expect("readable");
    // Only a full file has errors, so that the rounds come to an end.
    let errors = if text.lines().count() == 3 { 2 } else { 0 };
    let lines = text.lines().rev().enumerate().map(|(i, line)| {
        let request: Value = serde_json::from_str(line).expect("a request");
        assert_eq!(request["url"], "/v1/chat/completions");
        let judge = request["body"]["model"] == "judge";
        let body = if judge { completion("", "{\"score\": 9}") } else { completion("\"Brel\" is a city that sleeps.", "{\"entities\": {\"city\": [\"Brel\"]}}") };
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let id = &request["custom_id"];
        let line = match (i, judge && i < errors) {
            (0, true) => json!({"custom_id": id, "response": {"status_code": 500, "body": {}}}),
            (1, true) => json!({"custom_id": id, "response": null, "error": {"code": "expired"}}),
            _ => json!({"id": "b", "custom_id": id, "response": {"status_code": 200, "body": body}, "error": null}),
        };
        line.to_string() + "\n"
    });
    std::fs::write(results, lines.collect::<String>()).expect("writable");
}

#[test]
fn rounds_of_files_give_the_dataset() {
    let (rows, dir) = (source(5), temp());
    let plan = Plan::new("teacher", "judge", PipelineConfig::default()).expect("valid");
    let selection = Selection::new(rows.as_slice(), SelectionOptions::default()).expect("rows");
    let journal = Journal::open(dir.path()).expect("opens");
    let (to, results) = (dir.path().join("batch"), dir.path().join("results.jsonl"));
    let limits = BatchLimits {
        requests: 3,
        ..BatchLimits::default()
    };
    let mut rounds = Vec::new();
    loop {
        let export = export_batch(&plan, &selection, &journal, &to, limits).expect("exports");
        if export.requests == 0 {
            break;
        }
        rounds.push((export.files.len(), export.requests));
        for file in &export.files {
            answer(file, &results);
            import_batch(&plan, &selection, &journal, &results).expect("imports");
        }
        assert!(rounds.len() < 10, "it comes to an end");
    }
    // In the judge's first file two results are errors, and are asked for again.
    assert_eq!(rounds, [(2, 5), (2, 5), (1, 2)]);
    let funnel = replay(&plan, &selection, &journal, None, &mut ()).expect("replays");
    assert_eq!((funnel.accepted, funnel.unfinished), (5, 0));
    let again = import_batch(&plan, &selection, &journal, &results).expect("imports twice");
    assert_eq!(again.answers, 0);
}

#[test]
fn foreign_results_are_left_out_and_broken_ones_named() {
    let (rows, dir) = (source(1), temp());
    let plan = Plan::new("teacher", "judge", PipelineConfig::default()).expect("valid");
    let selection = Selection::new(rows.as_slice(), SelectionOptions::default()).expect("rows");
    let journal = Journal::open(dir.path()).expect("opens");
    let results = dir.path().join("results.jsonl");
    let line = json!({"custom_id": "request-1", "response": {"status_code": 200, "body": {}}});
    std::fs::write(&results, format!("{line}\n\nnonsense\n")).expect("writable");
    let error = import_batch(&plan, &selection, &journal, &results).expect_err("nonsense");
    assert!(matches!(error, Error::BatchLine { line: 3, .. }), "{error}");
    std::fs::write(&results, line.to_string()).expect("writable");
    let import = import_batch(&plan, &selection, &journal, &results).expect("imports");
    assert_eq!((import.foreign, import.answers), (1, 0));
    assert!(journal.is_empty());
}

#[test]
fn a_refusal_of_one_request_is_not_exported_again() {
    let (rows, dir) = (source(2), temp());
    let plan = Plan::new("teacher", "judge", PipelineConfig::default()).expect("valid");
    let selection = Selection::new(rows.as_slice(), SelectionOptions::default()).expect("rows");
    let journal = Journal::open(dir.path()).expect("opens");
    let (to, results) = (dir.path().join("batch"), dir.path().join("results.jsonl"));
    let limits = BatchLimits::default();
    let export = export_batch(&plan, &selection, &journal, &to, limits).expect("exports");
    let requests = std::fs::read_to_string(&export.files[0]).expect("readable");
    let filter = json!({"error": {"code": "content_filter", "message": "no"}});
    let vague = json!({"error": {"message": "something"}});
    let lines = requests.lines().zip([filter, vague]).map(|(line, body)| {
        let request: Value = serde_json::from_str(line).expect("a request");
        let response = json!({"status_code": 400, "body": body});
        json!({"custom_id": request["custom_id"], "response": response}).to_string() + "\n"
    });
    std::fs::write(&results, lines.collect::<String>()).expect("writable");
    let import = import_batch(&plan, &selection, &journal, &results).expect("imports");
    assert_eq!(
        (import.failed, import.refused),
        (2, 1),
        "{:?}",
        import.errors
    );
    assert_eq!(import.errors[0], "line 1: status 400: no");
    let export = export_batch(&plan, &selection, &journal, &to, limits).expect("exports");
    assert_eq!(export.requests, 1, "what does not say why is asked again");
    assert_eq!((export.funnel.failed, export.funnel.unfinished), (1, 1));
    let again = import_batch(&plan, &selection, &journal, &results).expect("imports twice");
    assert_eq!((again.failed, again.refused), (2, 1));
    let limits = BatchLimits {
        retry_failed: true,
        ..limits
    };
    let export = export_batch(&plan, &selection, &journal, &to, limits).expect("exports");
    assert_eq!(export.requests, 2, "the refused one waits again by wish");
    answer(&export.files[0], &results);
    let import = import_batch(&plan, &selection, &journal, &results).expect("imports");
    assert_eq!(import.answers, 2, "an answer counts more than the refusal");
}

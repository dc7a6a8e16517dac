//! The command on files written here.

use std::path::Path;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: ScoreArgs,
}

const GOLD: &str = r#"{"guid":"a","dataset":"one","sentence":"Brel met Oslin.","schema":["city","person","misc"],"entities":[{"text":"Brel","label":"City"},{"text":"Oslin","label":"person"},{"text":"met","label":"misc"}]}
{"guid":"b","dataset":"two","sentence":"Vask slept.","schema":["city"],"entities":[{"text":"Vask","label":"city"}]}
"#;

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("writable");
    path.to_str().expect("UTF-8").into()
}

/// Scores predictions, with more flags.
fn output(predictions: &str, more: &[&str]) -> Result<Output> {
    let dir = tempfile::tempdir().expect("a folder");
    let gold = write(dir.path(), "gold.jsonl", GOLD);
    let predictions = write(dir.path(), "predictions.jsonl", predictions);
    let mut line = vec!["score", "--gold", &gold, "--predictions", &predictions];
    line.extend(more);
    let other = write(
        dir.path(),
        "other.jsonl",
        "{\"index\":0,\"entities\":[]}\n{\"index\":1,\"entities\":[]}\n",
    );
    if more.contains(&"--json") {
        line.extend(["--compare", &other]);
    }
    let args = Cli::try_parse_from(line).expect("valid flags").args;
    let gold = Gold::read(Path::new(&gold), args.filter, &args.input)?;
    let answered = gold.answer(Path::new(&predictions), args.unmatched, args.reader.into())?;
    score(&args, &gold, &answered)
}

const BY_GUID: &str = r#"{"guid":"b","completion":"<think>x</think>{\"entities\": {\"city\": [\"Vask\"]}}"}
{"guid":"a","entities":[{"text":"brel","label":"city"},{"text":"Oslin","label":"city"}]}
"#;

#[test]
fn predictions_are_found_by_guid_dataset_index_or_line() {
    let found = |predictions| output(predictions, &[]).expect("scored").report.tally;
    let by_guid = found(BY_GUID);
    assert_eq!(
        (by_guid.correct, by_guid.predicted(), by_guid.gold()),
        (2, 3, 3)
    );
    let by_dataset = BY_GUID
        .replace("\"guid\":\"b\"", "\"dataset\":\"two\",\"index\":0")
        .replace("\"guid\":\"a\"", "\"dataset\":\"one\",\"index\":0");
    assert_eq!(found(&by_dataset), by_guid);
    let by_index = BY_GUID
        .replace("\"guid\":\"b\"", "\"index\":1")
        .replace("\"guid\":\"a\"", "\"index\":0");
    assert_eq!(found(&by_index), by_guid);
    let lines: Vec<&str> = by_index.lines().rev().collect();
    let by_line = lines
        .join("\n")
        .replace("\"index\":1,", "")
        .replace("\"index\":0,", "");
    assert_eq!(found(&by_line), by_guid);
}

#[test]
fn rows_without_a_partner_are_named_and_can_be_skipped() {
    let predictions = "\n{\"guid\":\"z\",\"entities\":[]}\n{\"guid\":\"a\",\"entities\":[]}\n";
    let error = output(predictions, &[])
        .err()
        .expect("no such sentence")
        .to_string();
    assert!(
        error.contains("predictions.jsonl:2") && error.contains("\"z\""),
        "{error}"
    );
    let error = output("{\"guid\":\"a\",\"entities\":[]}\n", &[])
        .err()
        .expect("b is missing");
    assert!(error.to_string().contains("guid \"b\""), "{error}");
    let skipped = output(predictions, &["--unmatched", "skip"]).expect("scored");
    assert_eq!(skipped.sentences_without_prediction, 1);
    assert_eq!(skipped.predictions_without_sentence, 1);
    assert_eq!(skipped.report.sentences, 1);
}

#[test]
fn faulty_rows_name_file_and_line() {
    for (row, says) in [
        ("{\"guid\":\"a\"}", "neither"),
        (
            "{\"guid\":\"a\",\"entities\":[],\"completion\":\"\"}",
            "both",
        ),
        ("nonsense", "JSON object"),
        (
            "{\"guid\":\"a\",\"entities\":[]}\n{\"guid\":\"a\",\"entities\":[]}",
            "second",
        ),
    ] {
        let error = format!("{:#}", output(row, &[]).err().expect("a faulty row"));
        assert!(
            error.contains("predictions.jsonl:") && error.contains(says),
            "{error}"
        );
    }
}

#[test]
fn the_filter_decides_about_placeholders() {
    let kept = output(BY_GUID, &["--filter", "none"]).expect("scored");
    assert_eq!(kept.report.tally.gold(), 4);
}

#[test]
fn tables_and_comparison_are_printed() {
    let output = output(BY_GUID, &["--json", "--resamples", "50"]).expect("scored");
    let text = table::render(
        &output,
        &[
            By::Type,
            By::Errors,
            By::Confusion,
            By::Dataset,
            By::Density,
        ],
    );
    for part in [
        "reasoningie",
        "city",
        "person",
        "outside_schema",
        "person -> city",
        "two",
        "randomisation p",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        serde_json::to_value(&output).expect("JSON")["comparison"]["paired_bootstrap"].is_object()
    );
}

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

/// Scores predictions under each preset of the flags.
fn outputs(predictions: &str, more: &[&str]) -> Result<Vec<Output>> {
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
    score_all(&args, &gold, Path::new(&predictions))
}

/// Scores predictions under the first preset of the flags.
fn output(predictions: &str, more: &[&str]) -> Result<Output> {
    Ok(outputs(predictions, more)?.remove(0))
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

const WITH_MISC: &str = r#"{"guid":"b","entities":[{"text":"Vask","label":"city"}]}
{"guid":"a","entities":[{"text":"Brel","type":"city"},{"text":"Oslin","label":"person"},{"name":"met","label":"MISC"}]}
"#;

#[test]
fn the_filter_concerns_both_sides_except_in_the_papers_preset_and_says_so() {
    let all = outputs(WITH_MISC, &["--scorer", "all"]).expect("scored");
    assert_eq!(all.len(), Scorer::ALL.len());
    for output in &all {
        let is_paper = output.scorer == Scorer::ReasoningIe;
        // The preset that compares labels as they are written finds "city" where the filter left "city" too.
        let expected = if is_paper { 6.0 / 7.0 } else { 1.0 };
        assert!(
            (output.report.micro.f1 - expected).abs() < 1e-9,
            "{}",
            output.scorer
        );
        let text = table::render(std::slice::from_ref(output), &[]);
        assert!(
            text.contains("1 gold entities") && text.contains("--filter none"),
            "{text}"
        );
        assert_eq!(
            text.contains("1 predictions of them count as errors"),
            is_paper,
            "{text}"
        );
        assert_eq!(
            text.contains("and 1 predictions removed"),
            !is_paper,
            "{text}"
        );
    }
    let kept = output(WITH_MISC, &["--filter", "none"]).expect("scored");
    assert_eq!(
        (kept.report.tally.gold(), kept.filtered),
        (4, Filtered::default())
    );
    assert_eq!(kept.f1_percent, 100.0);
}

#[test]
fn several_presets_share_one_table_and_make_a_list() {
    let all = outputs(
        BY_GUID,
        &["--scorer", "strict,reasoningie", "--scorer", "strict"],
    );
    let all = all.expect("scored");
    let names: Vec<&str> = all.iter().map(|output| output.scorer.name()).collect();
    assert_eq!(names, ["strict", "reasoningie"]);
    let text = table::render(&all, &[By::Type]);
    for part in [
        "matched by id",
        "== strict\n",
        "== reasoningie\n",
        "macro F1",
        "strict       ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Files come back from other programs in any order, and sentences are what they keep.
#[test]
fn predictions_are_matched_by_their_sentence_or_refused() {
    let of = |sentence: &str, label: &str| {
        let text = sentence.split(' ').next().unwrap_or_default();
        format!(
            "{{\"sentence\":\"{sentence}\",\"entities\":[{{\"text\":\"{text}\",\"label\":\"{label}\"}}]}}\n"
        )
    };
    let (a, b) = (of("Brel met  Oslin.", "city"), of("Vask slept.", "city"));
    let shuffled = output(&format!("{b}{a}"), &[]).expect("scored");
    assert_eq!(shuffled.matched_by, MatchedBy::Sentence);
    assert_eq!(shuffled.report.tally.correct, 2);
    let error = output(&format!("{a}{}", of("Nobody slept.", "city")), &[]);
    let error = error.err().expect("another sentence").to_string();
    for words in [
        "predictions.jsonl:2",
        "Nobody slept.",
        "1 examples have no prediction",
        "matched by line",
        "matched by sentence",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    let nothing = of("Nobody slept.", "city");
    let error = output(&nothing, &["--unmatched", "skip"])
        .err()
        .expect("nothing fits");
    assert!(
        error.to_string().contains("no prediction belongs"),
        "{error}"
    );
    // An id that contradicts the sentence is not believed.
    let contradicting = b
        .replace('{', "{\"guid\":\"a\",")
        .replacen("[{\"guid\":\"a\",", "[{", 1);
    let error = output(&contradicting, &[]).err().expect("a contradiction");
    assert!(
        error.to_string().contains("the id of another sentence"),
        "{error}"
    );
}

/// What the predictions state about places counts where places are compared.
#[test]
fn gold_and_predictions_come_in_any_format() {
    let dir = tempfile::tempdir().expect("a folder");
    let bio = "Brel\tB-city\nmet\tO\nBrel\tB-person\n\n";
    let gold = write(dir.path(), "gold.conll", bio);
    let gold = Gold::read(Path::new(&gold), Filter::Paper, &InputArgs::default()).expect("BIO");
    let score = |name: &str, text: &str| {
        let path = write(dir.path(), name, text);
        let line = ["score", "--scorer", "strict"];
        let args = Cli::try_parse_from(line).expect("valid flags").args;
        score_all(&args, &gold, Path::new(&path))
            .expect("scored")
            .remove(0)
    };
    assert_eq!(score("same.conll", bio).f1_percent, 100.0);
    let turned = r#"{"text":"Brel met Brel","entities":[{"text":"Brel","type":"person","start":0,"end":4},{"text":"Brel","type":"city","start":9,"end":13}]}"#;
    assert_eq!(score("turned.jsonl", turned).f1_percent, 0.0);
    let off = turned.replace(":0,\"end\":4", ":1,\"end\":5");
    assert_eq!(score("off.jsonl", &off).predictions_with_wrong_offsets, 1);
    let doccano = r#"{"text":"Brel met Brel","label":[[0,4,"city"],[9,13,"person"]]}"#;
    assert_eq!(score("doccano.jsonl", doccano).f1_percent, 100.0);
}

/// The filter writes the labels of gold in lower case, so those of predictions are too.
#[test]
fn a_file_with_capital_labels_is_right_against_itself_under_every_scorer() {
    let dir = tempfile::tempdir().expect("a folder");
    let bio = "Mira\tB-PER\nDolan\tI-PER\nleft\tO\nBrel\tB-LOC\n\n";
    let path = write(dir.path(), "gold.conll", bio);
    let gold = Gold::read(Path::new(&path), Filter::Paper, &InputArgs::default()).expect("BIO");
    let line = ["score", "--scorer", "all"];
    let args = Cli::try_parse_from(line).expect("valid flags").args;
    for output in score_all(&args, &gold, Path::new(&path)).expect("scored") {
        assert_eq!(output.f1_percent, 100.0, "{:?}", output.scorer);
    }
}

#[test]
fn tables_and_comparison_are_printed() {
    let output = output(BY_GUID, &["--json", "--resamples", "50"]).expect("scored");
    let text = table::render(
        std::slice::from_ref(&output),
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

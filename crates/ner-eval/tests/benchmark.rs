//! The paper's scorer on predictions for all 6,470 test sentences of the seven sets, where they are at hand.

use std::path::{Path, PathBuf};

use ner_eval::faults::read_predictions_for;
use ner_eval::load::{LoadedSuite, OnFault};
use ner_eval::prediction::read_predictions;
use ner_eval::score::score_predictions;
use ner_eval::{EvalOptions, EvalResult, ReportSettings, RunReport, Suite, SuiteSpec};
use ner_score::mean::round_2;
use serde_json::Value;

/// The folder of data and reference values: `RNER_SHARED`, or `../shared` seen from the repository's root.
fn shared() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("RNER_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let is_there = ["datasets", "parity/benchmark"]
        .iter()
        .all(|path| root.join(path).exists());
    if !is_there {
        println!(
            "skipped: {} lacks datasets or parity/benchmark",
            root.display()
        );
    }
    is_there.then_some(root)
}

fn check(result: &EvalResult, expected: &Value) {
    for set in &result.sets {
        assert_eq!(
            Some(round_2(set.f1)),
            expected["f1"][&set.name].as_f64(),
            "{}",
            set.name
        );
        assert!(
            set.interval.contains(set.f1),
            "{}: {:?}",
            set.name,
            set.interval
        );
    }
    assert_eq!(
        Some(result.mean_f1_paper),
        expected["f1"]["average"].as_f64()
    );
    assert!(
        (result.mean_f1 - result.mean_f1_paper).abs() <= 0.01,
        "{}",
        result.mean_f1
    );
}

#[test]
fn f1_is_that_of_the_papers_scorer() {
    let Some(shared) = shared() else { return };
    let text =
        std::fs::read_to_string(shared.join("parity/benchmark/expected.json")).expect("readable");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let suite = Suite::benchmark(&shared.join("datasets")).expect("the seven sets");
    let predictions =
        read_predictions(&shared.join("parity/benchmark/predictions.jsonl")).expect("readable");
    let start = std::time::Instant::now();
    let result = score_predictions(&suite, predictions, &EvalOptions::default())
        .expect("predictions of the suite");
    println!(
        "scored in {:.3} s, bootstrap included",
        start.elapsed().as_secs_f64()
    );
    assert!(result.complete);
    check(&result, &expected);
}

fn expected(shared: &Path) -> Value {
    let text =
        std::fs::read_to_string(shared.join("parity/benchmark/expected.json")).expect("readable");
    serde_json::from_str(&text).expect("JSON")
}

/// The shipped suite under a folder, with the reference predictions scored in full.
fn report(shared: &Path, data: &Path, predictions: &Path) -> (LoadedSuite, RunReport) {
    let spec = SuiteSpec::find("crossner-mit").expect("shipped");
    let mut loaded = spec
        .load_data(data, OnFault::Fatal)
        .expect("the seven sets");
    let checked = read_predictions_for(&mut loaded, predictions, OnFault::Fatal)
        .unwrap_or_else(|error| panic!("{}: {error}", shared.display()));
    let settings = ReportSettings {
        system: "reference".into(),
        ..ReportSettings::default()
    };
    let start = std::time::Instant::now();
    let report = RunReport::new(&loaded, checked.predictions, vec![], None, &settings)
        .expect("predictions of the suite");
    println!(
        "{}: scored and analysed under all presets in {:.2} s",
        data.display(),
        start.elapsed().as_secs_f64()
    );
    (loaded, report)
}

#[test]
fn both_layouts_give_the_same_scores() {
    let Some(shared) = shared() else { return };
    let predictions = shared.join("parity/benchmark/predictions.jsonl");
    let bio = tempfile::tempdir().expect("a folder");
    for set in ["crossner", "mit-movie", "mit-restaurant"] {
        link(&shared.join("datasets").join(set), &bio.path().join(set));
    }
    for data in [
        shared.join("datasets/instructuie-format"),
        shared.join("datasets"),
        bio.path().into(),
    ] {
        let (loaded, report) = report(&shared, &data, &predictions);
        check(&report.result, &expected(&shared));
        assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
        let counted = report
            .analysis
            .sets
            .iter()
            .map(|set| round_2(set.report.micro.f1 * 100.0));
        let scored = report.result.sets.iter().map(|set| round_2(set.f1));
        assert!(counted.eq(scored), "the report counts as the score does");
    }
}

/// Copies a folder of text files, as links are not to be had everywhere.
fn link(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("listed").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            link(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}

#[test]
fn predictions_without_the_last_sentences_are_those_of_the_other_copy() {
    let Some(shared) = shared() else { return };
    let text = std::fs::read_to_string(shared.join("parity/benchmark/predictions.jsonl"))
        .expect("readable");
    let last = [
        ("mit-movie", 2442),
        ("mit-restaurant", 1520),
        ("CrossNER_politics", 650),
    ];
    let is_last = |line: &&str| {
        let value: Value = serde_json::from_str(line).expect("JSON");
        last.iter()
            .any(|(set, index)| value["dataset"] == *set && value["index"] == *index)
    };
    let lines: Vec<&str> = text.lines().filter(|line| !is_last(line)).collect();
    assert_eq!(lines.len(), 6_467);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("predictions.jsonl");
    std::fs::write(&path, lines.join("\n")).expect("written");
    let (loaded, report) = report(&shared, &shared.join("datasets"), &path);
    assert!(report.result.complete);
    assert_eq!(loaded.notes.len(), 3, "{:?}", loaded.notes);
}

#[test]
fn the_page_of_the_benchmark_has_the_papers_rows() {
    let Some(shared) = shared() else { return };
    let predictions = shared.join("parity/benchmark/predictions.jsonl");
    let (loaded, report) = report(&shared, &shared.join("datasets"), &predictions);
    let dir = std::env::var_os("RNER_EVAL_PAGE").map(PathBuf::from);
    let kept = tempfile::tempdir().expect("a folder");
    let files = report
        .write(&loaded, dir.as_deref().unwrap_or(kept.path()))
        .expect("written");
    let html = std::fs::read_to_string(files.page).expect("readable");
    println!("page of {} bytes", html.len());
    for row in [
        "ReasoningNER 8B ♣",
        "InstructUIE 11B",
        "DiZiNER",
        "programlang",
    ] {
        assert!(html.contains(row), "{row}");
    }
}

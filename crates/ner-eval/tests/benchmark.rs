//! The paper's scorer on predictions for all 6,470 test sentences of the seven sets, where they are at hand.

use std::path::PathBuf;

use ner_eval::{EvalOptions, EvalResult, Suite, read_predictions, score_predictions};
use ner_score::round_2;
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

//! What is compared of two runs that did not answer everything, and how little a p-value can say.

use ner_eval::EvalOptions;
use ner_eval::compare::{Comparison, RunScores, SetScores, compare_runs};
use ner_eval::load::OnFault;
use ner_score::Scorer;

/// A set of which the first sentences are right, the others wrong.
fn set(name: &str, n_right: usize, n_wrong: usize) -> SetScores {
    let n = n_right + n_wrong;
    SetScores {
        name: name.into(),
        index: (0..n).collect(),
        tp: (0..n).map(|i| usize::from(i < n_right)).collect(),
        predicted: vec![1; n],
        gold: vec![1; n],
    }
}

fn run(sets: Vec<SetScores>) -> RunScores {
    RunScores {
        scorer: Scorer::ReasoningIe,
        sets,
    }
}

fn compare(first: &RunScores, second: &RunScores) -> Comparison {
    let options = EvalOptions {
        resamples: 99,
        ..EvalOptions::default()
    };
    compare_runs(first, second, &options, OnFault::Fatal).expect("comparable")
}

#[test]
fn sets_without_answers_leave_the_mean_and_are_named_once() {
    let [empty, other] = ["empty", "other"].map(|name| set(name, 0, 0));
    let first = run(vec![
        set("ai", 30, 10),
        empty.clone(),
        set("other", 1, 1),
        set("only a", 1, 0),
    ]);
    let second = run(vec![set("ai", 20, 20), empty, other]);
    let gains = compare(&first, &second);
    assert_eq!(gains.sets.len(), 1);
    assert!((gains.mean.gain + 25.0).abs() < 1e-9, "{:?}", gains.mean);
    assert_eq!(gains.unanswered_sets, ["empty", "other"]);
    assert_eq!(gains.unpaired_sets, ["only a"]);
    let text = gains.to_text("a", "b");
    for line in [
        "Left out, as a run answered nothing of them: empty, other.\n",
        "Left out, as one run alone has them: only a.\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(
        !text.contains("mean"),
        "the mean of one set is that set: {text}"
    );
    let html = gains.to_html("a", "b").expect("a page");
    assert!(
        html.contains("empty, other"),
        "what is left out stands on the page too"
    );
}

/// With 99 rounds no p-value can be below 0.01, so none is said to be it.
#[test]
fn a_p_value_at_the_floor_is_a_bound() {
    let first = run(vec![set("north", 0, 50), set("south", 25, 25)]);
    let second = run(vec![set("north", 50, 0), set("south", 25, 25)]);
    let text = compare(&first, &second).to_text("a", "b");
    let line = |name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
    };
    for p in ["≤0.0100", "≤0.0200"] {
        assert!(line("north").contains(p), "{text}");
    }
    assert!(
        line("south").contains(" 1.0000") && !line("south").contains('≤'),
        "{text}"
    );
}

//! The steps of an ablation on made-up counts: seeds are paired, sentences stay together, Holm corrects.

use ner_eval::compare::{RunScores, SetScores};
use ner_eval::steps::{SeedScores, Steps, compare_steps};
use ner_eval::{Error, EvalOptions};
use ner_score::Scorer;

const OPTIONS: EvalOptions = EvalOptions {
    batch_size: 1,
    resamples: 1999,
    seed: 1,
};

/// Two sets of so many sentences with ten gold pairs each; `tp` says how many of them a sentence's answer has.
fn run(sentences: usize, tp: impl Fn(usize) -> usize) -> RunScores {
    let set = |name: &str| SetScores {
        name: name.into(),
        index: (0..sentences).collect(),
        tp: (0..sentences).map(&tp).collect(),
        predicted: vec![10; sentences],
        gold: vec![10; sentences],
    };
    RunScores {
        scorer: Scorer::default(),
        sets: vec![set("north"), set("south")],
    }
}

fn of<'a>(name: &'a str, seed: impl Into<Option<u64>>, scores: &'a RunScores) -> SeedScores<'a> {
    SeedScores {
        name,
        seed: seed.into(),
        scores,
    }
}

/// A base model, a method with three seeds that is better everywhere, and one that differs from it by chance.
fn steps() -> Steps {
    let base = run(100, |i| i % 3);
    let luck = |i: usize, seed: usize| usize::from(i < 4 * seed);
    let tuned = [0, 1, 2].map(|seed| run(100, move |i| 5 + i % 3 + luck(i, seed)));
    // The answers of the sentence beside, with every seed.
    let more = [0, 1, 2].map(|seed| run(100, move |i| 5 + (i ^ 1) % 3 + luck(i, 2 - seed)));
    let mut runs = vec![of("base", None, &base)];
    for (at, scores) in tuned.iter().enumerate() {
        runs.push(of("tuned", 42 + at as u64, scores));
    }
    // In another order: the seeds decide which runs belong together.
    for (at, scores) in more.iter().enumerate().rev() {
        runs.push(of("more", 42 + at as u64, scores));
    }
    let pairs = [("base", "tuned"), ("tuned", "more"), ("more", "absent")];
    compare_steps(&runs, &pairs, &OPTIONS).expect("the same sentences")
}

#[test]
fn a_base_model_is_compared_with_every_seed_and_seeds_with_their_own() {
    let steps = steps().steps;
    assert_eq!(steps.len(), 2, "a row that was not made has no step");
    let first = &steps[0];
    assert_eq!((first.from.as_str(), first.to.as_str()), ("base", "tuned"));
    assert_eq!(
        (first.seeds.as_slice(), first.sentences),
        (&[42, 43, 44][..], 200)
    );
    // Of 100 sentences 34 give 0, 33 give 1 and 33 give 2 of ten pairs: F1 9.9. Tuned, seed 42: 5 pairs more, 59.9.
    assert!((first.first - 9.9).abs() < 1e-9, "{first:?}");
    assert!((first.by_seed[0] - 50.0).abs() < 1e-9, "{first:?}");
    assert!((first.gain - (first.second - first.first)).abs() < 1e-9);
    assert!(
        first.interval.low > 45.0 && first.interval.high < 55.0,
        "{first:?}"
    );
    assert_eq!(first.p_value, 1.0 / 2000.0);
}

#[test]
fn holm_corrects_for_the_steps_that_were_made() {
    let steps = steps().steps;
    let (shown, chance) = (&steps[0], &steps[1]);
    assert_eq!(shown.p_holm, 2.0 * shown.p_value);
    assert_eq!(
        chance.p_holm, chance.p_value,
        "the largest of two is not changed"
    );
    assert!(chance.p_value > 0.05, "{chance:?}");
    assert!(
        shown
            .over_seeds
            .is_some_and(|test| test.df == 2 && test.p_value < 0.001)
    );
}

#[test]
fn the_text_names_the_steps_and_what_the_tests_hold_for() {
    let text = steps().to_text();
    for part in [
        "base → tuned",
        "tuned → more",
        "on 200 sentences with 3 seeds",
        "given these models",
        "corrects for 2 steps",
        "t-test over the seeds",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(Steps::default().to_text(), "");
    let (a, b) = (run(30, |_| 5), run(30, |_| 6));
    let runs = [of("a", 1, &a), of("b", 1, &b)];
    let one = compare_steps(&runs, &[("a", "b")], &OPTIONS).expect("the same sentences");
    assert_eq!(one.steps[0].over_seeds, None);
    assert!(one.to_text().contains("with 1 seed."), "{}", one.to_text());
    assert!(
        one.to_text().contains("too few for a test over seeds"),
        "{}",
        one.to_text()
    );
}

#[test]
fn other_sentences_are_refused() {
    let (a, longer) = (run(30, |_| 5), run(31, |_| 5));
    let error = compare_steps(
        &[of("a", 1, &a), of("b", 1, &longer)],
        &[("a", "b")],
        &OPTIONS,
    );
    assert!(matches!(error, Err(Error::Unpaired { .. })), "{error:?}");
    // Both methods of seed 2 were scored on other sentences than those of seed 1.
    let mut other = a.clone();
    other.sets[0].gold[3] = 9;
    let runs = [
        of("a", 1, &a),
        of("b", 1, &a),
        of("a", 2, &other),
        of("b", 2, &other),
    ];
    let error = compare_steps(&runs, &[("a", "b")], &OPTIONS);
    assert!(
        matches!(error, Err(Error::OtherGold { index: 3, .. })),
        "{error:?}"
    );
}

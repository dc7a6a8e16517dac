//! The edge cases of the rewards, one by one.

use super::*;

fn schema() -> Vec<String> {
    ["Person", "music genre", "misc"].map(String::from).to_vec()
}

fn gold() -> Vec<Entity> {
    vec![
        Entity::new("Ann Holt", "person"),
        Entity::new("Hill Jazz", "music genre"),
    ]
}

#[track_caller]
fn check(completion: &str, f1: f64, schema_reward: f64) {
    let reward = score(completion, &schema(), &gold(), &RewardWeights::default());
    assert_eq!(
        (reward.f1, reward.schema),
        (f1, schema_reward),
        "{completion:?}"
    );
    assert_eq!(reward.total, 10.0 * f1 + schema_reward, "{completion:?}");
}

#[test]
fn right_answers() {
    let answer = r#"{"entities": {"person": ["Ann Holt"], "music genre": ["Hill Jazz"]}}"#;
    check(answer, 1.0, 1.0);
    check(&format!("<think>\nwhy\n</think>\n{answer}"), 1.0, 1.0);
    check(
        &format!("<think>a</think><think>b</think>{answer}"),
        1.0,
        1.0,
    );
    check(
        &format!("no opening</think><answer>{answer}</answer> after"),
        1.0,
        1.0,
    );
    check(&format!("before\n```json\n{answer}\n```\nafter"), 1.0, 1.0);
    check(&format!("<answer>x```json{answer}```y</answer>"), 1.0, 1.0);
}

#[test]
fn labels_are_normalised_and_texts_are_compared_as_sets() {
    check(
        r#"{"entities": {" PERSON ": ["ann holt", "The Ann Holt", "Ann Holt!"], "Music Genre": ["hill  jazz"]}}"#,
        1.0,
        1.0,
    );
    check(r#"{"entities": {"person": ["Ann Holt"]}}"#, 2.0 / 3.0, 1.0);
}

#[test]
fn labels_outside_the_schema() {
    check(
        r#"{"entities": {"person": ["Ann Holt"], "music genre": ["Hill Jazz"], "city": ["Rome", "Bern"]}}"#,
        2.0 / 3.0,
        0.0,
    );
    check(
        r#"{"entities": {"person": ["Ann Holt"], "music genre": ["Hill Jazz"], "city": []}}"#,
        1.0,
        1.0,
    );
    // A placeholder label is not part of the schema although the schema lists it.
    check(r#"{"entities": {"misc": ["Ann Holt"]}}"#, 0.0, 0.0);
}

#[test]
fn json_without_entities_earns_the_schema_reward() {
    for completion in [
        "{}",
        "[]",
        "42",
        "null",
        "NaN",
        "\"text\"",
        r#"{"entities": {}}"#,
        r#"{"person": ["Ann Holt"]}"#,
    ] {
        check(completion, 0.0, 1.0);
    }
    let empty_gold = score(
        r#"{"entities": {}}"#,
        &schema(),
        &[],
        &RewardWeights::default(),
    );
    assert_eq!(
        empty_gold,
        Breakdown {
            f1: 0.0,
            schema: 1.0,
            total: 1.0
        }
    );
}

#[test]
fn odd_shapes() {
    check(
        r#"{"entities": {"person": ["Ann Holt", 3, null, ["x"]], "music genre": ["Hill Jazz"]}}"#,
        1.0,
        1.0,
    );
    check(
        r#"{"entities": {"person": {"Ann Holt": 1}, "music genre": {"Hill Jazz": 2}}}"#,
        1.0,
        1.0,
    );
    let characters = score(
        r#"{"entities": {"person": "xyx"}}"#,
        &schema(),
        &[Entity::new("y", "person")],
        &RewardWeights::default(),
    );
    assert_eq!((characters.f1, characters.schema), (2.0 / 3.0, 1.0));
    for entities in [
        "[]",
        "null",
        "3",
        "\"x\"",
        r#"{"person": ["Ann Holt"], "music genre": null}"#,
        r#"{"person": 7}"#,
    ] {
        check(&format!("{{\"entities\": {entities}}}"), 0.0, 0.0);
    }
}

#[test]
fn unreadable_answers_earn_nothing() {
    let answer = r#"{"entities": {"person": ["Ann Holt"]}}"#;
    check("", 0.0, 0.0);
    check(&format!("Here it is: {answer}"), 0.0, 0.0);
    check(&format!("{answer}{answer}"), 0.0, 0.0);
    check(&format!("```\n{answer}\n```"), 0.0, 0.0);
    check(&answer[..answer.len() - 1], 0.0, 0.0);
    check(&format!("<think>never closed {answer}"), 0.0, 0.0);
    check(&format!("text before a lone </think>{answer}"), 0.0, 0.0);
    check(&format!("```json\n{answer}"), 0.0, 0.0);
    check(&format!("<answer>{answer}"), 0.0, 0.0);
}

#[test]
fn a_batch_is_its_items_and_weights_apply() {
    let completions = [r#"{"entities": {"person": ["Ann Holt"]}}"#, "{}", "x"];
    let weights = RewardWeights {
        f1: 3.0,
        schema: 0.5,
    };
    let batch = score_batch(&completions, &schema(), &gold(), &weights);
    let single: Vec<_> = completions
        .iter()
        .map(|text| score(text, &schema(), &gold(), &weights))
        .collect();
    assert_eq!(batch, single);
    assert_eq!(batch[0].total, 3.0 * (2.0 / 3.0) + 0.5);
}

proptest::proptest! {
    /// Any sequence of the pieces of which answers are made, and of others, is scored and stays in its range.
    #[test]
    fn every_text_is_scored(pieces in proptest::collection::vec(piece(), 0..24)) {
        let text = pieces.concat();
        let reward = score(&text, &schema(), &gold(), &RewardWeights::default());
        proptest::prop_assert!((0.0..=1.0).contains(&reward.f1), "{:?}", reward);
        proptest::prop_assert!(reward.schema == 0.0 || reward.schema == 1.0, "{:?}", reward);
        proptest::prop_assert_eq!(reward.total, 10.0 * reward.f1 + reward.schema);
    }
}

fn piece() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let known = proptest::sample::select(vec![
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "```json",
        "```",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\ud800",
        "\"entities\"",
        "\"person\"",
        "\"Ann Holt\"",
        "null",
        "NaN",
        "1e999",
        "\u{feff}",
        "\u{1c}",
        "İ",
    ]);
    prop_oneof![3 => known.prop_map(String::from), 1 => any::<String>()]
}

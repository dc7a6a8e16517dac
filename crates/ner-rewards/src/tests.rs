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
            total: 1.0,
            ..Breakdown::default()
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
    let target = Target::new(&schema(), &gold());
    let read = ner_types::parse(completions[0]);
    assert_eq!(target.score_parsed(&read, &weights), batch[0]);
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
        let target = Target::new(&schema(), &gold()).in_sentence("Ann Holt İ person");
        let all = target.score_with(&text, &everything());
        proptest::prop_assert_eq!((all.f1, all.schema), (reward.f1, reward.schema));
        proptest::prop_assert!((-1.0..=0.0).contains(&all.length), "{:?}", all);
        proptest::prop_assert!(all.format == 0.0 || all.format == 1.0, "{:?}", all);
        proptest::prop_assert!((0.0..=1.0).contains(&all.grounding), "{:?}", all);
        let sum = reward.total + 2.0 * all.length + 0.5 * all.format + 3.0 * all.grounding;
        proptest::prop_assert!((all.total - sum).abs() < 1e-12, "{:?}", all);
    }

    /// A better answer never earns less: adding a gold entity to an answer raises its F1.
    #[test]
    fn a_right_entity_raises_the_f1(wrong in proptest::collection::vec("[b-z]{2,8}", 0..6)) {
        let answer = |texts: &[String]| {
            let json = serde_json::json!({"entities": {"person": texts}});
            score(&json.to_string(), &schema(), &gold(), &RewardWeights::default()).f1
        };
        let mut with_right = wrong.clone();
        with_right.push("Ann Holt".into());
        proptest::prop_assert!(answer(&with_right) > answer(&wrong));
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

fn everything() -> RewardOptions {
    RewardOptions {
        extra: ExtraWeights {
            length: 2.0,
            format: 0.5,
            grounding: 3.0,
        },
        length_limit: LengthLimit { free: 40, max: 80 },
        ..RewardOptions::default()
    }
}

#[test]
fn the_total_is_the_weighted_sum() {
    let target = Target::new(&schema(), &gold()).in_sentence("Ann Holt plays Hill Jazz.");
    let answer = r#"<think>x</think>{"entities": {"person": ["Ann Holt"]}}"#;
    let rewards = target.score_with(answer, &everything());
    let parts = (
        rewards.f1,
        rewards.schema,
        rewards.format,
        rewards.grounding,
    );
    assert_eq!(parts, (2.0 / 3.0, 1.0, 1.0, 1.0));
    let length = -14.0 / 40.0;
    assert!((rewards.length - length).abs() < 1e-12);
    let total = 10.0 * (2.0 / 3.0) + 1.0 + 2.0 * length + 0.5 + 3.0;
    assert!((rewards.total - total).abs() < 1e-12, "{rewards:?}");
}

#[test]
fn further_rewards_are_off_by_default() {
    let target = Target::new(&schema(), &gold()).in_sentence("Ann Holt plays Hill Jazz.");
    let answer = r#"<think>x</think>{"entities": {"person": ["Ann Holt"]}}"#;
    let rewards = target.score_with(answer, &RewardOptions::default());
    assert_eq!(rewards, target.score(answer, &RewardWeights::default()));
    assert_eq!(
        (rewards.length, rewards.format, rewards.grounding),
        (0.0, 0.0, 0.0)
    );
}

#[test]
fn length_falls_from_free_to_max() {
    let target = Target::new(&schema(), &gold());
    let at = |chars: usize| target.score_with(&"é".repeat(chars), &everything());
    for (chars, expected) in [(0, 0.0), (40, 0.0), (60, -0.5), (80, -1.0), (10_000, -1.0)] {
        let rewards = at(chars);
        assert_eq!(rewards.length, expected, "{chars}");
        assert_eq!(rewards.total, 2.0 * expected, "{chars}");
    }
    let step = LengthLimit { free: 5, max: 0 };
    assert_eq!([step.value(5), step.value(6)], [0.0, -1.0]);
}

#[test]
fn format_is_reasoning_and_then_json_alone() {
    let target = Target::new(&schema(), &gold());
    let answer = r#"{"entities": {"city": ["x"]}}"#;
    for (text, expected) in [
        (format!("<think>\nwhy\n</think>\n{answer}"), 1.0),
        (format!(" <think>why</think>{answer}\n"), 1.0),
        (format!("<think> </think>{answer}"), 0.0),
        (answer.to_string(), 0.0),
        (format!("so <think>why</think>{answer}"), 0.0),
        (format!("<think>why</think>```json\n{answer}\n```"), 0.0),
        (format!("<think>why</think><answer>{answer}</answer>"), 0.0),
        (format!("<think>a</think><think>b</think>{answer}"), 0.0),
        (format!("<think>why</think>{answer}</think>"), 0.0),
        ("<think>why</think>[]".to_string(), 0.0),
        (
            r#"<think>why</think>{"entities": {"person": "Ann"}}"#.to_string(),
            0.0,
        ),
    ] {
        assert_eq!(
            target.score_with(&text, &everything()).format,
            expected,
            "{text}"
        );
    }
}

#[test]
fn grounding_is_the_share_of_entities_in_the_sentence() {
    let target = Target::new(&schema(), &gold()).in_sentence("Ann Holt plays “Hill  Jazz”.");
    let of = |target: &Target, texts: &str| {
        let answer = format!(r#"{{"entities": {{"person": [{texts}]}}}}"#);
        target.score_with(&answer, &everything()).grounding
    };
    assert_eq!(of(&target, r#""Ann Holt", "hill jazz""#), 1.0);
    assert_eq!(of(&target, r#""Ann Holt", "Ann Holt", "Ann Hold""#), 0.5);
    assert_eq!(of(&target, r#""Rome""#), 0.0);
    assert_eq!(of(&target, ""), 0.0);
    assert_eq!(of(&Target::new(&schema(), &gold()), r#""Ann Holt""#), 0.0);
    let no_gold = Target::new(&schema(), &[]).in_sentence("Nobody plays.");
    assert_eq!(of(&no_gold, ""), 1.0);
}

#[test]
fn the_reference_can_be_corrected() {
    let target = Target::new(&schema(), &[]);
    let corrected = RewardOptions {
        reward_empty: true,
        require_shape: true,
        ..RewardOptions::default()
    };
    let of = |text| {
        let rewards = target.score_with(text, &corrected);
        (rewards.f1, rewards.schema)
    };
    assert_eq!(of(r#"{"entities": {}}"#), (1.0, 1.0));
    assert_eq!(of(r#"{"entities": {"person": ["x"]}}"#), (0.0, 1.0));
    for text in ["{}", "[]", "42", ""] {
        assert_eq!(of(text), (0.0, 0.0), "{text}");
    }
}

#[test]
fn placeholders_may_stay_in_the_schema() {
    let target = Target::with_placeholders(&schema(), &gold(), ner_types::Placeholders::Keep);
    let rewards = target.score(
        r#"{"entities": {"misc": ["x"]}}"#,
        &RewardWeights::default(),
    );
    assert_eq!(rewards.schema, 1.0);
}

#[test]
fn many_items_are_scored_in_their_order() {
    let targets = [Target::new(&schema(), &gold()), Target::new(&schema(), &[])];
    let texts: Vec<String> = (0..2_000)
        .map(|n| format!(r#"<think>{n}</think>{{"entities": {{"person": ["Ann Holt", "{n}"]}}}}"#))
        .collect();
    let items: Vec<Item<'_>> = texts
        .iter()
        .enumerate()
        .map(|(n, completion)| Item {
            target: &targets[n % 2],
            completion,
        })
        .collect();
    let expected: Vec<_> = items
        .iter()
        .map(|item| item.target.score_with(item.completion, &everything()))
        .collect();
    assert_eq!(score_items(&items, &everything()), expected);
}

/// The completions of the table in the crate's head, and the same things said of relations.
#[test]
fn relations_and_events_earn_as_entities_do() {
    let schema = schema();
    let example = |relations, events| Example {
        sentence: "Ann Holt plays Hill Jazz".into(),
        schema: schema.clone(),
        entities: gold(),
        relations,
        events,
        ..Example::default()
    };
    let all = RewardOptions {
        extra: ExtraWeights {
            grounding: 1.0,
            format: 1.0,
            ..ExtraWeights::default()
        },
        ..RewardOptions::default()
    };
    let entities = Target::of(&example(None, None));
    let plain = Target::new(&schema, &gold()).in_sentence("Ann Holt plays Hill Jazz");
    for completion in [
        r#"{"entities": {"person": ["Ann Holt"]}}"#,
        r#"{"entities": {"city": ["Ann Holt", 1], "person": "Ann"}}"#,
        r#"{"relations": {"person": [["Ann Holt", "Hill Jazz"]]}}"#,
        "[]",
        "",
    ] {
        let earned = entities.score_with(completion, &all);
        assert_eq!(earned, plain.score_with(completion, &all), "{completion}");
    }
    let relations = vec![
        ner_types::Relation::new("person", "Ann Holt", "Hill Jazz"),
        ner_types::Relation::new("music genre", "Hill Jazz", "Ann"),
    ];
    let target = Target::of(&example(Some(relations), None));
    for (completion, f1, schema, grounding) in [
        (
            r#"{"relations": {"Person": [["the Ann Holt", "hill jazz"]]}}"#,
            2.0 / 3.0,
            1.0,
            0.5,
        ),
        (
            r#"{"relations": {"person": [["Hill Jazz", "Ann Holt"], ["x"]]}}"#,
            0.0,
            1.0,
            1.0,
        ),
        (r#"{"relations": {"city": []}}"#, 0.0, 1.0, 0.0),
        (r#"{"relations": {"city": [["Ann", "Bo"]]}}"#, 0.0, 0.0, 0.5),
        (r#"{"entities": {"person": ["Ann Holt"]}}"#, 0.0, 1.0, 0.0),
        (r#"{"relations": []}"#, 0.0, 0.0, 0.0),
        ("no", 0.0, 0.0, 0.0),
    ] {
        let earned = target.score_with(completion, &all);
        assert_eq!((earned.f1, earned.schema), (f1, schema), "{completion}");
        assert_eq!(earned.grounding, grounding, "{completion}");
    }
}

#[test]
fn a_role_outside_of_the_schema_costs_its_point() {
    let event = || ner_types::Event::new("hire", "hired").with("who", "Ann");
    let target = Target::of(&Example {
        schema: vec!["hire(who, by)".into()],
        events: Some(vec![event().with("by", "Acme")]),
        ..Example::default()
    });
    for (event, f1, schema) in [
        (event().with("by", "Acme"), 1.0, 1.0),
        (event().with("by", "Bo"), 2.0 / 3.0, 1.0),
        (event(), 0.8, 1.0),
        (event().with("when", "Acme"), 2.0 / 3.0, 0.0),
    ] {
        let completion = ner_types::render_structures(Task::Events, &[], &[event]);
        let earned = target.score(&completion, &RewardWeights::default());
        assert!((earned.f1 - f1).abs() < 1e-12, "{completion}: {earned:?}");
        assert_eq!(earned.schema, schema, "{completion}");
    }
}

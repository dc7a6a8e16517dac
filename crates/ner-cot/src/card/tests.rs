//! What a card says, and what it does not invent.

use super::*;
use crate::prompts::Prompts;

fn card() -> Card {
    let prompts = Prompts::default();
    let model = |name: &str, version: &str, prompt: &str| CardModel {
        model: name.into(),
        revision: Some("2026-08".into()),
        prompt_version: version.into(),
        prompt: prompt.into(),
        answers: 1_500,
        prompt_tokens: 700_000,
        completion_tokens: 300_000,
        dollars: Some(2.5),
        ..CardModel::default()
    };
    let counts = |name: &str, n| BTreeMap::from([(name.to_owned(), n)]);
    Card {
        name: "Brel | NER-CoT".into(),
        license: Some("cc-by-4.0".into()),
        languages: vec!["en".into()],
        data_files: vec!["ner-cot.parquet".into()],
        source: Some("the chronicle of Brel".into()),
        source_rows: 1_250,
        rows: 1_000,
        teacher: model(
            "teacher-1",
            prompts.teacher.version(),
            prompts.teacher.text(),
        ),
        judge: model("judge-1", prompts.judge.version(), prompts.judge.text()),
        threshold: 9.0,
        attempts: 3,
        rules: Rules::default().without(Rule::Language),
        judged: 1_400,
        accepted_at_threshold: [(7, 1_330), (8, 1_260), (9, 1_050), (10, 140)].into(),
        accepted_at_attempt: vec![900, 100],
        rejected_answers: counts("leak", 30),
        rejected_rows: counts("judge_score", 240),
        unfinished: 10,
        removed: CardRemoved {
            near_duplicates: Some(12),
            leakage: Some(counts("brel-test", 3)),
        },
        limits: vec!["Sentences of the fair only.".into()],
    }
}

#[track_caller]
fn has(card: &Card, lines: &[&str]) {
    let text = dataset_card(card);
    for line in lines {
        assert!(
            text.lines().any(|found| found.contains(line)),
            "no {line:?} in\n{text}"
        );
    }
}

#[test]
fn the_front_matter_is_what_the_hub_reads() {
    let text = dataset_card(&card());
    let (_, rest) = text.split_once("---\n").expect("an opening");
    let (yaml, _) = rest.split_once("---\n").expect("an end");
    let expected = "pretty_name: \"Brel | NER-CoT\"\nlicense: cc-by-4.0\nlanguage:\n- \"en\"\n\
        task_categories:\n- token-classification\nsize_categories:\n- 1K<n<10K\n\
        tags:\n- named-entity-recognition\n- chain-of-thought\n- synthetic\n\
        configs:\n- config_name: default\n  data_files:\n  - split: train\n    path:\n    - \"ner-cot.parquet\"\n";
    assert_eq!(yaml, expected);
}

#[test]
fn everything_given_is_said() {
    has(
        &card(),
        &[
            "# Brel \\| NER-CoT",
            "The sentences come from the chronicle of Brel.",
            "The source's licence is cc-by-4.0.",
            "| Teacher | teacher-1 | 2026-08 | unknown |",
            "Rules off: `language`.",
            "an answer is accepted at a score of 9 of 10",
            "1,000 of 1,250 source rows were accepted (80.0 %), 10 were left open.",
            "| 7 | 1,330 | 95.0 % |",
            "| 8 | 1,260 | 90.0 % |",
            "| 9 | 1,050 | 75.0 % |",
            "| 10 | 140 | 10.0 % |",
            "| 2 | 100 |",
            "| judge_score | 0 | 240 |",
            "| leak | 30 | 0 |",
            "Near-duplicates removed: 12.",
            "| brel-test | 3 |",
            "| Teacher | 1,500 | 700,000 | 300,000 | 1000 | 2.50 | 0.002500 |",
            "| Total | 3,000 | 1,400,000 | 600,000 | 2000 | 5.00 | 0.005000 |",
            "- Sentences of the fair only.",
            "You annotate sentences with named entities",
            "You check the work of an annotator",
        ],
    );
}

#[test]
fn nothing_is_invented() {
    let text = dataset_card(&Card::default());
    for line in [
        "license: unknown",
        "**Warning: the licence of the source is unknown.**",
        "The source of the sentences was not stated.",
        "Near-duplicates were not looked for. Overlap with evaluation data was not looked at.",
        "| 9 | – | – |",
        "| Total | 0 | 0 | 0 | – | unknown | – |",
        "- n<1K",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(!text.contains("language:") && !text.contains("configs:"));
    assert!(!text.contains("NaN") && !text.contains("inf"));
    let one_price = Card {
        judge: CardModel::default(),
        ..card()
    };
    has(
        &one_price,
        &["| Total | 1,500 | 700,000 | 300,000 | 1000 | unknown | – |"],
    );
}

#[test]
fn sizes_have_the_hubs_names() {
    for (rows, name) in [
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (45_787, "10K<n<100K"),
        (1_000_000, "1M<n<10M"),
    ] {
        assert_eq!(size_category(rows), name);
    }
}

#[test]
fn licences_are_spelt_as_the_hub_spells_them() {
    for (given, expected) in [
        ("MIT", "license: mit\n"),
        ("CC BY-NC 4.0", "license: cc-by-nc-4.0\n"),
        ("Apache-2.0", "license: apache-2.0\n"),
        ("ours: no", "license: other\nlicense_name: \"ours: no\"\n"),
    ] {
        assert_eq!(hub_license(given), expected);
    }
}

//! Answers without offsets against gold with places: right texts and labels are right in every preset.

use ner_score::{Scorer, Sentence, score_sentence};
use ner_types::{CharIndex, Entity, Example};
use proptest::prelude::*;

/// Presets that compare places.
const PRESETS: [Scorer; 6] = [
    Scorer::Strict,
    Scorer::GLiNer,
    Scorer::SeqevalStrict,
    Scorer::Exact,
    Scorer::Partial,
    Scorer::Type,
];

fn f1(scorer: Scorer, text: &str, gold: &[Entity], predicted: &[Entity]) -> f64 {
    let schema: Vec<String> = gold.iter().map(|entity| entity.label.clone()).collect();
    let sentence = Sentence {
        text,
        schema: &schema,
        gold,
        predicted,
        parse_failure: false,
    };
    score_sentence(scorer, &sentence)
        .tally
        .counts(scorer)
        .f1_percent()
}

#[test]
fn a_text_that_stands_several_times_is_right() {
    let text = include_str!("../../../fixtures/cases/same-text-two-labels/gold.jsonl");
    let gold: Example = serde_json::from_str(text).expect("an example");
    let text = include_str!("../../../fixtures/cases/same-text-two-labels/pred.jsonl");
    let predicted: serde_json::Value = serde_json::from_str(text).expect("a prediction");
    let predicted: Vec<Entity> =
        serde_json::from_value(predicted["entities"].clone()).expect("entities");
    for scorer in PRESETS {
        assert_eq!(
            f1(scorer, &gold.sentence, &gold.entities, &predicted),
            100.0,
            "{scorer}"
        );
    }
    // One label is wrong, and only that costs.
    let mut wrong = predicted;
    wrong[2].label = "team".into();
    let of = |scorer| f1(scorer, &gold.sentence, &gold.entities, &wrong);
    let third = 200.0 / 3.0;
    for (scorer, expected) in [
        (Scorer::Strict, third),
        (Scorer::Exact, 100.0),
        (Scorer::Type, third),
    ] {
        assert!(
            (of(scorer) - expected).abs() < 1e-9,
            "{scorer}: {}",
            of(scorer)
        );
    }
}

/// Words of a sentence, and mentions of them as first word, number of words and label.
fn annotated() -> impl Strategy<Value = (Vec<usize>, Vec<(usize, usize, usize)>)> {
    let words = prop::collection::vec(0..4_usize, 1..9);
    let mentions = prop::collection::vec((0..8_usize, 1..3_usize, 0..3_usize), 1..6);
    (words, mentions)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_whose_texts_and_labels_are_right_is_right((words, mentions) in annotated(), turn in 0..6_usize) {
        let word = |i: &usize| ["Brel", "Port", "Öze", "in"][*i];
        let text: Vec<&str> = words.iter().map(word).collect();
        let text = text.join(" ");
        let index = CharIndex::new(&text);
        let mut gold: Vec<Entity> = Vec::new();
        for (first, n, label) in mentions {
            let first = first % words.len();
            let last = (first + n - 1).min(words.len() - 1);
            let start: usize = words[..first].iter().map(|i| word(i).len() + 1).sum();
            let end = words[..=last].iter().map(|i| word(i).len() + 1).sum::<usize>() - 1;
            let span = index.span_of_bytes(start..end).expect("words");
            let entity = Entity::new(&text[start..end], ["x", "y", "z"][label]).at(span);
            if !gold.contains(&entity) {
                gold.push(entity);
            }
        }
        let mut answer: Vec<Entity> = gold.iter().map(|e| Entity::new(e.text.as_str(), e.label.as_str())).collect();
        let turn = turn % answer.len();
        answer.rotate_left(turn);
        for scorer in PRESETS {
            prop_assert_eq!(f1(scorer, &text, &gold, &answer), 100.0, "{} {} {:?}", scorer, text, gold);
        }
    }
}

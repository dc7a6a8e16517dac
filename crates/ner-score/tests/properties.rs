//! What must hold for any sentence under every preset.

use std::collections::HashMap;

use ner_score::randomization::approximate_randomization;
use ner_score::{
    EntitySet, ReportBuilder, ReportOptions, Scorer, Sentence, count, score_sentence, total,
};
use ner_types::Entity;
use proptest::prelude::*;

const TEXT: &str = "The Brel of Port Halvek met A. Öze in Port Brel; Öze left";
const TEXTS: [&str; 12] = [
    "Brel",
    "Port",
    "Port Halvek",
    "Halvek",
    "Öze",
    "A. Öze",
    "the",
    "brel",
    "Vask",
    "Brel; Öze",
    "",
    "Port Brel",
];
const LABELS: [&str; 4] = ["city", "Person ", "town", "City"];

fn entity() -> impl Strategy<Value = Entity> {
    (0..TEXTS.len(), 0..LABELS.len()).prop_map(|(t, l)| Entity::new(TEXTS[t], LABELS[l]))
}

fn side() -> impl Strategy<Value = Vec<Entity>> {
    prop::collection::vec(entity(), 0..9)
}

fn schema() -> Vec<String> {
    vec!["city".into(), "person".into()]
}

fn sentence<'a>(
    text: &'a str,
    schema: &'a [String],
    gold: &'a [Entity],
    predicted: &'a [Entity],
) -> Sentence<'a> {
    Sentence {
        text,
        schema,
        gold,
        predicted,
        parse_failure: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every false positive and every false negative belongs to exactly one error.
    #[test]
    fn errors_partition_what_is_wrong(gold in side(), predicted in side(), known: bool, failed: bool) {
        let schema = schema();
        let text = if known { TEXT } else { "" };
        for scorer in Scorer::ALL {
            let mut sentence = sentence(text, &schema, &gold, &predicted);
            sentence.parse_failure = failed;
            let score = score_sentence(scorer, &sentence);
            let tally = score.tally;
            let costs = |cost: fn(&ner_score::analysis::EntityError) -> bool| {
                score.errors.iter().filter(|e| cost(e)).count()
            };
            prop_assert_eq!(costs(|e| e.false_positive), tally.predicted() - tally.correct, "{}", scorer);
            prop_assert_eq!(costs(|e| e.false_negative), tally.gold() - tally.correct, "{}", scorer);
            // No entity is blamed twice.
            let mut blamed = HashMap::new();
            for error in &score.errors {
                if let Some(gold) = error.gold { *blamed.entry((0, gold)).or_insert(0) += 1; }
                if let Some(predicted) = error.predicted { *blamed.entry((1, predicted)).or_insert(0) += 1; }
            }
            if !matches!(scorer, Scorer::InstructUie | Scorer::B2Ner) {
                prop_assert!(blamed.values().all(|&n| n == 1), "{}: {:?}", scorer, score.errors);
            }
        }
    }

    /// Precision of one direction is recall of the other, where no preset filters predictions.
    #[test]
    fn sides_are_symmetric(gold in side(), predicted in side()) {
        for scorer in Scorer::ALL {
            let a = score_sentence(scorer, &sentence(TEXT, &[], &gold, &predicted)).tally;
            let b = score_sentence(scorer, &sentence(TEXT, &[], &predicted, &gold)).tally;
            if scorer != Scorer::GoLlie {
                prop_assert_eq!((a.correct, a.partial, a.gold(), a.predicted()), (b.correct, b.partial, b.predicted(), b.gold()));
            }
        }
    }

    /// Turning the lists round changes no number.
    #[test]
    fn the_order_does_not_matter(gold in side(), predicted in side()) {
        let schema = schema();
        let turned = |list: &[Entity]| list.iter().rev().cloned().collect::<Vec<_>>();
        for scorer in Scorer::ALL {
            let a = score_sentence(scorer, &sentence(TEXT, &schema, &gold, &predicted));
            let (gold, predicted) = (turned(&gold), turned(&predicted));
            let b = score_sentence(scorer, &sentence(TEXT, &schema, &gold, &predicted));
            prop_assert_eq!(a.tally, b.tally, "{}", scorer);
            let classes = |score: &ner_score::analysis::SentenceScore| {
                let mut classes: Vec<_> = score.errors.iter().map(|e| e.class).collect();
                classes.sort_unstable();
                classes
            };
            if !matches!(scorer, Scorer::InstructUie | Scorer::B2Ner) {
                prop_assert_eq!(classes(&a), classes(&b), "{}", scorer);
            }
        }
    }

    /// The fast path of the default preset counts what the full analysis counts.
    #[test]
    fn the_fast_path_agrees(gold in side(), predicted in side(), known: bool) {
        let text = if known { TEXT } else { "" };
        let score = score_sentence(Scorer::ReasoningIe, &sentence(text, &schema(), &gold, &predicted));
        let counts = score.tally.counts(Scorer::ReasoningIe);
        prop_assert_eq!(counts, count(&gold, &predicted));
        prop_assert_eq!(counts, EntitySet::new(&gold).compare(&EntitySet::new(&predicted)));
    }

    /// A perfect answer is perfect, and nervaluate's schemes are ordered.
    #[test]
    fn perfect_is_perfect_and_schemes_are_ordered(gold in side(), predicted in side()) {
        for scorer in Scorer::ALL {
            let tally = score_sentence(scorer, &sentence(TEXT, &[], &gold, &gold)).tally;
            let placed = gold.iter().all(|e| TEXT.to_lowercase().contains(&e.text.to_lowercase()) && !e.text.is_empty());
            if placed || !scorer.compares_spans() && scorer != Scorer::GoLlie {
                prop_assert_eq!(tally.correct, tally.gold(), "{}", scorer);
                prop_assert_eq!(tally.correct, tally.predicted(), "{}", scorer);
            }
        }
        let of = |scorer| score_sentence(scorer, &sentence(TEXT, &[], &gold, &predicted)).tally.correct;
        prop_assert!(of(Scorer::Strict) <= of(Scorer::Exact).min(of(Scorer::Type)));
        prop_assert_eq!(of(Scorer::Partial), of(Scorer::Exact));
    }

    /// The tables of a report add up to its tally.
    #[test]
    fn tables_add_up(sentences in prop::collection::vec((side(), side()), 0..6)) {
        let schema = schema();
        for scorer in Scorer::ALL {
            let mut builder = ReportBuilder::new(ReportOptions { scorer, resamples: 3, ..ReportOptions::default() });
            for (gold, predicted) in &sentences {
                builder.add(&sentence(TEXT, &schema, gold, predicted));
            }
            let report = builder.finish();
            let counts = total(builder.counts());
            prop_assert_eq!(report.micro.f1, counts.f1());
            let support: usize = report.types.iter().map(|row| row.support).sum();
            let predicted: usize = report.types.iter().map(|row| row.predicted).sum();
            prop_assert_eq!((support, predicted), (report.tally.gold(), report.tally.predicted()));
            for row in &report.types {
                let cells = || report.confusion.iter();
                let of = |is: &dyn Fn(&&ner_score::report::ConfusionCell) -> bool| cells().filter(is).map(|c| c.count).sum::<usize>();
                prop_assert_eq!(of(&|c| c.gold.as_ref() == Some(&row.name)), row.support, "{} {}", scorer, row.name);
                prop_assert_eq!(of(&|c| c.predicted.as_ref() == Some(&row.name)), row.predicted, "{} {}", scorer, row.name);
            }
            let fps: usize = report.errors.iter().map(|row| row.false_positives).sum();
            prop_assert_eq!(fps, report.tally.predicted() - report.tally.correct);
            let json = serde_json::to_string(&report).expect("serialisable");
            let read: ner_score::Report = serde_json::from_str(&json).expect("readable");
            prop_assert_eq!(read.tally, report.tally);
            let test = approximate_randomization(&[builder.counts()], &[builder.counts()], 1, 9).expect("same");
            prop_assert_eq!(test.p_value, 1.0);
        }
    }

    /// Any text at all is scored without a panic.
    #[test]
    fn any_text_is_scored(text in "\\PC{0,40}", words in prop::collection::vec("\\PC{0,6}", 0..6)) {
        let gold: Vec<Entity> = words.iter().map(|w| Entity::new(w.as_str(), w.as_str())).collect();
        for scorer in Scorer::ALL {
            score_sentence(scorer, &sentence(&text, &words, &gold, &gold[gold.len() / 2..]));
        }
    }
}

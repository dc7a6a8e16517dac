//! The tables of a report, counted by hand.

use ner_score::buckets::{BucketBy, BucketTable, Seen};
use ner_score::metrics::Row;
use ner_score::{
    Counts, ErrorClass, Interval, Report, ReportBuilder, ReportOptions, Scorer, Sentence,
};
use ner_types::Entity;

fn entities(pairs: &[(&str, &str)]) -> Vec<Entity> {
    let entity = |(text, label): &(&str, &str)| Entity::new(*text, *label);
    pairs.iter().map(entity).collect()
}

type Pairs = &'static [(&'static str, &'static str)];

/// Text, gold and predicted entities.
const SENTENCES: [(&str, Pairs, Pairs); 5] = [
    // 6 words: one right, one of the wrong type.
    (
        "Ada Brel left Port Halvek .",
        &[("Ada Brel", "person"), ("Port Halvek", "city")],
        &[("Ada Brel", "person"), ("Port Halvek", "person")],
    ),
    // 25 words: one right, one of six words of which three are found.
    (
        "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19 w20 w21 w22 w23 w24",
        &[("w1", "city"), ("w3 w4 w5 w6 w7 w8", "person")],
        &[("w1", "city"), ("w3 w4 w5", "person")],
    ),
    // 10 words, the most of the first bucket; one entity in ten words, the most of the third.
    ("a b c d e f g h i j", &[("a", "city")], &[("a", "city")]),
    // Nothing to be found, but something said.
    ("one two q", &[], &[("q", "city")]),
    // A sentence that is not known.
    ("", &[("x y z v", "city")], &[]),
];

fn report(scorer: Scorer, seen: Option<Seen>, sentences: &[(&str, Pairs, Pairs)]) -> Report {
    let options = ReportOptions {
        scorer,
        seen,
        ..ReportOptions::default()
    };
    let mut builder = ReportBuilder::new(options);
    for (text, gold, predicted) in sentences {
        let (gold, predicted) = (entities(gold), entities(predicted));
        builder.add(&Sentence {
            text,
            schema: &[],
            gold: &gold,
            predicted: &predicted,
            parse_failure: false,
        });
    }
    builder.finish()
}

fn whole() -> Report {
    let seen = Seen::new(&entities(&[("ada brel", "Person"), ("w1", "river")]));
    report(Scorer::ReasoningIe, Some(seen), &SENTENCES)
}

/// Name, gold items, those found, predicted items, those right.
type Expected<'a> = (&'a str, usize, f64, usize, f64);

#[track_caller]
fn check_rows(rows: &[Row], expected: &[Expected]) {
    let counted = |row: &Row| (row.support, row.found, row.predicted, row.correct);
    let found: Vec<_> = rows.iter().map(|row| (&*row.name, counted(row))).collect();
    let expected = expected
        .iter()
        .map(|&(name, a, b, c, d)| (name, (a, b, c, d)));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

fn table(report: &Report, by: BucketBy) -> &BucketTable {
    let found = report.buckets.iter().find(|table| table.by == by);
    found.unwrap_or_else(|| panic!("no table {}", by.name()))
}

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-12,
        "{found} is not {expected}"
    );
}

#[test]
fn entities_are_sorted_by_their_own_length() {
    let expected = [
        ("1 word", 2, 2.0, 3, 2.0),
        ("2 words", 2, 1.0, 2, 1.0),
        ("3 words", 0, 0.0, 1, 0.0),
        ("4 words", 1, 0.0, 0, 0.0),
        ("5+ words", 1, 0.0, 0, 0.0),
    ];
    check_rows(&table(&whole(), BucketBy::EntityLength).rows, &expected);
}

#[test]
fn sentences_are_sorted_by_length_and_density() {
    let report = whole();
    let lengths = [
        ("1-10 words", 3, 2.0, 4, 2.0),
        ("11-20 words", 0, 0.0, 0, 0.0),
        ("21-30 words", 2, 1.0, 2, 1.0),
        ("31-50 words", 0, 0.0, 0, 0.0),
        ("51+ words", 0, 0.0, 0, 0.0),
    ];
    check_rows(&table(&report, BucketBy::SentenceLength).rows, &lengths);
    let densities = [
        ("none", 0, 0.0, 1, 0.0),
        ("up to 0.05", 0, 0.0, 0, 0.0),
        ("up to 0.1", 3, 2.0, 3, 2.0),
        ("up to 0.2", 0, 0.0, 0, 0.0),
        ("above 0.2", 2, 1.0, 2, 1.0),
    ];
    check_rows(&table(&report, BucketBy::Density).rows, &densities);
}

#[test]
fn entities_of_the_training_data_are_known_by_text_and_label() {
    let expected = [
        ("seen, same label", 1, 1.0, 1, 1.0),
        ("seen, other label", 1, 1.0, 1, 1.0),
        ("unseen", 4, 1.0, 4, 1.0),
    ];
    check_rows(&table(&whole(), BucketBy::Seen).rows, &expected);
}

#[test]
fn tables_that_nothing_is_known_for_are_left_out() {
    let unknown = report(Scorer::ReasoningIe, None, &SENTENCES[4..]);
    let names: Vec<_> = unknown
        .buckets
        .iter()
        .map(|table| table.by.name())
        .collect();
    assert_eq!(names, ["entity_length"]);
    let all: Vec<_> = whole()
        .buckets
        .iter()
        .map(|table| table.by.name())
        .collect();
    assert_eq!(all, ["entity_length", "sentence_length", "density", "seen"]);
}

#[test]
fn types_have_rows_and_two_means() {
    let report = whole();
    check_rows(
        &report.types,
        &[("city", 4, 2.0, 3, 2.0), ("person", 2, 1.0, 3, 1.0)],
    );
    let (city, person) = (&report.types[0].metrics, &report.types[1].metrics);
    close(city.precision, 2.0 / 3.0);
    close(city.recall, 0.5);
    close(city.f1, 4.0 / 7.0);
    close(person.f1, 0.4);
    close(report.macro_.precision, 0.5);
    close(report.macro_.f1, (0.4 + 4.0 / 7.0) / 2.0);
    close(report.weighted.f1, (2.0 * 0.4 + 4.0 * 4.0 / 7.0) / 6.0);
}

#[test]
fn a_pair_of_other_labels_is_one_cell_and_one_of_other_borders_two() {
    let report = whole();
    let cells: Vec<_> = report
        .confusion
        .iter()
        .map(|cell| (cell.gold.as_deref(), cell.predicted.as_deref(), cell.count))
        .collect();
    let (city, person) = (Some("city"), Some("person"));
    let expected = [
        (None, city, 1),
        (None, person, 1),
        (city, None, 1),
        (city, city, 2),
        (city, person, 1),
        (person, None, 1),
        (person, person, 1),
    ];
    assert_eq!(cells, expected);
}

#[test]
fn errors_are_counted_on_the_sides_that_they_cost() {
    let report = whole();
    let cost = |class: ErrorClass| {
        let row = report.errors.iter().find(|row| row.class == class);
        let row = row.expect("every class has a row");
        (row.errors, row.false_positives, row.false_negatives)
    };
    assert_eq!(cost(ErrorClass::Type), (1, 1, 1));
    assert_eq!(cost(ErrorClass::Boundary), (1, 1, 1));
    assert_eq!(cost(ErrorClass::Spurious), (1, 1, 0));
    assert_eq!(cost(ErrorClass::Missed), (1, 0, 1));
    assert_eq!(cost(ErrorClass::Hallucinated), (0, 0, 0));
    let twice = [SENTENCES[3], SENTENCES[3], SENTENCES[4], SENTENCES[4]];
    let twice = report_errors(&twice);
    assert_eq!(
        twice,
        [(ErrorClass::Missed, 0, 2), (ErrorClass::Spurious, 2, 0)]
    );
}

/// The classes that occur, with what they cost.
fn report_errors(sentences: &[(&str, Pairs, Pairs)]) -> Vec<(ErrorClass, usize, usize)> {
    let report = report(Scorer::ReasoningIe, None, sentences);
    let rows = report.errors.into_iter().filter(|row| row.errors > 0);
    rows.map(|row| (row.class, row.false_positives, row.false_negatives))
        .collect()
}

#[test]
fn what_the_sentence_does_not_say_is_hallucinated() {
    let class = |text: &'static str, said: Pairs| report_errors(&[(text, &[], said)])[0].0;
    assert_eq!(
        class("The Port Halvek", &[("port  halvek", "city")]),
        ErrorClass::Spurious
    );
    assert_eq!(
        class("The Port Halvek", &[("alve", "city")]),
        ErrorClass::Spurious
    );
    assert_eq!(
        class("The Port Halvek", &[("Halvek Port", "city")]),
        ErrorClass::Hallucinated
    );
    assert_eq!(
        class("The Port Halvek", &[("Osmere", "city")]),
        ErrorClass::Hallucinated
    );
    // Nothing is known of the sentence.
    assert_eq!(class("", &[("Osmere", "city")]), ErrorClass::Spurious);
}

#[test]
fn a_mention_that_is_said_again_is_a_duplicate() {
    let sentence: (&str, Pairs, Pairs) = (
        "Halvek and Osmere",
        &[("Halvek", "city")],
        &[("Halvek", "city"), ("Osmere", "city"), ("Halvek", "city")],
    );
    for scorer in [Scorer::ReasoningIe, Scorer::GoLlie] {
        let report = report(scorer, None, &[sentence]);
        let occurring = report.errors.iter().filter(|row| row.errors > 0);
        let occurring: Vec<_> = occurring.map(|row| (row.class, row.errors)).collect();
        let expected = [(ErrorClass::Spurious, 1), (ErrorClass::Duplicate, 1)];
        assert_eq!(occurring, expected, "{}", scorer.name());
    }
}

#[test]
fn what_tags_cannot_express_is_counted() {
    // One layer of tags holds one of those that overlap.
    let overlapping: (&str, Pairs, Pairs) = (
        "Port Halvek",
        &[("Port Halvek", "city"), ("Halvek", "person")],
        &[
            ("Port Halvek", "city"),
            ("Port", "port"),
            ("Halvek", "person"),
        ],
    );
    let report = report(Scorer::SeqevalStrict, None, &[overlapping, overlapping]);
    assert_eq!(
        (report.untaggable_gold, report.untaggable_predicted),
        (2, 4)
    );
}

#[test]
fn shares_have_a_form_in_percent() {
    let counts = Counts {
        tp: 1,
        predicted: 2,
        gold: 4,
    };
    close(counts.precision_percent(), 50.0);
    close(counts.recall_percent(), 25.0);
    let interval = Interval {
        low: 0.25,
        high: 0.5,
    };
    let percent = interval.percent();
    assert_eq!((percent.low, percent.high), (25.0, 50.0));
}

#[test]
fn names_are_those_of_the_files() {
    for class in ErrorClass::ALL {
        let written = serde_json::to_value(class).expect("a name");
        assert_eq!(written, class.name());
    }
}

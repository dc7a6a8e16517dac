//! Relations and events: cases counted by hand, and two other ways to count.

use ner_score::structures::{count_events, count_relations};
use ner_score::{Counts, EntitySet};
use ner_types::{Event, Example, Relation};
use proptest::collection::vec;
use proptest::prelude::*;

fn typed(relation: Relation, head: &str, tail: &str) -> Relation {
    Relation {
        head_type: Some(head.into()),
        tail_type: Some(tail.into()),
        ..relation
    }
}

#[track_caller]
fn check(gold: &[Relation], predicted: &[Relation], schema: &[&str], tp: [usize; 3]) {
    let schema: Vec<String> = schema.iter().map(ToString::to_string).collect();
    let counts = count_relations(gold, predicted, &schema);
    let found = [counts.strict, counts.boundaries, counts.relaxed];
    assert_eq!(found.map(|counts| counts.tp), tp, "{counts:?}");
}

#[test]
fn relations_are_counted_as_by_hand() {
    let works = || Relation::new("works for", "Ann Holt", "Acme");
    check(&[works()], &[works()], &[], [1, 1, 1]);
    let spelt = Relation::new("Works for ", "the Ann Holt", "ACME!");
    check(&[works()], &[spelt], &[], [1, 1, 1]);
    let turned = Relation::new("works for", "Acme", "Ann Holt");
    check(&[works()], &[turned], &[], [0, 0, 0]);
    let shorter = Relation::new("works for", "Holt", "Acme");
    check(&[works()], &[shorter], &[], [0, 0, 1]);
    let other = Relation::new("owns", "Ann Holt", "Acme");
    check(&[works()], &[other], &[], [0, 0, 0]);
}

#[test]
fn strict_needs_the_types_that_the_gold_states() {
    let works = || Relation::new("works for", "Ann", "Acme");
    let gold = [typed(works(), "Person", "company")];
    check(&gold, &[works()], &[], [0, 1, 1]);
    check(
        &gold,
        &[works()],
        &["works for(person, company)"],
        [1, 1, 1],
    );
    check(&gold, &[works()], &["works for(person, city)"], [0, 1, 1]);
    check(
        &gold,
        &[typed(works(), "person", "company")],
        &[],
        [1, 1, 1],
    );
    let wrong = typed(works(), "person", "city");
    check(&gold, &[wrong], &["works for(person, company)"], [0, 1, 1]);
    // What the gold does not state is not asked for.
    check(&[works()], &[typed(works(), "x", "y")], &[], [1, 1, 1]);
}

#[test]
fn each_relation_counts_once() {
    let pair = |head: &str| Relation::new("a", head, "x");
    let gold = [pair("Ann Holt"), pair("Bo Holt")];
    let found = [pair("Holt"), pair("holt"), pair("Ann")];
    let counts = count_relations(&gold, &found, &[]);
    let expected = Counts {
        tp: 2,
        predicted: 2,
        gold: 2,
    };
    assert_eq!(counts.relaxed, expected);
    assert_eq!(counts.boundaries, Counts { tp: 0, ..expected });
}

#[test]
fn events_are_counted_as_by_hand() {
    let gold = [
        Event::new("hire", "hired")
            .with("by", "Acme")
            .with("who", "Ann Holt"),
        Event::new("move", "went").with("who", "Ann Holt"),
    ];
    let found = [
        Event::new("hire", "hired")
            .with("who", "Acme")
            .with("who", "Holt"),
        Event::new("hire", "went").with("who", "Ann Holt"),
    ];
    let counts = count_events(&gold, &found);
    let of = |tp, predicted, gold| Counts {
        tp,
        predicted,
        gold,
    };
    assert_eq!(counts.trigger_identification, of(2, 2, 2));
    assert_eq!(counts.trigger_classification, of(1, 2, 2));
    // (hire, acme) and (hire, ann holt) of (hire, acme), (hire, holt), (hire, ann holt).
    assert_eq!(counts.argument_identification, of(2, 3, 3));
    assert_eq!(counts.argument_classification, of(1, 3, 3));
    assert_eq!(counts.trigger_relaxed, of(1, 2, 2));
    assert_eq!(counts.argument_relaxed, of(1, 3, 3));
    let mut sum = counts;
    sum += counts;
    assert_eq!(sum.argument_identification, of(4, 6, 6));
}

fn relations() -> impl Strategy<Value = Vec<Relation>> {
    let text = || proptest::sample::select(vec!["a b", "b", "a", "b c", "the", "c"]);
    let text = move || text().prop_map(str::to_owned);
    let one = (proptest::sample::select(vec!["r", "s"]), text(), text());
    vec(one.prop_map(|(l, h, t)| Relation::new(l, h, t)), 0..5)
}

/// The most pairs, by trying all.
fn by_trial(gold: &[Relation], predicted: &[Relation]) -> usize {
    let Some((first, rest)) = gold.split_first() else {
        return 0;
    };
    let without = by_trial(rest, predicted);
    let with = (0..predicted.len()).filter(|&i| {
        let one = count_relations(std::slice::from_ref(first), &predicted[i..=i], &[]);
        one.relaxed.tp == 1
    });
    let with = with.map(|i| {
        let others = [&predicted[..i], &predicted[i + 1..]].concat();
        1 + by_trial(rest, &others)
    });
    with.max().unwrap_or(0).max(without)
}

proptest! {
    #[test]
    fn boundaries_are_the_set_of_items(gold in relations(), predicted in relations()) {
        let items = |relations: &[Relation]| {
            let example = Example { relations: Some(relations.to_vec()), ..Example::default() };
            EntitySet::new(&example.as_items().entities)
        };
        let expected = items(&gold).compare(&items(&predicted));
        let counts = count_relations(&gold, &predicted, &[]);
        prop_assert_eq!(counts.boundaries, expected);
        prop_assert!(counts.relaxed.tp >= expected.tp && counts.strict == expected);
    }

    #[test]
    fn the_relaxed_matching_is_the_largest(gold in relations(), predicted in relations()) {
        let once = |relations: &[Relation]| {
            let mut once: Vec<Relation> = Vec::new();
            for one in relations {
                let is_same = |other: &&Relation| count_relations(std::slice::from_ref(one), std::slice::from_ref(*other), &[]).boundaries.tp == 1;
                if !once.iter().any(|other| is_same(&other)) {
                    once.push(one.clone());
                }
            }
            once
        };
        let (gold, predicted) = (once(&gold), once(&predicted));
        prop_assert_eq!(count_relations(&gold, &predicted, &[]).relaxed.tp, by_trial(&gold, &predicted));
    }

    #[test]
    fn arguments_and_triggers_are_the_set_of_items(texts in vec((0..2_usize, 0..3_usize, 0..2_usize), 0..5), other in vec((0..2_usize, 0..3_usize, 0..2_usize), 0..5)) {
        let events = |drawn: &[(usize, usize, usize)]| -> Vec<Event> {
            let event = |&(label, text, role): &(usize, usize, usize)| {
                let event = Event::new(["e", "f"][label], ["x", "y", "z"][text]);
                event.with(["p", "q"][role], ["z", "x", "y"][text])
            };
            drawn.iter().map(event).collect()
        };
        let (gold, predicted) = (events(&texts), events(&other));
        let items = |events: &[Event]| {
            let example = Example { events: Some(events.to_vec()), ..Example::default() };
            EntitySet::new(&example.as_items().entities)
        };
        let counts = count_events(&gold, &predicted);
        let mut sum = counts.trigger_classification;
        sum += counts.argument_classification;
        prop_assert_eq!(sum, items(&gold).compare(&items(&predicted)));
    }
}

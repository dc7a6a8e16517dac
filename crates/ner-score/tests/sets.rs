//! Means over several sets, and sets of entities.

use ner_score::bootstrap::paired_bootstrap;
use ner_score::randomization::approximate_randomization;
use ner_score::{Counts, EntitySet};
use ner_types::Entity;

fn counts(tp: usize) -> Vec<Counts> {
    vec![Counts {
        tp,
        predicted: 1,
        gold: 1,
    }]
}

/// Three sets of one sentence, which one system finds and the other does not.
#[test]
fn differences_are_means_over_the_sets() {
    let (all, none) = (counts(1), counts(0));
    let (first, second) = ([&*all; 3], [&*none; 3]);
    // Every sample of one sentence is that sentence.
    let paired = paired_bootstrap(&first, &second, 1, 100).expect("as many sentences");
    assert_eq!((paired.interval.low, paired.interval.high), (1.0, 1.0));
    // Of the eight ways to exchange the systems, two give a difference as large.
    let test = approximate_randomization(&first, &second, 1, 4000).expect("as many sentences");
    assert!((test.p_value - 0.25).abs() < 0.03, "{}", test.p_value);
}

#[test]
fn sets_are_equal_if_they_hold_the_same_pairs() {
    let set = |pairs: &[(&str, &str)]| {
        let entity = |(text, label): &(&str, &str)| Entity::new(*text, *label);
        EntitySet::new(&pairs.iter().map(entity).collect::<Vec<_>>())
    };
    let both = set(&[("Halvek", "city"), ("Ada", "person")]);
    assert_eq!(
        both,
        set(&[("Ada", "person"), ("Halvek", "city"), ("Ada", "person")])
    );
    assert_ne!(both, set(&[("Halvek", "city")]));
    assert_ne!(both, set(&[("Halvek", "city"), ("Ada", "city")]));
    assert!(set(&[]).is_empty() && !both.is_empty());
    assert_eq!(
        format!("{both:?}"),
        "{(\"city\", \"halvek\"), (\"person\", \"ada\")}"
    );
}

//! What the rules get wrong, on hand-written chains and on the train splits.

use std::path::PathBuf;

use ner_datasets::{BioColumns, Split};

use super::*;

/// Asserts both rates and prints them.
#[track_caller]
fn check(audit: &Audit, origin: Origin, most_rejected: f64, least_caught: f64) {
    let (right, wrong) = audit.total(origin);
    let (rejected, caught) = (right.any.share(), wrong.any.share());
    println!(
        "{origin:?}: {} right answers, {rejected:.4} rejected, {caught:.4} caught",
        right.any.of
    );
    assert!(right.any.of > 0);
    assert!(
        rejected <= most_rejected,
        "{rejected} of the right answers: {:?}",
        right.by_rule
    );
    assert!(
        caught >= least_caught,
        "{caught} of the contradictions: {:?}",
        wrong.by_rule
    );
}

#[test]
fn hand_written_chains_are_accepted_and_their_contradictions_caught() {
    let mut audit = Audit::new(AuditOptions {
        samples: 5,
        ..AuditOptions::default()
    });
    audit.hand_written();
    let rejected = audit
        .samples()
        .iter()
        .filter(|sample| sample.missed.is_none());
    assert_eq!(rejected.collect::<Vec<_>>(), Vec::<&AuditSample>::new());
    check(&audit, Origin::HandWritten, 0.01, 0.95);
}

/// The folder of the data sets: `RNER_SHARED`, or `../shared` seen from the repository's root.
fn datasets() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("RNER_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let dir = root.join("datasets");
    if dir.is_dir() {
        return Some(dir);
    }
    println!("skipped: no datasets in RNER_SHARED or beside the repository");
    None
}

#[test]
fn right_answers_on_the_train_splits_are_accepted_and_seeded_contradictions_caught() {
    let Some(dir) = datasets() else {
        return;
    };
    let mut audit = Audit::new(AuditOptions::default());
    let sets = ner_datasets::open_data_dir(&dir).and_then(|sets| sets.read(Split::Train));
    for set in sets.expect("the seven sets") {
        set.examples.iter().take(150).for_each(|row| audit.row(row));
    }
    for name in ["AnatEM", "bc2gm", "bc5cdr", "ncbi"] {
        let path = dir.join("in-domain").join(name).join("train.tsv");
        let rows = ner_datasets::read_bio(&path, name, BioColumns::TagLast).expect("rows");
        rows.iter().take(150).for_each(|row| audit.row(row));
    }
    check(&audit, Origin::Generated, 0.01, 0.95);
}

#[test]
fn rows_with_reasoning_are_looked_at_as_they_are() {
    let row = |cot: &str| Example {
        sentence: "Ann left Brel.".into(),
        schema: vec!["person".into(), "city".into()],
        cot: Some(cot.into()),
        entities: vec![Entity::new("Brel", "city"), Entity::new("Ann", "person")],
        ..Example::default()
    };
    let mut audit = Audit::new(AuditOptions::default());
    audit.row(&row("\"Ann\" is a person and \"Brel\" is a city."));
    audit.row(&row("\"Ann\" is a person and \"Brel\" is a person."));
    let absent = Example {
        sentence: "Ann left.".into(),
        ..row("")
    };
    audit.row(&absent);
    let (right, wrong) = audit.total(Origin::Own);
    assert_eq!((right.any.of, right.any.hits), (2, 1));
    assert!(wrong.any.hits > 0);
    assert_eq!(audit.rows(), 3);
    let reason = "an entity does not stand in the sentence";
    assert_eq!(audit.skipped().get(reason), Some(&1));
}

#[test]
fn the_same_seed_gives_the_same_audit() {
    let audit = |seed| {
        let mut audit = Audit::new(AuditOptions {
            seed,
            ..AuditOptions::default()
        });
        let row = Example {
            sentence: "Ann Lee of Brel plays with The Oslin Four.".into(),
            schema: vec!["band".into(), "city".into(), "person".into()],
            entities: vec![
                Entity::new("Ann Lee", "person"),
                Entity::new("Brel", "city"),
            ],
            ..Example::default()
        };
        (0..20).for_each(|_| audit.row(&row));
        audit.groups().cloned().collect::<Vec<_>>()
    };
    assert_eq!(audit(1), audit(1));
}

#[test]
fn intervals_are_wilsons() {
    // Computed from the formula with other software: 1 of 64 and 0 of 100.
    for (hits, of, low, high) in [(1, 64, 0.002_762, 0.083_341), (0, 100, 0.0, 0.036_994)] {
        let (a, b) = Rate { of, hits }.interval();
        assert!((a - low).abs() < 1e-5 && (b - high).abs() < 1e-5, "{a} {b}");
    }
    assert_eq!(Rate::default().interval(), (0.0, 1.0));
}

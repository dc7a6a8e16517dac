//! What is found is what comparing all pairs finds.

use super::*;
use crate::hashing::mix;

/// A sentence of `n` invented words that differ from seed to seed.
fn sentence(seed: u64, n: u64) -> Vec<String> {
    let word = |i| format!("w{:x}", mix(seed * 1000 + i) % 5000);
    (0..n).map(word).collect()
}

#[test]
fn the_first_one_is_kept() {
    let mut near = NearDuplicates::new(0.9).expect("a threshold");
    for (sentence, expected) in [
        ("Ann of Brel sings in the old hall.", None),
        ("Bo of Brel sleeps by the new bridge.", None),
        ("ann of Brel sings, in the old  hall", Some(0)),
        ("Bo of Brel sleeps by the new bridge!", Some(1)),
        ("Ann of Brel sings in the new hall.", None),
        ("Brel", None),
        ("brel.", Some(5)),
        ("Oslin", None),
        ("", None),
        (" ", Some(8)),
        ("…", None),
        ("小樽の朝の市場に行く", None),
        ("小樽の朝の市場に行く。", Some(11)),
    ] {
        assert_eq!(near.find(sentence), expected, "{sentence:?}");
        assert_eq!(near.insert(sentence), expected, "{sentence:?}");
    }
}

#[test]
fn the_threshold_divides() {
    // Of 38 shingles a changed last word leaves 37: 37 / 39.
    let old = sentence(1, 40);
    let mut new = old.clone();
    *new.last_mut().expect("words") = "other".into();
    for (threshold, expected) in [(0.94, Some(0)), (0.96, None)] {
        let mut near = NearDuplicates::new(threshold).expect("a threshold");
        near.insert(&old.join(" "));
        assert_eq!(near.insert(&new.join(" ")), expected, "{threshold}");
    }
}

#[test]
fn long_texts_are_compared_as_exactly() {
    let old = sentence(2, 400);
    let mut new = old.clone();
    *new.last_mut().expect("words") = "other".into();
    let mut near = NearDuplicates::new(0.9).expect("a threshold");
    assert_eq!(near.insert(&old.join(" ")), None);
    assert_eq!(near.insert(&new.join(" ")), Some(0));
    assert_eq!(near.insert(&sentence(3, 400).join(" ")), None);
    assert_eq!(near.insert(&old[..60].join(" ")), None);
}

#[test]
fn many_sentences_give_what_all_comparisons_give() {
    // Groups of ten, each like its first but for a word somewhere.
    let rows: Vec<String> = (0..300)
        .map(|i: u64| {
            let mut words = sentence(i / 10, 30);
            words[(i % 10) as usize] = format!("x{}", i % 3);
            words.join(" ")
        })
        .collect();
    for threshold in [0.5, 0.7, 0.8, 0.9, 1.0] {
        let mut near = NearDuplicates::new(threshold).expect("a threshold");
        let mut kept: Vec<(usize, Vec<u32>)> = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            let own = shingles(row);
            let first = kept
                .iter()
                .find(|(_, other)| jaccard(other, &own) >= threshold);
            let expected = first.map(|(index, _)| *index);
            assert_eq!(near.insert(row), expected, "row {i} at {threshold}");
            if expected.is_none() {
                kept.push((i, own));
            }
        }
    }
}

#[test]
fn thresholds_are_shares() {
    for wrong in [-0.1, 1.1, f64::NAN] {
        let error = NearDuplicates::new(wrong)
            .expect_err("out of range")
            .to_string();
        assert!(
            error.contains("expected a threshold from 0 to 1"),
            "{error}"
        );
    }
}

/// Rows of one pattern, of which each pair shares four of five shingles.
fn templated(n: usize) -> Vec<String> {
    let common = sentence(7, 60).join(" ");
    let row = |i: usize| format!("{common} name{i} of place{} in year{i}", i % 50);
    (0..n).map(row).collect()
}

/// Rows of four words in any order: no shingle is rare.
fn without_rare_words(n: usize) -> Vec<String> {
    let word = |i: u64| ["ann", "bo", "brel", "oslin"][(mix(i) % 4) as usize];
    let row = |i: u64| {
        (0..30)
            .map(|k| word(i * 30 + k))
            .collect::<Vec<_>>()
            .join(" ")
    };
    (0..n as u64).map(row).collect()
}

fn inserted(rows: &[String], threshold: f64) -> NearDuplicates {
    let mut near = NearDuplicates::new(threshold).expect("a threshold");
    for row in rows {
        near.insert(row);
    }
    near
}

#[test]
fn twice_the_rows_are_twice_the_work() {
    let steps = |rows: &dyn Fn(usize) -> Vec<String>, n| inserted(&rows(n), 0.95).n_steps() as f64;
    for rows in [
        &templated as &dyn Fn(usize) -> Vec<String>,
        &without_rare_words,
    ] {
        let (once, twice) = (steps(rows, 4_000), steps(rows, 8_000));
        assert!(twice <= 2.5 * once, "{once} {twice}");
    }
}

#[test]
fn what_is_not_compared_is_counted() {
    let near = inserted(&templated(2_000), 0.95);
    assert_eq!((near.n_cut_short(), near.kept.len()), (0, 2_000));
    let repeated = &templated(2_000)[3];
    assert_eq!(near.find(repeated), Some(3));
    assert!(inserted(&without_rare_words(4_000), 0.95).n_cut_short() > 0);
}

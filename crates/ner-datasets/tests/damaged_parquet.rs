//! Damaged Parquet files: 1,500 of them, each rows or an error with the file's name, none a panic.
#![cfg(feature = "parquet")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ner_datasets::{Error, Format, Policy, ReadOptions, Row, open, write_rows};
use ner_types::{Entity, Example};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CASES: u64 = 1_500;

fn write(path: &Path) -> Vec<u8> {
    let example = |i: usize| Example {
        guid: Some(format!("row-{i}")),
        dataset: Some("set".into()),
        sentence: format!("Ann of Brel sings for the {i}th time."),
        schema: vec!["person".into(), "city".into()],
        cot: i.is_multiple_of(2).then(|| "Ann is a person.".into()),
        entities: vec![Entity::new("Ann", "person"), Entity::new("Brel", "city")],
        ..Example::default()
    };
    let rows = (0..40).map(|i| Ok(Row::new(example(i))));
    write_rows(path, Format::Parquet, rows, Policy::strict()).expect("written");
    fs::read(path).expect("read")
}

/// Half of the damage falls into the last bytes, where the description of the file is.
fn damaged(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..4) {
        let start = if random.random() {
            0
        } else {
            bytes.len() * 2 / 3
        };
        let at = random.random_range(start..bytes.len());
        match random.random_range(0..5) {
            0 | 1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => bytes[at] = *[0, 1, 0x7f, 0x80, 0xff].choose(&mut random).expect("one"),
            3 => drop(bytes.drain(at..bytes.len().min(at + 4))),
            _ => bytes.insert(at, random.random()),
        }
    }
    bytes
}

fn read(path: &Path) -> Result<usize, Error> {
    let mut n_rows = 0;
    for row in open(path, Format::Parquet, ReadOptions::default())? {
        row?;
        n_rows += 1;
    }
    Ok(n_rows)
}

#[test]
fn damage_is_an_error_with_the_path() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("rows.parquet");
    let original = write(&path);
    let (mut n_read, mut n_refused, mut n_panics) = (0, 0, 0);
    for seed in 0..CASES {
        fs::write(&path, damaged(&original, seed)).expect("written");
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&path)));
        match outcome.unwrap_or_else(|_| panic!("seed {seed}: a panic")) {
            Ok(_) => n_read += 1,
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("rows.parquet"), "seed {seed}: {error}");
                n_refused += 1;
                n_panics += usize::from(error.contains("the parser gave up"));
            }
        }
    }
    println!("{n_read} read, {n_refused} refused, of these {n_panics} where the parser panicked");
    assert!(n_read > 0 && n_refused > 0);
}

//! The readers on the real benchmark sets, where they are at hand: sentences and gold-set sizes as published.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ner_datasets::{
    BioColumns, Dataset, Layout, Policy, SetOnDisk, Split, open_data_dir, read_bio,
};
use ner_types::{Example, normalize_text};

/// Set, then sentences and gold-set size of the train and of the test split, in the order of `BENCHMARK_SETS`.
/// The gold set holds the distinct (normalised text, label) pairs of each sentence, placeholder labels dropped.
const EXPECTED: [(&str, [usize; 2], [usize; 2]); 7] = [
    ("mit-movie", [9_775, 21_295], [2_443, 5_339]),
    ("mit-restaurant", [7_660, 15_344], [1_521, 3_150]),
    ("CrossNER_AI", [100, 480], [431, 1_607]),
    ("CrossNER_literature", [100, 466], [416, 1_982]),
    ("CrossNER_music", [100, 624], [465, 3_124]),
    ("CrossNER_politics", [200, 1_209], [651, 3_900]),
    ("CrossNER_science", [200, 889], [543, 2_530]),
];

/// Sizes of the schemas without placeholder labels, in the same order.
const SCHEMA_SIZES: [usize; 7] = [12, 8, 13, 11, 12, 8, 16];

/// A folder of the data sets: `RNER_SHARED`, or `../shared` seen from the repository's root.
fn shared(path: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("RNER_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

fn gold_set_size(examples: &[Example]) -> usize {
    let of_sentence = |example: &Example| {
        let entities = example.normalized().entities;
        entities
            .iter()
            .map(|entity| (normalize_text(&entity.text), entity.label.clone()))
            .collect::<HashSet<_>>()
            .len()
    };
    examples.iter().map(of_sentence).sum()
}

fn sizes(set: &Dataset) -> [usize; 2] {
    [set.examples.len(), gold_set_size(&set.examples)]
}

/// A folder with the BIO files alone, as links, so that the InstructUIE copy beside them is not found.
#[cfg(unix)]
fn bio_only(datasets: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["crossner", "mit-movie", "mit-restaurant"] {
        std::os::unix::fs::symlink(datasets.join(name), dir.path().join(name)).expect("linked");
    }
    dir
}

#[track_caller]
fn check(dir: &Path, layout: Layout) -> [Vec<Dataset>; 2] {
    let data = open_data_dir(dir).expect("the seven sets");
    assert!(data.sets().all(|(_, _, found)| found == layout));
    let splits = [
        data.train().expect("readable"),
        data.test().expect("readable"),
    ];
    for (i, (name, train, test)) in EXPECTED.into_iter().enumerate() {
        assert_eq!(
            (sizes(&splits[0][i]), sizes(&splits[1][i])),
            (train, test),
            "{name}"
        );
        assert!(splits.iter().all(|sets| sets[i].name == name));
        assert_eq!(
            splits[1][i].examples[0].normalized().schema.len(),
            SCHEMA_SIZES[i],
            "{name}"
        );
    }
    assert_eq!(
        splits[1]
            .iter()
            .map(|set| set.examples.len())
            .sum::<usize>(),
        6_470
    );
    splits
}

#[test]
#[cfg(unix)]
fn both_layouts_give_the_published_sizes_and_the_same_examples() {
    let Some(datasets) = shared("datasets").map(|path| path.canonicalize().expect("exists")) else {
        return;
    };
    let instruct_uie = check(&datasets.join("instructuie-format"), Layout::InstructUie);
    let bio = check(bio_only(&datasets).path(), Layout::Bio);
    assert!(instruct_uie == bio, "the two layouts differ");
    assert!(open_data_dir(&datasets).is_ok());
}

#[test]
fn dev_splits_and_in_domain_files() {
    let Some(datasets) = shared("datasets") else {
        return;
    };
    let dev = |name: &str| {
        let folder = datasets.join("instructuie-format").join(name);
        sizes(&ner_datasets::instruct_uie::read_split(&folder, Split::Dev).expect("readable"))
    };
    assert_eq!(dev("CrossNER_AI"), [350, 1_352]);
    assert_eq!(dev("CrossNER_politics"), [541, 3_229]);

    let bio = |file: &str| {
        let path = datasets.join("in-domain").join(file);
        let examples = read_bio(&path, "set", BioColumns::TagLast).expect("readable");
        let entities: usize = examples.iter().map(|example| example.entities.len()).sum();
        (examples.len(), entities)
    };
    assert_eq!(bio("bc5cdr/test.tsv"), (4_797, 9_809));
    assert_eq!(bio("BroadTweetCorpus/f.conll"), (2_001, 4_376));
    // One of the 2,001 sentences has no word.
    assert_eq!(bio("BroadTweetCorpus/h.conll"), (2_000, 3_368));
}

/// Whatever finds the files of a set, its rows are the same.
#[test]
fn sets_on_disk_have_the_rows_of_the_benchmark() {
    let Some(datasets) = shared("datasets") else {
        return;
    };
    let data = open_data_dir(&datasets).expect("all seven");
    for split in [Split::Train, Split::Test] {
        let expected = data.read(split).expect("readable");
        for ((name, dir, _), expected) in data.sets().zip(expected) {
            let set = SetOnDisk::in_folder(name, dir).expect("divided");
            let rows = set.rows(split, Policy::default()).expect("opened");
            let rows = rows.map(|row| row.expect("a row").into_unplaced());
            assert!(rows.eq(expected.examples), "{name} {split}");
        }
    }
}

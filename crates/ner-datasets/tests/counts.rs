//! Counts on the real files, where they are at hand, against the published tables.

use std::path::{Path, PathBuf};

use ner_datasets::{Format, Policy, ReadOptions, Stats, open, scan_labels};

/// The folder of the data sets: `RNER_SHARED`, or `../shared` seen from the repository's root.
fn datasets() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("RNER_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = root.join("datasets");
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

fn stats(path: &Path, labels: Option<Vec<String>>, policy: Policy) -> Stats {
    let format = Format::detect(path).expect("a known format");
    let options = ReadOptions {
        labels,
        policy,
        ..ReadOptions::default()
    };
    Stats::collect(open(path, format, options).expect("opened")).expect("readable")
}

/// File; sentences, tokens, entities, types, entity-free, duplicates; then after the paper's filter: entities, gold
/// set, entity-free.
#[rustfmt::skip]
const BENCHMARK: [(&str, [usize; 6], [usize; 3]); 19] = [
    ("crossner/ai/train", [100, 3_782, 532, 14, 0, 0], [489, 480, 0]),
    ("crossner/ai/dev", [350, 10_919, 1_549, 14, 0, 0], [1_369, 1_352, 2]),
    ("crossner/ai/test", [431, 12_991, 1_809, 14, 1, 1], [1_628, 1_607, 7]),
    ("crossner/literature/train", [100, 3_782, 541, 12, 0, 0], [483, 466, 0]),
    ("crossner/literature/dev", [400, 14_503, 2_130, 12, 0, 0], [1_918, 1_895, 1]),
    ("crossner/literature/test", [416, 16_157, 2_266, 12, 0, 0], [2_027, 1_982, 0]),
    ("crossner/music/train", [100, 3_909, 648, 13, 0, 1], [626, 624, 0]),
    ("crossner/music/dev", [380, 15_591, 2_679, 13, 0, 5], [2_555, 2_525, 0]),
    ("crossner/music/test", [465, 19_605, 3_336, 13, 0, 8], [3_165, 3_124, 0]),
    ("crossner/politics/train", [200, 8_384, 1_304, 9, 0, 0], [1_224, 1_209, 0]),
    ("crossner/politics/dev", [541, 24_624, 3_482, 9, 0, 1], [3_289, 3_229, 0]),
    ("crossner/politics/test", [651, 27_585, 4_209, 9, 0, 0], [3_951, 3_900, 0]),
    ("crossner/science/train", [200, 7_100, 1_075, 17, 0, 1], [906, 889, 5]),
    ("crossner/science/dev", [450, 16_139, 2_538, 17, 0, 4], [2_178, 2_131, 15]),
    ("crossner/science/test", [543, 19_487, 3_089, 17, 0, 11], [2_569, 2_530, 19]),
    ("mit-movie/train", [9_775, 99_491, 21_295, 12, 55, 43], [21_295, 21_295, 55]),
    ("mit-movie/test", [2_443, 24_686, 5_339, 12, 11, 1], [5_339, 5_339, 11]),
    ("mit-restaurant/train", [7_660, 70_525, 15_363, 8, 87, 1], [15_363, 15_344, 87]),
    ("mit-restaurant/test", [1_521, 14_256, 3_151, 8, 4, 0], [3_151, 3_150, 4]),
];

fn counts(stats: &Stats) -> ([usize; 6], [usize; 3]) {
    let written = [
        stats.sentences,
        stats.tokens,
        stats.entities,
        stats.types(),
        stats.entity_free,
        stats.duplicates,
    ];
    let filtered = &stats.filtered;
    let left = [filtered.entities, filtered.gold_set, filtered.entity_free];
    (written, left)
}

#[test]
fn the_seven_benchmark_sets_in_both_layouts() {
    let Some(datasets) = datasets() else { return };
    for (name, written, filtered) in BENCHMARK {
        let path = datasets.join(format!("{name}.txt"));
        // These files are clean: with every fault fatal they are read to the end.
        let format = Format::detect(&path).expect("a known format");
        let labels = scan_labels(&path, format, ReadOptions::default()).expect("readable");
        let found = stats(&path, Some(labels), Policy::strict());
        assert_eq!(counts(&found), (written, filtered), "{name}");

        let path = datasets.join("instructuie-format").join(instructuie(name));
        let found = stats(&path, None, Policy::strict());
        assert_eq!(counts(&found), (written, filtered), "{}", path.display());
    }
}

/// `crossner/ai/train` lies in `CrossNER_AI/train.json`, `mit-movie/train` in a folder of its own name.
fn instructuie(name: &str) -> String {
    let name = name.replace("crossner/", "CrossNER_");
    format!("{}.json", name.replace("_ai/", "_AI/"))
}

/// File; sentences, entities, entity-free; entities of each type, sorted by label.
#[rustfmt::skip]
const IN_DOMAIN: [(&str, [usize; 3], &[usize]); 18] = [
    ("AnatEM/train.tsv", [5_861, 6_946, 2_347], &[6_946]),
    ("AnatEM/devel.tsv", [2_118, 2_139, 996], &[2_139]),
    ("AnatEM/test.tsv", [3_830, 4_616, 1_522], &[4_616]),
    ("bc2gm/train.tsv", [12_574, 15_197, 6_146], &[15_197]),
    ("bc2gm/devel.tsv", [2_519, 3_061, 1_227], &[3_061]),
    ("bc2gm/test.tsv", [5_038, 6_325, 2_468], &[6_325]),
    ("bc5cdr/train.tsv", [4_560, 9_385, 753], &[5_203, 4_182]),
    ("bc5cdr/devel.tsv", [4_581, 9_593, 772], &[5_347, 4_246]),
    ("bc5cdr/test.tsv", [4_797, 9_809, 823], &[5_385, 4_424]),
    ("ncbi/train.tsv", [5_424, 5_134, 2_501], &[5_134]),
    ("ncbi/devel.tsv", [923, 787, 434], &[787]),
    ("ncbi/test.tsv", [940, 960, 401], &[960]),
    ("BroadTweetCorpus/a.conll", [1_000, 521, 658], &[119, 173, 229]),
    ("BroadTweetCorpus/b.conll", [2_000, 1_610, 1_113], &[229, 516, 865]),
    ("BroadTweetCorpus/e.conll", [200, 325, 48], &[144, 122, 59]),
    ("BroadTweetCorpus/f.conll", [2_001, 4_376, 415], &[636, 1_090, 2_650]),
    ("BroadTweetCorpus/g.conll", [2_138, 4_685, 222], &[1_385, 1_498, 1_802]),
    // One of the published 2,001 sentences has no word.
    ("BroadTweetCorpus/h.conll", [2_000, 3_368, 705], &[309, 736, 2_323]),
];

#[test]
fn the_in_domain_sets() {
    let Some(datasets) = datasets() else { return };
    for (name, expected, types) in IN_DOMAIN {
        let found = stats(
            &datasets.join("in-domain").join(name),
            None,
            Policy::default(),
        );
        let counts = [found.sentences, found.entities, found.entity_free];
        assert_eq!(counts, expected, "{name}");
        assert_eq!(
            found.per_type.values().copied().collect::<Vec<_>>(),
            types,
            "{name}"
        );
    }
}

#[test]
fn the_samples_of_other_formats() {
    let Some(datasets) = datasets() else { return };
    let read = |name: &str| stats(&datasets.join(name), None, Policy::default());
    let ai = read("uniner-eval/CrossNER_AI.json");
    assert_eq!(
        (ai.sentences, ai.entities, ai.sentences - ai.duplicates),
        (5_603, 1_624, 430)
    );
    let restaurant = read("uniner-eval/mit-restaurant.json");
    assert_eq!((restaurant.sentences, restaurant.entities), (12_160, 3_150));
    let slimer = read("pile-ner-slimer/validation_TrueDef.jsonl");
    let passages = slimer.sentences - slimer.duplicates;
    let counts = (
        slimer.sentences,
        slimer.entities,
        slimer.entity_free,
        passages,
    );
    assert_eq!(counts, (1_317, 1_576, 602, 880));
    let gliner = read("gliner-sample/sample_data.json");
    let counts = (
        gliner.sentences,
        gliner.entities,
        gliner.types(),
        gliner.tokens,
    );
    assert_eq!(counts, (64, 236, 144, 1_598));
}

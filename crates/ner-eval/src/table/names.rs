//! The sets of results, and what they are called in a table.

use ner_datasets::BENCHMARK_SETS;

use crate::result::EvalResult;

/// A set's name in a table: without the benchmark that it belongs to. The paper's sets, whose names the toy corpus
/// takes over, are spelt as in its tables; those of other sets stay as they are.
pub fn short_name(set: &str) -> String {
    let Some(place) = place_in_paper(set) else {
        return bare(set).to_owned();
    };
    let mut letters = bare(BENCHMARK_SETS[place]).chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// The column of a set in the paper's tables, if it is one of its sets or is called like one.
fn place_in_paper(set: &str) -> Option<usize> {
    let is_known = |known: &&str| bare(known).eq_ignore_ascii_case(bare(set));
    BENCHMARK_SETS.iter().position(is_known)
}

/// Sorts sets as the paper's columns, if all are called like sets of the paper; else they stay in their order.
pub(super) fn in_the_papers_order(sets: &mut [&str]) {
    if sets.iter().all(|set| place_in_paper(set).is_some()) {
        sets.sort_by_key(|set| place_in_paper(set));
    }
}

fn bare(set: &str) -> &str {
    let bare = set.strip_prefix("CrossNER_").or(set.strip_prefix("mit-"));
    bare.unwrap_or(set)
}

/// Names of all sets, in the order in which they occur.
pub(super) fn set_names<'a>(results: impl Iterator<Item = &'a EvalResult>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for set in results.flat_map(|result| &result.sets) {
        if !names.contains(&set.name.as_str()) {
            names.push(&set.name);
        }
    }
    names
}

/// Whether these sets are among the paper's seven, so that its figures may stand beside them.
pub(super) fn is_benchmark(sets: &[&str]) -> bool {
    sets.iter().all(|set| BENCHMARK_SETS.contains(set))
}

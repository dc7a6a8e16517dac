//! The sets of results, and what they are called in a table.

use ner_datasets::BENCHMARK_SETS;

use crate::result::EvalResult;

/// A set's name in a table: without the benchmark that it belongs to. The names of the paper's sets, which the toy
/// corpus takes over, have a capital letter; those of other sets stay as they are.
pub fn short_name(set: &str) -> String {
    let name = bare(set);
    let is_known = |known: &str| bare(known).eq_ignore_ascii_case(name);
    if !BENCHMARK_SETS.iter().any(|known| is_known(known)) {
        return name.to_owned();
    }
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
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

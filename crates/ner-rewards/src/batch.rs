//! Many completions at once, on all cores.

use ner_types::Entity;
use rayon::prelude::*;

use crate::{Breakdown, RewardOptions, RewardWeights, Target};

/// Below so many bytes of completions, handing them to other threads takes longer than scoring them.
const PARALLEL_BYTES: usize = 64 * 1024;

/// A completion with what it is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Schema and gold entities of its prompt.
    pub target: &'a Target,
    /// Its text.
    pub completion: &'a str,
}

/// Rewards of completions of any prompts, in their order. Larger batches are scored in parallel, with the same results.
pub fn score_items(items: &[Item<'_>], options: &RewardOptions) -> Vec<Breakdown> {
    let score = |item: &Item<'_>| item.target.score_with(item.completion, options);
    let n_bytes: usize = items.iter().map(|item| item.completion.len()).sum();
    if n_bytes < PARALLEL_BYTES {
        items.iter().map(score).collect()
    } else {
        items.par_iter().map(score).collect()
    }
}

/// The paper's rewards of a group: many completions of one prompt, in their order. Larger groups are scored in
/// parallel.
pub fn score_batch<T: AsRef<str>>(
    completions: &[T],
    schema: &[String],
    gold: &[Entity],
    weights: &RewardWeights,
) -> Vec<Breakdown> {
    let target = Target::new(schema, gold);
    let item = |completion| Item {
        target: &target,
        completion,
    };
    let completions = completions.iter().map(AsRef::as_ref);
    let items: Vec<Item<'_>> = completions.map(item).collect();
    score_items(&items, &(*weights).into())
}

//! Which prompts a step uses and with which seeds they are sampled: pure functions of `(seed, step)`.

use rand::seq::SliceRandom;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The streams of the run's seed: even numbers order the prompts, odd ones seed the samples. Those from [`SPARE`] on
/// are of the prompts that replace others.
fn stream(seed: u64, number: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number as u64);
    rng
}

/// The prompts of step `step` (from 0), as indices below `prompts`.
///
/// Every epoch is a new permutation of all prompts, and the steps read the epochs end to end, so a step may take the
/// rest of one epoch and the start of the next.
pub(crate) fn prompts_of_step(
    seed: u64,
    step: usize,
    per_step: usize,
    prompts: usize,
) -> Vec<usize> {
    let positions = step * per_step..(step + 1) * per_step;
    let mut current = None;
    let mut picked = Vec::with_capacity(per_step);
    for position in positions {
        let epoch = position / prompts;
        let order = match current.take() {
            Some((of, order)) if of == epoch => order,
            _ => permutation(seed, epoch, prompts),
        };
        picked.push(order[position % prompts]);
        current = Some((epoch, order));
    }
    picked
}

fn permutation(seed: u64, epoch: usize, prompts: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..prompts).collect();
    order.shuffle(&mut stream(seed, 2 * epoch));
    order
}

/// One sampling seed for each prompt of step `step`.
pub(crate) fn sampling_seeds(seed: u64, step: usize, count: usize) -> Vec<u64> {
    let mut rng = stream(seed, 2 * step + 1);
    (0..count).map(|_| rng.next_u64()).collect()
}

/// The first stream of replacements.
const SPARE: usize = 1 << 62;

/// All prompts below `prompts` that step `step` does not use yet, in the order in which they replace others, each with
/// its sampling seed.
pub(crate) fn spare_prompts(
    seed: u64,
    step: usize,
    used: &[usize],
    prompts: usize,
) -> Vec<(usize, u64)> {
    let mut rng = stream(seed, SPARE + step);
    let mut order: Vec<usize> = (0..prompts)
        .filter(|prompt| !used.contains(prompt))
        .collect();
    order.shuffle(&mut rng);
    order
        .into_iter()
        .map(|prompt| (prompt, rng.next_u64()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_read_the_epochs_end_to_end() {
        let drawn: Vec<usize> = (0..6)
            .flat_map(|step| prompts_of_step(3, step, 4, 6))
            .collect();
        for epoch in drawn.chunks_exact(6) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
        }
        assert_ne!(drawn[..6], drawn[6..12]);
        assert_ne!(prompts_of_step(3, 0, 6, 6), prompts_of_step(4, 0, 6, 6));
    }

    #[test]
    fn a_step_may_be_longer_than_an_epoch() {
        assert_eq!(prompts_of_step(0, 2, 5, 1), [0; 5]);
    }

    #[test]
    fn every_prompt_of_every_step_has_its_own_seed() {
        let mut seeds: Vec<u64> = (0..50)
            .flat_map(|step| sampling_seeds(9, step, 20))
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 1000);
        assert_eq!(sampling_seeds(9, 7, 20), sampling_seeds(9, 7, 20));
    }

    #[test]
    fn spare_prompts_are_all_others_in_an_order_of_the_step() {
        let spare = spare_prompts(3, 5, &[1, 4], 6);
        let mut prompts: Vec<usize> = spare.iter().map(|(prompt, _)| *prompt).collect();
        prompts.sort_unstable();
        assert_eq!(prompts, [0, 2, 3, 5]);
        assert_eq!(spare, spare_prompts(3, 5, &[1, 4], 6));
        assert_ne!(spare, spare_prompts(3, 6, &[1, 4], 6));
        let regular = sampling_seeds(3, 5, 4);
        assert!(spare.iter().all(|(_, seed)| !regular.contains(seed)));
    }
}

//! The two kernels.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::super::reduce::{cube_max, cube_sum};
use crate::types::LEAST_LOG_PROB;

/// One cube per row: each unit keeps a running maximum of its columns and the sums relative to it, as
/// [Milakov and Gimelshein, 2018](https://arxiv.org/abs/1805.02867), so that the logits are read once.
#[cube(launch, address_type = "dynamic")]
pub(super) fn statistics_kernel<X: Float, I: Int>(
    logits: &Array<X>,
    targets: &Array<I>,
    log_probs: &mut Array<f32>,
    entropies: &mut Array<f32>,
    lses: &mut Array<f32>,
    rows: usize,
    first: usize,
    vocab: usize,
    inverse_temperature: f32,
    #[comptime] units: u32,
    #[define(X, I)] _types: [StorageType; 2],
) {
    let row = CUBE_POS;
    if row >= rows {
        terminate!();
    }
    let mut scratch = SharedMemory::<f32>::new(units as usize);
    let start = row * vocab;
    let mut max = f32::new(-1e30);
    let mut sum = 0.0f32;
    let mut weighted = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < vocab {
        let logit = f32::cast_from(logits[start + i]) * inverse_temperature;
        if logit > max {
            let shrink = (max - logit).exp();
            // Relative to the new maximum, every old logit lies lower by the difference.
            weighted = (weighted + (max - logit) * sum) * shrink;
            sum *= shrink;
            max = logit;
        }
        let weight = (logit - max).exp();
        sum += weight;
        weighted += weight * (logit - max);
        i += units as usize;
    }
    let top = cube_max(max, &mut scratch);
    let below = max - top;
    let shrink = below.exp();
    let total = cube_sum(sum * shrink, &mut scratch);
    // A unit without a column has no sum, and its maximum is meaningless.
    let mut shifted = 0.0f32;
    if sum > 0.0 {
        shifted = (weighted + below * sum) * shrink;
    }
    let weighted_total = cube_sum(shifted, &mut scratch);
    if UNIT_POS == 0 {
        let target = u32::cast_from(targets[first + row]) as usize;
        let logit = f32::cast_from(logits[start + target]) * inverse_temperature;
        let log_sum = total.ln();
        log_probs[first + row] = logit - top - log_sum;
        entropies[first + row] = log_sum - weighted_total / total;
        lses[first + row] = log_sum + top;
    }
}

/// Writes the gradient of the logits over them.
#[cube(launch, address_type = "dynamic")]
pub(super) fn gradient_kernel<X: Float, I: Int, G: Float>(
    logits: &mut Array<X>,
    targets: &Array<I>,
    lses: &Array<f32>,
    grad: &Array<G>,
    entropies: &Array<f32>,
    entropy_grad: &Array<G>,
    elements: usize,
    first: usize,
    vocab: usize,
    inverse_temperature: f32,
    #[comptime] with_entropy: bool,
    #[define(X, I, G)] _types: [StorageType; 3],
) {
    let i = ABSOLUTE_POS;
    if i >= elements {
        terminate!();
    }
    let row = i / vocab;
    let column = i - row * vocab;
    let logit = f32::cast_from(logits[i]) * inverse_temperature;
    let of_target = f32::cast_from(grad[first + row]);
    let log_prob = logit - lses[first + row];
    let mut share = of_target;
    if with_entropy {
        // A probability of zero contributes nothing, however low its logarithm is.
        let surprise = log_prob.max(LEAST_LOG_PROB) + entropies[first + row];
        share += surprise * f32::cast_from(entropy_grad[first + row]);
    }
    let mut value = -log_prob.exp() * share;
    if column == u32::cast_from(targets[first + row]) as usize {
        value += of_target;
    }
    logits[i] = X::cast_from(value * inverse_temperature);
}

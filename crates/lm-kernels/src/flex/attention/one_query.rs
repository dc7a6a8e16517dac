//! A single query against many keys, as in every decode step: a product would serve it badly.

use super::{Block, Heads, forward::Slots};
use crate::flex::{
    buffer::with_scratch,
    simd::{dot, exp_row, vectorised},
};

/// The heads of one group for a single query.
pub(super) fn one_query(
    heads: Heads,
    block: Block,
    group: usize,
    [q, k, v]: [&[f32]; 3],
    out: Slots<'_>,
    lse: Slots<'_>,
) {
    let (dim, width) = (heads.dim, heads.per_group());
    let offset = block.first_key * heads.key_step() + group * dim;
    let query = heads.group_of(q, block.token, group);
    let out = &mut out[group * width * dim..][..width * dim];
    let lse = &mut lse[group * width..][..width];
    with_scratch(width * block.keys(), |scores| {
        let [keys, values] = [k, v].map(|rows| Rows {
            data: &rows[offset..],
            step: heads.key_step(),
            dim,
        });
        score(query, keys, scores);
        mix(scores, values, heads.scale, out, lse);
    });
}

/// Keys or values of one group, `step` floats apart and `dim` long.
#[derive(Clone, Copy)]
struct Rows<'a> {
    data: &'a [f32],
    step: usize,
    dim: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn at(self, row: usize) -> &'a [f32] {
        &self.data[row * self.step..][..self.dim]
    }
}

/// The product of every head's query with every key; scores are `[heads, keys]`.
fn score(queries: &[f32], keys: Rows<'_>, scores: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if keys.dim.is_multiple_of(x86::LANES)
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
    {
        // SAFETY: the features of the callee were just detected.
        return unsafe { x86::score(queries, keys, scores) };
    }
    let count = scores.len() / (queries.len() / keys.dim);
    score_from(0, queries, keys, count, scores);
}

/// The scores of the keys from `first` on, one after the other.
fn score_from(first: usize, queries: &[f32], keys: Rows<'_>, count: usize, scores: &mut [f32]) {
    for j in first..count {
        let heads = queries
            .chunks_exact(keys.dim)
            .zip(scores.chunks_exact_mut(count));
        heads.for_each(|(query, scores)| scores[j] = product(query, keys.at(j)));
    }
}

vectorised! {
    fn product(query: &[f32], key: &[f32]) -> f32 {
        dot(query, key)
    }
}

/// Eight keys at a time. The compiler does not find the tree that sums eight registers at once, and summing one after the
/// other takes longer than the products.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Rows, score_from};

    /// Floats in a register, and keys at once.
    pub(super) const LANES: usize = 8;

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn score(queries: &[f32], keys: Rows<'_>, scores: &mut [f32]) {
        let count = scores.len() / (queries.len() / keys.dim);
        for first in (0..count / LANES).map(|i| i * LANES) {
            let last = (LANES - 1) * keys.step + keys.dim;
            let near = &keys.data[first * keys.step..][..last];
            let heads = queries
                .chunks_exact(keys.dim)
                .zip(scores.chunks_exact_mut(count));
            for (query, scores) in heads {
                let sums = eight(query, near, keys.step);
                let to = &mut scores[first..first + LANES];
                // SAFETY: there is place for eight floats.
                unsafe { _mm256_storeu_ps(to.as_mut_ptr(), sums) };
            }
        }
        score_from(count / LANES * LANES, queries, keys, count, scores);
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn eight(query: &[f32], keys: &[f32], step: usize) -> __m256 {
        assert!(
            query.len().is_multiple_of(LANES) && (LANES - 1) * step + query.len() <= keys.len(),
            "attention: keys out of range"
        );
        let mut sums = [_mm256_setzero_ps(); LANES];
        for at in (0..query.len()).step_by(LANES) {
            // SAFETY: `at + 8` is at most the length of the query, and all eight keys of that length lie in the slice, as
            // was checked.
            unsafe {
                let query = _mm256_loadu_ps(query.as_ptr().add(at));
                for (i, sum) in sums.iter_mut().enumerate() {
                    let key = _mm256_loadu_ps(keys.as_ptr().add(i * step + at));
                    *sum = _mm256_fmadd_ps(query, key, *sum);
                }
            }
        }
        total(sums)
    }

    /// The sum of every register.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn total(x: [__m256; LANES]) -> __m256 {
        let low = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
        let high = _mm256_hadd_ps(_mm256_hadd_ps(x[4], x[5]), _mm256_hadd_ps(x[6], x[7]));
        // Each half of `low` has a part of the sums 0 to 3, each half of `high` of 4 to 7.
        let first = _mm256_permute2f128_ps::<0x20>(low, high);
        _mm256_add_ps(first, _mm256_permute2f128_ps::<0x31>(low, high))
    }
}

vectorised! {
    /// Softmax of the scores of every head, and its mean of the values.
    fn mix(scores: &mut [f32], values: Rows<'_>, scale: f32, out: Slots<'_>, lse: Slots<'_>) {
        let rows = scores.chunks_exact_mut(scores.len() / lse.len());
        for ((scores, out), lse) in rows.zip(out.chunks_exact_mut(values.dim)).zip(lse) {
            scores.iter_mut().for_each(|x| *x *= scale);
            let (max, sum) = exp_row(scores);
            lse.write(max + sum.ln());
            weighted_sum(scores, values, 1.0 / sum, out);
        }
    }
}

/// Columns of the output summed at once: four AVX2 registers, twice.
const STRIP: usize = 32;

/// `out = scale · Σ weightⱼ · valueⱼ`.
#[inline(always)]
fn weighted_sum(weights: &[f32], values: Rows<'_>, scale: f32, out: Slots<'_>) {
    let mut strips = out.chunks_exact_mut(STRIP);
    let mut column = 0;
    for strip in &mut strips {
        for (out, sum) in strip.iter_mut().zip(strip_sum(weights, values, column)) {
            out.write(sum * scale);
        }
        column += STRIP;
    }
    for (i, out) in strips.into_remainder().iter_mut().enumerate() {
        let at = |j: usize| values.data[j * values.step + column + i];
        let sum: f32 = weights
            .iter()
            .enumerate()
            .map(|(j, weight)| weight * at(j))
            .sum();
        out.write(sum * scale);
    }
}

/// Values of even and of odd number are summed apart, so that an addition need not wait for the one before.
#[inline(always)]
fn strip_sum(weights: &[f32], values: Rows<'_>, column: usize) -> [f32; STRIP] {
    let (mut even, mut odd) = ([0.0_f32; STRIP], [0.0_f32; STRIP]);
    let mut j = 0;
    for pair in weights.chunks_exact(2) {
        add(
            &mut even,
            pair[0],
            &values.data[j * values.step + column..][..STRIP],
        );
        add(
            &mut odd,
            pair[1],
            &values.data[(j + 1) * values.step + column..][..STRIP],
        );
        j += 2;
    }
    if j < weights.len() {
        add(
            &mut even,
            weights[j],
            &values.data[j * values.step + column..][..STRIP],
        );
    }
    for i in 0..STRIP {
        even[i] += odd[i];
    }
    even
}

#[inline(always)]
fn add(sums: &mut [f32; STRIP], weight: f32, value: &[f32]) {
    for i in 0..STRIP {
        sums[i] = weight.mul_add(value[i], sums[i]);
    }
}

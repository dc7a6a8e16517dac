//! A single query against many keys, as in every decode step: memory-bound, so a GEMM would only add packing.

use super::{Block, Heads, Slots};
use crate::flex::{
    buffer::with_scratch,
    simd::{dot, exp_row, vectorised},
};

/// All heads for a single query.
///
/// Keys and values are streamed once, a few rows at a time for all heads: the rows of one group are not contiguous, and
/// reading group by group would be strided.
pub(super) fn one_query(
    heads: Heads,
    block: Block,
    [q, k, v]: [&[f32]; 3],
    out: Slots<'_>,
    lse: Slots<'_>,
) {
    let (count, first) = (block.keys(), block.first_key * heads.key_step());
    let queries = &q[block.token * heads.query_step()..][..heads.query_step()];
    with_scratch(heads.queries * count, |scores| {
        let [keys, values] = [k, v].map(|rows| Rows {
            data: &rows[first..][..count * heads.key_step()],
            heads,
        });
        score(queries, keys, scores);
        softmax(scores, heads.scale, lse);
        mix(scores, values, out);
    });
}

/// The keys or values of all groups of one sequence.
#[derive(Clone, Copy)]
struct Rows<'a> {
    data: &'a [f32],
    heads: Heads,
}

impl<'a> Rows<'a> {
    /// What follows the beginning of the row that a query head reads.
    #[inline(always)]
    fn from(self, row: usize, head: usize) -> &'a [f32] {
        let group = head / self.heads.per_group();
        &self.data[row * self.heads.key_step() + group * self.heads.dim..]
    }

    /// Number of rows.
    fn count(self) -> usize {
        self.data.len() / self.heads.key_step()
    }
}

/// The product of every head's query with every key; scores are `[heads, keys]`.
fn score(queries: &[f32], keys: Rows<'_>, scores: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if keys.heads.dim.is_multiple_of(x86::LANES)
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
    {
        // SAFETY: the features of the callee were just detected.
        return unsafe { x86::score(queries, keys, scores) };
    }
    score_from(0, queries, keys, scores);
}

/// The scores of the keys from `first` on, one after the other.
fn score_from(first: usize, queries: &[f32], keys: Rows<'_>, scores: &mut [f32]) {
    let (count, dim) = (keys.count(), keys.heads.dim);
    for j in first..count {
        let heads = queries
            .chunks_exact(dim)
            .zip(scores.chunks_exact_mut(count));
        for (head, (query, scores)) in heads.enumerate() {
            scores[j] = product(query, &keys.from(j, head)[..dim]);
        }
    }
}

vectorised! {
    fn product(query: &[f32], key: &[f32]) -> f32 {
        dot(query, key)
    }
}

/// Eight keys at a time. The compiler does not find the reduction tree that sums eight registers at once, and reducing
/// one after the other takes longer than the products.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Rows, score_from};

    /// Floats in a register, and keys at once.
    pub(super) const LANES: usize = 8;

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn score(queries: &[f32], keys: Rows<'_>, scores: &mut [f32]) {
        let (count, dim) = (keys.count(), keys.heads.dim);
        for first in (0..count / LANES).map(|i| i * LANES) {
            let heads = queries
                .chunks_exact(dim)
                .zip(scores.chunks_exact_mut(count));
            for (head, (query, scores)) in heads.enumerate() {
                let sums = eight(query, keys.from(first, head), keys.heads.key_step());
                let to = &mut scores[first..first + LANES];
                // SAFETY: there is place for eight floats.
                unsafe { _mm256_storeu_ps(to.as_mut_ptr(), sums) };
            }
        }
        score_from(count / LANES * LANES, queries, keys, scores);
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
            // SAFETY: `at + 8` is at most the length of the query, and all eight keys of that length lie in the slice,
            // as was checked.
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
    /// Replaces the scores of every head by their softmax, and writes their log-sum-exp.
    fn softmax(scores: &mut [f32], scale: f32, lse: Slots<'_>) {
        let rows = scores.chunks_exact_mut(scores.len() / lse.len());
        for (scores, lse) in rows.zip(lse) {
            scores.iter_mut().for_each(|x| *x *= scale);
            let (max, sum) = exp_row(scores);
            let share = 1.0 / sum;
            scores.iter_mut().for_each(|x| *x *= share);
            lse.write(max + sum.ln());
        }
    }
}

/// Rows of values that all heads read before the next ones. Those of four heads of 32 stay in L1, those of eight heads
/// of 128 in L2.
const ROWS: usize = 32;
/// Columns of the output summed at once: four AVX2 registers, twice.
const STRIP: usize = 32;

vectorised! {
    /// The mean of the values by the weights `[heads, keys]`, for every head.
    fn mix(weights: &[f32], values: Rows<'_>, out: Slots<'_>) {
        let (count, dim) = (values.count(), values.heads.dim);
        out.iter_mut().for_each(|out| {
            out.write(0.0);
        });
        for first in (0..count).step_by(ROWS) {
            let len = ROWS.min(count - first);
            let heads = weights.chunks_exact(count).zip(out.chunks_exact_mut(dim));
            for (head, (weights, out)) in heads.enumerate() {
                let weights = &weights[first..first + len];
                // SAFETY: every slot has been written above.
                let out = unsafe { out.assume_init_mut() };
                add_weighted_sum(weights, values.from(first, head), values.heads.key_step(), out);
            }
        }
    }
}

/// `out += Σ weightⱼ · valueⱼ` for values that begin `step` floats apart.
#[inline(always)]
fn add_weighted_sum(weights: &[f32], values: &[f32], step: usize, out: &mut [f32]) {
    let mut strips = out.chunks_exact_mut(STRIP);
    let mut column = 0;
    for strip in &mut strips {
        let sums = strip_sum(weights, &values[column..], step);
        strip
            .iter_mut()
            .zip(sums)
            .for_each(|(out, sum)| *out += sum);
        column += STRIP;
    }
    for (i, out) in strips.into_remainder().iter_mut().enumerate() {
        let weighted = |(j, weight): (usize, &f32)| weight * values[j * step + column + i];
        *out += weights.iter().enumerate().map(weighted).sum::<f32>();
    }
}

/// Values of even and of odd index have sums of their own, so that an addition does not depend on the one before.
#[inline(always)]
fn strip_sum(weights: &[f32], values: &[f32], step: usize) -> [f32; STRIP] {
    let (mut even, mut odd) = ([0.0_f32; STRIP], [0.0_f32; STRIP]);
    let mut j = 0;
    for pair in weights.chunks_exact(2) {
        add(&mut even, pair[0], &values[j * step..][..STRIP]);
        add(&mut odd, pair[1], &values[(j + 1) * step..][..STRIP]);
        j += 2;
    }
    if j < weights.len() {
        add(&mut even, weights[j], &values[j * step..][..STRIP]);
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

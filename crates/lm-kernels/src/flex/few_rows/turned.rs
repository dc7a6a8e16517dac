//! One to four rows: outputs are the lanes, and blocks of the weight are turned in registers.
//!
//! With the rows of `x` in the lanes most of them would be empty. Turning four inputs of eight outputs takes eight shuffles in
//! place of 32 loads of single values. Every output still sums its inputs in order, so that the result has the same bits.

use std::arch::x86_64::*;

use super::super::simd::prefetch;

/// Most rows that are done here: with more, the sums would not fit into the registers.
pub(super) const MOST: usize = 4;
/// Outputs at once: two registers, whose sums do not wait for each other.
pub(super) const OUTPUTS: usize = 16;
/// Floats in a register.
const LANES: usize = 8;
/// Inputs that are turned at once.
const INPUTS: usize = 4;

/// Inputs that are asked for ahead of their use.
const AHEAD: usize = 64;

/// Whether the processor has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// The products of some rows of a weight with `R` rows of `x`, `[R, OUTPUTS]`.
///
/// # Panics
///
/// If the rows differ in length or the processor lacks the instructions.
pub(super) fn products<const R: usize>(
    weights: &[&[f32]; OUTPUTS],
    x: [&[f32]; R],
) -> [[f32; OUTPUTS]; R] {
    let inputs = weights[0].len();
    let same = |row: &&[f32]| row.len() == inputs;
    assert!(
        weights.iter().all(same) && x.iter().all(same),
        "few rows: lengths differ"
    );
    assert!(is_available(), "few rows: instructions are missing");
    // SAFETY: the features of the callee were just detected, and all rows have the same length.
    unsafe { sums(weights, x, inputs) }
}

/// # Safety
///
/// Every row must have `inputs` values.
#[target_feature(enable = "avx2,fma")]
unsafe fn sums<const R: usize>(
    weights: &[&[f32]; OUTPUTS],
    x: [&[f32]; R],
    inputs: usize,
) -> [[f32; OUTPUTS]; R] {
    let mut sums = [[_mm256_setzero_ps(); OUTPUTS / LANES]; R];
    let whole = inputs / INPUTS * INPUTS;
    for at in (0..whole).step_by(INPUTS) {
        fetch_ahead(weights, at, inputs);
        for half in 0..OUTPUTS / LANES {
            // SAFETY: `at + 4` is at most the length of every row.
            let columns = unsafe { turned(weights, half * LANES, at) };
            for (i, column) in columns.into_iter().enumerate() {
                for (x, sums) in x.iter().zip(&mut sums) {
                    // SAFETY: as above.
                    let x = unsafe { _mm256_set1_ps(*x.get_unchecked(at + i)) };
                    sums[half] = _mm256_fmadd_ps(column, x, sums[half]);
                }
            }
        }
    }
    let mut out = [[0.0; OUTPUTS]; R];
    for (out, sums) in out.iter_mut().zip(sums) {
        for (out, sum) in out.chunks_exact_mut(LANES).zip(sums) {
            // SAFETY: there is place for eight floats.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), sum) };
        }
    }
    for i in whole..inputs {
        for (x, out) in x.iter().zip(&mut out) {
            for (weight, out) in weights.iter().zip(out) {
                *out = weight[i].mul_add(x[i], *out);
            }
        }
    }
    out
}

/// Asks for what will be read a little later, in the same rows or behind their ends in the next ones: a quarter of the rows at each
/// step, so that every line of the cache is asked for once.
///
/// Rows are too short for the processor to see where sixteen of them go on. A whole row ahead would be too far: sixteen rows of
/// 1 kB and the next sixteen are all of the nearest cache.
#[inline(always)]
fn fetch_ahead(weights: &[&[f32]; OUTPUTS], at: usize, inputs: usize) {
    let ahead = at + AHEAD;
    let ahead = match ahead < inputs {
        true => ahead,
        false => ahead + (OUTPUTS - 1) * inputs,
    };
    let quarter = at / INPUTS % 4 * 4;
    for row in &weights[quarter..quarter + 4] {
        prefetch(row.as_ptr().wrapping_add(ahead));
    }
}

/// Inputs `at` to `at + 3` of eight outputs from `first` on, a register for each input.
///
/// # Safety
///
/// `at + 4` must not exceed the length of any row.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn turned(weights: &[&[f32]; OUTPUTS], first: usize, at: usize) -> [__m256; INPUTS] {
    let load = |row: usize| {
        // SAFETY: four values from `at` on lie in the row, as the caller promises.
        unsafe { _mm_loadu_ps(weights[row].as_ptr().add(at)) }
    };
    // Output i in the lower half of a register and output i + 4 in the upper one.
    let pair = |i: usize| _mm256_set_m128(load(first + i + 4), load(first + i));
    let (a, b, c, d) = (pair(0), pair(1), pair(2), pair(3));
    let (low_ab, low_cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
    let (high_ab, high_cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
    [
        _mm256_shuffle_ps::<0x44>(low_ab, low_cd),
        _mm256_shuffle_ps::<0xEE>(low_ab, low_cd),
        _mm256_shuffle_ps::<0x44>(high_ab, high_cd),
        _mm256_shuffle_ps::<0xEE>(high_ab, high_cd),
    ]
}

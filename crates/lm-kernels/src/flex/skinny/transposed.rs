//! One to four rows: outputs are the lanes, and blocks of the weight are transposed in registers.
//!
//! With the rows of `x` in the lanes most of them would be empty. Transposing four times 32 bits of eight outputs takes
//! eight shuffles in place of 32 scalar loads. These 32 bits are one value, two in BF16 or four in 8 bits, which are
//! widened after the transposition: what is read from memory is the weight as it is stored. Every output still sums its
//! inputs in order, so that the result has the same bits.

use std::arch::x86_64::*;

use half::bf16;

use super::super::simd::prefetch;

/// Most rows that are multiplied here, four after four: drafts of a sequence or two. With more, widening the weight
/// again for each four takes longer than widening it once.
pub(super) const MAX_ROWS: usize = 8;
/// Rows that are multiplied at once: with more, the sums would not fit into the registers.
pub(super) const AT_ONCE: usize = 4;
/// Outputs at once: two registers, whose sums are independent of each other.
pub(super) const OUTPUTS: usize = 16;
/// Lanes of 32 bits in a register.
const LANES: usize = 8;
/// Lanes of 32 bits of each output that are transposed in one step.
const STEP_LANES: usize = 4;

/// Bytes between what is read from a row and what is prefetched.
const PREFETCH_DISTANCE: usize = 256;

/// Whether the processor has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// A number that weights are stored in.
pub(super) trait Value: Copy {
    /// The values of a lane, in order, each in a register of its own.
    type Wide: IntoIterator<Item = __m256>;
    /// Values in a lane of 32 bits.
    const IN_LANE: usize = 4 / size_of::<Self>();
    /// Whether there are scales.
    const SCALED: bool = false;

    /// Widens the values of eight lanes.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2.
    unsafe fn widen(lanes: __m256, scales: __m256) -> Self::Wide;

    /// The value in 32 bits.
    fn wide(self, scale: f32) -> f32;
}

impl Value for f32 {
    type Wide = [__m256; 1];

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn widen(lanes: __m256, _: __m256) -> Self::Wide {
        [lanes]
    }

    fn wide(self, _: f32) -> f32 {
        self
    }
}

impl Value for bf16 {
    type Wide = [__m256; 2];

    /// The bits of a BF16 number are the upper half of those in 32 bits.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn widen(lanes: __m256, _: __m256) -> Self::Wide {
        let lanes = _mm256_castps_si256(lanes);
        let upper = _mm256_and_si256(lanes, _mm256_set1_epi32(-0x1_0000));
        [_mm256_slli_epi32::<16>(lanes), upper].map(|x| _mm256_castsi256_ps(x))
    }

    fn wide(self, _: f32) -> f32 {
        self.to_f32()
    }
}

impl Value for i8 {
    type Wide = [__m256; 4];
    const SCALED: bool = true;

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn widen(lanes: __m256, scales: __m256) -> Self::Wide {
        let lanes = _mm256_castps_si256(lanes);
        let uppermost = [
            _mm256_slli_epi32::<24>(lanes),
            _mm256_slli_epi32::<16>(lanes),
            _mm256_slli_epi32::<8>(lanes),
            lanes,
        ];
        uppermost.map(|x| {
            let value = _mm256_cvtepi32_ps(_mm256_srai_epi32::<24>(x));
            _mm256_mul_ps(value, scales)
        })
    }

    fn wide(self, scale: f32) -> f32 {
        f32::from(self) * scale
    }
}

/// Some rows of a weight, padded with copies of the last one.
pub(super) struct Panel<'a, W> {
    pub(super) rows: [&'a [W]; OUTPUTS],
    /// The scales of each row, one for each `block` inputs; empty without scales.
    pub(super) scales: [&'a [f32]; OUTPUTS],
    /// A multiple of [`values_per_step`].
    pub(super) block: usize,
}

/// Values of a row that are transposed in one step.
pub(super) const fn values_per_step<W: Value>() -> usize {
    STEP_LANES * W::IN_LANE
}

/// The products of some rows of a weight with `R` rows of `x`, `[R, OUTPUTS]`.
///
/// # Panics
///
/// If the rows differ in length, scales are missing or the processor lacks the instructions.
pub(super) fn products<W: Value, const R: usize>(
    panel: &Panel<'_, W>,
    x: [&[f32]; R],
) -> [[f32; OUTPUTS]; R] {
    let inputs = panel.rows[0].len();
    assert!(
        panel.rows.iter().all(|row| row.len() == inputs) && x.iter().all(|row| row.len() == inputs),
        "skinny product: lengths differ"
    );
    let blocks = inputs.div_ceil(panel.block.max(1));
    assert!(
        !W::SCALED
            || panel.block.is_multiple_of(values_per_step::<W>())
                && panel.scales.iter().all(|scales| scales.len() >= blocks),
        "skinny product: scales are missing"
    );
    assert!(is_available(), "skinny product: instructions are missing");
    // SAFETY: the features of the callee were just detected, all rows have the same length, and there is a scale for
    // each block.
    unsafe { sums(panel, x, inputs) }
}

/// # Safety
///
/// Every row must have `inputs` values, and with scales one of them for each block, which must be a multiple of
/// [`values_per_step`].
#[target_feature(enable = "avx2,fma")]
unsafe fn sums<W: Value, const R: usize>(
    panel: &Panel<'_, W>,
    x: [&[f32]; R],
    inputs: usize,
) -> [[f32; OUTPUTS]; R] {
    let mut sums = [[_mm256_setzero_ps(); OUTPUTS / LANES]; R];
    let mut scales = [_mm256_setzero_ps(); OUTPUTS / LANES];
    let step = values_per_step::<W>();
    let whole = inputs / step * step;
    for at in (0..whole).step_by(step) {
        prefetch_rows(&panel.rows, at / step, inputs);
        if W::SCALED && at % panel.block == 0 {
            scales = scales_of(&panel.scales, at / panel.block);
        }
        for half in 0..OUTPUTS / LANES {
            // SAFETY: `at + step` is at most the length of every row.
            let columns = unsafe { load_transposed(&panel.rows, half * LANES, at) };
            for (i, lanes) in columns.into_iter().enumerate() {
                // SAFETY: the processor has the instructions, as for this function.
                let values = unsafe { W::widen(lanes, scales[half]) };
                for (k, value) in values.into_iter().enumerate() {
                    for (x, sums) in x.iter().zip(&mut sums) {
                        // SAFETY: as above.
                        let x = unsafe { x.get_unchecked(at + i * W::IN_LANE + k) };
                        sums[half] = _mm256_fmadd_ps(value, _mm256_set1_ps(*x), sums[half]);
                    }
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
            for (o, out) in out.iter_mut().enumerate() {
                let scale = if W::SCALED {
                    panel.scales[o][i / panel.block]
                } else {
                    1.0
                };
                *out = panel.rows[o][i].wide(scale).mul_add(x[i], *out);
            }
        }
    }
    out
}

/// The scale of a block for every output.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn scales_of(scales: &[&[f32]; OUTPUTS], block: usize) -> [__m256; OUTPUTS / LANES] {
    let mut all = [0.0; OUTPUTS];
    let each = all.iter_mut().zip(scales);
    each.for_each(|(to, scales)| *to = scales[block]);
    // SAFETY: there are eight floats from 0 and from 8 on.
    unsafe {
        [
            _mm256_loadu_ps(all.as_ptr()),
            _mm256_loadu_ps(all.as_ptr().add(LANES)),
        ]
    }
}

/// Prefetches what will be read a few steps later, in the same rows or, behind their ends, in those of the next panel:
/// a quarter of the rows at each step, so that every cache line is prefetched once.
///
/// Rows are too short for the hardware prefetcher to recognise sixteen streams. A distance of a whole row would be too
/// long: sixteen rows of 1 kB and the next sixteen fill the L1 cache.
#[inline(always)]
fn prefetch_rows<W>(rows: &[&[W]; OUTPUTS], step: usize, inputs: usize) {
    let bytes = inputs * size_of::<W>();
    let in_row = step * STEP_LANES * 4 + PREFETCH_DISTANCE;
    let offset = if in_row < bytes {
        in_row
    } else {
        in_row + (OUTPUTS - 1) * bytes
    };
    let quarter = step % 4 * 4;
    for row in &rows[quarter..quarter + 4] {
        prefetch(row.as_ptr().cast::<u8>().wrapping_add(offset).cast());
    }
}

/// Four lanes of eight outputs, from value `at` of each on, transposed: a register for each lane.
///
/// # Safety
///
/// `at` and the values of a step must not exceed the length of any row.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load_transposed<W>(
    rows: &[&[W]; OUTPUTS],
    first: usize,
    at: usize,
) -> [__m256; STEP_LANES] {
    let load = |row: usize| {
        // SAFETY: 16 bytes from `at` on lie in the row, as the caller promises.
        unsafe { _mm_loadu_ps(rows[row].as_ptr().add(at).cast()) }
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

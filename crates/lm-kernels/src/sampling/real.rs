//! Sums, maxima and exponentials over a whole vocabulary, in single or double precision.

/// The float types that logits may have.
pub trait Real: Copy + PartialOrd + Into<f64> + sealed::Sealed {
    /// Positive zero.
    const ZERO: Self;
    /// Negative infinity, the logit of an impossible token.
    const NEG_INFINITY: Self;
    /// The value nearest to `x`.
    fn from_f64(x: f64) -> Self;
    /// `exp((self - max) * scale)`; NaN if either of the first two is.
    fn shifted_exp(self, max: Self, scale: Self) -> Self;
    /// `self + other`.
    fn plus(self, other: Self) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;

    fn from_f64(x: f64) -> Self {
        x
    }

    fn shifted_exp(self, max: Self, scale: Self) -> Self {
        ((self - max) * scale).exp()
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;

    fn from_f64(x: f64) -> Self {
        x as f32
    }

    #[inline(always)]
    fn shifted_exp(self, max: Self, scale: Self) -> Self {
        exp_f32((self - max) * scale)
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }
}

/// `exp(x)` for `x <= 0`, within 2 units in the last place; 0 below -87, NaN for NaN.
///
/// The C library's `expf` is called once per element; this body vectorises, and a decode step evaluates it for every
/// token of the vocabulary in every row. `x = n·ln 2 + r` with `|r| <= ln 2 / 2`, then a polynomial in `r`.
#[inline(always)]
fn exp_f32(x: f32) -> f32 {
    /// 1.5·2²³: adding it rounds to an integer, which is then in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts; products of `n` with the first are exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let tail = 1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0)));
    let polynomial = 1.0 + r + r * r * (0.5 + r * tail);
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x < -87.0 { 0.0 } else { polynomial * scale }
}

/// Additions run in this many independent lanes, so that they vectorise.
const LANES: usize = 16;

/// The largest element; NaNs are passed over here and found by the sum of the weights.
pub(crate) fn maximum<F: Real>(xs: &[F]) -> F {
    let mut lanes = [F::NEG_INFINITY; LANES];
    for chunk in xs.chunks(LANES) {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = if *x > *lane { *x } else { *lane };
        }
    }
    lanes
        .into_iter()
        .fold(F::NEG_INFINITY, |a, b| if b > a { b } else { a })
}

/// The sum of the elements.
pub(crate) fn sum<F: Real>(xs: &[F]) -> f64 {
    let mut lanes = [F::ZERO; LANES];
    for chunk in xs.chunks(LANES) {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = lane.plus(*x);
        }
    }
    lanes.into_iter().map(Into::<f64>::into).sum()
}

/// The first index at which the cumulative sum exceeds `target`; the last one of positive weight if rounding keeps the
/// sum below it.
pub(crate) fn inverse_cdf<F: Real>(weights: &[F], target: f64) -> usize {
    let mut total = 0.0;
    let mut last = 0;
    for (i, weight) in weights.iter().enumerate() {
        if *weight > F::ZERO {
            total += (*weight).into();
            last = i;
            if total > target {
                break;
            }
        }
    }
    last
}

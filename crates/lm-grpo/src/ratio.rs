//! Probability ratios from differences of log-probabilities, which must not overflow.

/// Log-ratios are clamped to this before they are exponentiated.
///
/// A policy that has moved further from another is not described by a ratio any more, and `exp` of a larger number
/// would only poison the sums.
pub(crate) const MAX_LOG_RATIO: f64 = 20.0;

/// `exp` of the clamped argument, and its derivative, which is 0 outside the range. NaN stays NaN.
pub(crate) fn clamped_exp(x: f64) -> (f64, f64) {
    let inside = x.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO);
    let exp = inside.exp();
    (exp, if inside == x { exp } else { 0.0 })
}

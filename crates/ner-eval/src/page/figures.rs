//! Figures as the pages print them: real minus signs, decimals alike, p-values no smaller than they can be.

/// Mark of a figure that does not exist.
pub const ABSENT: &str = "–";

/// A value without its sign, or with the minus sign of typography (U+2212) in place of the hyphen.
pub fn plain(value: f64, decimals: usize) -> String {
    minus(format!("{value:.decimals$}"))
}

/// A gain: always with its sign.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = minus(format!("{value:+.decimals$}"));
    let is_zero = text.chars().all(|c| !c.is_ascii_digit() || c == '0');
    if is_zero {
        return format!("{:.decimals$}", 0.0);
    }
    text
}

/// The interval of a score.
pub fn interval(low: f64, high: f64, decimals: usize) -> String {
    format!("{} to {}", plain(low, decimals), plain(high, decimals))
}

/// The interval of a gain.
pub fn signed_interval(low: f64, high: f64, decimals: usize) -> String {
    format!("{} to {}", signed(low, decimals), signed(high, decimals))
}

/// A p-value, with `≤` where the test could not have found a smaller one.
///
/// A test of `rounds` resamples gives (k + 1) / (rounds + 1), so its least value is 1 / (rounds + 1). `value` may be
/// `raw` after a correction, and is bounded by it in the same way.
pub fn p_value(value: f64, raw: f64, rounds: usize) -> String {
    let floor = 1.0 / (rounds as f64 + 1.0);
    let text = p_text(value);
    if raw <= floor * (1.0 + 1e-9) && value < 1.0 && !text.starts_with('<') {
        return format!("≤ {text}");
    }
    text
}

/// A p-value that no number of resamples bounds, such as that of a t-test.
pub fn p_text(value: f64) -> String {
    if value < 0.0001 {
        return "< 0.0001".to_owned();
    }
    format!("{value:.4}")
}

/// [`p_value`] in a sentence: `p = 0.0312` or `p ≤ 0.0010`.
pub fn p_words(value: f64, raw: f64, rounds: usize) -> String {
    let text = p_value(value, raw, rounds);
    if text.starts_with(['≤', '<']) {
        return format!("p {text}");
    }
    format!("p = {text}")
}

fn minus(text: String) -> String {
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_have_their_sign_and_zero_has_none() {
        for (value, expected) in [
            (1.25, "+1.2"),
            (-6.11, "−6.1"),
            (0.0, "0.0"),
            (-0.04, "0.0"),
        ] {
            assert_eq!(signed(value, 1), expected);
        }
        assert_eq!(signed_interval(-7.0, 0.5, 2), "−7.00 to +0.50");
        assert_eq!(interval(-1.0, 2.0, 1), "−1.0 to 2.0");
    }

    #[test]
    fn the_least_p_value_is_a_bound() {
        let least = 1.0 / 1001.0;
        assert_eq!(p_value(least, least, 1000), "≤ 0.0010");
        assert_eq!(p_value(5.0 * least, least, 1000), "≤ 0.0050");
        assert_eq!(p_value(2.0 * least, 2.0 * least, 1000), "0.0020");
        // Corrected up to 1, it bounds nothing.
        assert_eq!(p_value(1.0, least, 1000), "1.0000");
        assert_eq!(p_words(least, least, 1000), "p ≤ 0.0010");
        assert_eq!(p_words(0.25, 0.25, 1000), "p = 0.2500");
        assert_eq!(p_words(1e-6, 1e-6, 999_999), "p < 0.0001");
    }
}

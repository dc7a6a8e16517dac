//! Tails of the binomial distribution, and bounds of means of numbers between 0 and 1.

/// P(X ≤ k) of n draws with probability p each, with 0 < p < 1, summed from the largest term down.
pub(crate) fn cdf(k: usize, n: usize, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    let odds = (p / (1.0 - p)).ln();
    let mut log_term = n as f64 * (1.0 - p).ln();
    let mut sum = log_term.exp();
    for i in 1..=k {
        log_term += ((n - i + 1) as f64 / i as f64).ln() + odds;
        sum += log_term.exp();
    }
    sum.min(1.0)
}

/// The Kullback-Leibler divergence between coins with the probabilities a and b, 0 < b < 1.
pub(crate) fn divergence(a: f64, b: f64) -> f64 {
    let part = |x: f64, y: f64| if x <= 0.0 { 0.0 } else { x * (x / y).ln() };
    part(a, b) + part(1.0 - a, 1.0 - b)
}

/// The p-value of "the mean is above `risk`", seen n independent numbers between 0 and 1 with this mean: the smaller
/// one of Hoeffding's and Bentkus' (Bates et al. 2021, arXiv 2101.02703, section 3.1; Angelopoulos et al. 2021, arXiv
/// 2110.01052).
pub(crate) fn hoeffding_bentkus(mean: f64, n: usize, risk: f64) -> f64 {
    let hoeffding = (-(n as f64) * divergence(mean.min(risk), risk)).exp();
    // A sum of shares such as 0.1 + 0.2 is not to be rounded up for its last bit.
    let errors = (mean * n as f64 - 1e-9).ceil().max(0.0) as usize;
    let bentkus = std::f64::consts::E * cdf(errors, n, risk);
    hoeffding.min(bentkus).min(1.0)
}

/// How far the mean of n such numbers exceeds the mean that they are drawn with, at most, with probability 1 − level
/// (the inversion of Hoeffding's bound). Not more than 1 − `mean`.
pub(crate) fn slack(mean: f64, n: usize, level: f64) -> f64 {
    let allowed = -level.ln() / n as f64;
    let (mut low, mut high) = (mean, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if divergence(middle, mean) < allowed {
            low = middle;
        } else {
            high = middle;
        }
    }
    high - mean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-9,
            "{found} and not {expected}"
        );
    }

    #[test]
    fn tails_are_those_of_the_tables() {
        close(cdf(0, 29, 0.1), 0.9_f64.powi(29));
        close(cdf(2, 4, 0.5), 11.0 / 16.0);
        close(cdf(4, 4, 0.5), 1.0);
        // By the logarithms of factorials, in Python.
        assert!((cdf(480, 5000, 0.1) - 0.179_230).abs() < 1e-6);
    }

    #[test]
    fn p_values_are_small_for_small_means() {
        close(hoeffding_bentkus(0.0, 29, 0.1), 0.9_f64.powi(29));
        close(hoeffding_bentkus(0.1, 50, 0.1), 1.0);
        close(hoeffding_bentkus(0.3, 50, 0.1), 1.0);
        let twenty = hoeffding_bentkus(0.05, 200, 0.1);
        let bentkus = std::f64::consts::E * cdf(10, 200, 0.1);
        close(twenty, bentkus.min((-200.0 * divergence(0.05, 0.1)).exp()));
    }

    #[test]
    fn more_rows_leave_less_slack() {
        let (few, many) = (slack(0.1, 50, 0.05), slack(0.1, 5000, 0.05));
        assert!(few > 0.1 && many < 0.02, "{few} {many}");
        close(50.0 * divergence(0.1 + few, 0.1), -0.05_f64.ln());
    }
}

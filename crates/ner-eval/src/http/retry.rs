//! How long to wait before a request is sent again.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Exponential backoff with jitter; a server's `Retry-After` takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Tries in all, the first included.
    pub tries: u32,
    /// Longest delay after the first failure in milliseconds; it doubles with each further one.
    pub first_delay_ms: u64,
    /// Longest delay in milliseconds.
    pub max_delay_ms: u64,
    /// Longest `Retry-After` that is obeyed, in milliseconds; larger ones are cut to it.
    pub max_retry_after_ms: u64,
}

impl Default for Retry {
    /// Six tries; half a second doubling up to a minute; at most five minutes at the server's wish.
    fn default() -> Self {
        Retry {
            tries: 6,
            first_delay_ms: 500,
            max_delay_ms: 60_000,
            max_retry_after_ms: 300_000,
        }
    }
}

impl Retry {
    /// The delay after the `failures`-th failure, from 1.
    ///
    /// Up to half of the exponential delay is taken off at random, and up to half of the first delay is added to a
    /// `Retry-After`, so that requests that failed together do not come back together.
    pub(super) fn delay(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let first = Duration::from_millis(self.first_delay_ms);
        let jitter = jitter();
        if let Some(wish) = retry_after {
            let longest = Duration::from_millis(self.max_retry_after_ms);
            return wish.min(longest) + first.mul_f64(jitter / 2.0);
        }
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        let longest = Duration::from_millis(self.max_delay_ms);
        first
            .saturating_mul(factor)
            .min(longest)
            .mul_f64(1.0 - jitter / 2.0)
    }
}

/// A random number in [0, 1).
#[expect(
    clippy::disallowed_methods,
    reason = "delays must differ between processes of one seed, and shape no result"
)]
fn jitter() -> f64 {
    rand::random()
}

/// Reads `Retry-After`: seconds or an HTTP date. Anything else counts as absent.
pub(super) fn parse_retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        // Huge values fail in the conversion and are cut by the caller's limit.
        let huge = Duration::from_secs(u64::from(u32::MAX));
        return (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(huge));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(parse_retry_after(" 2 "), Some(Duration::from_secs(2)));
        assert_eq!(
            parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::ZERO)
        );
        for garbage in ["", "soon", "-1", "NaN"] {
            assert_eq!(parse_retry_after(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn delays_grow_up_to_their_limit() {
        let retry = Retry::default();
        for failures in 1..50 {
            let longest = (500_u64 << (failures - 1).min(20)).min(60_000);
            let delay = retry.delay(failures, None).as_millis();
            let bounds = u128::from(longest / 2)..=u128::from(longest);
            assert!(bounds.contains(&delay), "{failures}: {delay}");
        }
        let cut = retry.delay(1, parse_retry_after("1e300"));
        assert!((300_000..=300_250).contains(&cut.as_millis()), "{cut:?}");
    }
}

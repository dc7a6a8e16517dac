//! How long to wait before trying again.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Exponential backoff with jitter; a server's `Retry-After` takes precedence.
///
/// A configuration file gives its times in milliseconds, as `first_delay_ms` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Tries that may fail, the first included.
    pub tries: u32,
    /// Tries that may be refused because the server is busy, counted apart: being
    /// asked to wait is no error.
    pub throttled_tries: u32,
    /// Longest delay after the first failure; doubles with each further one.
    #[serde(rename = "first_delay_ms", with = "milliseconds")]
    pub first_delay: Duration,
    /// Longest delay.
    #[serde(rename = "max_delay_ms", with = "milliseconds")]
    pub max_delay: Duration,
    /// Longest `Retry-After` that is obeyed; larger ones are cut to this.
    #[serde(rename = "max_retry_after_ms", with = "milliseconds")]
    pub max_retry_after: Duration,
}

impl Default for Retry {
    /// Six tries, thirty of a busy server, half a second doubling up to a minute, at most five minutes
    /// at the server's wish.
    fn default() -> Self {
        Self {
            tries: 6,
            throttled_tries: 30,
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(60),
            max_retry_after: Duration::from_secs(300),
        }
    }
}

impl Retry {
    /// The delay after the `failures`-th failure (from 1).
    ///
    /// A random half of the exponential delay is taken off, and a random part
    /// of up to half of `first_delay` is added to a `Retry-After`, so that
    /// clients that failed together do not come back together.
    pub(crate) fn delay(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let jitter = jitter();
        if let Some(wish) = retry_after {
            return wish.min(self.max_retry_after) + self.first_delay.mul_f64(jitter / 2.0);
        }
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        let longest = self.first_delay.saturating_mul(factor).min(self.max_delay);
        longest.mul_f64(1.0 - jitter / 2.0)
    }
}

/// Times as whole milliseconds.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
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
pub(crate) fn parse_retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        // Infinite and huge values fail here and are cut by the caller's limit.
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
        assert_eq!(parse_retry_after("0.5"), Some(Duration::from_millis(500)));
        let past = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(parse_retry_after(past), Some(Duration::ZERO));
        for garbage in ["", "soon", "-1", "NaN"] {
            assert_eq!(parse_retry_after(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn delays_grow_and_are_bounded() {
        let retry = Retry::default();
        for failures in 1..50 {
            let longest = retry.first_delay.saturating_mul(1 << (failures - 1).min(7));
            let longest = longest.min(retry.max_delay);
            let delay = retry.delay(failures, None);
            assert!(
                delay <= longest && delay >= longest / 2,
                "{failures}: {delay:?}"
            );
        }
    }

    #[test]
    fn a_configuration_gives_milliseconds() {
        let json = r#"{"tries": 3, "first_delay_ms": 250}"#;
        let retry: Retry = serde_json::from_str(json).expect("a retry");
        let expected = Retry {
            tries: 3,
            first_delay: Duration::from_millis(250),
            ..Retry::default()
        };
        assert_eq!(retry, expected);
        let written = serde_json::to_string(&retry).expect("written");
        assert!(
            written.contains(r#""max_retry_after_ms":300000"#),
            "{written}"
        );
        assert!(serde_json::from_str::<Retry>(r#"{"first_delay": 1}"#).is_err());
    }

    #[test]
    fn a_huge_retry_after_is_cut() {
        let retry = Retry::default();
        let delay = retry.delay(1, parse_retry_after("1e300"));
        assert!(delay >= retry.max_retry_after);
        assert!(delay <= retry.max_retry_after + retry.first_delay);
    }
}

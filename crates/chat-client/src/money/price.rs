//! Price lists, and the most that may be spent.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::message::Usage;

/// Dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens of the prompt that the server had to read.
    pub input: f64,
    /// Tokens of the prompt that the server found in its cache.
    pub cached_input: f64,
    /// Tokens of the answer, reasoning included.
    pub output: f64,
    /// The time of day at which everything costs more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<Peak>,
}

/// A part of every day with another price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peak {
    /// First minute of the day, UTC, from 0 to 1439.
    pub from_minute: u32,
    /// The minute after the last. If it is smaller than the first, the peak goes
    /// over midnight; if it is equal, there is none.
    pub to_minute: u32,
    /// What all prices are multiplied with.
    pub factor: f64,
}

impl Price {
    /// What an answer cost that came at `at`, in dollars.
    pub fn cost(&self, usage: &Usage, at: SystemTime) -> f64 {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let dollars = million(usage.prompt_tokens - cached) * self.input
            + million(cached) * self.cached_input
            + million(usage.completion_tokens) * self.output;
        let peak = self.peak.filter(|peak| peak.covers(at));
        dollars * peak.map_or(1.0, |peak| peak.factor)
    }

    /// The most that so many tokens can cost at any time of the day, in dollars.
    pub fn worst(&self, prompt_tokens: u64, completion_tokens: u64) -> f64 {
        let input = self.input.max(self.cached_input);
        let dollars = million(prompt_tokens) * input + million(completion_tokens) * self.output;
        let peak = self.peak.filter(|peak| peak.from_minute != peak.to_minute);
        dollars * peak.map_or(1.0, |peak| peak.factor.max(1.0))
    }
}

impl Peak {
    fn covers(&self, at: SystemTime) -> bool {
        let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
        let minute = seconds / 60 % (24 * 60);
        let (from, to) = (u64::from(self.from_minute), u64::from(self.to_minute));
        if from <= to {
            (from..to).contains(&minute)
        } else {
            minute >= from || minute < to
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "token counts are far below 2^53"
)]
fn million(tokens: u64) -> f64 {
    tokens as f64 / 1e6
}

/// The most that may be spent. What is `None` has no limit.
///
/// A request leaves only if the budget covers the most that it can cost, beside all that is spent, that is in flight,
/// and whose cost nobody knows. A server that keeps to `max_tokens` can therefore not bill more than the budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Dollars.
    pub dollars: Option<f64>,
    /// Tokens of prompts and answers together.
    pub tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn usage(prompt: u64, cached: u64, completion: u64) -> Usage {
        Usage {
            prompt_tokens: prompt,
            completion_tokens: completion,
            cached_tokens: cached,
            reasoning_tokens: 0,
        }
    }

    fn minute(minute: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(86_400 * 20_000 + minute * 60)
    }

    #[test]
    fn costs_are_those_of_the_price_list() {
        // R1's list price of 2025: 700 tokens in and 1,200 out, 50,000 times, are 151 dollars.
        let price = Price {
            input: 0.55,
            cached_input: 0.14,
            output: 2.19,
            peak: None,
        };
        let cost = |usage| price.cost(&usage, minute(0));
        assert!((cost(usage(700, 0, 1200)) * 50_000.0 - 150.65).abs() < 1e-6);
        assert!((cost(usage(1_000_000, 400_000, 0)) - (0.33 + 0.056)).abs() < 1e-9);
        assert!((cost(usage(10, 1000, 0)) - 10.0 * 0.14 / 1e6).abs() < 1e-12);
    }

    #[test]
    fn the_peak_may_go_over_midnight() {
        for (from, to, inside, outside) in [
            (60, 120, vec![60, 119], vec![59, 120]),
            (1380, 60, vec![1380, 1439, 0, 59], vec![60, 1379]),
            (60, 60, vec![], vec![59, 60, 61]),
        ] {
            let price = Price {
                output: 1.0,
                peak: Some(Peak {
                    from_minute: from,
                    to_minute: to,
                    factor: 2.0,
                }),
                ..Price::default()
            };
            let check = |at: u64, expected: f64| {
                let cost = price.cost(&usage(0, 0, 1_000_000), minute(at));
                assert!((cost - expected).abs() < 1e-9, "{from}-{to} at {at}");
            };
            inside.into_iter().for_each(|at| check(at, 2.0));
            outside.into_iter().for_each(|at| check(at, 1.0));
        }
    }

    #[test]
    fn the_worst_case_is_never_below_the_cost() {
        let mut price = Price {
            input: 0.5,
            cached_input: 0.7,
            output: 2.0,
            peak: Some(Peak {
                from_minute: 60,
                to_minute: 120,
                factor: 3.0,
            }),
        };
        let worst = price.worst(1_000_000, 1_000_000);
        assert!((worst - 3.0 * 2.7).abs() < 1e-12, "{worst}");
        for (cached, at) in [(0, 60), (1_000_000, 60), (500_000, 0)] {
            assert!(price.cost(&usage(1_000_000, cached, 1_000_000), minute(at)) <= worst);
        }
        // Hours that are cheaper do not make the others so, and a peak of no minute is none.
        for (to_minute, factor) in [(120, 0.5), (60, 3.0)] {
            price.peak = Some(Peak {
                from_minute: 60,
                to_minute,
                factor,
            });
            let worst = price.worst(1_000_000, 1_000_000);
            assert!((worst - 2.7).abs() < 1e-12, "{worst}");
        }
    }
}

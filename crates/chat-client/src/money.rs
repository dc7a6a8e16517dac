//! What answers cost, and the budget that ends a run before it costs more.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::Error;
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
/// Where a server does not report its tokens, they are guessed from the length of
/// the texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Dollars.
    pub dollars: Option<f64>,
    /// Tokens of prompts and answers together.
    pub tokens: Option<u64>,
}

/// What has been spent, for all clients of a run together.
pub struct Ledger {
    budget: Budget,
    /// What one request is taken to cost while nothing has been recorded.
    first: (f64, u64),
    account: Mutex<Account>,
}

#[derive(Default)]
struct Account {
    dollars: f64,
    tokens: u64,
    answers: u64,
    in_flight: u64,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, tokens) = self.spent();
        f.debug_struct("Ledger")
            .field("budget", &self.budget)
            .field("dollars", &dollars)
            .field("tokens", &tokens)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// A ledger in which nothing has been spent.
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            first: (0.0, 0),
            account: Mutex::default(),
        }
    }

    /// What one request is taken to cost until the first answer, in dollars and
    /// tokens. Without it, the first requests are free until they are answered.
    #[must_use]
    pub fn with_estimate(mut self, dollars: f64, tokens: u64) -> Self {
        self.first = (dollars.max(0.0), tokens);
        self
    }

    /// Adds an answer, for instance one of an earlier run. `cost` is in dollars.
    pub fn record(&self, cost: f64, usage: Usage) {
        self.account().add(cost, usage);
    }

    /// Dollars and tokens spent so far.
    pub fn spent(&self) -> (f64, u64) {
        let account = self.account();
        (account.dollars, account.tokens)
    }

    /// The budget.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a request if the budget covers it and those in flight, at the mean cost so far.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Admission, Error> {
        let mut account = self.account();
        let (dollars, tokens) = account.mean().unwrap_or(self.first);
        let requests = account.in_flight + 1;
        if let Some(budget) = self.budget.dollars
            && account.dollars + million(requests) * 1e6 * dollars > budget
        {
            let spent = format!("{:.4}", account.dollars);
            return Err(reached("dollars", spent, budget.to_string()));
        }
        if let Some(budget) = self.budget.tokens
            && requests
                .saturating_mul(tokens)
                .saturating_add(account.tokens)
                > budget
        {
            let (spent, budget) = (account.tokens.to_string(), budget.to_string());
            return Err(reached("tokens", spent, budget));
        }
        account.in_flight = requests;
        Ok(Admission(Some(Arc::clone(self))))
    }
}

fn reached(what: &'static str, spent: String, budget: String) -> Error {
    Error::BudgetReached {
        what,
        spent,
        budget,
    }
}

impl Account {
    fn add(&mut self, cost: f64, usage: Usage) {
        // A price that is no number must not make the sum one.
        if cost.is_finite() {
            self.dollars += cost.max(0.0);
        }
        self.tokens = self.tokens.saturating_add(usage.total());
        self.answers += 1;
    }

    fn mean(&self) -> Option<(f64, u64)> {
        let tokens = self.tokens.checked_div(self.answers)?;
        Some((self.dollars / (million(self.answers) * 1e6), tokens))
    }
}

/// A request that the budget covers. Dropping it says that it cost nothing.
pub(crate) struct Admission(Option<Arc<Ledger>>);

impl Admission {
    /// An admission without a ledger.
    pub(crate) fn free() -> Self {
        Self(None)
    }

    /// Replaces the estimate by what the answer cost.
    pub(crate) fn settle(mut self, cost: f64, usage: Usage) {
        if let Some(ledger) = self.0.take() {
            let mut account = ledger.account();
            account.in_flight -= 1;
            account.add(cost, usage);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(ledger) = &self.0 {
            ledger.account().in_flight -= 1;
        }
    }
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
    fn what_is_in_flight_counts_at_the_mean() {
        let ledger = Arc::new(Ledger::new(Budget {
            dollars: Some(1.0),
            tokens: None,
        }));
        ledger.record(0.25, usage(1, 0, 1));
        let one = ledger.admit().expect("0.5 of 1");
        let _two = ledger.admit().expect("0.75 of 1");
        let _three = ledger.admit().expect("all of it");
        let error = ledger.admit().err().expect("1.25 of 1").to_string();
        assert!(
            error.contains("0.2500 spent") && error.contains("of 1 dollars"),
            "{error}"
        );
        drop(one);
        ledger
            .admit()
            .expect("a failure costs nothing")
            .settle(0.5, usage(1, 0, 1));
        assert_eq!(ledger.spent(), (0.75, 4));
    }

    #[test]
    fn tokens_have_a_budget_and_a_first_estimate() {
        let budget = Budget {
            dollars: None,
            tokens: Some(100),
        };
        let ledger = Arc::new(Ledger::new(budget).with_estimate(0.0, 60));
        let _one = ledger.admit().expect("60 of 100");
        let error = ledger.admit().err().expect("120 of 100");
        assert!(matches!(error, Error::BudgetReached { what: "tokens", .. }));
        ledger.record(f64::NAN, usage(1, 0, 1));
        assert_eq!(ledger.spent(), (0.0, 2));
    }
}

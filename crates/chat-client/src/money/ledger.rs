//! The book of a run: what is spent, what is in flight, and what nobody knows.
//!
//! Every request in flight holds the most that it can cost ([`Bound`]). When its answer tells what it cost, that takes
//! the place of the bound; when it will never be told, because the connection broke or the caller gave up, the bound
//! stays. So what a server bills is at no moment more than what is entered here.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::error::{Error, Shortfall};
use crate::message::Usage;
use crate::money::bound::Bound;
use crate::money::price::{Budget, Price};

/// Parts of a dollar that are counted. Sums of whole numbers come back to zero, which those of floats do not.
const PER_DOLLAR: f64 = 1e12;

/// What has been spent, for all clients of a run together.
pub struct Ledger {
    budget: Budget,
    account: Mutex<Account>,
    /// Wakes those who wait until requests in flight are settled.
    settled: Notify,
}

/// Requests that were sent and that may have been billed, though no answer tells so.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Unknown {
    /// How many.
    pub requests: u64,
    /// The most that they can have cost, in dollars.
    pub dollars: f64,
    /// The most tokens that they can have cost.
    pub tokens: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    /// 10⁻¹² dollars.
    picos: u128,
    tokens: u64,
}

#[derive(Default)]
struct Account {
    known: Amount,
    unknown: Amount,
    n_unknown: u64,
    reserved: Amount,
    in_flight: u64,
    over_bound: u64,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, tokens) = self.spent();
        f.debug_struct("Ledger")
            .field("budget", &self.budget)
            .field("dollars", &dollars)
            .field("tokens", &tokens)
            .field("unknown", &self.unknown())
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// A ledger in which nothing has been spent.
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            account: Mutex::default(),
            settled: Notify::new(),
        }
    }

    /// Adds an answer, for instance one of an earlier run. `cost` is in dollars.
    pub fn record(&self, cost: f64, usage: Usage) {
        self.account().known.add(Amount::new(cost, usage.total()));
    }

    /// Adds requests of an earlier run that may have been billed; `cost` and `tokens` are the most that all of them
    /// together can be.
    pub fn record_unknown(&self, requests: u64, cost: f64, tokens: u64) {
        self.account().lose(requests, Amount::new(cost, tokens));
    }

    /// Dollars and tokens that are known to be spent. What is unknown is not among them.
    pub fn spent(&self) -> (f64, u64) {
        let known = self.account().known;
        (known.dollars(), known.tokens)
    }

    /// What may have been spent beside that, and counts against the budget.
    pub fn unknown(&self) -> Unknown {
        let account = self.account();
        Unknown {
            requests: account.n_unknown,
            dollars: account.unknown.dollars(),
            tokens: account.unknown.tokens,
        }
    }

    /// Answers that cost more than their requests allowed. A server that gives such answers can pass a budget.
    pub fn over_bound(&self) -> u64 {
        self.account().over_bound
    }

    /// The budget.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves the most that a request can cost. Waits for those in flight if only their end can tell whether the
    /// budget covers it.
    ///
    /// # Errors
    /// If the budget does not cover it and nothing is in flight, or the request has no limit that a budget needs.
    pub(crate) async fn reserve(
        self: &Arc<Self>,
        bound: &Bound,
        price: &Price,
    ) -> Result<Reservation, Error> {
        let (dollars, tokens) = (self.budget.dollars, self.budget.tokens);
        let needs_limit = tokens.is_some() || dollars.is_some() && price.output > 0.0;
        if needs_limit && bound.completion_tokens.is_none() {
            return Err(Error::NoTokenLimit);
        }
        let worst = Amount::new(bound.dollars(price), bound.tokens());
        loop {
            // Whoever settles from here on wakes this request, even before it waits.
            let settled = self.settled.notified();
            if let Some(reservation) = self.try_reserve(worst)? {
                return Ok(reservation);
            }
            settled.await;
        }
    }

    /// `None` if the budget may cover it later.
    fn try_reserve(self: &Arc<Self>, worst: Amount) -> Result<Option<Reservation>, Error> {
        let mut account = self.account();
        if let Some(shortfall) = account.exceeded(&self.budget, worst) {
            return if account.in_flight > 0 {
                Ok(None)
            } else {
                Err(Error::BudgetReached(Box::new(shortfall)))
            };
        }
        account.reserved.add(worst);
        account.in_flight += 1;
        Ok(Some(Reservation(Some((Arc::clone(self), worst)))))
    }

    /// Ends a reservation.
    fn end(&self, worst: Amount, enter: impl FnOnce(&mut Account)) {
        let mut account = self.account();
        account.reserved.take(worst);
        account.in_flight -= 1;
        enter(&mut account);
        drop(account);
        self.settled.notify_waiters();
    }
}

impl Account {
    fn lose(&mut self, requests: u64, worst: Amount) {
        self.unknown.add(worst);
        self.n_unknown += requests;
    }

    /// Why the budget does not cover a further request.
    fn exceeded(&self, budget: &Budget, worst: Amount) -> Option<Shortfall> {
        let mut taken = self.known;
        taken.add(self.unknown);
        let mut then = taken;
        then.add(self.reserved);
        then.add(worst);
        if let Some(limit) = budget.dollars
            && then.picos > picos(limit)
        {
            let amount = |picos| format!("{:.4}", Amount { picos, tokens: 0 }.dollars());
            return Some(Shortfall {
                what: "dollars",
                budget: limit.to_string(),
                spent: amount(self.known.picos),
                unknown: amount(self.unknown.picos),
                left: amount(picos(limit).saturating_sub(taken.picos)),
                next: amount(worst.picos),
            });
        }
        let limit = budget.tokens.filter(|limit| then.tokens > *limit)?;
        Some(Shortfall {
            what: "tokens",
            budget: limit.to_string(),
            spent: self.known.tokens.to_string(),
            unknown: self.unknown.tokens.to_string(),
            left: limit.saturating_sub(taken.tokens).to_string(),
            next: worst.tokens.to_string(),
        })
    }
}

impl Amount {
    fn new(dollars: f64, tokens: u64) -> Self {
        let picos = picos(dollars);
        Self { picos, tokens }
    }

    #[expect(clippy::cast_precision_loss, reason = "16 digits of a sum are enough")]
    fn dollars(self) -> f64 {
        self.picos as f64 / PER_DOLLAR
    }

    fn add(&mut self, other: Self) {
        self.picos = self.picos.saturating_add(other.picos);
        self.tokens = self.tokens.saturating_add(other.tokens);
    }

    fn take(&mut self, other: Self) {
        self.picos = self.picos.saturating_sub(other.picos);
        self.tokens = self.tokens.saturating_sub(other.tokens);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates: what is below zero or no number is nothing"
)]
fn picos(dollars: f64) -> u128 {
    (dollars * PER_DOLLAR).round() as u128
}

/// The most that a request can cost, held for it. Dropping it says that the request was not sent, or was not billed.
pub(crate) struct Reservation(Option<(Arc<Ledger>, Amount)>);

impl Reservation {
    /// A reservation without a ledger.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Replaces the bound by what the answer cost, in dollars and tokens.
    pub(crate) fn settle(mut self, cost: f64, usage: Usage) {
        let Some((ledger, worst)) = self.0.take() else {
            return;
        };
        let cost = Amount::new(cost, usage.total());
        let over = cost.picos > worst.picos || cost.tokens > worst.tokens;
        if over {
            tracing::warn!(?usage, "an answer cost more than its request allowed");
        }
        ledger.end(worst, |account| {
            account.known.add(cost);
            account.over_bound += u64::from(over);
        });
    }

    /// The request was sent, and nobody will ever say what it cost.
    pub(crate) fn lose(mut self) {
        if let Some((ledger, worst)) = self.0.take() {
            ledger.end(worst, |account| account.lose(1, worst));
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some((ledger, worst)) = self.0.take() {
            ledger.end(worst, |_| {});
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;

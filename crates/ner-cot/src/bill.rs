//! What the answers of a journal have cost.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use chat_client::Usage;
use chat_client::body::{parse_body, reported_usage};
use chat_client::money::{Bound, Ledger, Price};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::journal::{Amount, Journal, LastWords, Line, Part, Record};

/// Prices of the two models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// The teacher's; `None` if it is not known, or nothing is paid.
    pub teacher: Option<Price>,
    /// The judge's.
    pub judge: Option<Price>,
}

impl Prices {
    /// The price of a part; free where it is not known.
    pub fn of(&self, part: Part) -> Price {
        let price = match part {
            Part::Teacher => self.teacher,
            Part::Judge => self.judge,
        };
        price.unwrap_or_default()
    }

    /// Whether a dollar figure means anything.
    pub fn is_known(&self) -> bool {
        self.teacher.is_some() || self.judge.is_some()
    }
}

/// The answers of one model for one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Billed {
    /// Answers that were received, those included that were replaced or could not be read.
    pub answers: u64,
    /// Answers that could not be read.
    pub unreadable: u64,
    /// Tokens as the server reported them.
    #[serde(flatten)]
    pub usage: Usage,
    /// Dollars by the prices given.
    pub dollars: f64,
    /// What may have been billed beside that.
    #[serde(default)]
    pub unknown: UnknownCost,
}

/// Requests that were sent and whose cost no answer tells: the connection broke, it took too long, the run was stopped
/// or killed, or the answer came without token counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnknownCost {
    /// How many.
    pub requests: u64,
    /// Those of them that set no limit to their answer: the figures below contain their prompts alone.
    pub without_limit: u64,
    /// The most tokens that they can have cost.
    pub tokens: u64,
    /// The most dollars that they can have cost, by the prices given.
    pub dollars: f64,
}

impl UnknownCost {
    fn add(&mut self, bound: &Bound, price: &Price) -> (f64, u64) {
        let (dollars, tokens) = (bound.dollars(price), bound.tokens());
        self.requests += 1;
        self.without_limit += u64::from(bound.completion_tokens.is_none());
        self.tokens = self.tokens.saturating_add(tokens);
        self.dollars += dollars;
        (dollars, tokens)
    }

    /// Adds what was in flight when a process was killed.
    fn add_in_flight(&mut self, most: &Amount, price: &Price) -> (f64, u64) {
        let cost = self.add(&most.bound(), price);
        self.requests += most.requests.saturating_sub(1);
        self.without_limit += most.without_limit;
        cost
    }
}

/// All that was paid for the answers of a journal, by part and model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill(pub BTreeMap<(Part, String), Billed>);

impl Bill {
    /// Adds up a journal.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(journal: &Journal, prices: &Prices) -> Result<Self, Error> {
        Self::entered(journal, prices, None)
    }

    /// Adds up a journal, and enters every answer and every lost request into a ledger, so that a budget covers earlier
    /// runs too.
    pub(crate) fn entered(
        journal: &Journal,
        prices: &Prices,
        ledger: Option<&Ledger>,
    ) -> Result<Self, Error> {
        let mut bill = Self::default();
        let mut words = LastWords::default();
        journal.for_each_line(|line| match line {
            Line::Answer(_, record) => {
                let (dollars, usage) = bill.answer(&record, prices);
                if let Some(ledger) = ledger {
                    ledger.record(dollars, usage);
                }
            }
            Line::Lost(lost) => {
                let billed = bill.billed(lost.part, &lost.model);
                let (dollars, tokens) = billed.unknown.add(&lost.bound(), &prices.of(lost.part));
                if let Some(ledger) = ledger {
                    ledger.record_unknown(1, dollars, tokens);
                }
            }
            Line::InFlight(line) => words.hear(&line),
            // Services bill answers, and not their refusals.
            Line::Failed(_) => {}
        })?;
        bill.in_flight(&words, prices, ledger);
        Ok(bill)
    }

    /// Adds what was in flight when processes were killed.
    fn in_flight(&mut self, words: &LastWords, prices: &Prices, ledger: Option<&Ledger>) {
        for (part, model, most) in words.iter() {
            let unknown = &mut self.billed(part, model).unknown;
            let (dollars, tokens) = unknown.add_in_flight(&most, &prices.of(part));
            if let Some(ledger) = ledger {
                ledger.record_unknown(most.requests, dollars, tokens);
            }
        }
    }

    fn billed(&mut self, part: Part, model: &str) -> &mut Billed {
        self.0.entry((part, model.to_owned())).or_default()
    }

    /// Adds an answer; returns what it cost.
    fn answer(&mut self, record: &Record<'_>, prices: &Prices) -> (f64, Usage) {
        let answer = parse_body(&record.body);
        let is_read = answer.is_ok();
        // What cannot be read may have been paid for.
        let usage = answer.map_or_else(|_| reported_usage(&record.body), |answer| answer.usage);
        // An answer of an older journal has no time; then no price has a peak.
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(record.at.unwrap_or(0));
        let dollars = prices.of(record.part).cost(&usage, at);
        let billed = self.billed(record.part, &record.model);
        billed.answers += 1;
        billed.unreadable += u64::from(!is_read);
        billed.usage += usage;
        billed.dollars += dollars;
        (dollars, usage)
    }

    /// What may have been billed beside the answers, in all.
    pub fn unknown(&self) -> UnknownCost {
        let mut sum = UnknownCost::default();
        for UnknownCost {
            requests,
            without_limit,
            tokens,
            dollars,
        } in self.0.values().map(|billed| billed.unknown)
        {
            sum.requests += requests;
            sum.without_limit += without_limit;
            sum.tokens = sum.tokens.saturating_add(tokens);
            sum.dollars += dollars;
        }
        sum
    }

    /// Dollars of the answers in all.
    pub fn dollars(&self) -> f64 {
        self.0.values().map(|billed| billed.dollars).sum()
    }

    /// Tokens of the answers in all, of prompts and answers.
    pub fn tokens(&self) -> u64 {
        self.0.values().map(|billed| billed.usage.total()).sum()
    }
}

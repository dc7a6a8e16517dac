//! What the answers of a journal have cost.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use chat_client::Usage;
use chat_client::body::parse_body;
use chat_client::money::{Ledger, Price};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::journal::{Journal, Part};

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

    /// Adds up a journal, and enters every answer into a ledger, so that a budget covers earlier runs too.
    pub(crate) fn entered(
        journal: &Journal,
        prices: &Prices,
        ledger: Option<&Ledger>,
    ) -> Result<Self, Error> {
        let mut bill = Self::default();
        journal.for_each(|record| {
            let answer = parse_body(&record.body);
            let usage = answer.as_ref().map(|a| a.usage).unwrap_or_default();
            // An answer of an older journal has no time; then no price has a peak.
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(record.at.unwrap_or(0));
            let key = (record.part, record.model.to_string());
            let billed = bill.0.entry(key).or_default();
            billed.answers += 1;
            billed.unreadable += u64::from(answer.is_err());
            billed.usage += usage;
            let dollars = prices.of(record.part).cost(&usage, at);
            billed.dollars += dollars;
            if let Some(ledger) = ledger {
                ledger.record(dollars, usage);
            }
        })?;
        Ok(bill)
    }

    /// Dollars in all.
    pub fn dollars(&self) -> f64 {
        self.0.values().map(|billed| billed.dollars).sum()
    }

    /// Tokens in all, of prompts and answers.
    pub fn tokens(&self) -> u64 {
        self.0.values().map(|billed| billed.usage.total()).sum()
    }
}

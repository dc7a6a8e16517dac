//! Prices as they are typed.

use std::str::FromStr;

use chat_client::money::{Budget, Peak, Price};
use clap::Args;
use ner_cot::bill::Prices;
use rner::cot::Money;

/// `in/out` or `in/cached/out`, dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PriceArg(Price);

impl FromStr for PriceArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Result<Vec<f64>, _> = text.split('/').map(|part| part.trim().parse()).collect();
        let price = |input, cached_input, output| Price {
            input,
            cached_input,
            output,
            peak: None,
        };
        let found = match parts.as_deref() {
            // Without a price of its own, what the cache has costs as much as the rest.
            Ok([input, output]) => Some(price(*input, *input, *output)),
            Ok([input, cached, output]) => Some(price(*input, *cached, *output)),
            _ => None,
        };
        let is_sound = |p: &Price| {
            [p.input, p.cached_input, p.output]
                .iter()
                .all(|dollars| dollars.is_finite() && *dollars >= 0.0)
        };
        found.filter(is_sound).map(Self).ok_or_else(|| {
            "expected dollars per million tokens as in/out or in/cached/out, such as 0.55/2.19"
                .into()
        })
    }
}

/// `HH:MM-HH:MMxFACTOR`, UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PeakArg(Peak);

impl FromStr for PeakArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (hours, factor) = text.split_once('x')?;
            let (from, to) = hours.split_once('-')?;
            let factor: f64 = factor.trim().parse().ok()?;
            (factor.is_finite() && factor > 0.0).then_some(Self(Peak {
                from_minute: minute(from)?,
                to_minute: minute(to)?,
                factor,
            }))
        };
        read().ok_or_else(|| "expected hours in UTC and a factor, such as 08:30-16:30x2".into())
    }
}

/// Minute of the day.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// Prices and budgets.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct MoneyArgs {
    /// Dollars per million tokens of the teacher: in/out or in/cached/out, such as 0.55/2.19.
    #[arg(long, value_name = "IN/OUT")]
    pub(crate) price: Option<PriceArg>,
    /// The same for the judge.
    #[arg(long, value_name = "IN/OUT")]
    pub(crate) judge_price: Option<PriceArg>,
    /// Hours (UTC) at which both cost more: 08:30-16:30x2 for twice as much.
    #[arg(long, value_name = "HH:MM-HH:MMxFACTOR", requires = "price")]
    pub(crate) peak: Option<PeakArg>,
    /// Stop before this folder has cost more dollars, earlier runs included.
    #[arg(long, value_name = "DOLLARS", requires = "price")]
    pub(crate) budget_usd: Option<f64>,
    /// Stop before this folder has taken more tokens, earlier runs included.
    #[arg(long, value_name = "TOKENS")]
    pub(crate) budget_tokens: Option<u64>,
}

impl MoneyArgs {
    /// Prices and budgets.
    pub(crate) fn money(&self) -> Money {
        Money {
            prices: self.prices(),
            budget: Budget {
                dollars: self.budget_usd,
                tokens: self.budget_tokens,
            },
        }
    }

    /// What the models cost.
    pub(crate) fn prices(&self) -> Prices {
        let peak = self.peak.map(|peak| peak.0);
        let with_peak = |price: Option<PriceArg>| price.map(|price| Price { peak, ..price.0 });
        Prices {
            teacher: with_peak(self.price),
            judge: with_peak(self.judge_price),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_or_refused() {
        let price: PriceArg = "0.55/2.19".parse().expect("a price");
        assert_eq!((price.0.cached_input, price.0.output), (0.55, 2.19));
        let price: PriceArg = "0.5/0.1/2".parse().expect("a price");
        assert_eq!(price.0.cached_input, 0.1);
        for wrong in ["", "1", "a/b", "-1/2", "1/2/3/4", "inf/1"] {
            assert!(wrong.parse::<PriceArg>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn peaks_are_read_or_refused() {
        let peak: PeakArg = "16:30-00:30x2".parse().expect("hours");
        assert_eq!((peak.0.from_minute, peak.0.to_minute), (990, 30));
        for wrong in ["", "16:30-00:30", "24:00-01:00x2", "16:30-00:30x0", "1-2x2"] {
            assert!(wrong.parse::<PeakArg>().is_err(), "{wrong}");
        }
    }
}

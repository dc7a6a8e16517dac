//! Prices as they are typed: the keys of `[cot]` by another way.

use std::str::FromStr;

use chat_client::money::Price;
use clap::Args;
use rner::recipe::{Cot, DailyPeak};

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

/// The text, if it names hours.
fn peak(text: &str) -> Result<String, String> {
    text.parse::<DailyPeak>().map(|_| text.to_owned())
}

/// Prices and budgets.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct MoneyArgs {
    /// Dollars per million tokens of the teacher, in place of the recipe's: in/out or in/cached/out, such as 0.55/2.19.
    #[arg(long, value_name = "IN/OUT")]
    pub(crate) price: Option<PriceArg>,
    /// The same for the judge.
    #[arg(long, value_name = "IN/OUT")]
    pub(crate) judge_price: Option<PriceArg>,
    /// Hours (UTC) at which both cost more: 08:30-16:30x2 for twice as much.
    #[arg(long, value_name = "HH:MM-HH:MMxFACTOR", value_parser = peak)]
    pub(crate) peak: Option<String>,
    /// Stop before this folder has cost more dollars, earlier runs included.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) budget_usd: Option<f64>,
    /// Stop before this folder has taken more tokens, earlier runs included.
    #[arg(long, value_name = "TOKENS")]
    pub(crate) budget_tokens: Option<u64>,
}

impl MoneyArgs {
    /// Whether a budget was typed, be it 0 for none.
    pub(crate) fn sets_budget(&self) -> bool {
        self.budget_usd.is_some() || self.budget_tokens.is_some()
    }

    /// Puts what was typed in the place of what the recipe says.
    pub(crate) fn apply(&self, cot: &mut Cot) {
        if let Some(PriceArg(price)) = self.price {
            (cot.price_in, cot.price_out) = (price.input, price.output);
            cot.price_cached_in = price.cached_input;
        }
        if let Some(PriceArg(price)) = self.judge_price {
            (cot.judge_price_in, cot.judge_price_out) = (price.input, price.output);
            cot.judge_price_cached_in = price.cached_input;
        }
        if let Some(peak) = &self.peak {
            cot.peak.clone_from(peak);
        }
        cot.budget_usd = self.budget_usd.unwrap_or(cot.budget_usd);
        cot.budget_tokens = self.budget_tokens.unwrap_or(cot.budget_tokens);
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
}

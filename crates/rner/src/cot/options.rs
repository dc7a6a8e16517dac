//! How servers are asked, and what it may cost, as a recipe says it.

use std::path::PathBuf;
use std::time::Duration;

use chat_client::money::{Budget, Price};
use ner_cot::bill::Prices;
use ner_cot::journal::Durability;

use crate::recipe::Cot;

/// How fast requests are sent, and how patiently.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Always keep as many requests in flight as the recipe says, where fewer are if a server cannot take them.
    pub fixed_concurrency: bool,
    /// Requests per minute, at each server.
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute, at each server.
    pub tokens_per_minute: Option<u32>,
    /// Receive answers in pieces, which keeps long ones from timing out.
    pub stream: bool,
    /// Longest wait for the first byte of an answer.
    pub first_byte_timeout: Option<Duration>,
    /// Longest wait between two pieces of an answer.
    pub idle_timeout: Option<Duration>,
    /// Longest time of a request in all.
    pub timeout: Option<Duration>,
    /// File that holds the teacher's API key, in place of the recipe's variable.
    pub key_file: Option<PathBuf>,
    /// Environment variable that holds the judge's API key.
    pub judge_key_env: Option<String>,
    /// Ask the servers for the names of their models first.
    pub check_models: bool,
    /// When answers are forced to the disk.
    pub durability: Durability,
}

impl From<&Cot> for Flow {
    fn from(cot: &Cot) -> Self {
        let seconds = |given: u64| (given > 0).then(|| Duration::from_secs(given));
        let named = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            fixed_concurrency: cot.fixed_concurrency,
            requests_per_minute: (cot.rpm > 0).then_some(cot.rpm),
            tokens_per_minute: (cot.tpm > 0).then_some(cot.tpm),
            stream: cot.stream,
            first_byte_timeout: seconds(cot.first_byte_timeout),
            idle_timeout: seconds(cot.idle_timeout),
            timeout: seconds(cot.timeout),
            key_file: named(&cot.key_file).map(PathBuf::from),
            judge_key_env: named(&cot.judge_key_env),
            check_models: cot.check_models,
            durability: match cot.sync_every {
                0 => Durability::default(),
                answers => Durability::Every(answers),
            },
        }
    }
}

/// Prices and budgets.
#[derive(Clone, Debug, Default)]
pub struct Money {
    /// What the models cost.
    pub prices: Prices,
    /// What may be spent.
    pub budget: Budget,
}

impl From<&Cot> for Money {
    fn from(cot: &Cot) -> Self {
        // The recipe was checked: a peak that cannot be read does not get here.
        let peak = cot.daily_peak().ok().flatten().map(|peak| peak.0);
        let price = |input: f64, cached: f64, output: f64| {
            let cached_input = if cached > 0.0 { cached } else { input };
            (input > 0.0 || output > 0.0).then_some(Price {
                input,
                cached_input,
                output,
                peak,
            })
        };
        Self {
            prices: Prices {
                teacher: price(cot.price_in, cot.price_cached_in, cot.price_out),
                judge: price(
                    cot.judge_price_in,
                    cot.judge_price_cached_in,
                    cot.judge_price_out,
                ),
            },
            budget: Budget {
                dollars: (cot.budget_usd > 0.0).then_some(cot.budget_usd),
                tokens: (cot.budget_tokens > 0).then_some(cot.budget_tokens),
            },
        }
    }
}

/// Takes the prices of an earlier run in the folder over where none are given now, and its budgets unless
/// `sets_budget`. Says so if a budget was taken.
pub fn keep_money(cot: &mut Cot, before: &Cot, sets_budget: bool) -> Option<String> {
    if cot.price_in == 0.0 && cot.price_out == 0.0 {
        (cot.price_in, cot.price_out) = (before.price_in, before.price_out);
        cot.price_cached_in = before.price_cached_in;
    }
    if cot.judge_price_in == 0.0 && cot.judge_price_out == 0.0 {
        (cot.judge_price_in, cot.judge_price_out) = (before.judge_price_in, before.judge_price_out);
        cot.judge_price_cached_in = before.judge_price_cached_in;
    }
    if cot.peak.is_empty() {
        cot.peak.clone_from(&before.peak);
    }
    let has_budget = cot.budget_usd > 0.0 || cot.budget_tokens > 0;
    if sets_budget || has_budget {
        return None;
    }
    (cot.budget_usd, cot.budget_tokens) = (before.budget_usd, before.budget_tokens);
    let budget = budget_text(&Money::from(&*cot).budget)?;
    Some(format!(
        "the budget of this folder holds: {budget} (--budget-usd and --budget-tokens change it, 0 lifts it)"
    ))
}

/// A budget in words; `None` if there is none.
pub fn budget_text(budget: &Budget) -> Option<String> {
    let dollars = budget.dollars.map(|dollars| format!("${dollars:.2}"));
    let tokens = budget.tokens.map(|tokens| format!("{tokens} tokens"));
    let parts: Vec<String> = dollars.into_iter().chain(tokens).collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn nought_is_off_and_a_cached_token_costs_what_another_does() {
        let cot = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            Recipe::resolve("paper-8b", &sets).expect("a recipe").cot
        };
        let plain = cot(&["cot.price_in=0", "cot.price_out=0"]);
        let (flow, money) = (Flow::from(&plain), Money::from(&plain));
        assert_eq!((flow.requests_per_minute, flow.timeout), (None, None));
        assert_eq!(
            (money.prices.teacher, money.budget),
            (None, Budget::default())
        );
        let paid = cot(&[
            "cot.peak=08:30-16:30x2",
            "cot.budget_usd=3",
            "cot.timeout=7",
        ]);
        let teacher = Money::from(&paid).prices.teacher.expect("a price");
        assert_eq!((teacher.cached_input, teacher.output), (0.55, 2.19));
        assert_eq!(teacher.peak.map(|peak| peak.from_minute), Some(510));
        assert_eq!(Money::from(&paid).budget.dollars, Some(3.0));
        assert_eq!(Flow::from(&paid).timeout, Some(Duration::from_secs(7)));
    }

    #[test]
    fn prices_and_budgets_stay_with_the_folder_until_others_are_given() {
        let cot = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            Recipe::resolve("smoke", &sets).expect("a recipe").cot
        };
        let before = cot(&["cot.price_in=1", "cot.price_out=2", "cot.budget_usd=3"]);
        let mut now = cot(&[]);
        let said = keep_money(&mut now, &before, false).expect("a budget");
        assert!(said.contains("$3.00"), "{said}");
        assert_eq!(
            (now.price_in, now.price_out, now.budget_usd),
            (1.0, 2.0, 3.0)
        );
        let mut lifted = cot(&["cot.price_in=5"]);
        assert_eq!(keep_money(&mut lifted, &before, true), None);
        assert_eq!((lifted.price_in, lifted.budget_usd), (5.0, 0.0));
    }
}

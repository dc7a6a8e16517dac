//! What the teacher and the judge cost.

use super::work::teacher_sentences;
use crate::recipe::Recipe;

/// US dollars per million tokens in and out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Price {
    /// Name of the teacher and of the price list.
    pub(super) name: &'static str,
    /// Of the request.
    pub(super) input: f64,
    /// Of the answer.
    pub(super) output: f64,
}

/// Prices to compare with. DeepSeek's peak prices are twice the off-peak ones.
pub(super) const PRICES: [Price; 3] = [
    Price {
        name: "DeepSeek-R1, list price of 2025",
        input: 0.55,
        output: 2.19,
    },
    Price {
        name: "deepseek-v4-pro, off-peak, 2026-08",
        input: 0.66,
        output: 1.98,
    },
    Price {
        name: "deepseek-flash, off-peak, 2026-08",
        input: 0.15,
        output: 0.60,
    },
];

/// Tokens of one request to the judge, and of its answer.
const JUDGE: [usize; 2] = [2_000, 300];

/// Tokens per second of Qwen3-32B on one H100: vLLM with defaults, TensorRT-LLM with FP8.
const JUDGE_SPEED: [f64; 2] = [3_200.0, 5_900.0];

/// Dollars for `rows` answers of `tokens_out` tokens: no cache hits, one attempt each.
pub(super) fn cost(rows: usize, tokens_in: usize, tokens_out: usize, price: &Price) -> f64 {
    let per_row = tokens_in as f64 * price.input + tokens_out as f64 * price.output;
    rows as f64 * per_row / 1e6
}

/// Hours of one H100 that judges `rows` answers: the slow and the fast figure.
pub(super) fn judge_hours(rows: usize) -> [f64; 2] {
    JUDGE_SPEED.map(|speed| (rows * JUDGE.iter().sum::<usize>()) as f64 / speed / 3600.0)
}

/// US dollars that teacher and judge cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TeacherCost {
    /// Short answers, one attempt a row.
    pub low: f64,
    /// Answers of middle length, one attempt a row.
    pub middle: f64,
    /// Long answers, and all attempts of every row.
    pub high: f64,
}

/// What the rows of a recipe cost by its prices and the lengths that `[plan]` assumes; none if prices or the number of
/// rows are not known, or nothing is paid.
pub fn teacher_cost(recipe: &Recipe) -> Option<TeacherCost> {
    let cot = &recipe.cot;
    let price = |input, output| Price {
        name: "",
        input,
        output,
    };
    let teacher = price(cot.price_in, cot.price_out);
    let judge = price(cot.judge_price_in, cot.judge_price_out);
    let priced = teacher.input + teacher.output + judge.input + judge.output > 0.0;
    let rows = teacher_sentences(recipe).filter(|_| priced && !cot.is_simulated())?;
    let of = |tokens_out: usize| {
        cost(rows, recipe.plan.teacher_tokens_in, tokens_out, &teacher)
            + cost(rows, JUDGE[0], JUDGE[1], &judge)
    };
    let [low, middle, high] = recipe.plan.teacher_tokens_out.map(of);
    Some(TeacherCost {
        low,
        middle,
        high: high * cot.attempts as f64,
    })
}

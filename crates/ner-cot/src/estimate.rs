//! What a run will cost, before it begins.
//!
//! The answers that the journal has (of a sample that was asked first, or of an earlier run) say what a row costs; how
//! much they differ says how far the total may be off.

use chat_client::Usage;
use serde::{Deserialize, Serialize};

use crate::audit::rate::Rate;
use crate::bill::Prices;
use crate::error::Error;
use crate::journal::{Journal, Part};
use crate::plan::Plan;
use crate::replay::{SettledRow, Visitor, replay};
use crate::row::Question;
use crate::source::Selection;

/// Bytes of a token of English text, for prompts that no server has counted.
const BYTES_PER_TOKEN: f64 = 4.0;

/// Tokens of an answer of the teacher where no answer is known: what distilled chains of thought on single sentences
/// take.
const ASSUMED_TEACHER: (f64, f64) = (600.0, 3000.0);

/// The same for the judge, who reads the teacher's reasoning and writes little.
const ASSUMED_JUDGE: (f64, f64) = (50.0, 400.0);

/// Share of accepted rows where none is known: the least, the expected and the highest that is assumed.
const ASSUMED_ACCEPTANCE: [f64; 3] = [0.5, 0.8, 1.0];

/// A number with the interval in which it lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// The expected value.
    pub mean: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    fn plus(self, constant: f64) -> Self {
        Self {
            low: self.low + constant,
            mean: self.mean + constant,
            high: self.high + constant,
        }
    }
}

/// What is known about a run before it begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Rows of the selection.
    pub rows: usize,
    /// Rows that the journal has an accepted answer for.
    pub accepted: usize,
    /// Rows that are given up, or that nothing is asked about.
    pub rejected: usize,
    /// Rows that requests could be sent for.
    pub open: usize,
    /// Accepted rows to end with.
    pub target: Option<usize>,
    /// Rows that requests will be sent for: all open ones, or as many as the target needs.
    pub to_ask: Interval,
    /// Rows that the figures rest on; 0 if they rest on assumed lengths of answers.
    pub sample: usize,
    /// Share of the sample that was accepted.
    pub acceptance: Option<f64>,
    /// Requests that will be sent: 95 % interval.
    pub requests: Interval,
    /// Tokens of prompts and answers: 95 % interval.
    pub tokens: Interval,
    /// Dollars, if prices are known: 95 % interval.
    pub dollars: Option<Interval>,
}

/// Estimates what is left to do, up to `target` accepted rows if there is one.
///
/// How many rows a target needs follows from the share of accepted rows, with Wilson's interval at 95 %, or from an
/// assumed one; rows are taken in their order, as a run does.
///
/// With at least two settled rows that were asked about, the interval is the usual one of a mean (±1.96 standard
/// errors); otherwise it spans assumed lengths of answers, one attempt at the low end and all attempts at the high one.
///
/// # Errors
/// If source or journal cannot be read.
pub fn estimate(
    plan: &Plan,
    selection: &Selection<'_>,
    journal: Option<&Journal>,
    prices: &Prices,
    target: Option<usize>,
) -> Result<Estimate, Error> {
    let mut sample = Sample {
        prices,
        rows: Vec::new(),
        order: Vec::new(),
        accepted: 0,
        waiting_bytes: 0.0,
        waiting: 0,
    };
    let mut estimate = Estimate {
        rows: selection.rows(),
        target,
        ..Estimate::default()
    };
    match journal {
        Some(journal) => {
            let funnel = replay(plan, selection, journal, None, &mut sample)?;
            (estimate.accepted, estimate.rejected) = (funnel.accepted, funnel.rejected);
            estimate.open = funnel.unfinished;
        }
        None => {
            estimate.open = selection.open();
            estimate.rejected = selection.rows() - selection.open();
            sample.measure_prompts(plan, selection)?;
        }
    }
    sample.fill(plan, &mut estimate);
    Ok(estimate)
}

/// What one settled row took.
#[derive(Clone, Copy, Default)]
struct RowCost {
    requests: f64,
    tokens: f64,
    dollars: f64,
}

/// What a row counts for on the way to a target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Accepted,
    Open,
}

/// How many open rows are asked about until `target` rows are accepted, if this share of the open ones is.
fn needed(order: &[Place], target: usize, share: f64) -> usize {
    let (mut accepted, mut asked) = (0.0, 0);
    for place in order {
        // A thousandth of a row is an error of the sum.
        if accepted + 1e-3 >= target as f64 {
            break;
        }
        match place {
            Place::Accepted => accepted += 1.0,
            Place::Open => {
                accepted += share;
                asked += 1;
            }
        }
    }
    asked
}

struct Sample<'a> {
    prices: &'a Prices,
    rows: Vec<RowCost>,
    /// Accepted and open rows in the order of the source.
    order: Vec<Place>,
    accepted: usize,
    /// Bytes of the prompts of waiting questions.
    waiting_bytes: f64,
    waiting: usize,
}

impl Visitor for Sample<'_> {
    fn settled(&mut self, row: SettledRow) -> Result<(), Error> {
        let now = std::time::SystemTime::now();
        let mut cost = RowCost::default();
        for attempt in &row.attempts {
            for (part, spent) in [
                (Part::Teacher, &attempt.teacher),
                (Part::Judge, &attempt.judge),
            ] {
                cost.requests += spent.answers as f64;
                cost.tokens += spent.usage.total() as f64;
                cost.dollars += self.prices.of(part).cost(&spent.usage, now);
            }
        }
        if row.accepted.is_some() {
            self.accepted += 1;
            self.order.push(Place::Accepted);
        }
        self.rows.push(cost);
        Ok(())
    }

    fn waiting(&mut self, question: &Question) -> Result<(), Error> {
        let texts = question.request.messages.iter();
        self.waiting_bytes += texts.map(|m| m.content.len() as f64).sum::<f64>();
        self.order.push(Place::Open);
        self.waiting += 1;
        Ok(())
    }
}

impl Sample<'_> {
    /// Without a journal, every open row waits for its first question.
    fn measure_prompts(&mut self, plan: &Plan, selection: &Selection<'_>) -> Result<(), Error> {
        for row in selection.iter()? {
            if let crate::source::SelectedRow::Open(row) = row? {
                let prompts = &plan.config.prompts;
                let prompt = prompts.render_teacher(&row.asked.schema, &row.asked.sentence);
                self.waiting_bytes += prompt.len() as f64;
                self.order.push(Place::Open);
                self.waiting += 1;
            }
        }
        Ok(())
    }

    fn fill(&self, plan: &Plan, estimate: &mut Estimate) {
        let has_sample = self.rows.len() >= 2;
        estimate.to_ask = self.to_ask(estimate, has_sample);
        if !has_sample {
            self.assume(plan, estimate);
            return;
        }
        estimate.sample = self.rows.len();
        estimate.acceptance = Some(self.accepted as f64 / self.rows.len() as f64);
        let asked = estimate.to_ask;
        let of = |value: fn(&RowCost) -> f64| {
            let values: Vec<f64> = self.rows.iter().map(value).collect();
            Interval {
                low: total(&values, asked.low).low,
                mean: total(&values, asked.mean).mean,
                high: total(&values, asked.high).high,
            }
        };
        estimate.requests = of(|row| row.requests);
        estimate.tokens = of(|row| row.tokens);
        let dollars = of(|row| row.dollars);
        estimate.dollars = self.prices.is_known().then_some(dollars);
    }

    /// How many rows will be asked about.
    fn to_ask(&self, estimate: &Estimate, has_sample: bool) -> Interval {
        let Some(target) = estimate.target else {
            return Interval::default().plus(estimate.open as f64);
        };
        let [least, share, most] = if has_sample {
            let rate = Rate {
                of: self.rows.len(),
                hits: self.accepted,
            };
            let (least, most) = rate.interval();
            [least, rate.share(), most]
        } else {
            ASSUMED_ACCEPTANCE
        };
        let of = |share| needed(&self.order, target, share) as f64;
        Interval {
            low: of(most),
            mean: of(share),
            high: of(least),
        }
    }

    /// Figures that rest on no answer.
    fn assume(&self, plan: &Plan, estimate: &mut Estimate) {
        let asked = estimate.to_ask;
        let prompt = self.waiting_bytes / BYTES_PER_TOKEN / self.waiting.max(1) as f64;
        let attempts = f64::from(plan.config.attempts);
        let row = |teacher: f64, judge: f64| {
            let usage = |prompt: f64, completion: f64| Usage {
                prompt_tokens: prompt as u64,
                completion_tokens: completion as u64,
                ..Usage::default()
            };
            let (teacher, judge) = (usage(prompt, teacher), usage(prompt + teacher, judge));
            let now = std::time::SystemTime::now();
            let dollars = self.prices.of(Part::Teacher).cost(&teacher, now)
                + self.prices.of(Part::Judge).cost(&judge, now);
            ((teacher.total() + judge.total()) as f64, dollars)
        };
        let low = row(ASSUMED_TEACHER.0, ASSUMED_JUDGE.0);
        let high = row(ASSUMED_TEACHER.1, ASSUMED_JUDGE.1);
        let interval = |low: f64, high: f64| Interval {
            low: low * asked.low,
            // One and a half attempts a row, and answers in the geometric middle.
            mean: (low * high).sqrt() * asked.mean * attempts.min(1.5),
            high: high * asked.high * attempts,
        };
        estimate.requests = interval(2.0, 2.0);
        estimate.tokens = interval(low.0, high.0);
        let dollars = interval(low.1, high.1);
        estimate.dollars = self.prices.is_known().then_some(dollars);
    }
}

/// The sum over `count` further rows like those of the sample: 95 % interval.
///
/// Two errors add: that of the sample's mean, and the scatter of the rows to come.
fn total(values: &[f64], count: f64) -> Interval {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = 1.96 * (variance * (count * count / n + count)).sqrt();
    let spread = Interval {
        low: -error,
        mean: 0.0,
        high: error,
    };
    let mut interval = spread.plus(mean * count);
    interval.low = interval.low.max(0.0);
    interval
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_narrows_with_the_sample() {
        let narrow: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let wide = &narrow[..16];
        let (narrow, wide) = (total(&narrow, 1000.0), total(wide, 1000.0));
        assert!((narrow.mean - 500.0).abs() < 1e-9);
        assert!(wide.high - wide.low > 3.0 * (narrow.high - narrow.low));
        assert_eq!(total(&[2.0, 2.0], 10.0).plus(1.0).high, 21.0);
        assert_eq!(
            total(&[0.0, 9.0], 1.0).low,
            0.0,
            "nothing costs less than nothing"
        );
    }

    #[test]
    fn a_target_needs_no_more_rows_than_its_share_says() {
        let open = [Place::Open; 700];
        assert_eq!(needed(&open, 10, 1.0), 10);
        assert_eq!(needed(&open, 10, 0.8), 13);
        assert_eq!(needed(&open, 300, 0.5), 600);
        assert_eq!(needed(&open, 400, 0.5), 700, "all that there are");
        assert_eq!(needed(&open, 10, 0.0), 700);
        // What is accepted behind the target's last row does not count.
        let mut order = [Place::Open; 20];
        order[0] = Place::Accepted;
        order[19] = Place::Accepted;
        assert_eq!(needed(&order, 5, 1.0), 4);
        assert_eq!(needed(&[Place::Accepted; 5], 5, 1.0), 0);
    }
}

//! The proof: a promise on one part of the rows, looked at on the other, many times.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::binomial::slack;
use crate::risk::{Promise, Seen, Threshold};
use crate::scored::{Ranked, Row};

/// How rows are split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Splits {
    /// How often.
    pub n: usize,
    /// The share of the rows that is calibrated on.
    pub share: f64,
    /// Of the random order.
    pub seed: u64,
}

impl Default for Splits {
    fn default() -> Self {
        Self {
            n: 200,
            share: 0.5,
            seed: 42,
        }
    }
}

/// What became of a promise over the splits. Means are over the splits in which something could be promised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// The type, or `None` of all together.
    pub label: Option<String>,
    /// The risk that was asked for.
    pub risk: f64,
    /// Splits.
    pub splits: usize,
    /// Splits in which nothing could be promised, and nothing was shown.
    pub refused: usize,
    /// The share of false entities in the test rows that show something: its mean.
    pub mean_share: f64,
    /// Its 95th percentile.
    pub p95_share: f64,
    /// The same share with rows that show nothing counted as 0: its mean.
    pub mean_share_of_rows: f64,
    /// False entities among all that are shown, whatever row they are in: its mean.
    pub mean_share_of_entities: f64,
    /// By how much the share on a test part may exceed the risk by the luck of that part alone, at 95 %.
    pub mean_slack: f64,
    /// Of the splits with a promise: the share of those at or below the risk plus their slack.
    pub within_slack: f64,
    /// The true entities that are shown, of the true ones that were named: their mean share.
    pub true_shown: f64,
    /// All entities that are shown, of those that were named: their mean share.
    pub all_shown: f64,
}

/// What one test part shows.
struct Tested {
    share: f64,
    of_rows: f64,
    of_entities: f64,
    slack: f64,
    true_shown: f64,
    all_shown: f64,
}

impl Splits {
    /// Looks at a promise for the entities of one label or of all.
    pub fn look(&self, rows: &[Row], label: Option<&str>, promise: Promise, risk: f64) -> Kept {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let rows: Vec<Option<Ranked>> = rows.iter().map(|row| Ranked::of(row, label)).collect();
        let mut order: Vec<&Option<Ranked>> = rows.iter().collect();
        let cut = (rows.len() as f64 * self.share).round() as usize;
        let mut tested = Vec::new();
        for _ in 0..self.n {
            order.shuffle(&mut rng);
            let (one, other) = order.split_at(cut.min(order.len()));
            let (one, other) = (named(one), named(other));
            if let Ok(threshold) = promise.threshold_of(&one, risk) {
                tested.push(test(&other, &threshold, risk));
            }
        }
        Kept::of(label, risk, self.n, &tested)
    }
}

/// The rows in which something is named.
fn named<'a>(rows: &[&'a Option<Ranked>]) -> Vec<&'a Ranked> {
    rows.iter().filter_map(|row| row.as_ref()).collect()
}

fn test(rows: &[&Ranked], threshold: &Threshold, risk: f64) -> Tested {
    let above = threshold.above.unwrap_or(f64::NEG_INFINITY);
    let seen = Seen::above(rows, above);
    let (mut shown, mut wrong, mut named, mut named_wrong) = (0, 0, 0, 0);
    for row in rows {
        let (some, all) = (row.shown(above), row.shown(f64::NEG_INFINITY));
        (shown, wrong) = (shown + some.entities, wrong + some.false_ones);
        (named, named_wrong) = (named + all.entities, named_wrong + all.false_ones);
    }
    let of = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    Tested {
        share: seen.mean(),
        of_rows: seen.sum / rows.len().max(1) as f64,
        of_entities: of(wrong, shown),
        slack: slack(risk, seen.rows.max(1), 0.05),
        true_shown: of(shown - wrong, named - named_wrong),
        all_shown: of(shown, named),
    }
}

impl Kept {
    fn of(label: Option<&str>, risk: f64, splits: usize, tested: &[Tested]) -> Self {
        let n = tested.len().max(1) as f64;
        let mean = |of: fn(&Tested) -> f64| tested.iter().map(of).sum::<f64>() / n;
        let within = |it: &&Tested| it.share <= risk + it.slack;
        let mut shares: Vec<f64> = tested.iter().map(|it| it.share).collect();
        shares.sort_by(f64::total_cmp);
        let at = (shares.len() as f64 * 0.95).ceil() as usize;
        Self {
            label: label.map(str::to_owned),
            risk,
            splits,
            refused: splits - tested.len(),
            mean_share: mean(|it| it.share),
            p95_share: shares.get(at.saturating_sub(1)).copied().unwrap_or(0.0),
            mean_share_of_rows: mean(|it| it.of_rows),
            mean_share_of_entities: mean(|it| it.of_entities),
            mean_slack: mean(|it| it.slack),
            within_slack: tested.iter().filter(within).count() as f64 / n,
            true_shown: mean(|it| it.true_shown),
            all_shown: mean(|it| it.all_shown),
        }
    }
}

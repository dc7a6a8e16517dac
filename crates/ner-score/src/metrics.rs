//! Precision, recall and F1 of a group of items.

use serde::{Deserialize, Serialize};

use crate::analysis::ScoredItem;
use crate::counts::Counts;

/// Precision, recall and F1, as fractions in [0, 1]; what has no denominator is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Share of the predicted items that are right.
    pub precision: f64,
    /// Share of the gold items that were found.
    pub recall: f64,
    /// Harmonic mean of the two. In a macro mean, the mean of the types' F1, not the F1 of the means.
    pub f1: f64,
}

impl From<Counts> for Metrics {
    fn from(counts: Counts) -> Self {
        Metrics {
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
        }
    }
}

impl Metrics {
    /// The mean of the rows' metrics with the given weights; zeros if they add up to nothing.
    pub(crate) fn mean(rows: &[Row], weight: impl Fn(&Row) -> f64) -> Metrics {
        let total: f64 = rows.iter().map(&weight).sum();
        let mean = |value: fn(&Metrics) -> f64| match total {
            0.0 => 0.0,
            _ => {
                rows.iter()
                    .map(|row| weight(row) * value(&row.metrics))
                    .sum::<f64>()
                    / total
            }
        };
        Metrics {
            precision: mean(|m| m.precision),
            recall: mean(|m| m.recall),
            f1: mean(|m| m.f1),
        }
    }
}

/// One line of a table: a type, or a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The type or the bucket.
    pub name: String,
    /// Precision of the predicted items and recall of the gold items that fall into it. A pair whose sides differ in
    /// type or length counts on each side where that side belongs.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Gold items.
    pub support: usize,
    /// Predicted items.
    pub predicted: usize,
    /// Gold items found; half a point for one half found.
    pub found: f64,
    /// Predicted items that are right, likewise.
    pub correct: f64,
}

/// Counts of a row while it is being filled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    support: usize,
    predicted: usize,
    half_found: usize,
    half_correct: usize,
}

impl Cell {
    pub(crate) fn add_gold(&mut self, item: &ScoredItem) {
        self.support += 1;
        self.half_found += usize::from(item.half_points);
    }

    pub(crate) fn add_predicted(&mut self, item: &ScoredItem) {
        self.predicted += 1;
        self.half_correct += usize::from(item.half_points);
    }

    pub(crate) fn row(&self, name: impl Into<String>) -> Row {
        let share = |half_points: usize, items: usize| match items {
            0 => 0.0,
            _ => half_points as f64 / (2 * items) as f64,
        };
        let precision = share(self.half_correct, self.predicted);
        let recall = share(self.half_found, self.support);
        let f1 = match precision + recall {
            0.0 => 0.0,
            sum => 2.0 * precision * recall / sum,
        };
        Row {
            name: name.into(),
            metrics: Metrics {
                precision,
                recall,
                f1,
            },
            support: self.support,
            predicted: self.predicted,
            found: self.half_found as f64 / 2.0,
            correct: self.half_correct as f64 / 2.0,
        }
    }
}

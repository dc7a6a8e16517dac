//! Thresholds: the lowest confidence above which a share of false entities can be promised.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::binomial::hoeffding_bentkus;
use crate::scored::{Ranked, Row};

/// What is promised about the entities that are shown: those with a confidence above the threshold. Rows in which the
/// model names nothing play no part. The rows of calibration and the new ones must be exchangeable: drawn alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// Over the rows in which something is shown, the mean share of false entities among those shown is at most the
    /// risk. The promise is kept with probability 1 − `delta` over the draw of the calibration rows.
    ///
    /// Learn then Test (Angelopoulos et al. 2021, arXiv 2110.01052): each threshold of a grid is tested against "the
    /// mean is above the risk" at `delta` divided by their number. The grid is one of *numbers of rows* that show
    /// something, fixed beforehand. Given the threshold, the rows above it are independent draws, so that each p-value
    /// is valid though the threshold was read off the data.
    Sure {
        /// The probability with which the promise may fail.
        delta: f64,
    },
    /// The mean share of false entities among those shown of a row is at most the risk, if a row that shows nothing
    /// counts as 0: in the mean over draws of calibration and new row together.
    ///
    /// Conformal risk control (Angelopoulos et al. 2022, arXiv 2208.02814). The share is not monotone in the threshold;
    /// its envelope from above, the highest share at this threshold or a stricter one, is, and stands for it.
    Mean,
}

/// A threshold, and what it was found from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// What has a confidence above this is shown; `None` if everything is.
    pub above: Option<f64>,
    /// Rows in which something was named.
    pub rows: usize,
    /// Those in which something is shown.
    pub showing: usize,
    /// The mean share of false entities in those that show something.
    pub share: f64,
}

impl Threshold {
    /// Whether an entity of this confidence is shown. One without a confidence counts as the least sure.
    pub fn shows(&self, confidence: Option<f64>) -> bool {
        match self.above {
            None => true,
            Some(above) => confidence.is_some_and(|confidence| confidence > above),
        }
    }
}

/// Why nothing can be promised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Even without a false entity the rows would be too few.
    TooFewRows {
        /// Rows in which something is named.
        rows: usize,
        /// The fewest that could do.
        needed: usize,
    },
    /// Above no threshold are so few entities false that it can be told from chance.
    TooManyFalse {
        /// Rows in which something is named.
        rows: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewRows { rows, needed } => write!(
                f,
                "{rows} calibration rows name something, at least {needed} are needed"
            ),
            Self::TooManyFalse { rows } => write!(
                f,
                "above no threshold are so few entities false that {rows} calibration rows could show it"
            ),
        }
    }
}

impl Promise {
    /// The fewest rows, all without a false entity, with which this risk can be promised.
    pub fn rows_needed(self, risk: f64) -> usize {
        match self {
            Self::Sure { delta } => sure_rows(risk, delta),
            Self::Mean => ((1.0 / risk) - 1.0 - 1e-9).ceil().max(1.0) as usize,
        }
    }

    /// The lowest threshold that keeps the promise, for the entities of one label or of all.
    ///
    /// # Errors
    /// Too few rows, or too many false entities in them.
    pub fn threshold(
        self,
        rows: &[Row],
        label: Option<&str>,
        risk: f64,
    ) -> Result<Threshold, Refusal> {
        let rows: Vec<Ranked> = rows
            .iter()
            .filter_map(|row| Ranked::of(row, label))
            .collect();
        self.threshold_of(&rows.iter().collect::<Vec<_>>(), risk)
    }

    /// The same for rows that are ranked.
    pub(crate) fn threshold_of(self, rows: &[&Ranked], risk: f64) -> Result<Threshold, Refusal> {
        let needed = self.rows_needed(risk);
        let n = rows.len();
        if n < needed {
            return Err(Refusal::TooFewRows { rows: n, needed });
        }
        let above = match self {
            Self::Sure { delta } => sure(rows, risk, delta),
            Self::Mean => mean(rows, risk),
        };
        let above = above.ok_or(Refusal::TooManyFalse { rows: n })?;
        let seen = Seen::above(rows, above);
        Ok(Threshold {
            above: above.is_finite().then_some(above),
            rows: n,
            showing: seen.rows,
            share: seen.mean(),
        })
    }
}

/// Rows that show something above a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) rows: usize,
    /// The sum of their shares of false entities.
    pub(crate) sum: f64,
}

impl Seen {
    pub(crate) fn above(rows: &[&Ranked], threshold: f64) -> Self {
        let shares = rows.iter().filter_map(|row| row.shown(threshold).share());
        shares.fold(Self::default(), |seen, share| Self {
            rows: seen.rows + 1,
            sum: seen.sum + share,
        })
    }

    /// The mean share; 0 of no rows.
    pub(crate) fn mean(self) -> f64 {
        self.sum / (self.rows.max(1) as f64)
    }
}

/// So many rows without a false entity are expected by chance less often than `level` if the risk were exceeded.
fn sure_rows(risk: f64, level: f64) -> usize {
    (level.ln() / (1.0 - risk).ln() - 1e-9).ceil().max(1.0) as usize
}

/// How much more rows the next threshold of the grid shows.
const STEP: f64 = 1.1;

/// The numbers of rows that thresholds are looked for at, the largest first: from all down to the fewest that could
/// pass at the level that is left to each. They depend on nothing but n, the risk and delta.
fn grid(n: usize, risk: f64, delta: f64) -> Vec<usize> {
    let from = |start: usize| {
        let mut grid = vec![n];
        let mut next = (n as f64 / STEP).floor() as usize;
        while next >= start {
            grid.push(next);
            next = (next as f64 / STEP).floor() as usize;
        }
        grid
    };
    // The more thresholds, the less is left to each, and the more rows the strictest of them needs.
    let mut parts = 1;
    loop {
        let grid = from(sure_rows(risk, delta / parts as f64));
        if grid.len() <= parts {
            return grid;
        }
        parts += 1;
    }
}

/// The lowest threshold that passes its test.
fn sure(rows: &[&Ranked], risk: f64, delta: f64) -> Option<f64> {
    let mut tops: Vec<f64> = rows.iter().map(|row| row.top()).collect();
    tops.sort_by(|a, b| b.total_cmp(a));
    let grid = grid(rows.len(), risk, delta);
    let level = delta / grid.len() as f64;
    let thresholds = grid.iter().map(|&shown| match tops.get(shown) {
        // Of the row behind the last one that is shown.
        Some(&top) => top,
        None => f64::NEG_INFINITY,
    });
    thresholds.into_iter().find(|&threshold| {
        let seen = Seen::above(rows, threshold);
        seen.rows > 0 && hoeffding_bentkus(seen.mean(), seen.rows, risk) <= level
    })
}

/// The lowest threshold at which the envelopes of n rows, and one more at its worst, have a mean of at most the risk.
fn mean(rows: &[&Ranked], risk: f64) -> Option<f64> {
    let mut rises = rises(rows);
    rises.sort_by(|a, b| b.0.total_cmp(&a.0));
    let most = risk * (rows.len() + 1) as f64 + 1e-12;
    let (mut sum, mut last) = (1.0, f64::INFINITY);
    for same in rises.chunk_by(|a, b| a.0 == b.0) {
        let (confidence, rise) = (same[0].0, same.iter().map(|it| it.1).sum::<f64>());
        if sum + rise > most {
            // Entities of this very confidence are not shown.
            return (last < f64::INFINITY).then_some(confidence);
        }
        (sum, last) = (sum + rise, confidence);
    }
    (last < f64::INFINITY).then_some(f64::NEG_INFINITY)
}

/// How much the envelope of some row rises when entities of a confidence are shown too.
fn rises(rows: &[&Ranked]) -> Vec<(f64, f64)> {
    let mut rises = Vec::new();
    for row in rows {
        let mut highest = 0.0_f64;
        let confidences: Vec<f64> = row.confidences().collect();
        for same in confidences.chunk_by(|a, b| a == b) {
            // The next number below, so that these are shown.
            let share = row.shown(same[0].next_down()).share().unwrap_or(0.0);
            rises.push((same[0], (share - highest).max(0.0)));
            highest = highest.max(share);
        }
    }
    rises
}

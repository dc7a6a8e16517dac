//! Entities whose truth is known, with the confidence that they were named with.

use serde::{Deserialize, Serialize};

/// An entity that a model named in a row with gold. Written as `["city", 0.98, true]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(String, f64, bool)", into = "(String, f64, bool)")]
pub struct Scored {
    /// The type.
    pub label: String,
    /// Between 0 and 1; the higher, the surer.
    pub confidence: f64,
    /// Whether the gold has it.
    pub is_true: bool,
}

impl From<(String, f64, bool)> for Scored {
    fn from((label, confidence, is_true): (String, f64, bool)) -> Self {
        Self {
            label,
            confidence,
            is_true,
        }
    }
}

impl From<Scored> for (String, f64, bool) {
    fn from(scored: Scored) -> Self {
        (scored.label, scored.confidence, scored.is_true)
    }
}

/// The entities that were named in one row. Rows are what is exchangeable: those of one text hang together.
pub type Row = Vec<Scored>;

/// The confidence and truth of the entities of a row, the surest first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ranked(Vec<(f64, bool)>);

impl Ranked {
    /// The entities of a row that count: those of a label, or all if none is given. `None` if there is none.
    pub(crate) fn of(row: &Row, label: Option<&str>) -> Option<Self> {
        let counts = |it: &&Scored| label.is_none_or(|label| label == it.label);
        let counting = row.iter().filter(counts);
        let mut all: Vec<_> = counting.map(|it| (it.confidence, it.is_true)).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        (!all.is_empty()).then_some(Self(all))
    }

    /// The confidence of the surest entity.
    pub(crate) fn top(&self) -> f64 {
        self.0.first().map_or(f64::NEG_INFINITY, |it| it.0)
    }

    /// The confidences, the highest first.
    pub(crate) fn confidences(&self) -> impl Iterator<Item = f64> {
        self.0.iter().map(|it| it.0)
    }

    /// How many entities are above a threshold, and how many of them are false.
    pub(crate) fn shown(&self, threshold: f64) -> Shown {
        let shown = self.0.iter().take_while(|it| it.0 > threshold);
        shown.fold(Shown::default(), |shown, it| Shown {
            entities: shown.entities + 1,
            false_ones: shown.false_ones + usize::from(!it.1),
        })
    }
}

/// Entities that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) entities: usize,
    pub(crate) false_ones: usize,
}

impl Shown {
    /// The share of false ones; `None` if nothing is shown.
    pub(crate) fn share(self) -> Option<f64> {
        (self.entities > 0).then(|| self.false_ones as f64 / self.entities as f64)
    }
}

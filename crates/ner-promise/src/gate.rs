//! What is shown of the entities that a model names, and what is held back.

use std::collections::{BTreeMap, BTreeSet};

use ner_types::normalize_label;

use crate::risk::{Promise, Refusal, Threshold};
use crate::scored::Row;

/// The thresholds that a risk asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Gate {
    /// One for all entities.
    All(Result<Threshold, Refusal>),
    /// One for each type, of which a promise of its own is made.
    PerLabel(BTreeMap<String, Result<Threshold, Refusal>>),
    /// A confidence that somebody chose, of which nothing is promised; an entity that has it is shown.
    AtLeast(f64),
}

impl Gate {
    /// One threshold for all entities.
    pub fn all(rows: &[Row], promise: Promise, risk: f64) -> Self {
        Self::All(promise.threshold(rows, None, risk))
    }

    /// A threshold for each type that calibration rows name.
    pub fn per_label(rows: &[Row], promise: Promise, risk: f64) -> Self {
        let threshold = |label: &str| promise.threshold(rows, Some(label), risk);
        let labels = labels(rows).into_iter();
        Self::PerLabel(labels.map(|it| (it.to_owned(), threshold(it))).collect())
    }

    /// Whether an entity is shown. Where nothing can be promised, nothing is.
    pub fn shows(&self, label: &str, confidence: Option<f64>) -> bool {
        let shows = |threshold: &Result<Threshold, Refusal>| {
            threshold
                .as_ref()
                .is_ok_and(|threshold| threshold.shows(confidence))
        };
        match self {
            Self::All(threshold) => shows(threshold),
            Self::PerLabel(all) => all.get(&normalize_label(label)).is_some_and(shows),
            Self::AtLeast(least) => confidence.is_some_and(|it| it >= *least),
        }
    }
}

/// The types of the entities that rows name, sorted.
pub fn labels(rows: &[Row]) -> BTreeSet<&str> {
    rows.iter().flatten().map(|it| it.label.as_str()).collect()
}

//! Everything about many sentences: means, types, errors, confusion, buckets and an interval.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analysis::{ErrorClass, ScoredItem, SentenceScore, Tally, score_sentence};
use crate::bootstrap::{Interval, bootstrap_interval};
use crate::buckets::Buckets;
use crate::buckets::{BucketTable, Seen};
use crate::counts::Counts;
use crate::metrics::Cell;
use crate::metrics::{Metrics, Row};
use crate::scorer::Scorer;
use crate::sentence::Sentence;

/// How a report is made.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// The preset.
    pub scorer: Scorer,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Resamples of the bootstrap. With 0 the interval is the point.
    pub resamples: usize,
    /// The entities of the training data, for the table of seen and unseen ones.
    pub seen: Option<Seen>,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions {
            scorer: Scorer::default(),
            seed: 42,
            resamples: 1_000,
            seen: None,
        }
    }
}

/// How often a class of errors occurred and what it cost. Over all classes, `false_positives` add up to the predicted
/// items that are not right, and `false_negatives` to the gold items that were not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRow {
    /// The class.
    pub class: ErrorClass,
    /// Number of errors.
    pub errors: usize,
    /// Those that cost precision.
    pub false_positives: usize,
    /// Those that cost recall.
    pub false_negatives: usize,
}

/// One cell of the confusion matrix; `None` is O, no entity.
///
/// A pair of the same label that is not fully right counts as (label, O) and (O, label). So the cells of a gold label
/// add up to its support, those of a predicted label to its predictions, and a diagonal cell holds what is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionCell {
    /// Label of the gold item.
    pub gold: Option<String>,
    /// Label of the predicted item.
    pub predicted: Option<String>,
    /// How often.
    pub count: usize,
}

/// What a preset says about a system's answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The preset.
    pub scorer: Scorer,
    /// Number of sentences.
    pub sentences: usize,
    /// Sentences whose answer could not be read.
    pub parse_failures: usize,
    /// What the items came to.
    pub tally: Tally,
    /// Metrics over all items.
    pub micro: Metrics,
    /// Mean over the types that occur in gold or predictions, each with the same weight.
    #[serde(rename = "macro")]
    pub macro_: Metrics,
    /// Mean over the types, weighted by support.
    pub weighted: Metrics,
    /// 95 % percentile interval of the micro-F1 over resampled sentences.
    pub interval: Interval,
    /// Resamples of the bootstrap.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// One row per type, as the preset writes it, in ascending order.
    pub types: Vec<Row>,
    /// One row per class of errors.
    pub errors: Vec<ErrorRow>,
    /// The cells that are not 0, in ascending order.
    pub confusion: Vec<ConfusionCell>,
    /// Tables by length, density and novelty.
    pub buckets: Vec<BucketTable>,
    /// Gold items that `seqeval-strict` cannot express.
    pub untaggable_gold: usize,
    /// Predicted items that `seqeval-strict` cannot express.
    pub untaggable_predicted: usize,
}

/// Takes one sentence after the other and makes a [`Report`]. Keeps three numbers per sentence.
#[derive(Clone, Debug)]
pub struct ReportBuilder {
    options: ReportOptions,
    counts: Vec<Counts>,
    tally: Tally,
    types: BTreeMap<String, Cell>,
    errors: BTreeMap<ErrorClass, ErrorRow>,
    confusion: BTreeMap<(Option<String>, Option<String>), usize>,
    buckets: Buckets,
    parse_failures: usize,
    untaggable: [usize; 2],
}

impl ReportBuilder {
    /// Begins a report.
    pub fn new(mut options: ReportOptions) -> Self {
        let empty = |class| {
            let row = ErrorRow {
                class,
                errors: 0,
                false_positives: 0,
                false_negatives: 0,
            };
            (class, row)
        };
        ReportBuilder {
            buckets: Buckets::new(options.seen.take()),
            options,
            counts: Vec::new(),
            tally: Tally::default(),
            types: BTreeMap::new(),
            errors: ErrorClass::ALL.map(empty).into(),
            confusion: BTreeMap::new(),
            parse_failures: 0,
            untaggable: [0; 2],
        }
    }

    /// Scores a sentence, adds it, and gives its score.
    pub fn add(&mut self, sentence: &Sentence<'_>) -> SentenceScore {
        let score = score_sentence(self.options.scorer, sentence);
        self.counts.push(score.tally.counts(self.options.scorer));
        self.tally.add(&score.tally);
        self.parse_failures += usize::from(sentence.parse_failure);
        self.untaggable[0] += score.untaggable_gold;
        self.untaggable[1] += score.untaggable_predicted;
        self.add_types(&score);
        self.add_errors(&score);
        self.add_confusion(&score);
        self.buckets.add(sentence, &score);
        score
    }

    fn add_types(&mut self, score: &SentenceScore) {
        for item in &score.gold {
            self.types
                .entry(item.label.clone())
                .or_default()
                .add_gold(item);
        }
        for item in &score.predicted {
            self.types
                .entry(item.label.clone())
                .or_default()
                .add_predicted(item);
        }
    }

    fn add_errors(&mut self, score: &SentenceScore) {
        for error in &score.errors {
            if let Some(row) = self.errors.get_mut(&error.class) {
                row.errors += 1;
                row.false_positives += usize::from(error.false_positive);
                row.false_negatives += usize::from(error.false_negative);
            }
        }
    }

    fn add_confusion(&mut self, score: &SentenceScore) {
        for item in &score.gold {
            let other = partner(item, &score.predicted);
            self.count(Some(item), other);
        }
        for item in &score.predicted {
            // Pairs were counted from the gold side.
            if partner(item, &score.gold).is_none() {
                self.count(None, Some(item));
            }
        }
    }

    fn count(&mut self, gold: Option<&ScoredItem>, predicted: Option<&ScoredItem>) {
        let label = |item: Option<&ScoredItem>| item.map(|item| item.label.clone());
        *self
            .confusion
            .entry((label(gold), label(predicted)))
            .or_default() += 1;
    }

    /// The counts of each sentence so far, in the scorer's units: what intervals and tests are computed from.
    pub fn counts(&self) -> &[Counts] {
        &self.counts
    }

    /// The report.
    pub fn finish(&self) -> Report {
        let types: Vec<Row> = self
            .types
            .iter()
            .map(|(name, cell)| cell.row(name))
            .collect();
        let options = &self.options;
        Report {
            scorer: options.scorer,
            sentences: self.counts.len(),
            parse_failures: self.parse_failures,
            tally: self.tally,
            micro: self.tally.counts(options.scorer).into(),
            macro_: Metrics::mean(&types, |_| 1.0),
            weighted: Metrics::mean(&types, |row| row.support as f64),
            interval: bootstrap_interval(&[&self.counts], options.seed, options.resamples),
            resamples: options.resamples,
            seed: options.seed,
            types,
            errors: self.errors.values().copied().collect(),
            confusion: self.confusion.iter().map(cell).collect(),
            buckets: self.buckets.tables(),
            untaggable_gold: self.untaggable[0],
            untaggable_predicted: self.untaggable[1],
        }
    }
}

/// The item that an item counts with in the confusion matrix: its pair, unless that has the same label and is not
/// fully right.
fn partner<'a>(item: &ScoredItem, others: &'a [ScoredItem]) -> Option<&'a ScoredItem> {
    let other = others.get(item.pair?)?;
    (item.label != other.label || item.half_points == 2).then_some(other)
}

fn cell(((gold, predicted), &count): (&(Option<String>, Option<String>), &usize)) -> ConfusionCell {
    ConfusionCell {
        gold: gold.clone(),
        predicted: predicted.clone(),
        count,
    }
}

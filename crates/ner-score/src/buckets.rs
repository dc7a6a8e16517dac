//! Scores by length, density and novelty.

use std::collections::{BTreeSet, HashMap};

use ner_types::{Entity, normalize_label, normalize_text};
use serde::{Deserialize, Serialize};

use crate::analysis::{ScoredItem, SentenceScore};
use crate::metrics::Cell;
use crate::metrics::Row;
use crate::sentence::Sentence;

/// What a bucket table sorts items by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BucketBy {
    /// White-space separated words of the entity: 1, 2, 3, 4, 5 or more. Each side counts by its own length.
    EntityLength,
    /// White-space separated words of the sentence.
    SentenceLength,
    /// Gold entities per word of the sentence.
    Density,
    /// Whether the training data has the entity, with the same label or with another. Texts are compared normalised.
    Seen,
}

impl BucketBy {
    /// All tables.
    pub const ALL: [BucketBy; 4] = [
        BucketBy::EntityLength,
        BucketBy::SentenceLength,
        BucketBy::Density,
        BucketBy::Seen,
    ];

    /// The name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            BucketBy::EntityLength => "entity_length",
            BucketBy::SentenceLength => "sentence_length",
            BucketBy::Density => "density",
            BucketBy::Seen => "seen",
        }
    }

    fn buckets(self) -> &'static [&'static str] {
        match self {
            BucketBy::EntityLength => &["1 word", "2 words", "3 words", "4 words", "5+ words"],
            BucketBy::SentenceLength => &[
                "1-10 words",
                "11-20 words",
                "21-30 words",
                "31-50 words",
                "51+ words",
            ],
            BucketBy::Density => &["none", "up to 0.05", "up to 0.1", "up to 0.2", "above 0.2"],
            BucketBy::Seen => &["seen, same label", "seen, other label", "unseen"],
        }
    }
}

/// The rows of one table. Buckets that nothing fell into are there with zeros; the table of `Seen` is missing where no
/// training data were given, and those of sentences where no sentence is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BucketTable {
    /// What it sorts by.
    pub by: BucketBy,
    /// The buckets, ascending.
    pub rows: Vec<Row>,
}

/// The entities of the training data, for [`BucketBy::Seen`].
#[derive(Clone, Debug, Default)]
pub struct Seen(HashMap<String, BTreeSet<String>>);

impl Seen {
    /// Remembers every entity by its normalised text, with its normalised labels.
    pub fn new<'a>(entities: impl IntoIterator<Item = &'a Entity>) -> Self {
        let mut seen = Seen::default();
        entities.into_iter().for_each(|entity| seen.insert(entity));
        seen
    }

    /// Remembers one more entity.
    pub fn insert(&mut self, entity: &Entity) {
        let labels = self.0.entry(normalize_text(&entity.text)).or_default();
        labels.insert(normalize_label(&entity.label));
    }

    fn bucket(&self, entity: &Entity) -> usize {
        match self.0.get(&normalize_text(&entity.text)) {
            Some(labels) if labels.contains(&normalize_label(&entity.label)) => 0,
            Some(_) => 1,
            None => 2,
        }
    }
}

/// The tables while they are being filled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets {
    seen: Option<Seen>,
    has_sentences: bool,
    cells: [[Cell; 5]; 4],
}

impl Buckets {
    pub(crate) fn new(seen: Option<Seen>) -> Self {
        Buckets {
            seen,
            ..Buckets::default()
        }
    }

    pub(crate) fn add(&mut self, sentence: &Sentence<'_>, score: &SentenceScore) {
        let words = sentence.text.split_whitespace().count();
        self.has_sentences |= words > 0;
        let length = [10, 20, 30, 50]
            .iter()
            .filter(|&&limit| words > limit)
            .count();
        let density = density_bucket(score.gold.len(), words);
        for item in &score.gold {
            for (table, bucket) in self.of_item(sentence.gold, item, words, length, density) {
                self.cells[table as usize][bucket].add_gold(item);
            }
        }
        for item in &score.predicted {
            for (table, bucket) in self.of_item(sentence.predicted, item, words, length, density) {
                self.cells[table as usize][bucket].add_predicted(item);
            }
        }
    }

    /// The buckets of one item.
    fn of_item(
        &self,
        entities: &[Entity],
        item: &ScoredItem,
        words: usize,
        length: usize,
        density: usize,
    ) -> Vec<(BucketBy, usize)> {
        let mut buckets = Vec::with_capacity(4);
        if words > 0 {
            buckets.push((BucketBy::SentenceLength, length));
            buckets.push((BucketBy::Density, density));
        }
        if let Some(entity) = item.entity.and_then(|i| entities.get(i)) {
            let words = entity.text.split_whitespace().count();
            buckets.push((BucketBy::EntityLength, words.clamp(1, 5) - 1));
            if let Some(seen) = &self.seen {
                buckets.push((BucketBy::Seen, seen.bucket(entity)));
            }
        }
        buckets
    }

    pub(crate) fn tables(&self) -> Vec<BucketTable> {
        let is_known = |by: &BucketBy| match by {
            BucketBy::EntityLength => true,
            BucketBy::SentenceLength | BucketBy::Density => self.has_sentences,
            BucketBy::Seen => self.seen.is_some(),
        };
        let table = |by: BucketBy| BucketTable {
            by,
            rows: by
                .buckets()
                .iter()
                .zip(&self.cells[by as usize])
                .map(|(name, cell)| cell.row(*name))
                .collect(),
        };
        BucketBy::ALL
            .into_iter()
            .filter(is_known)
            .map(table)
            .collect()
    }
}

/// Gold items per word, compared without division.
fn density_bucket(gold: usize, words: usize) -> usize {
    if gold == 0 {
        return 0;
    }
    1 + [20, 10, 5]
        .iter()
        .filter(|&&per| gold * per > words)
        .count()
}

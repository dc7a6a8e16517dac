//! What a dataset holds: sentences, words, entities, types, and what the paper's filter leaves of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ner_types::normalize_text;
use serde::Serialize;

use crate::hash::short_hash;
use crate::row::Row;

/// Counts over the rows given to [`Stats::add`]. Needs 16 bytes for each distinct sentence, for the duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Rows.
    pub sentences: usize,
    /// Words: those of the source, or pieces between white space.
    pub tokens: usize,
    /// Mentions, as written.
    pub entities: usize,
    /// Rows without a mention.
    pub entity_free: usize,
    /// Rows whose sentence occurred before.
    pub duplicates: usize,
    /// Mentions of each label, as written.
    pub per_type: BTreeMap<String, usize>,
    /// What the paper's loader leaves: [`ner_types::Example::normalized`].
    pub filtered: Filtered,
    #[serde(skip)]
    seen: HashSet<u128>,
}

/// Counts after the paper's filter: labels normalised, placeholders such as `misc` dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filtered {
    /// Labels of all schemas.
    pub schema: BTreeSet<String>,
    /// Mentions.
    pub entities: usize,
    /// Distinct pairs of normalised text and label of each sentence, summed: the denominator of recall.
    pub gold_set: usize,
    /// Rows without a mention.
    pub entity_free: usize,
}

impl Stats {
    /// Counts all rows.
    ///
    /// # Errors
    ///
    /// The first row that is an error.
    pub fn collect<E>(rows: impl IntoIterator<Item = Result<Row, E>>) -> Result<Self, E> {
        let mut stats = Stats::default();
        for row in rows {
            stats.add(&row?);
        }
        Ok(stats)
    }

    /// How many distinct labels the mentions have, as written.
    pub fn types(&self) -> usize {
        self.per_type.len()
    }

    /// Counts one row.
    pub fn add(&mut self, row: &Row) {
        let example = &row.example;
        self.sentences += 1;
        self.tokens += row.n_words();
        self.entities += example.entities.len();
        self.entity_free += usize::from(example.entities.is_empty());
        self.duplicates += usize::from(!self.seen.insert(short_hash(&example.sentence)));
        for entity in &example.entities {
            match self.per_type.get_mut(&entity.label) {
                Some(count) => *count += 1,
                None => {
                    self.per_type.insert(entity.label.clone(), 1);
                }
            }
        }
        self.filtered.add(row);
    }
}

impl Filtered {
    fn add(&mut self, row: &Row) {
        let kept = row.example.normalized();
        self.entities += kept.entities.len();
        self.entity_free += usize::from(kept.entities.is_empty());
        let pairs: HashSet<(String, &str)> = kept
            .entities
            .iter()
            .map(|entity| (normalize_text(&entity.text), entity.label.as_str()))
            .collect();
        self.gold_set += pairs.len();
        for label in kept.schema {
            if !self.schema.contains(&label) {
                self.schema.insert(label);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ner_types::{Entity, Example};

    use super::*;

    #[test]
    fn counts_as_written_and_after_the_filter() {
        let row = |sentence: &str, entities: &[(&str, &str)]| {
            let entities = entities
                .iter()
                .map(|(text, label)| Entity::new(*text, *label));
            Row::new(Example {
                sentence: sentence.into(),
                schema: vec!["City".into(), "misc".into()],
                entities: entities.collect(),
                ..Example::default()
            })
        };
        let rows = [
            row(
                "Brel, the Brel",
                &[("Brel", "City"), ("the Brel", "City"), (",", "misc")],
            ),
            row("so", &[("so", "misc")]),
            row("so", &[]),
        ];
        let stats = Stats::collect(rows.map(Ok::<_, ()>)).expect("no errors");
        assert_eq!((stats.sentences, stats.tokens, stats.entities), (3, 5, 4));
        assert_eq!(
            (stats.entity_free, stats.duplicates, stats.types()),
            (1, 1, 2)
        );
        let filtered = &stats.filtered;
        assert_eq!(
            (filtered.entities, filtered.gold_set, filtered.entity_free),
            (2, 1, 2)
        );
        assert_eq!(filtered.schema.len(), 1);
    }
}

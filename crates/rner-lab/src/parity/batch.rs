//! A padded batch of the reference, without its padding.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use burn::tensor::{Int, Tensor, TensorData};
use lm_kernels::LmOps;
use lm_model::{Packed, Qwen3};

use super::files::{TensorFile, token};

/// The label of a token that is not trained.
const IGNORED: f64 = -100.0;

/// The real tokens of a padded batch; pads may be left or right of them.
pub(super) struct Batch {
    rows: Vec<Row>,
    /// Columns of the padded batch.
    columns: usize,
}

/// One sequence.
pub(super) struct Row {
    /// Where its tokens were in the padded row.
    place: Range<usize>,
    /// Its tokens.
    pub(super) ids: Vec<u32>,
    /// The label of each token, if it is trained.
    pub(super) labels: Vec<Option<u32>>,
}

/// A token that has a predecessor.
struct Prediction {
    /// Row of the packed hidden states that predicts it.
    from: i64,
    id: u32,
    is_trained: bool,
}

impl Batch {
    /// Reads `input_ids`, `attention_mask` and `labels`, each with `suffix` behind its name.
    ///
    /// # Errors
    /// When one is absent, their shapes differ, a row has gaps, or a token is outside the vocabulary.
    pub(super) fn read(file: &TensorFile, suffix: &str, vocab_size: usize) -> Result<Self> {
        let get = |name: &str| file.get::<2>(&format!("{name}{suffix}"));
        let (shape, ids) = get("input_ids")?;
        let (mask_shape, mask) = get("attention_mask")?;
        let (label_shape, labels) = get("labels")?;
        ensure!(
            shape == mask_shape && shape == label_shape,
            "{}: expected ids, mask and labels of one shape, found {shape:?}, {mask_shape:?} and {label_shape:?}",
            file.path()
        );
        let [count, columns] = shape;
        let read = |row: usize| {
            let cells = row * columns..(row + 1) * columns;
            let cells = [ids, mask, labels].map(|all| &all[cells.clone()]);
            Row::new(cells, vocab_size)
                .with_context(|| format!("{}: input_ids{suffix}, row {row}", file.path()))
        };
        let rows = (0..count).map(read).collect::<Result<_>>()?;
        Ok(Self { rows, columns })
    }

    /// The sequences.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The sequences end to end.
    pub(super) fn pack<B: LmOps>(&self, model: &Qwen3<B>) -> Packed<B> {
        let sequences: Vec<&[u32]> = self.rows.iter().map(|row| &*row.ids).collect();
        model.pack(&sequences)
    }

    /// What `values`, `[rows, columns, width]`, hold for the real tokens.
    pub(super) fn at_tokens(&self, values: &[f64], width: usize) -> Vec<f64> {
        self.gather(values, self.columns, width, |row| row.place.clone())
    }

    /// What `values`, `[rows, columns - 1]`, hold for the trained tokens: column c is about token c + 1.
    pub(super) fn at_trained(&self, values: &[f64]) -> Vec<f64> {
        let all = self.gather(values, self.columns.saturating_sub(1), 1, |row| {
            row.place.start..row.place.end.saturating_sub(1)
        });
        let predictions = self.predictions();
        let pairs = all.into_iter().zip(&predictions);
        pairs
            .filter(|(_, prediction)| prediction.is_trained)
            .map(|(value, _)| value)
            .collect()
    }

    /// Log-probability of every trained token, differentiable.
    ///
    /// # Errors
    /// When no token is trained.
    pub(super) fn log_probs<B: LmOps>(&self, model: &Qwen3<B>) -> Result<Tensor<B, 1>> {
        let mut predictions = self.predictions();
        predictions.retain(|prediction| prediction.is_trained);
        ensure!(!predictions.is_empty(), "no token has a label");
        let tensor = |of: fn(&Prediction) -> i64| -> Tensor<B, 1, Int> {
            let values: Vec<i64> = predictions.iter().map(of).collect();
            let shape = [values.len()];
            Tensor::from_data(TensorData::new(values, shape), &model.device())
        };
        let rows = tensor(|prediction| prediction.from);
        let targets = tensor(|prediction| prediction.id.into());
        Ok(model
            .log_probs(&self.pack(model), rows, targets, 1.0)
            .log_probs)
    }

    fn gather(
        &self,
        values: &[f64],
        columns: usize,
        width: usize,
        place: impl Fn(&Row) -> Range<usize>,
    ) -> Vec<f64> {
        let rows = self.rows.iter().enumerate();
        rows.flat_map(|(i, row)| {
            let place = place(row);
            let [start, end] = [place.start, place.end].map(|column| i * columns + column);
            values[start * width..end * width].iter().copied()
        })
        .collect()
    }

    fn predictions(&self) -> Vec<Prediction> {
        let mut all = Vec::new();
        let mut start = 0;
        for row in &self.rows {
            let labelled = row.ids.iter().zip(&row.labels).enumerate().skip(1);
            all.extend(labelled.map(|(i, (&id, label))| Prediction {
                from: start + i as i64 - 1,
                id: label.unwrap_or(id),
                is_trained: label.is_some(),
            }));
            start += row.ids.len() as i64;
        }
        all
    }
}

impl Row {
    /// The real tokens of `[ids, mask, labels]`.
    fn new([ids, mask, labels]: [&[f64]; 3], vocab_size: usize) -> Result<Self> {
        let is_real = |&value: &f64| value != 0.0;
        let start = mask.iter().position(is_real).context("no token")?;
        let length = mask.iter().filter(|value| is_real(value)).count();
        let place = start..start + length;
        ensure!(
            mask.get(place.clone())
                .is_some_and(|range| range.iter().all(is_real)),
            "the attention mask has gaps"
        );
        let checked = |&value: &f64| -> Result<u32> {
            let id = token(value)?;
            ensure!(
                (id as usize) < vocab_size,
                "expected ids below {vocab_size}, found {id}"
            );
            Ok(id)
        };
        let label = |value: &f64| {
            if *value == IGNORED {
                Ok(None)
            } else {
                checked(value).map(Some)
            }
        };
        Ok(Self {
            ids: ids[place.clone()]
                .iter()
                .map(checked)
                .collect::<Result<_>>()?,
            labels: labels[place.clone()]
                .iter()
                .map(label)
                .collect::<Result<_>>()?,
            place,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let rows = [
            // Pads on the left, then on the right; the first token of a row is never predicted.
            [
                [9.0, 1.0, 2.0, 3.0],
                [0.0, 1.0, 1.0, 1.0],
                [-100.0, -100.0, -100.0, 3.0],
            ],
            [
                [4.0, 5.0, 9.0, 9.0],
                [1.0, 1.0, 0.0, 0.0],
                [-100.0, 5.0, -100.0, -100.0],
            ],
        ];
        let rows = rows
            .iter()
            .map(|row| Row::new([&row[0], &row[1], &row[2]], 10));
        Batch {
            rows: rows.collect::<Result<_>>().expect("valid rows"),
            columns: 4,
        }
    }

    #[test]
    fn pads_are_dropped_on_both_sides() {
        let batch = batch();
        let ids: Vec<&[u32]> = batch.rows().iter().map(|row| &*row.ids).collect();
        assert_eq!(ids, [&[1, 2, 3][..], &[4, 5]]);
        let values: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(batch.at_tokens(&values, 1), [1.0, 2.0, 3.0, 4.0, 5.0]);
        let pairs: Vec<f64> = (0..16).map(f64::from).collect();
        assert_eq!(batch.at_tokens(&pairs, 2)[..2], [2.0, 3.0]);
    }

    #[test]
    fn predictions_come_from_the_token_before() {
        let batch = batch();
        let from: Vec<_> = batch
            .predictions()
            .iter()
            .map(|p| (p.from, p.id, p.is_trained))
            .collect();
        assert_eq!(from, [(0, 2, false), (1, 3, true), (3, 5, true)]);
        // Three columns a row: column 2 of the first is about token 3, column 0 of the second about 5.
        assert_eq!(
            batch.at_trained(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
            [2.0, 3.0]
        );
    }

    #[test]
    fn bad_rows_are_refused() {
        let ids = [1.0, 2.0, 3.0];
        let none = [-100.0; 3];
        for (mask, vocab_size, word) in [
            ([1.0, 0.0, 1.0], 10, "gaps"),
            ([0.0; 3], 10, "no token"),
            ([1.0; 3], 3, "below 3"),
        ] {
            let error = Row::new([&ids, &mask, &none], vocab_size)
                .err()
                .expect("refused");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}

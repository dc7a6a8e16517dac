//! What the loss of a micro-batch is made of: the log-probabilities of the completion tokens.

use std::borrow::Cow;

use burn::tensor::{Int, Tensor};
use lm_kernels::LmOps;
use lm_kernels::ops::TokenLogProbs;
use lm_model::Qwen3;

use crate::config::BatchLayout;
use crate::sample::Sequence;
use crate::scoring::Scoring;

/// Log-probability and entropy at every target, in the order of the sequences.
pub(crate) fn target_log_probs<B: LmOps>(
    model: &Qwen3<B>,
    sequences: &[Sequence<'_>],
    layout: BatchLayout,
) -> TokenLogProbs<B> {
    scoring(model, sequences, layout).log_probs(model)
}

/// The targets of the sequences as what is to be scored.
///
/// The model attends inside each sequence only, and just the hidden states in front of a target are projected on the
/// vocabulary.
pub(crate) fn scoring<B: LmOps>(
    model: &Qwen3<B>,
    sequences: &[Sequence<'_>],
    layout: BatchLayout,
) -> Scoring<B> {
    let lengths = row_lengths(sequences, layout);
    let (rows, targets) = rows_and_targets(sequences, &lengths);
    let ids: Vec<Cow<'_, [u32]>> = sequences
        .iter()
        .zip(&lengths)
        .map(|(sequence, &length)| padded(sequence.ids, length))
        .collect();
    let ids: Vec<&[u32]> = ids.iter().map(AsRef::as_ref).collect();
    let batch = model.pack(&ids);
    let device = batch.ids.device();
    Scoring {
        entropy_gradient: None,
        batch,
        rows: Tensor::<B, 1, Int>::from_ints(rows.as_slice(), &device),
        targets: Tensor::<B, 1, Int>::from_ints(targets.as_slice(), &device),
        temperature: 1.0,
    }
}

/// Rows of the batch that each sequence takes: one for every token but the last, which predicts nothing and which no
/// other token sees.
fn row_lengths(sequences: &[Sequence<'_>], layout: BatchLayout) -> Vec<usize> {
    let lengths = sequences.iter().map(|sequence| sequence.ids.len() - 1);
    match layout {
        BatchLayout::Packed => lengths.collect(),
        BatchLayout::Padded => {
            vec![lengths.max().unwrap_or(0); sequences.len()]
        }
    }
}

/// The tokens, cut or filled up to `length`. Which token fills is of no consequence: nothing attends to it.
fn padded(ids: &[u32], length: usize) -> Cow<'_, [u32]> {
    if ids.len() >= length {
        return Cow::Borrowed(&ids[..length]);
    }
    let mut filled = ids.to_vec();
    filled.resize(length, 0);
    Cow::Owned(filled)
}

/// For every target: the row of the token before it, and its id; `lengths` are those of [`row_lengths`].
fn rows_and_targets(sequences: &[Sequence<'_>], lengths: &[usize]) -> (Vec<i32>, Vec<i32>) {
    let count = sequences.iter().map(Sequence::targets).sum();
    let (mut rows, mut targets) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut start = 0;
    for (Sequence { ids, loss_from }, length) in sequences.iter().zip(lengths) {
        rows.extend((start + loss_from - 1..start + ids.len() - 1).map(|row| row as i32));
        targets.extend(ids[*loss_from..].iter().map(|&id| id as i32));
        start += length;
    }
    (rows, targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_is_predicted_by_the_row_before_it() {
        let sequences = [
            Sequence {
                ids: &[10, 11, 12, 13],
                loss_from: 2,
            },
            Sequence {
                ids: &[20, 21],
                loss_from: 1,
            },
            Sequence {
                ids: &[30, 31, 32],
                loss_from: 2,
            },
        ];
        let lengths = row_lengths(&sequences, BatchLayout::Packed);
        let (rows, targets) = rows_and_targets(&sequences, &lengths);
        assert_eq!(rows, [1, 2, 3, 5]);
        assert_eq!(targets, [12, 13, 21, 32]);
        let lengths = row_lengths(&sequences, BatchLayout::Padded);
        let (rows, targets) = rows_and_targets(&sequences, &lengths);
        assert_eq!(rows, [1, 2, 3, 7]);
        assert_eq!(targets, [12, 13, 21, 32]);
    }
}

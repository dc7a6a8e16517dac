//! Batches: sequences laid end to end, with or without a common beginning.

use burn::prelude::*;
use burn::tensor::backend::AutodiffBackend;
use lm_kernels::{LmOps, SeqBounds};

use crate::model::Qwen3;

/// A batch of sequences laid end to end, with what their positions imply.
#[derive(Clone, Debug)]
pub struct Packed<B: Backend> {
    /// Token ids, `[T]`.
    pub ids: Tensor<B, 1, Int>,
    /// Cosines of the rotary angles, `[T, D/2]`.
    pub cos: Tensor<B, 2>,
    /// Sines of the rotary angles, `[T, D/2]`.
    pub sin: Tensor<B, 2>,
    /// Where each sequence begins and ends.
    pub bounds: SeqBounds,
    /// The token of every key, where sequences share a prefix; `None` means one key a token.
    pub key_rows: Option<Tensor<B, 1, Int>>,
}

/// Sequences that begin with the same tokens, which are computed once for all of them.
#[derive(Clone, Debug)]
pub struct Prefixed<'a> {
    /// The common beginning.
    pub prefix: &'a [u32],
    /// How each sequence goes on; may be empty.
    pub rest: Vec<&'a [u32]>,
}

impl<B: Backend> Packed<B> {
    /// Keys and values of every sequence, from those of every token.
    pub(crate) fn keys(&self, k: Tensor<B, 3>, v: Tensor<B, 3>) -> (Tensor<B, 3>, Tensor<B, 3>) {
        match &self.key_rows {
            None => (k, v),
            Some(rows) => (k.select(0, rows.clone()), v.select(0, rows.clone())),
        }
    }
}

impl<B: AutodiffBackend> Packed<B> {
    /// The same batch for a model without gradients.
    pub fn inner(self) -> Packed<B::InnerBackend> {
        Packed {
            ids: self.ids.inner(),
            cos: self.cos.inner(),
            sin: self.sin.inner(),
            bounds: self.bounds,
            key_rows: self.key_rows.map(Tensor::inner),
        }
    }
}

impl<B: LmOps> Qwen3<B> {
    /// Lays sequences of token ids end to end. Positions count from 0 in each of them.
    ///
    /// Every id must be below [`Qwen3Config::vocab_size`](crate::Qwen3Config::vocab_size); what happens otherwise is up
    /// to the backend.
    pub fn pack(&self, sequences: &[&[u32]]) -> Packed<B> {
        let lengths: Vec<usize> = sequences.iter().map(|ids| ids.len()).collect();
        let angles = self.rope().packed(&lengths);
        let (cos, sin) = self.angle_tensors(angles);
        Packed {
            ids: self.id_tensor(&sequences.concat()),
            cos,
            sin,
            bounds: SeqBounds::from_lengths(&lengths),
            key_rows: None,
        }
    }

    /// Lays groups of sequences end to end, each group as its prefix followed by the rests of its
    /// sequences. The rows of every rest are what they were if its sequence was packed whole; those
    /// of the prefix are in the batch once.
    ///
    /// With G sequences of P common and C further tokens that is P + G·C rows in place of
    /// G·(P + C) for everything but attention.
    pub fn pack_prefixed(&self, groups: &[Prefixed<'_>]) -> Packed<B> {
        let (mut ids, mut positions) = (Vec::new(), Vec::new());
        let (mut spans, mut keys) = (Vec::new(), Vec::new());
        for Prefixed { prefix, rest } in groups {
            let first = ids.len();
            let shared = first..first + prefix.len();
            spans.push((0, prefix.len()));
            ids.extend_from_slice(prefix);
            keys.extend(shared.clone());
            positions.extend(0..prefix.len());
            for rest in rest.iter().filter(|rest| !rest.is_empty()) {
                spans.push((prefix.len(), rest.len()));
                keys.extend(shared.clone());
                keys.extend(ids.len()..ids.len() + rest.len());
                ids.extend_from_slice(rest);
                positions.extend((prefix.len()..).take(rest.len()));
            }
        }
        let (cos, sin) = self.angle_tensors(self.rope().at(positions));
        let keys: Vec<i64> = keys.into_iter().map(|row| row as i64).collect();
        let shape = [keys.len()];
        let key_rows = Tensor::from_data(TensorData::new(keys, shape), &self.device());
        Packed {
            ids: self.id_tensor(&ids),
            cos,
            sin,
            bounds: SeqBounds::with_context(&spans),
            key_rows: Some(key_rows),
        }
    }
}

//! Choosing tokens, rows in parallel.

use std::cell::Cell;

use burn::tensor::{DType, Shape};
use burn_flex::{FlexTensor, Layout};

use super::{
    buffer::{Input, tensor},
    parallel::for_chunks2,
};
use crate::sampling::{SampleRow, Sampler};

thread_local! {
    /// The buffers of a sampler are as long as the vocabulary.
    static SAMPLER: Cell<Sampler<f32>> = Cell::default();
}

/// [`LmOps::lm_sample`](crate::LmOps::lm_sample).
pub(super) fn sample(logits: FlexTensor, rows: &[SampleRow]) -> (FlexTensor, FlexTensor) {
    let logits = Input::new(logits);
    let vocab = logits.dim(1);
    let mut ids = vec![0_i32; rows.len()];
    let mut log_probs = vec![0.0; rows.len()];
    let draw = |row: usize, id: &mut [i32], log_prob: &mut [f32]| {
        let mut sampler = SAMPLER.take();
        (id[0], log_prob[0]) = sampler.draw_row(&logits[row * vocab..][..vocab], &rows[row]);
        SAMPLER.set(sampler);
    };
    for_chunks2(logits.len(), (&mut ids, 1), (&mut log_probs, 1), draw);
    let shape = Shape::new([rows.len()]);
    let layout = Layout::contiguous(shape.clone());
    let ids = FlexTensor::new(burn::tensor::Bytes::from_elems(ids), layout, DType::I32);
    (ids, tensor(log_probs, shape))
}

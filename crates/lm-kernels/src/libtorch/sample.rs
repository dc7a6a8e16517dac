//! Choosing tokens on a CPU.

use tch::{Device, Kind, Tensor};

use crate::sampling::{SampleRow, Sampler};

/// The tokens and their log-probabilities, unless the logits lie on another device.
pub(super) fn on_the_host(logits: &Tensor, rows: &[SampleRow]) -> Option<(Tensor, Tensor)> {
    if logits.device() != Device::Cpu {
        return None;
    }
    let vocab = usize::try_from(*logits.size().last()?).ok()?;
    let values: Vec<f32> = logits.contiguous().view(-1).try_into().ok()?;
    let mut sampler = Sampler::new();
    let drawn = values.chunks_exact(vocab).zip(rows);
    let (ids, log_probs): (Vec<i32>, Vec<f32>) = drawn
        .map(|(logits, row)| sampler.draw_row(logits, row))
        .unzip();
    let ids = Tensor::from_slice(&ids).to_kind(Kind::Int64);
    Some((ids, Tensor::from_slice(&log_probs)))
}

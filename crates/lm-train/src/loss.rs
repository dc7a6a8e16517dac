//! The loss of one packed micro-batch: negative log-likelihood of the completion tokens.

use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Int, Tensor};
use lm_kernels::LmOps;
use lm_model::Qwen3;

use crate::Sequence;

/// What a micro-batch contributes to its optimizer step. All parts stay on the device.
#[derive(Debug)]
pub struct LossTerms<B: AutodiffBackend> {
    /// Sum of the targets' negative log-likelihoods, `[1]`, in nats; differentiable.
    pub loss: Tensor<B, 1>,
    /// Sum of the entropies of the predicted distributions, `[1]`, in nats; no gradient.
    pub entropy: Tensor<B::InnerBackend, 1>,
}

/// Runs `model` over `sequences`, laid end to end, and sums the loss over their targets.
///
/// The model attends inside each sequence only, and just the hidden states in front of a target are
/// projected on the vocabulary. Divide by the number of targets of the whole optimizer step, not of this
/// micro-batch, to get a token mean.
pub fn completion_loss<B>(model: &Qwen3<B>, sequences: &[Sequence<'_>]) -> LossTerms<B>
where
    B: AutodiffBackend + LmOps,
{
    let ids: Vec<&[u32]> = sequences.iter().map(|sequence| sequence.ids).collect();
    let (rows, targets) = rows_and_targets(sequences);
    let batch = model.pack(&ids);
    let device = batch.ids.device();
    let rows = Tensor::<B, 1, Int>::from_ints(rows.as_slice(), &device);
    let targets = Tensor::<B, 1, Int>::from_ints(targets.as_slice(), &device);
    let scored = model.log_probs(&batch, rows, targets, 1.0);
    LossTerms {
        loss: scored.log_probs.sum().neg(),
        entropy: scored.entropy.inner().sum(),
    }
}

/// For every target: the packed row of the token before it, and its id.
fn rows_and_targets(sequences: &[Sequence<'_>]) -> (Vec<i32>, Vec<i32>) {
    let count = sequences.iter().map(Sequence::targets).sum();
    let (mut rows, mut targets) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut start = 0;
    for Sequence { ids, loss_from } in sequences {
        rows.extend((start + loss_from - 1..start + ids.len() - 1).map(|row| row as i32));
        targets.extend(ids[*loss_from..].iter().map(|&id| id as i32));
        start += ids.len();
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
        let (rows, targets) = rows_and_targets(&sequences);
        assert_eq!(rows, [1, 2, 4, 7]);
        assert_eq!(targets, [12, 13, 21, 32]);
    }
}

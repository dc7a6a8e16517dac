//! A pass on several devices: each takes some of the micro-batches with a copy of the policy, and the gradients are
//! summed.
//!
//! Only passes are divided. Rollouts, reference and optimizer are on the first device, from which the others get the
//! weights before every pass: a transfer of the model for each update is little beside a batch of completions, and
//! neither states of optimizers nor the order of messages can drift apart.

use std::thread;

use burn::module::Module;
use burn::tensor::backend::AutodiffBackend;
use lm_kernels::TrainBackend;
use lm_model::Qwen3;
use lm_train::ParamGradients;
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, LogProbs};
use crate::metrics::{Observer, PassStats};
use crate::pass::{PassContext, PassEnd, Passed, accumulate};

/// The micro-batches of worker `rank` of `size`: every `size`-th one.
fn dealt(micro_batches: &[Vec<usize>], rank: usize, size: usize) -> Vec<Vec<usize>> {
    let own = micro_batches.iter().skip(rank).step_by(size);
    own.cloned().collect()
}

/// A pass over all micro-batches: the first share of them by this thread, on the device of `model`, the others on
/// `others`.
pub(crate) fn accumulate_on<B: TrainBackend>(
    others: &[B::Device],
    model: &Qwen3<B>,
    batch: &Batch,
    micro_batches: &[Vec<usize>],
    context: PassContext<'_>,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> PassEnd<B> {
    let size = others.len() + 1;
    // The others also stop if the first one fails.
    let stop = &stop.child_token();
    thread::scope(|scope| {
        let start = |(i, device): (usize, &B::Device)| {
            let (model, share) = (
                model.clone().fork(device),
                dealt(micro_batches, i + 1, size),
            );
            scope.spawn(move || accumulate(&model, batch, &share, context, stop, &mut ()))
        };
        let workers: Vec<_> = others.iter().enumerate().map(start).collect();
        let share = dealt(micro_batches, 0, size);
        let first = accumulate(model, batch, &share, context, stop, observer);
        if !matches!(first, PassEnd::Complete(_)) {
            stop.cancel();
        }
        let join = |worker: thread::ScopedJoinHandle<'_, PassEnd<B>>| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let ends = std::iter::once(first).chain(workers.into_iter().map(join));
        merged(ends.collect(), &model.device())
    })
}

/// The pass of all workers. A loss that is not finite is worth more words than a stop, which it may have caused.
fn merged<B: AutodiffBackend>(ends: Vec<PassEnd<B>>, device: &B::Device) -> PassEnd<B> {
    let mut sum = Passed {
        gradients: ParamGradients::default(),
        sums: PassStats::default(),
        log_probs: LogProbs::new(),
    };
    let (mut stopped, mut bad) = (false, None);
    for end in ends {
        match end {
            PassEnd::Complete(own) => add(&mut sum, own, device),
            PassEnd::Stopped => stopped = true,
            PassEnd::NonFinite(culprit) => bad = bad.or(Some(culprit)),
        }
    }
    match (bad, stopped) {
        (Some(culprit), _) => PassEnd::NonFinite(culprit),
        (None, true) => PassEnd::Stopped,
        (None, false) => PassEnd::Complete(sum),
    }
}

fn add<B: AutodiffBackend>(sum: &mut Passed<B>, own: Passed<B>, device: &B::Device) {
    for (id, gradient) in own.gradients.iter() {
        sum.gradients.add(id, gradient.clone().to_device(device));
    }
    sum.sums = sum.sums.plus(own.sums);
    sum.log_probs.extend(own.log_probs);
}

#[cfg(test)]
mod tests {
    use super::dealt;

    #[test]
    fn every_micro_batch_has_one_worker() {
        let all: Vec<Vec<usize>> = (0..5).map(|i| vec![i]).collect();
        let shares: Vec<_> = (0..3).map(|rank| dealt(&all, rank, 3)).collect();
        assert_eq!(shares[0], [[0], [3]]);
        assert_eq!(shares[1], [[1], [4]]);
        assert_eq!(shares[2], [[2]]);
        assert_eq!(dealt(&all, 0, 1), all);
        assert!(dealt(&all, 6, 7).is_empty());
    }
}

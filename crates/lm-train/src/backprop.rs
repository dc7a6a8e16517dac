//! Log-probabilities of a micro-batch and the gradients behind them, with or without recomputing layers.
//!
//! The whole graph of a forward pass holds the activations of every layer. With recomputation (Chen et al., *Training
//! Deep Nets with Sublinear Memory Cost*, arXiv 1604.06174) the first forward pass runs without a graph and keeps the
//! hidden states in front of each segment of layers; the backward pass goes through the segments from the last to the
//! first, runs each again with a graph, and hands the gradient of its input on. Every operation is done with the same
//! numbers as without, so the gradients are the same; the price is a second forward pass.

use std::ops::Range;

use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use lm_kernels::ops::TokenLogProbs;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;

use crate::error::Error;
use crate::gradients::GradientAccumulator;
use crate::leaves::with_new_leaves;
use crate::scoring::{Scoring, Top, pull};

/// Which activations a forward pass keeps for the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recompute {
    /// All of them.
    #[default]
    Nothing,
    /// The hidden states in front of every k-th layer, k at least 1; the others are computed again when their turn
    /// comes.
    Segments(usize),
}

impl Recompute {
    /// Segments of `layers` layers, or nothing for 0.
    ///
    /// # Errors
    /// [`Error::Config`] for segments of a model with dropout, which would draw another mask the second time.
    pub fn for_model<B: LmOps>(layers: usize, model: &Qwen3<B>) -> Result<Self, Error> {
        match layers {
            0 => Ok(Self::Nothing),
            _ if model.has_dropout() => Err(Error::Config {
                field: "recompute_layers",
                expected: "0 for a model with dropout",
                found: layers.to_string(),
            }),
            _ => Ok(Self::Segments(layers)),
        }
    }
}

/// Computes log-probabilities, asks `upstream` for the gradient of the loss with respect to each of them, `[N]`, and
/// adds the gradients of the parameters to `gradients`.
///
/// `false` if `upstream` gave none; then nothing was added. With recomputation a model must not have dropout;
/// [`Recompute::for_model`] sees to that.
pub fn backpropagate<B: TrainBackend>(
    model: &Qwen3<B>,
    scoring: Scoring<B>,
    recompute: Recompute,
    upstream: impl FnOnce(TokenLogProbs<B::InnerBackend>) -> Option<Tensor<B::InnerBackend, 1>>,
    gradients: &mut GradientAccumulator<B>,
) -> bool {
    let top = |model: &Qwen3<B>, output| scoring.top_after(model, output, upstream);
    from_the_top(model, &scoring, recompute, top, gradients)
}

/// [`backpropagate`] for a loss whose gradient with respect to each log-probability is known beforehand, `gradient
/// [N]`, as that of a cross-entropy is. The log-probabilities are shown to `scored`.
///
/// The logits of a block of rows give their gradients at once, and are neither kept nor computed again.
pub fn backpropagate_known<B>(
    model: &Qwen3<B>,
    scoring: Scoring<B>,
    recompute: Recompute,
    gradient: Tensor<B::InnerBackend, 1>,
    scored: impl FnOnce(TokenLogProbs<B::InnerBackend>),
    gradients: &mut GradientAccumulator<B>,
) where
    B: TrainBackend,
{
    if scoring.entropy_gradient.is_some() {
        // The gradient of a logit then depends on the entropy of its row, and goes through the graph.
        let upstream = |found| {
            scored(found);
            Some(gradient)
        };
        backpropagate(model, scoring, recompute, upstream, gradients);
        return;
    }
    let top = |model: &Qwen3<B>, output| Some(scoring.top_with(model, output, gradient, scored));
    from_the_top(model, &scoring, recompute, top, gradients);
}

/// Runs the model forward up to the output of its last layer, of which `top` makes what the backward pass starts from.
fn from_the_top<B: TrainBackend>(
    model: &Qwen3<B>,
    scoring: &Scoring<B>,
    recompute: Recompute,
    top: impl FnOnce(&Qwen3<B>, Tensor<B, 2>) -> Option<Top<B>>,
    gradients: &mut GradientAccumulator<B>,
) -> bool {
    match recompute {
        Recompute::Nothing => {
            let model = with_new_leaves(model);
            let output = model.all_layers(&scoring.batch);
            let Some(mut top) = top(&model, output) else {
                return false;
            };
            top.add_head(gradients);
            gradients.add(&model, top.surrogate.backward());
            true
        }
        Recompute::Segments(layers) => by_segments(model, scoring, layers, top, gradients),
    }
}

fn by_segments<B: TrainBackend>(
    model: &Qwen3<B>,
    scoring: &Scoring<B>,
    layers: usize,
    top: impl FnOnce(&Qwen3<B>, Tensor<B, 2>) -> Option<Top<B>>,
    gradients: &mut GradientAccumulator<B>,
) -> bool {
    let segments = segments(model.num_layers(), layers);
    let (inputs, output) = inputs_of(model, scoring, &segments);
    let model = &with_new_leaves(model);
    let output = Tensor::<B, 2>::from_inner(output).require_grad();
    let Some(mut top) = top(model, output.clone()) else {
        return false;
    };
    top.add_head(gradients);
    let mut found = top.surrogate.backward();
    let mut gradient = gradient_of(&output, &mut found);
    gradients.add(model, found);
    for (segment, input) in segments.into_iter().zip(inputs).rev() {
        let input = Tensor::<B, 2>::from_inner(input).require_grad();
        let output = model.layers(segment, input.clone(), &scoring.batch);
        let mut found = pull(output, gradient).backward();
        gradient = gradient_of(&input, &mut found);
        gradients.add(model, found);
    }
    if model.trains_embedding() {
        // A tied embedding has been a leaf of the first of these backward passes.
        let model = &with_new_leaves(model);
        let embedded = model.embed(&scoring.batch);
        gradients.add(model, pull(embedded, gradient).backward());
    }
    true
}

/// Takes out the gradient of a segment's input. Without it the layers below would learn nothing and nobody would
/// notice, so its absence, which can only be a mistake in this file, is a panic.
fn gradient_of<B: AutodiffBackend>(
    input: &Tensor<B, 2>,
    found: &mut B::Gradients,
) -> Tensor<B::InnerBackend, 2> {
    let gradient = input.grad_remove(found);
    gradient.expect("the scalar was computed from this input, which requires a gradient")
}

/// The input of every segment and the output of the last one, without a graph.
fn inputs_of<B: TrainBackend>(
    model: &Qwen3<B>,
    scoring: &Scoring<B>,
    segments: &[Range<usize>],
) -> (Vec<Tensor<B::InnerBackend, 2>>, Tensor<B::InnerBackend, 2>) {
    let (model, batch) = (model.valid(), scoring.batch.clone().inner());
    let mut x = model.embed(&batch);
    let mut inputs = Vec::with_capacity(segments.len());
    for segment in segments {
        inputs.push(x.clone());
        x = model.layers(segment.clone(), x, &batch);
    }
    (inputs, x)
}

/// `layers` layers in pieces of `each`, the last one shorter if need be.
fn segments(layers: usize, each: usize) -> Vec<Range<usize>> {
    (0..layers)
        .step_by(each)
        .map(|start| start..(start + each).min(layers))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cover_all_layers() {
        assert_eq!(segments(5, 2), [0..2, 2..4, 4..5]);
        assert_eq!(segments(4, 7).first(), Some(&(0..4)));
        assert_eq!(segments(3, 1), [0..1, 1..2, 2..3]);
    }
}

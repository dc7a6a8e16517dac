//! Log-probabilities of a micro-batch and the gradients behind them, with or without recomputing layers.
//!
//! The whole graph of a forward pass holds the activations of every layer. With recomputation (Chen et al., *Training Deep
//! Nets with Sublinear Memory Cost*, arXiv 1604.06174) the first forward pass runs without a graph and keeps
//! the hidden states in front of each segment of layers; the backward pass goes through the segments from the last to
//! the first, runs each again with a graph, and hands the gradient of its input on. Every operation is done with the same
//! numbers as without, so the gradients are the same; the price is a second forward pass.

use std::ops::Range;

use burn::module::AutodiffModule;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor};
use lm_kernels::LmOps;
use lm_kernels::ops::TokenLogProbs;
use lm_model::{Packed, Qwen3};

use crate::leaves::with_new_leaves;
use crate::{Error, GradientAccumulator};

/// Tokens whose log-probabilities are wanted.
#[derive(Clone, Debug)]
pub struct Scoring<B: Backend> {
    /// The sequences.
    pub batch: Packed<B>,
    /// Rows of the batch that predict the targets, `[N]`.
    pub rows: Tensor<B, 1, Int>,
    /// The targets, `[N]`.
    pub targets: Tensor<B, 1, Int>,
    /// What the logits are divided by.
    pub temperature: f64,
    /// Derivatives of the loss with respect to the entropies, `[N]`, if it contains them.
    pub entropy_gradient: Option<Tensor<B, 1>>,
}

impl<B: LmOps> Scoring<B> {
    /// Log-probability and entropy at every target under `model`, `[N]` each.
    pub fn log_probs(&self, model: &Qwen3<B>) -> TokenLogProbs<B> {
        self.after_layers(model, model.all_layers(&self.batch))
    }

    /// The same from the output `x [T, H]` of the last layer.
    fn after_layers(&self, model: &Qwen3<B>, x: Tensor<B, 2>) -> TokenLogProbs<B> {
        let (rows, targets) = (self.rows.clone(), self.targets.clone());
        match self.entropy_gradient {
            None => model.score(x, rows, targets, self.temperature),
            Some(_) => model.score_with_entropy(x, rows, targets, self.temperature),
        }
    }
}

/// Which activations a forward pass keeps for the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recompute {
    /// All of them.
    #[default]
    Nothing,
    /// The hidden states in front of every k-th layer, k at least 1; the others are computed again when their turn comes.
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

/// Computes log-probabilities, asks `upstream` for the gradient of the loss with respect to each of them, `[N]`, and adds
/// the gradients of the parameters to `gradients`.
///
/// `false` if `upstream` gave none; then nothing was added. With recomputation a model must not have dropout;
/// [`Recompute::for_model`] sees to that.
pub fn backpropagate<B>(
    model: &Qwen3<B>,
    scoring: Scoring<B>,
    recompute: Recompute,
    upstream: impl FnOnce(TokenLogProbs<B::InnerBackend>) -> Option<Tensor<B::InnerBackend, 1>>,
    gradients: &mut GradientAccumulator<B>,
) -> bool
where
    B: AutodiffBackend + LmOps,
    B::InnerBackend: LmOps,
{
    match recompute {
        Recompute::Nothing => {
            let model = with_new_leaves(model);
            let top = model.all_layers(&scoring.batch);
            let Some(surrogate) = surrogate(&model, top, &scoring, upstream) else {
                return false;
            };
            gradients.add(&model, surrogate.backward());
            true
        }
        Recompute::Segments(layers) => by_segments(model, &scoring, layers, upstream, gradients),
    }
}

/// A scalar whose derivative with respect to the log-probabilities is what `upstream` says, and with respect to the entropies
/// what `scoring` says; `top` is the output of the last layer.
fn surrogate<B>(
    model: &Qwen3<B>,
    top: Tensor<B, 2>,
    scoring: &Scoring<B>,
    upstream: impl FnOnce(TokenLogProbs<B::InnerBackend>) -> Option<Tensor<B::InnerBackend, 1>>,
) -> Option<Tensor<B, 1>>
where
    B: AutodiffBackend + LmOps,
{
    let scored = scoring.after_layers(model, top);
    let gradient = upstream(TokenLogProbs {
        log_probs: scored.log_probs.clone().inner(),
        entropy: scored.entropy.clone().inner(),
    })?;
    let of_log_probs = scored.log_probs * Tensor::from_inner(gradient);
    Some(match &scoring.entropy_gradient {
        None => of_log_probs.sum(),
        Some(gradient) => (of_log_probs + scored.entropy * gradient.clone()).sum(),
    })
}

fn by_segments<B>(
    model: &Qwen3<B>,
    scoring: &Scoring<B>,
    layers: usize,
    upstream: impl FnOnce(TokenLogProbs<B::InnerBackend>) -> Option<Tensor<B::InnerBackend, 1>>,
    gradients: &mut GradientAccumulator<B>,
) -> bool
where
    B: AutodiffBackend + LmOps,
    B::InnerBackend: LmOps,
{
    let segments = segments(model.num_layers(), layers);
    let (inputs, top) = inputs_of(model, scoring, &segments);
    let model = &with_new_leaves(model);
    let top = Tensor::<B, 2>::from_inner(top).require_grad();
    let Some(surrogate) = surrogate(model, top.clone(), scoring, upstream) else {
        return false;
    };
    let mut found = surrogate.backward();
    let mut gradient = gradient_of(&top, &mut found);
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

/// Takes out the gradient of a segment's input. Without it the layers below would learn nothing and nobody would notice,
/// so its absence, which can only be a mistake in this file, is a panic.
fn gradient_of<B: AutodiffBackend>(
    input: &Tensor<B, 2>,
    found: &mut B::Gradients,
) -> Tensor<B::InnerBackend, 2> {
    let gradient = input.grad_remove(found);
    gradient.expect("the scalar was computed from this input, which requires a gradient")
}

/// A scalar whose derivative with respect to `output` is `gradient`, exactly.
fn pull<B: AutodiffBackend>(
    output: Tensor<B, 2>,
    gradient: Tensor<B::InnerBackend, 2>,
) -> Tensor<B, 1> {
    (output * Tensor::from_inner(gradient)).sum()
}

/// The input of every segment and the output of the last one, without a graph.
fn inputs_of<B>(
    model: &Qwen3<B>,
    scoring: &Scoring<B>,
    segments: &[Range<usize>],
) -> (Vec<Tensor<B::InnerBackend, 2>>, Tensor<B::InnerBackend, 2>)
where
    B: AutodiffBackend + LmOps,
    B::InnerBackend: LmOps,
{
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

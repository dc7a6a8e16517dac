//! Log-probabilities of given tokens under a linear head.

use burn::tensor::{Int, Tensor, backend::Backend, ops::FloatTensor};

use super::check_eq;
use crate::{
    convert::{primitive, tensor},
    lm_ops::LmOps,
    types::{HeadGrads, Needs},
};

/// What [`linear_log_probs`] says about each token, both in nats.
#[derive(Clone, Debug)]
pub struct TokenLogProbs<B: Backend> {
    /// Log-probability of the target, `[T]`.
    pub log_probs: Tensor<B, 1>,
    /// Entropy of the distribution that the target is drawn from, `[T]`. Of [`linear_log_probs`] it carries no
    /// gradient: it is a metric.
    pub entropy: Tensor<B, 1>,
}

impl<B: Backend> TokenLogProbs<B> {
    /// Of a backend's log-probabilities and entropies.
    fn of([log_probs, entropy]: [FloatTensor<B>; 2]) -> Self {
        Self {
            log_probs: tensor(log_probs),
            entropy: tensor(entropy),
        }
    }
}

/// `log softmax(x · weightᵀ / temperature)` at the target of every token.
///
/// The logits `[T, V]` are never held at once: they are computed, reduced and, in the backward pass, computed again,
/// one block of rows at a time. `temperature` must be positive and every target below `V`.
///
/// # Shapes
/// `x [T, H]`, `weight [V, H]`, `targets [T]` → two `[T]`
pub fn linear_log_probs<B: LmOps>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    temperature: f64,
) -> TokenLogProbs<B> {
    check_scored(&x, &weight, &targets);
    let (x, weight, targets) = (primitive(x), primitive(weight), targets.into_primitive());
    let (scored, _) = B::lm_linear_log_probs(x, weight, targets, temperature, false);
    TokenLogProbs::of(scored)
}

/// [`linear_log_probs`] whose entropies have a gradient too, for a loss that they are part of.
///
/// # Shapes
/// `x [T, H]`, `weight [V, H]`, `targets [T]` → two `[T]`
pub fn linear_log_probs_and_entropy<B: LmOps>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    temperature: f64,
) -> TokenLogProbs<B> {
    check_scored(&x, &weight, &targets);
    let (x, weight, targets) = (primitive(x), primitive(weight), targets.into_primitive());
    let both = B::lm_linear_log_probs_and_entropy(x, weight, targets, temperature);
    let both: Tensor<B, 2> = tensor(both);
    let row = |i| both.clone().narrow(0, i, 1).squeeze_dim(0);
    TokenLogProbs {
        log_probs: row(0),
        entropy: row(1),
    }
}

/// [`linear_log_probs`], and the gradients of `Σ grad · log_prob`, from the same logits.
///
/// For a loss whose gradient with respect to each log-probability is known before they are, such as a weighted
/// cross-entropy (`-weight / sum of weights`): logits that are too many to keep are then computed once instead of
/// twice, as in Liger Kernel ([Hsu et al., 2024](https://arxiv.org/abs/2410.10989)). On an autodiff backend nothing
/// flows back through the results.
///
/// # Shapes
/// `x [T, H]`, `weight [V, H]`, `targets [T]`, `grad [T]` → two `[T]`, and those of `[T, H]` and `[V, H]` that are
/// needed.
pub fn linear_log_probs_with_grads<B: LmOps>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    temperature: f64,
    grad: Tensor<B, 1>,
    needs: Needs,
) -> (TokenLogProbs<B>, HeadGrads<Tensor<B, 2>>) {
    check_scored(&x, &weight, &targets);
    check_eq(
        "linear_log_probs_with_grads",
        "shape of the gradient",
        grad.dims(),
        targets.dims(),
    );
    let (x, weight, targets) = (primitive(x), primitive(weight), targets.into_primitive());
    let grad = primitive(grad);
    let (scored, grads) =
        B::lm_linear_log_probs_with_grads(x, weight, targets, temperature, grad, needs);
    (TokenLogProbs::of(scored), grads.map(tensor))
}

fn check_scored<B: LmOps>(x: &Tensor<B, 2>, weight: &Tensor<B, 2>, targets: &Tensor<B, 1, Int>) {
    check_eq(
        "linear_log_probs",
        "inputs of weight",
        weight.dims()[1],
        x.dims()[1],
    );
    check_eq(
        "linear_log_probs",
        "number of targets",
        targets.dims()[0],
        x.dims()[0],
    );
}

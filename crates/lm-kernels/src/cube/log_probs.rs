//! Log-probabilities of given tokens, a block of rows at a time.
//!
//! The products are Burn's. What lies between them, the softmax statistics and the gradient of the logits, is one pass
//! over the logits each; the gradient is written over them.

use burn::tensor::{DType, Shape, Tensor, TensorMetadata, backend::Backend, ops::FloatTensor};
use burn_cubecl::{CubeRuntime, cubecl, tensor::CubeTensor};
use cubecl::prelude::*;

use super::launch::{UNITS, addresses, dense, elementwise, empty, grid, owned, units};
use super::reduce::{cube_max, cube_sum};
use crate::convert::{full, primitive, tensor};
use crate::reference::LEAST_LOG_PROB;
use crate::{LogProbsGrad, Needs, reference};

/// Rows of logits that are held at once, the same as in the default body.
const CHUNK: usize = 512;

/// One cube per row: each unit keeps a running maximum of its columns and the sums relative to it, as
/// [Milakov and Gimelshein, 2018](https://arxiv.org/abs/1805.02867), so that the logits are read once.
#[cube(launch, address_type = "dynamic")]
fn statistics_kernel<X: Float, I: Int>(
    logits: &Array<X>,
    targets: &Array<I>,
    log_probs: &mut Array<f32>,
    entropies: &mut Array<f32>,
    lses: &mut Array<f32>,
    rows: usize,
    first: usize,
    vocab: usize,
    inverse_temperature: f32,
    #[comptime] units: u32,
    #[define(X, I)] _types: [StorageType; 2],
) {
    let row = CUBE_POS;
    if row >= rows {
        terminate!();
    }
    let mut scratch = SharedMemory::<f32>::new(units as usize);
    let start = row * vocab;
    let mut max = f32::new(-1e30);
    let mut sum = 0.0f32;
    let mut weighted = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < vocab {
        let logit = f32::cast_from(logits[start + i]) * inverse_temperature;
        if logit > max {
            let shrink = (max - logit).exp();
            // Relative to the new maximum, every old logit lies lower by the difference.
            weighted = (weighted + (max - logit) * sum) * shrink;
            sum *= shrink;
            max = logit;
        }
        let weight = (logit - max).exp();
        sum += weight;
        weighted += weight * (logit - max);
        i += units as usize;
    }
    let top = cube_max(max, &mut scratch);
    let below = max - top;
    let shrink = below.exp();
    let total = cube_sum(sum * shrink, &mut scratch);
    // A unit without a column has no sum, and its maximum stands for nothing.
    let mut shifted = 0.0f32;
    if sum > 0.0 {
        shifted = (weighted + below * sum) * shrink;
    }
    let weighted_total = cube_sum(shifted, &mut scratch);
    if UNIT_POS == 0 {
        let target = u32::cast_from(targets[first + row]) as usize;
        let logit = f32::cast_from(logits[start + target]) * inverse_temperature;
        let log_sum = total.ln();
        log_probs[first + row] = logit - top - log_sum;
        entropies[first + row] = log_sum - weighted_total / total;
        lses[first + row] = log_sum + top;
    }
}

/// Writes the gradient of the logits over them.
#[cube(launch, address_type = "dynamic")]
fn gradient_kernel<X: Float, I: Int, G: Float>(
    logits: &mut Array<X>,
    targets: &Array<I>,
    lses: &Array<f32>,
    grad: &Array<G>,
    entropies: &Array<f32>,
    entropy_grad: &Array<G>,
    elements: usize,
    first: usize,
    vocab: usize,
    inverse_temperature: f32,
    #[comptime] with_entropy: bool,
    #[define(X, I, G)] _types: [StorageType; 3],
) {
    let i = ABSOLUTE_POS;
    if i >= elements {
        terminate!();
    }
    let row = i / vocab;
    let column = i - row * vocab;
    let logit = f32::cast_from(logits[i]) * inverse_temperature;
    let of_target = f32::cast_from(grad[first + row]);
    let log_prob = logit - lses[first + row];
    let mut share = of_target;
    if with_entropy {
        // A probability of zero has no share, however far its logarithm is below.
        let surprise = log_prob.max(LEAST_LOG_PROB) + entropies[first + row];
        share += surprise * f32::cast_from(entropy_grad[first + row]);
    }
    let mut value = -log_prob.exp() * share;
    if column == u32::cast_from(targets[first + row]) as usize {
        value += of_target;
    }
    logits[i] = X::cast_from(value * inverse_temperature);
}

/// What both passes read: the activations and the weight in one type, the targets, and the temperature.
pub(super) struct Scored<R: CubeRuntime> {
    pub(super) x: CubeTensor<R>,
    pub(super) weight: CubeTensor<R>,
    pub(super) targets: CubeTensor<R>,
    pub(super) temperature: f64,
}

impl<R: CubeRuntime> Scored<R> {
    fn inverse_temperature(&self) -> f32 {
        (1.0 / self.temperature) as f32
    }
}

/// The blocks of rows, as first row and number of rows.
fn chunks(total: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..total)
        .step_by(CHUNK)
        .map(move |first| (first, CHUNK.min(total - first)))
}

/// [`LmOps::lm_linear_log_probs`](crate::LmOps::lm_linear_log_probs).
pub(super) fn forward<B, R>(scored: Scored<R>) -> [CubeTensor<R>; 3]
where
    R: CubeRuntime,
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    let inverse = scored.inverse_temperature();
    let Scored {
        x, weight, targets, ..
    } = scored;
    let tokens = x.shape()[0];
    let column = || empty(&x, Shape::new([tokens]), DType::F32);
    let columns = [column(), column(), column()];
    let targets = dense(targets);
    let rows = tensor::<B, 2>(x);
    for (first, len) in chunks(tokens) {
        let weight = tensor::<B, 2>(weight.clone());
        let logits = reference::linear(rows.clone().narrow(0, first, len), weight);
        let vocab = logits.dims()[1];
        let logits = dense(primitive(logits));
        let [log_probs, entropies, lses] = columns.each_ref().map(CubeTensor::clone);
        let types = [logits.dtype.into(), targets.dtype.into()];
        statistics_kernel::launch(
            &logits.client.clone(),
            grid(&logits, len),
            units(),
            addresses(&[&logits, &targets]),
            logits.into_array_arg(),
            targets.clone().into_array_arg(),
            log_probs.into_array_arg(),
            entropies.into_array_arg(),
            lses.into_array_arg(),
            len,
            first,
            vocab,
            inverse,
            UNITS,
            types,
        );
    }
    columns
}

/// [`LmOps::lm_linear_log_probs_bwd`](crate::LmOps::lm_linear_log_probs_bwd).
pub(super) fn backward<B, R>(
    scored: Scored<R>,
    lses: CubeTensor<R>,
    grad: LogProbsGrad<CubeTensor<R>>,
    needs: Needs,
) -> (Option<FloatTensor<B>>, Option<FloatTensor<B>>)
where
    R: CubeRuntime,
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    let inverse = scored.inverse_temperature();
    let Scored {
        x, weight, targets, ..
    } = scored;
    let with_entropy = grad.entropy.is_some();
    let grad_of = grad.log_probs;
    // Without a gradient of entropies the kernel reads neither of its two columns.
    let (entropies, entropy_grad) = match grad.entropy {
        Some(of) => (of.entropy, of.grad),
        None => (lses.clone(), grad_of.clone()),
    };
    let [targets, lses, grad] = [targets, lses, grad_of].map(dense);
    let [entropies, entropy_grad] = [entropies, entropy_grad].map(dense);
    let (x, weight) = (tensor::<B, 2>(x), tensor::<B, 2>(weight));
    let mut dx = Vec::new();
    let mut dweight = needs.weight.then(|| full(weight.zeros_like()));
    let weight_type = weight.dtype();
    let weight = weight.cast(x.dtype());
    for (first, len) in chunks(x.dims()[0]) {
        let rows = x.clone().narrow(0, first, len);
        let logits = owned(primitive(reference::linear(rows.clone(), weight.clone())));
        let (elements, vocab) = (logits.shape().num_elements(), logits.shape()[1]);
        let types = [logits.dtype.into(), targets.dtype.into(), grad.dtype.into()];
        gradient_kernel::launch(
            &logits.client,
            elementwise(&logits, elements),
            units(),
            addresses(&[&logits, &targets]),
            logits.clone().into_array_arg(),
            targets.clone().into_array_arg(),
            lses.clone().into_array_arg(),
            grad.clone().into_array_arg(),
            entropies.clone().into_array_arg(),
            entropy_grad.clone().into_array_arg(),
            elements,
            first,
            vocab,
            inverse,
            with_entropy,
            types,
        );
        let dlogits = tensor::<B, 2>(logits);
        if needs.x {
            dx.push(dlogits.clone().matmul(weight.clone()));
        }
        dweight = dweight.map(|sum| sum + full(dlogits.transpose().matmul(rows)));
    }
    let dx = needs.x.then(|| primitive(Tensor::cat(dx, 0)));
    (dx, dweight.map(|sum| primitive(sum.cast(weight_type))))
}

//! Linear layers, the embedding table and log-probabilities of given tokens.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, backend::Backend};

use crate::{
    convert::full,
    types::{EntropyGrad, HeadGrads, LEAST_LOG_PROB, LogProbsGrad, Needs},
};

/// Rows of logits that are held at once.
const CHUNK: usize = 512;

/// See [`ops::linear`](crate::ops::linear).
pub fn linear<B: Backend>(x: Tensor<B, 2>, weight: Tensor<B, 2>) -> Tensor<B, 2> {
    let dtype = x.dtype();
    x.matmul(weight.cast(dtype).transpose())
}

/// Gradient of the input of [`linear`].
pub fn linear_bwd_x<B: Backend>(weight: Tensor<B, 2>, grad: Tensor<B, 2>) -> Tensor<B, 2> {
    let dtype = grad.dtype();
    grad.matmul(weight.cast(dtype))
}

/// Gradient of the weight of [`linear`].
pub fn linear_bwd_weight<B: Backend>(x: Tensor<B, 2>, grad: Tensor<B, 2>) -> Tensor<B, 2> {
    grad.transpose().matmul(x)
}

/// See [`ops::embedding`](crate::ops::embedding).
pub fn embedding<B: Backend>(weight: Tensor<B, 2>, ids: Tensor<B, 1, Int>) -> Tensor<B, 2> {
    weight.select(0, ids)
}

/// Gradient of the table of [`embedding`]: row `i` sums the gradients of all tokens `i`.
pub fn embedding_bwd<B: Backend>(
    ids: Tensor<B, 1, Int>,
    vocab: usize,
    grad: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let shape = [vocab, grad.dims()[1]];
    let table = Tensor::zeros(shape, (&grad.device(), grad.dtype()));
    table.select_assign(0, ids, grad, IndexingUpdateOp::Add)
}

/// See [`ops::linear_log_probs`](crate::ops::linear_log_probs). Returns the log-probabilities, the entropies and the
/// log-sum-exp of the scaled logits.
pub fn linear_log_probs<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    temperature: f64,
) -> [Tensor<B, 1>; 3] {
    let mut columns: [Vec<Tensor<B, 1>>; 3] = Default::default();
    for (start, len) in chunks(x.dims()[0]) {
        let logits = scaled_logits(x.clone().narrow(0, start, len), weight.clone(), temperature);
        let chunk = row_statistics(logits, targets.clone().narrow(0, start, len));
        for (column, values) in columns.iter_mut().zip(chunk) {
            column.push(values);
        }
    }
    let device = x.device();
    columns.map(|parts| {
        if parts.is_empty() {
            Tensor::zeros([0], &device)
        } else {
            Tensor::cat(parts, 0)
        }
    })
}

/// What [`linear_log_probs_bwd`] needs of the forward pass.
#[derive(Clone, Debug)]
pub struct SavedLogProbs<B: Backend> {
    /// The activations, `[T, H]`.
    pub x: Tensor<B, 2>,
    /// The output matrix, `[V, H]`.
    pub weight: Tensor<B, 2>,
    /// The targets, `[T]`.
    pub targets: Tensor<B, 1, Int>,
    /// Log-sum-exp of the scaled logits, `[T]`.
    pub lse: Tensor<B, 1>,
}

/// Gradients of [`linear_log_probs`] for the gradients g of its log-probabilities and e of its entropies H:
/// `dlogits = (g · onehot(target) − p · (g + e · (log p + H))) / temperature` with `p = softmax`.
pub fn linear_log_probs_bwd<B: Backend>(
    saved: SavedLogProbs<B>,
    temperature: f64,
    grad: LogProbsGrad<Tensor<B, 1>>,
    needs: Needs,
) -> HeadGrads<Tensor<B, 2>> {
    let SavedLogProbs {
        x,
        weight,
        targets,
        lse,
    } = saved;
    let mut dx = Vec::new();
    let weight_dtype = weight.dtype();
    let mut dweight = needs.weight.then(|| full(weight.zeros_like()));
    let weight = weight.cast(x.dtype());
    for (start, len) in chunks(x.dims()[0]) {
        let rows = x.clone().narrow(0, start, len);
        let logits = scaled_logits(rows.clone(), weight.clone(), temperature);
        let column = |values: &Tensor<B, 1>| values.clone().narrow(0, start, len).unsqueeze_dim(1);
        let log_probs = logits - column(&lse);
        let share = grad.of_probabilities(log_probs.clone(), column);
        let grad = column(&grad.log_probs) / temperature;
        let targets = targets.clone().narrow(0, start, len).unsqueeze_dim(1);
        let dlogits = (log_probs.exp() * share.neg() / temperature)
            .scatter(1, targets, grad, IndexingUpdateOp::Add)
            .cast(x.dtype());
        if needs.x {
            dx.push(dlogits.clone().matmul(weight.clone()));
        }
        dweight = dweight.map(|sum| sum + full(dlogits.transpose().matmul(rows)));
    }
    let dx = needs
        .x
        .then(|| if dx.is_empty() { x } else { Tensor::cat(dx, 0) });
    HeadGrads {
        x: dx,
        weight: dweight.map(|sum| sum.cast(weight_dtype)),
    }
}

impl<B: Backend> LogProbsGrad<Tensor<B, 1>> {
    /// `g + e · (log p + H)` of some rows, whose parts of a column `column` gives; g alone without a gradient of
    /// entropies.
    fn of_probabilities(
        &self,
        log_probs: Tensor<B, 2>,
        column: impl Fn(&Tensor<B, 1>) -> Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let of_log_probs = column(&self.log_probs);
        match &self.entropy {
            None => of_log_probs,
            Some(EntropyGrad { entropy, grad }) => {
                // A probability of zero contributes nothing, however low its logarithm is.
                let surprise = log_probs.clamp_min(LEAST_LOG_PROB) + column(entropy);
                surprise * column(grad) + of_log_probs
            }
        }
    }
}

fn chunks(total: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..total)
        .step_by(CHUNK)
        .map(move |start| (start, CHUNK.min(total - start)))
}

fn scaled_logits<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    temperature: f64,
) -> Tensor<B, 2> {
    full(linear(x, weight)) / temperature
}

/// Log-probability of the target, entropy and log-sum-exp of every row.
fn row_statistics<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
) -> [Tensor<B, 1>; 3] {
    let target = logits.clone().gather(1, targets.unsqueeze_dim(1));
    let shifted = logits.clone() - logits.clone().max_dim(1).detach();
    let weights = shifted.clone().exp();
    let sum = weights.clone().sum_dim(1);
    let log_sum = sum.clone().log();
    let entropy = log_sum.clone() - (weights * shifted).sum_dim(1) / sum;
    let lse = log_sum + logits.max_dim(1).detach();
    [target - lse.clone(), entropy, lse].map(|column| column.squeeze_dim(1))
}

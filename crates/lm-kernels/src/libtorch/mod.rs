//! The operations on LibTorch, by the kernels and in-place operations that it has.
//!
//! What is missing here is as fast in its default body: the linear layers, whose transposes are views to libtorch, and
//! the embedding.

mod attention;
mod decode;
mod log_probs;
mod optim;
mod pointwise;
mod sample;

use burn::backend::LibTorch;
use burn_tch::TchTensor;
use tch::{Kind, Tensor};

use crate::{
    bounds::SeqBounds,
    fallback,
    lm_ops::LmOps,
    sampling::SampleRow,
    types::{AdamW, CacheRow, HeadGrads, LogProbsGrad, LogitsLeft, Needs},
};

impl LmOps for LibTorch {
    fn lm_rms_norm(x: TchTensor, weight: TchTensor, eps: f64) -> TchTensor {
        new(pointwise::rms_norm(&x.tensor, &weight.tensor, eps))
    }

    fn lm_rms_norm_bwd(
        x: TchTensor,
        weight: TchTensor,
        eps: f64,
        grad: TchTensor,
    ) -> (TchTensor, TchTensor) {
        let (dx, dw) = pointwise::rms_norm_bwd(&x.tensor, &weight.tensor, eps, &grad.tensor);
        (new(dx), new(dw))
    }

    fn lm_norm_rope(
        x: TchTensor,
        weight: TchTensor,
        cos: TchTensor,
        sin: TchTensor,
        eps: f64,
    ) -> TchTensor {
        let angles = [&cos.tensor, &sin.tensor];
        new(pointwise::norm_rope(&x.tensor, &weight.tensor, angles, eps))
    }

    fn lm_norm_rope_bwd(
        x: TchTensor,
        weight: TchTensor,
        cos: TchTensor,
        sin: TchTensor,
        eps: f64,
        grad: TchTensor,
    ) -> (TchTensor, TchTensor) {
        let angles = [&cos.tensor, &sin.tensor];
        let (x, weight, grad) = (&x.tensor, &weight.tensor, &grad.tensor);
        let (dx, dw) = pointwise::norm_rope_bwd(x, weight, angles, eps, grad);
        (new(dx), new(dw))
    }

    fn lm_swiglu(gate: TchTensor, up: TchTensor) -> TchTensor {
        new(pointwise::swiglu(&gate.tensor, &up.tensor))
    }

    fn lm_swiglu_bwd(gate: TchTensor, up: TchTensor, grad: TchTensor) -> (TchTensor, TchTensor) {
        let (dgate, dup) = pointwise::swiglu_bwd(&gate.tensor, &up.tensor, &grad.tensor);
        (new(dgate), new(dup))
    }

    fn lm_embedding_bwd(ids: TchTensor, vocab: usize, grad: TchTensor) -> TchTensor {
        let ids = ids.tensor.to_kind(Kind::Int64);
        let rows = vocab as i64;
        new(Tensor::embedding_dense_backward(
            &grad.tensor,
            &ids,
            rows,
            -1,
            false,
        ))
    }

    fn lm_attention(
        q: TchTensor,
        k: TchTensor,
        v: TchTensor,
        bounds: &SeqBounds,
        scale: f64,
    ) -> (TchTensor, TchTensor) {
        let (out, lse) = attention::attention([&q.tensor, &k.tensor, &v.tensor], bounds, scale);
        (new(out), new(lse))
    }

    fn lm_attention_bwd(
        qkv: [TchTensor; 3],
        out: TchTensor,
        lse: TchTensor,
        bounds: &SeqBounds,
        scale: f64,
        grad: TchTensor,
    ) -> [TchTensor; 3] {
        let saved = attention::Saved {
            qkv: qkv.each_ref().map(|x| &x.tensor),
            out: &out.tensor,
            lse: &lse.tensor,
        };
        attention::attention_bwd(saved, bounds, scale, &grad.tensor).map(new)
    }

    fn lm_linear_log_probs(
        x: TchTensor,
        weight: TchTensor,
        targets: TchTensor,
        temperature: f64,
        keep_logits: bool,
    ) -> ([TchTensor; 2], LogitsLeft<TchTensor>) {
        let [x, weight, targets] = [&x.tensor, &weight.tensor, &targets.tensor];
        let problem = log_probs::Problem::new(x, weight, targets, temperature);
        let (columns, logits) = problem.statistics(keep_logits);
        let [log_probs, entropy, lse] = columns.map(new);
        let logits = logits.map(new);
        ([log_probs, entropy], LogitsLeft { lse, logits })
    }

    fn lm_linear_log_probs_bwd(
        x: TchTensor,
        weight: TchTensor,
        targets: TchTensor,
        left: LogitsLeft<TchTensor>,
        temperature: f64,
        grad: LogProbsGrad<TchTensor>,
        needs: Needs,
    ) -> HeadGrads<TchTensor> {
        let [x, weight, targets] = [&x.tensor, &weight.tensor, &targets.tensor];
        let problem = log_probs::Problem::new(x, weight, targets, temperature);
        let kept = left.logits.map(owned);
        let grad = grad.map(|column| column.tensor);
        let grads = problem.gradients(&left.lse.tensor, kept, &grad, needs);
        grads.map(new)
    }

    fn lm_linear_log_probs_with_grads(
        x: TchTensor,
        weight: TchTensor,
        targets: TchTensor,
        temperature: f64,
        grad: TchTensor,
        needs: Needs,
    ) -> ([TchTensor; 2], HeadGrads<TchTensor>) {
        let [x, weight, targets] = [&x.tensor, &weight.tensor, &targets.tensor];
        let problem = log_probs::Problem::new(x, weight, targets, temperature);
        let (columns, grads) = problem.statistics_and_gradients(&grad.tensor, needs);
        let [log_probs, entropy, _] = columns.map(new);
        ([log_probs, entropy], grads.map(new))
    }

    fn lm_adamw(
        param: TchTensor,
        grad: TchTensor,
        m: TchTensor,
        v: TchTensor,
        hp: &AdamW,
    ) -> [TchTensor; 3] {
        let [param, m, v] = [param, m, v].map(owned);
        optim::adamw([param, m, v], &grad.tensor, hp).map(new)
    }

    fn lm_cached_attention(
        qkv: [TchTensor; 3],
        cache: [TchTensor; 2],
        rows: &[CacheRow],
        scale: f64,
    ) -> (TchTensor, [TchTensor; 2]) {
        let qkv = qkv.each_ref().map(|x| &x.tensor);
        let (out, cache) = decode::cached_attention(qkv, cache.map(owned), rows, scale);
        (new(out), cache.map(new))
    }

    fn lm_copy_slot(half: TchTensor, from: usize, to: &[usize], len: usize) -> TchTensor {
        new(decode::copy_slot(owned(half), from, to, len))
    }

    /// On a CPU row by row; sorting them all, as the default body does, takes long there.
    fn lm_sample(logits: TchTensor, rows: &[SampleRow]) -> (TchTensor, TchTensor) {
        if let Some((ids, log_probs)) = sample::on_the_host(&logits.tensor, rows) {
            return (new(ids), new(log_probs));
        }
        fallback::sample::<Self>(logits, rows)
    }
}

/// A result that shares its memory with no other tensor.
fn new(tensor: Tensor) -> TchTensor {
    TchTensor::new(tensor)
}

/// The tensor, to be changed in place: itself if nobody else holds its memory, and otherwise a copy.
fn owned(tensor: TchTensor) -> Tensor {
    if tensor.can_mut() {
        tensor.tensor
    } else {
        tensor.tensor.copy()
    }
}

/// `x` in 32 bits, where sums and exponentials are taken whatever the storage type.
fn full(x: &Tensor) -> Tensor {
    x.to_kind(Kind::Float)
}

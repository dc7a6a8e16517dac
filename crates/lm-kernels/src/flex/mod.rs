//! Hand-written CPU kernels for the Flex backend.
//!
//! Kernels work on 32-bit floats; tensors of another type are converted on the way in and out.

mod attention;
mod buffer;
mod linear;
mod log_probs;
mod matrix;
mod optim;
mod parallel;
mod pointwise;
mod sample;
mod simd;
mod skinny;
mod weight;

use burn::backend::Flex;
use burn::tensor::DType;
use burn_flex::{FlexQTensor, FlexTensor};

use crate::{
    bounds::SeqBounds,
    lm_ops::LmOps,
    sampling::SampleRow,
    types::{AdamW, CacheRow, HeadGrads, LogProbsGrad, LogitsLeft, Needs},
};

impl LmOps for Flex {
    /// CPUs without instructions for BF16 would convert at every operation.
    fn lm_activations(_: DType) -> DType {
        DType::F32
    }

    fn lm_rms_norm(x: FlexTensor, weight: FlexTensor, eps: f64) -> FlexTensor {
        pointwise::rms_norm(x, weight, eps)
    }

    fn lm_rms_norm_bwd(
        x: FlexTensor,
        weight: FlexTensor,
        eps: f64,
        grad: FlexTensor,
    ) -> (FlexTensor, FlexTensor) {
        pointwise::rms_norm_bwd(x, weight, eps, grad)
    }

    fn lm_norm_rope(
        x: FlexTensor,
        weight: FlexTensor,
        cos: FlexTensor,
        sin: FlexTensor,
        eps: f64,
    ) -> FlexTensor {
        pointwise::norm_rope(x, weight, cos, sin, eps)
    }

    fn lm_norm_rope_bwd(
        x: FlexTensor,
        weight: FlexTensor,
        cos: FlexTensor,
        sin: FlexTensor,
        eps: f64,
        grad: FlexTensor,
    ) -> (FlexTensor, FlexTensor) {
        pointwise::norm_rope_bwd([x, weight, cos, sin], eps, grad)
    }

    fn lm_rope(x: FlexTensor, cos: FlexTensor, sin: FlexTensor) -> FlexTensor {
        pointwise::rope(x, cos, sin)
    }

    fn lm_swiglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        pointwise::swiglu(gate, up)
    }

    fn lm_swiglu_bwd(
        gate: FlexTensor,
        up: FlexTensor,
        grad: FlexTensor,
    ) -> (FlexTensor, FlexTensor) {
        pointwise::swiglu_bwd(gate, up, grad)
    }

    fn lm_linear(x: FlexTensor, weight: FlexTensor) -> FlexTensor {
        linear::linear(x, weight)
    }

    fn lm_linears(x: FlexTensor, weights: Vec<FlexTensor>) -> Vec<FlexTensor> {
        linear::linears(x, weights)
    }

    fn lm_linear_quantized(x: FlexTensor, weight: FlexQTensor) -> FlexTensor {
        linear::linear_quantized(x, weight)
    }

    fn lm_linear_bwd_x(weight: FlexTensor, grad: FlexTensor) -> FlexTensor {
        linear::linear_bwd_x(weight, grad)
    }

    fn lm_linear_bwd_weight(x: FlexTensor, grad: FlexTensor) -> FlexTensor {
        linear::linear_bwd_weight(x, grad)
    }

    fn lm_embedding(weight: FlexTensor, ids: FlexTensor) -> FlexTensor {
        linear::embedding(weight, ids)
    }

    fn lm_embedding_quantized(weight: FlexQTensor, ids: FlexTensor) -> FlexTensor {
        linear::embedding_quantized(weight, ids)
    }

    fn lm_embedding_bwd(ids: FlexTensor, vocab: usize, grad: FlexTensor) -> FlexTensor {
        linear::embedding_bwd(ids, vocab, grad)
    }

    fn lm_attention(
        q: FlexTensor,
        k: FlexTensor,
        v: FlexTensor,
        bounds: &SeqBounds,
        scale: f64,
    ) -> (FlexTensor, FlexTensor) {
        attention::attention([q, k, v], bounds, scale)
    }

    fn lm_attention_bwd(
        qkv: [FlexTensor; 3],
        out: FlexTensor,
        lse: FlexTensor,
        bounds: &SeqBounds,
        scale: f64,
        grad: FlexTensor,
    ) -> [FlexTensor; 3] {
        attention::attention_bwd(qkv, [out, lse, grad], bounds, scale)
    }

    fn lm_linear_log_probs(
        x: FlexTensor,
        weight: FlexTensor,
        targets: FlexTensor,
        temperature: f64,
        keep_logits: bool,
    ) -> ([FlexTensor; 2], LogitsLeft<FlexTensor>) {
        log_probs::forward([x, weight, targets], temperature, keep_logits)
    }

    fn lm_linear_log_probs_bwd(
        x: FlexTensor,
        weight: FlexTensor,
        targets: FlexTensor,
        left: LogitsLeft<FlexTensor>,
        temperature: f64,
        grad: LogProbsGrad<FlexTensor>,
        needs: Needs,
    ) -> HeadGrads<FlexTensor> {
        log_probs::backward([x, weight, targets], left, grad, temperature, needs)
    }

    fn lm_linear_log_probs_with_grads(
        x: FlexTensor,
        weight: FlexTensor,
        targets: FlexTensor,
        temperature: f64,
        grad: FlexTensor,
        needs: Needs,
    ) -> ([FlexTensor; 2], HeadGrads<FlexTensor>) {
        let inputs = [x, weight, targets];
        log_probs::forward_and_backward(inputs, temperature, grad, needs)
    }

    fn lm_adamw(
        param: FlexTensor,
        grad: FlexTensor,
        m: FlexTensor,
        v: FlexTensor,
        hp: &AdamW,
    ) -> [FlexTensor; 3] {
        optim::adamw(param, grad, m, v, hp)
    }

    fn lm_cached_attention(
        qkv: [FlexTensor; 3],
        cache: [FlexTensor; 2],
        rows: &[CacheRow],
        scale: f64,
    ) -> (FlexTensor, [FlexTensor; 2]) {
        attention::cached_attention(qkv, cache, rows, scale)
    }

    fn lm_copy_slot(half: FlexTensor, from: usize, to: &[usize], len: usize) -> FlexTensor {
        attention::copy_slot(half, from, to, len)
    }

    fn lm_sample(logits: FlexTensor, rows: &[SampleRow]) -> (FlexTensor, FlexTensor) {
        sample::sample(logits, rows)
    }
}

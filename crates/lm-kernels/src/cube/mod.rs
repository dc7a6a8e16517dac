//! CubeCL kernels for every backend of burn-cubecl: CUDA and Vulkan run the same source.
//!
//! Tensors are stored in single precision, F16 or BF16; sums, exponentials and products are taken in single precision.
//! A tensor in double precision, and one without elements, goes to the default body, which notes it (see
//! [`bodies`](crate::bodies)). The matrix products and looking up the embedding table are Burn's.
//!
//! Nothing here adds atomically: every sum has an order that depends on the shapes only.

mod attention;
mod embedding;
mod launch;
mod log_probs;
mod norm;
mod optim;
mod reduce;
mod sample;
mod swiglu;

use burn::tensor::backend::DeviceOps;
use burn_cubecl::{
    BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement, cubecl::server::ComputeServer,
    tensor::CubeTensor,
};

use crate::{
    bounds::SeqBounds,
    fallback,
    lm_ops::{LmOps, forward_then_backward},
    sampling::SampleRow,
    types::{AdamW, CacheRow, HeadGrads, LogProbsGrad, LogitsLeft, Needs},
};
use launch::taken;
use log_probs::Scored;

impl<R, F, I, BT> LmOps for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn lm_rms_norm(x: CubeTensor<R>, weight: CubeTensor<R>, eps: f64) -> CubeTensor<R> {
        if taken(&[&x, &weight]) {
            norm::rms_norm(x, weight, eps)
        } else {
            fallback::rms_norm::<Self>(x, weight, eps)
        }
    }

    fn lm_rms_norm_bwd(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        eps: f64,
        grad: CubeTensor<R>,
    ) -> (CubeTensor<R>, CubeTensor<R>) {
        if taken(&[&x, &weight, &grad]) {
            norm::backward([x, weight, grad], None, eps)
        } else {
            fallback::rms_norm_bwd::<Self>(x, weight, eps, grad)
        }
    }

    fn lm_norm_rope(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        cos: CubeTensor<R>,
        sin: CubeTensor<R>,
        eps: f64,
    ) -> CubeTensor<R> {
        if taken(&[&x, &weight, &cos, &sin]) {
            norm::norm_rope([x, weight, cos, sin], eps)
        } else {
            fallback::norm_rope::<Self>(x, weight, cos, sin, eps)
        }
    }

    fn lm_norm_rope_bwd(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        cos: CubeTensor<R>,
        sin: CubeTensor<R>,
        eps: f64,
        grad: CubeTensor<R>,
    ) -> (CubeTensor<R>, CubeTensor<R>) {
        if taken(&[&x, &weight, &cos, &sin, &grad]) {
            norm::backward([x, weight, grad], Some([cos, sin]), eps)
        } else {
            fallback::norm_rope_bwd::<Self>(x, weight, cos, sin, eps, grad)
        }
    }

    fn lm_swiglu(gate: CubeTensor<R>, up: CubeTensor<R>) -> CubeTensor<R> {
        if taken(&[&gate, &up]) {
            swiglu::swiglu(gate, up)
        } else {
            fallback::swiglu::<Self>(gate, up)
        }
    }

    fn lm_swiglu_bwd(
        gate: CubeTensor<R>,
        up: CubeTensor<R>,
        grad: CubeTensor<R>,
    ) -> (CubeTensor<R>, CubeTensor<R>) {
        if taken(&[&gate, &up, &grad]) {
            swiglu::swiglu_bwd([gate, up, grad])
        } else {
            fallback::swiglu_bwd::<Self>(gate, up, grad)
        }
    }

    fn lm_embedding_bwd(ids: CubeTensor<R>, vocab: usize, grad: CubeTensor<R>) -> CubeTensor<R> {
        if taken(&[&grad]) {
            embedding::embedding_bwd::<Self, R>(ids, vocab, grad)
        } else {
            fallback::embedding_bwd::<Self>(ids, vocab, grad)
        }
    }

    fn lm_attention(
        q: CubeTensor<R>,
        k: CubeTensor<R>,
        v: CubeTensor<R>,
        bounds: &SeqBounds,
        scale: f64,
    ) -> (CubeTensor<R>, CubeTensor<R>) {
        if attention::fits(&[&q, &k, &v]) {
            attention::attention([q, k, v], bounds, scale)
        } else {
            fallback::attention::<Self>([q, k, v], bounds, scale)
        }
    }

    fn lm_attention_bwd(
        qkv: [CubeTensor<R>; 3],
        out: CubeTensor<R>,
        lse: CubeTensor<R>,
        bounds: &SeqBounds,
        scale: f64,
        grad: CubeTensor<R>,
    ) -> [CubeTensor<R>; 3] {
        let [q, k, v] = &qkv;
        if attention::fits(&[q, k, v, &grad]) {
            attention::attention_bwd(qkv, [out, lse, grad], bounds, scale)
        } else {
            fallback::attention_bwd::<Self>(qkv, out, lse, bounds, scale, grad)
        }
    }

    fn lm_cached_attention(
        qkv: [CubeTensor<R>; 3],
        cache: [CubeTensor<R>; 2],
        rows: &[CacheRow],
        scale: f64,
    ) -> (CubeTensor<R>, [CubeTensor<R>; 2]) {
        let ([q, k, v], [keys, values]) = (&qkv, &cache);
        if attention::fits(&[q, k, v, keys, values]) {
            attention::cached_attention(qkv, cache, rows, scale)
        } else {
            fallback::cached_attention::<Self>(qkv, cache, rows, scale)
        }
    }

    fn lm_linear_log_probs(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        targets: CubeTensor<R>,
        temperature: f64,
        keep_logits: bool,
    ) -> ([CubeTensor<R>; 2], LogitsLeft<CubeTensor<R>>) {
        if taken(&[&x, &weight]) {
            let scored = Scored::new([x, weight, targets], temperature);
            log_probs::forward::<Self, R>(scored, keep_logits)
        } else {
            fallback::linear_log_probs::<Self>(x, weight, targets, temperature)
        }
    }

    fn lm_linear_log_probs_bwd(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        targets: CubeTensor<R>,
        left: LogitsLeft<CubeTensor<R>>,
        temperature: f64,
        grad: LogProbsGrad<CubeTensor<R>>,
        needs: Needs,
    ) -> HeadGrads<CubeTensor<R>> {
        if taken(&[&x, &weight, &grad.log_probs]) {
            let scored = Scored::new([x, weight, targets], temperature);
            log_probs::backward::<Self, R>(scored, left, grad, needs)
        } else {
            fallback::linear_log_probs_bwd::<Self>(
                x,
                weight,
                targets,
                left,
                temperature,
                grad,
                needs,
            )
        }
    }

    fn lm_linear_log_probs_with_grads(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        targets: CubeTensor<R>,
        temperature: f64,
        grad: CubeTensor<R>,
        needs: Needs,
    ) -> ([CubeTensor<R>; 2], HeadGrads<CubeTensor<R>>) {
        if taken(&[&x, &weight, &grad]) {
            let scored = Scored::new([x, weight, targets], temperature);
            log_probs::forward_and_backward::<Self, R>(scored, grad, needs)
        } else {
            forward_then_backward::<Self>(x, weight, targets, temperature, grad, needs)
        }
    }

    fn lm_adamw(
        param: CubeTensor<R>,
        grad: CubeTensor<R>,
        m: CubeTensor<R>,
        v: CubeTensor<R>,
        hp: &AdamW,
    ) -> [CubeTensor<R>; 3] {
        if taken(&[&param, &grad, &m, &v]) {
            optim::adamw([param, grad, m, v], hp)
        } else {
            fallback::adamw::<Self>(param, grad, m, v, hp)
        }
    }

    fn lm_sample(logits: CubeTensor<R>, rows: &[SampleRow]) -> (CubeTensor<R>, CubeTensor<R>) {
        if sample::fits(&logits) {
            sample::sample(logits, rows, I::dtype())
        } else {
            fallback::sample::<Self>(logits, rows)
        }
    }
}

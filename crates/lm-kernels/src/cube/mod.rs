//! CubeCL kernels for every backend of burn-cubecl: CUDA and Vulkan run the same source.
//!
//! Tensors are stored in single precision, F16 or BF16; sums, exponentials and products are taken in single precision. A
//! tensor in double precision, and one without elements, goes to the default body, which notes it
//! (see [`bodies`](crate::bodies)). The matrix products and looking up the embedding table are Burn's.
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
    LmOps, LogProbsGrad, LogitsLeft, Needs, ScoredWithGrads, SeqBounds,
    bodies::default_body_runs,
    convert::{ints, primitive, tensor},
    lm_ops::forward_then_backward,
    ops::{AdamW, CacheRow},
    reference,
    sampling::SampleRow,
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
            return norm::rms_norm(x, weight, eps);
        }
        default_body_runs();
        primitive(reference::rms_norm::<Self>(tensor(x), tensor(weight), eps))
    }

    fn lm_rms_norm_bwd(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        eps: f64,
        grad: CubeTensor<R>,
    ) -> (CubeTensor<R>, CubeTensor<R>) {
        if taken(&[&x, &weight, &grad]) {
            return norm::backward([x, weight, grad], None, eps);
        }
        default_body_runs();
        let (dx, dw) =
            reference::rms_norm_bwd::<Self>(tensor(x), tensor(weight), eps, tensor(grad));
        (primitive(dx), primitive(dw))
    }

    fn lm_norm_rope(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        cos: CubeTensor<R>,
        sin: CubeTensor<R>,
        eps: f64,
    ) -> CubeTensor<R> {
        if taken(&[&x, &weight, &cos, &sin]) {
            return norm::norm_rope([x, weight, cos, sin], eps);
        }
        default_body_runs();
        let (x, weight) = (tensor(x), tensor(weight));
        primitive(reference::norm_rope::<Self>(
            x,
            weight,
            tensor(cos),
            tensor(sin),
            eps,
        ))
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
            return norm::backward([x, weight, grad], Some([cos, sin]), eps);
        }
        default_body_runs();
        let (x, weight, grad) = (tensor(x), tensor(weight), tensor(grad));
        let (dx, dw) =
            reference::norm_rope_bwd::<Self>(x, weight, tensor(cos), tensor(sin), eps, grad);
        (primitive(dx), primitive(dw))
    }

    fn lm_swiglu(gate: CubeTensor<R>, up: CubeTensor<R>) -> CubeTensor<R> {
        if taken(&[&gate, &up]) {
            return swiglu::swiglu(gate, up);
        }
        default_body_runs();
        primitive(reference::swiglu::<Self>(tensor(gate), tensor(up)))
    }

    fn lm_swiglu_bwd(
        gate: CubeTensor<R>,
        up: CubeTensor<R>,
        grad: CubeTensor<R>,
    ) -> (CubeTensor<R>, CubeTensor<R>) {
        if taken(&[&gate, &up, &grad]) {
            return swiglu::swiglu_bwd([gate, up, grad]);
        }
        default_body_runs();
        let (dgate, dup) = reference::swiglu_bwd::<Self>(tensor(gate), tensor(up), tensor(grad));
        (primitive(dgate), primitive(dup))
    }

    fn lm_embedding_bwd(ids: CubeTensor<R>, vocab: usize, grad: CubeTensor<R>) -> CubeTensor<R> {
        if taken(&[&grad]) {
            return embedding::embedding_bwd::<Self, R>(ids, vocab, grad);
        }
        default_body_runs();
        primitive(reference::embedding_bwd::<Self>(
            ints(ids),
            vocab,
            tensor(grad),
        ))
    }

    fn lm_attention(
        q: CubeTensor<R>,
        k: CubeTensor<R>,
        v: CubeTensor<R>,
        bounds: &SeqBounds,
        scale: f64,
    ) -> (CubeTensor<R>, CubeTensor<R>) {
        if attention::fits(&[&q, &k, &v]) {
            return attention::attention([q, k, v], bounds, scale);
        }
        default_body_runs();
        let (out, lse) =
            reference::attention::<Self>(tensor(q), tensor(k), tensor(v), bounds, scale);
        (primitive(out), primitive(lse))
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
            return attention::attention_bwd(qkv, [out, lse, grad], bounds, scale);
        }
        default_body_runs();
        let saved = reference::SavedAttention {
            qkv: qkv.map(tensor),
            out: tensor(out),
            lse: tensor(lse),
        };
        reference::attention_bwd::<Self>(saved, bounds, scale, tensor(grad)).map(primitive)
    }

    fn lm_cached_attention(
        qkv: [CubeTensor<R>; 3],
        cache: [CubeTensor<R>; 2],
        rows: &[CacheRow],
        scale: f64,
    ) -> (CubeTensor<R>, [CubeTensor<R>; 2]) {
        let ([q, k, v], [keys, values]) = (&qkv, &cache);
        if attention::fits(&[q, k, v, keys, values]) {
            return attention::cached_attention(qkv, cache, rows, scale);
        }
        default_body_runs();
        let (out, cache) =
            reference::cached_attention::<Self>(qkv.map(tensor), cache.map(tensor), rows, scale);
        (primitive(out), cache.map(primitive))
    }

    fn lm_linear_log_probs(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        targets: CubeTensor<R>,
        temperature: f64,
    ) -> [CubeTensor<R>; 3] {
        if taken(&[&x, &weight]) {
            return log_probs::forward::<Self, R>(Scored {
                x,
                weight,
                targets,
                temperature,
            });
        }
        default_body_runs();
        let (x, weight) = (tensor(x), tensor(weight));
        reference::linear_log_probs::<Self>(x, weight, ints(targets), temperature).map(primitive)
    }

    fn lm_linear_log_probs_kept(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        targets: CubeTensor<R>,
        temperature: f64,
    ) -> ([CubeTensor<R>; 3], Option<CubeTensor<R>>) {
        if taken(&[&x, &weight]) {
            return log_probs::forward_kept::<Self, R>(Scored {
                x,
                weight,
                targets,
                temperature,
            });
        }
        let scored = Self::lm_linear_log_probs(x, weight, targets, temperature);
        (scored, None)
    }

    fn lm_linear_log_probs_bwd(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        targets: CubeTensor<R>,
        left: LogitsLeft<CubeTensor<R>>,
        temperature: f64,
        grad: LogProbsGrad<CubeTensor<R>>,
        needs: Needs,
    ) -> (Option<CubeTensor<R>>, Option<CubeTensor<R>>) {
        if taken(&[&x, &weight, &grad.log_probs]) {
            let scored = Scored {
                x,
                weight,
                targets,
                temperature,
            };
            return log_probs::backward::<Self, R>(scored, left, grad, needs);
        }
        default_body_runs();
        let saved = reference::SavedLogProbs {
            x: tensor(x),
            weight: tensor(weight),
            targets: ints(targets),
            lse: tensor(left.lse),
        };
        let (dx, dw) =
            reference::linear_log_probs_bwd::<Self>(saved, temperature, grad.map(tensor), needs);
        (dx.map(primitive), dw.map(primitive))
    }

    fn lm_linear_log_probs_with_grads(
        x: CubeTensor<R>,
        weight: CubeTensor<R>,
        targets: CubeTensor<R>,
        temperature: f64,
        grad: CubeTensor<R>,
        needs: Needs,
    ) -> ScoredWithGrads<CubeTensor<R>> {
        if taken(&[&x, &weight, &grad]) {
            let scored = Scored {
                x,
                weight,
                targets,
                temperature,
            };
            return log_probs::forward_and_backward::<Self, R>(scored, grad, needs);
        }
        forward_then_backward::<Self>(x, weight, targets, temperature, grad, needs)
    }

    fn lm_adamw(
        param: CubeTensor<R>,
        grad: CubeTensor<R>,
        m: CubeTensor<R>,
        v: CubeTensor<R>,
        hp: &AdamW,
    ) -> [CubeTensor<R>; 3] {
        if taken(&[&param, &grad, &m, &v]) {
            return optim::adamw([param, grad, m, v], hp);
        }
        default_body_runs();
        reference::adamw::<Self>(tensor(param), tensor(grad), tensor(m), tensor(v), hp)
            .map(primitive)
    }

    fn lm_sample(logits: CubeTensor<R>, rows: &[SampleRow]) -> (CubeTensor<R>, CubeTensor<R>) {
        if sample::fits(&logits) {
            return sample::sample(logits, rows, I::dtype());
        }
        default_body_runs();
        let (ids, log_probs) = reference::sample::<Self>(tensor(logits), rows);
        (ids.into_primitive(), primitive(log_probs))
    }
}

//! The trait that a backend implements to run a language model.

use burn::tensor::{
    DType, Tensor,
    backend::Backend,
    ops::{FloatTensor, IntTensor, QuantizedTensor},
};

use crate::{
    SeqBounds,
    bodies::default_body_runs,
    convert::{dequantized, ints, primitive, tensor},
    ops::{AdamW, CacheRow},
    reference,
    sampling::SampleRow,
};

/// Which gradients of a two-parent operation are wanted, so that the work for
/// a frozen parent can be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The gradient of the activations.
    pub x: bool,
    /// The gradient of the weight.
    pub weight: bool,
}

impl Needs {
    /// Both gradients.
    pub const BOTH: Self = Self {
        x: true,
        weight: true,
    };
}

/// What the forward pass of [`LmOps::lm_linear_log_probs`] leaves for the backward pass, besides the inputs.
#[derive(Clone, Debug)]
pub struct LogitsLeft<F> {
    /// Log-sum-exp of the scaled logits, `[T]`.
    pub lse: F,
    /// The logits themselves, `[T, V]`, where they are few enough to keep; scaled already or not, as suits the backend.
    pub logits: Option<F>,
}

/// The gradients of what [`LmOps::lm_linear_log_probs`] returned.
#[derive(Clone, Debug)]
pub struct LogProbsGrad<F> {
    /// Of the log-probabilities, `[T]`.
    pub log_probs: F,
    /// Of the entropies, if there is one.
    pub entropy: Option<EntropyGrad<F>>,
}

impl<F> LogProbsGrad<F> {
    /// The same of what `of` makes of each column.
    pub fn map<G>(self, of: impl Fn(F) -> G) -> LogProbsGrad<G> {
        let entropy = self
            .entropy
            .map(|EntropyGrad { entropy, grad }| EntropyGrad {
                entropy: of(entropy),
                grad: of(grad),
            });
        LogProbsGrad {
            log_probs: of(self.log_probs),
            entropy,
        }
    }
}

/// The gradient of the entropies, and the entropies themselves, without which their derivative cannot be computed.
#[derive(Clone, Debug)]
pub struct EntropyGrad<F> {
    /// The entropies, `[T]`.
    pub entropy: F,
    /// Their gradient, `[T]`.
    pub grad: F,
}

/// What [`LmOps::lm_linear_log_probs_with_grads`] returns.
#[derive(Clone, Debug)]
pub struct ScoredWithGrads<F> {
    /// Log-probabilities, entropies and log-sum-exp of the scaled logits, each `[T]`.
    pub scored: [F; 3],
    /// The gradient of the activations, `[T, H]`, if it is needed.
    pub dx: Option<F>,
    /// The gradient of the weight, `[V, H]`, if it is needed.
    pub dweight: Option<F>,
}

/// The operations of a decoder-only transformer over a backend's primitives.
///
/// Methods are prefixed with `lm_` because `Backend` already has methods such
/// as `linear` and `attention`. Shapes and formulas are those of the functions
/// in [`ops`](crate::ops); the default bodies are in [`mod@reference`]. Each
/// `_bwd` takes the gradient `grad` of its operation's output and returns the
/// gradients of the inputs, in their order.
///
/// An empty implementation is complete and correct.
pub trait LmOps: Backend {
    /// The type of hidden states that suits weights of type `weights` best: the same, as in PyTorch, unless the
    /// backend computes faster in another.
    fn lm_activations(weights: DType) -> DType {
        weights
    }

    /// See [`ops::rms_norm`](crate::ops::rms_norm).
    fn lm_rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f64) -> FloatTensor<Self> {
        default_body_runs();
        primitive(reference::rms_norm::<Self>(tensor(x), tensor(weight), eps))
    }

    /// Gradients of the input and of the weight of [`LmOps::lm_rms_norm`].
    fn lm_rms_norm_bwd(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        eps: f64,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        default_body_runs();
        let (dx, dw) =
            reference::rms_norm_bwd::<Self>(tensor(x), tensor(weight), eps, tensor(grad));
        (primitive(dx), primitive(dw))
    }

    /// See [`ops::norm_rope`](crate::ops::norm_rope).
    fn lm_norm_rope(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        default_body_runs();
        let (cos, sin) = (tensor(cos), tensor(sin));
        primitive(reference::norm_rope::<Self>(
            tensor(x),
            tensor(weight),
            cos,
            sin,
            eps,
        ))
    }

    /// Gradients of the input and of the weight of [`LmOps::lm_norm_rope`].
    fn lm_norm_rope_bwd(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        eps: f64,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        default_body_runs();
        let (x, weight, grad) = (tensor(x), tensor(weight), tensor(grad));
        let (dx, dw) =
            reference::norm_rope_bwd::<Self>(x, weight, tensor(cos), tensor(sin), eps, grad);
        (primitive(dx), primitive(dw))
    }

    /// See [`ops::swiglu`](crate::ops::swiglu).
    fn lm_swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        default_body_runs();
        primitive(reference::swiglu::<Self>(tensor(gate), tensor(up)))
    }

    /// Gradients of the two inputs of [`LmOps::lm_swiglu`].
    fn lm_swiglu_bwd(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        default_body_runs();
        let (dgate, dup) = reference::swiglu_bwd::<Self>(tensor(gate), tensor(up), tensor(grad));
        (primitive(dgate), primitive(dup))
    }

    /// See [`ops::linear`](crate::ops::linear).
    fn lm_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        default_body_runs();
        primitive(reference::linear::<Self>(tensor(x), tensor(weight)))
    }

    /// See [`ops::linears`](crate::ops::linears).
    fn lm_linears(x: FloatTensor<Self>, weights: Vec<FloatTensor<Self>>) -> Vec<FloatTensor<Self>> {
        let product = |weight| Self::lm_linear(x.clone(), weight);
        weights.into_iter().map(product).collect()
    }

    /// [`LmOps::lm_linear`] with a quantised weight. There is no gradient.
    fn lm_linear_quantized(
        x: FloatTensor<Self>,
        weight: QuantizedTensor<Self>,
    ) -> FloatTensor<Self> {
        default_body_runs();
        let weight = dequantized::<Self, 2>(weight);
        primitive(reference::linear::<Self>(tensor(x), weight))
    }

    /// Gradient of the input of [`LmOps::lm_linear`]: `grad [T,Out] · weight [Out,In]`.
    fn lm_linear_bwd_x(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        default_body_runs();
        let grad = tensor::<Self, 2>(grad);
        let weight = tensor::<Self, 2>(weight).cast(grad.dtype());
        primitive(grad.matmul(weight))
    }

    /// Gradient of the weight of [`LmOps::lm_linear`]: `gradᵀ [Out,T] · x [T,In]`.
    fn lm_linear_bwd_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        default_body_runs();
        primitive(tensor::<Self, 2>(grad).transpose().matmul(tensor(x)))
    }

    /// See [`ops::embedding`](crate::ops::embedding).
    fn lm_embedding(weight: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        default_body_runs();
        primitive(reference::embedding::<Self>(tensor(weight), ints(ids)))
    }

    /// [`LmOps::lm_embedding`] of a quantised table, in single precision. There is no gradient.
    fn lm_embedding_quantized(
        weight: QuantizedTensor<Self>,
        ids: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        default_body_runs();
        let weight = dequantized::<Self, 2>(weight).cast(DType::F32);
        primitive(reference::embedding::<Self>(weight, ints(ids)))
    }

    /// Gradient of the table of [`LmOps::lm_embedding`], which has `vocab` rows.
    fn lm_embedding_bwd(
        ids: IntTensor<Self>,
        vocab: usize,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        default_body_runs();
        primitive(reference::embedding_bwd::<Self>(
            ints(ids),
            vocab,
            tensor(grad),
        ))
    }

    /// See [`ops::attention`](crate::ops::attention). Also returns the logarithm of each
    /// row's softmax denominator, `[T, Hq]`, from which the backward pass rebuilds the
    /// probabilities.
    fn lm_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bounds: &SeqBounds,
        scale: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        default_body_runs();
        let (out, lse) =
            reference::attention::<Self>(tensor(q), tensor(k), tensor(v), bounds, scale);
        (primitive(out), primitive(lse))
    }

    /// Gradients of `q`, `k` and `v` of [`LmOps::lm_attention`], given what it returned.
    fn lm_attention_bwd(
        qkv: [FloatTensor<Self>; 3],
        out: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        bounds: &SeqBounds,
        scale: f64,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        default_body_runs();
        let saved = reference::SavedAttention {
            qkv: qkv.map(tensor),
            out: tensor(out),
            lse: tensor(lse),
        };
        reference::attention_bwd::<Self>(saved, bounds, scale, tensor(grad)).map(primitive)
    }

    /// See [`ops::linear_log_probs`](crate::ops::linear_log_probs). Returns the
    /// log-probabilities, the entropies and the log-sum-exp of the scaled
    /// logits, each `[T]`.
    fn lm_linear_log_probs(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
    ) -> [FloatTensor<Self>; 3] {
        default_body_runs();
        let (x, weight) = (tensor(x), tensor(weight));
        reference::linear_log_probs::<Self>(x, weight, ints(targets), temperature).map(primitive)
    }

    /// The first two results of [`LmOps::lm_linear_log_probs`] as one tensor `[2, T]`, both with a gradient where
    /// there are gradients.
    fn lm_linear_log_probs_and_entropy(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
    ) -> FloatTensor<Self> {
        let [log_probs, entropy, _] = Self::lm_linear_log_probs(x, weight, targets, temperature);
        let rows = [log_probs, entropy].map(tensor::<Self, 1>);
        primitive(Tensor::stack::<2>(rows.into(), 0))
    }

    /// [`LmOps::lm_linear_log_probs`] in front of a backward pass: also returns the logits, `[T, V]`, if keeping
    /// them is worth the memory. The default never is of that opinion.
    fn lm_linear_log_probs_kept(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
    ) -> ([FloatTensor<Self>; 3], Option<FloatTensor<Self>>) {
        let scored = Self::lm_linear_log_probs(x, weight, targets, temperature);
        (scored, None)
    }

    /// Gradients of the input and of the weight of [`LmOps::lm_linear_log_probs`] for the
    /// gradients of its log-probabilities and of its entropies. `left` is what [`LmOps::lm_linear_log_probs_kept`] returned; logits that are
    /// absent are computed again, as they always are here.
    fn lm_linear_log_probs_bwd(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        left: LogitsLeft<FloatTensor<Self>>,
        temperature: f64,
        grad: LogProbsGrad<FloatTensor<Self>>,
        needs: Needs,
    ) -> (Option<FloatTensor<Self>>, Option<FloatTensor<Self>>) {
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

    /// See [`ops::linear_log_probs_with_grads`](crate::ops::linear_log_probs_with_grads). The default is a forward and
    /// a backward pass, one after the other.
    fn lm_linear_log_probs_with_grads(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
        grad: FloatTensor<Self>,
        needs: Needs,
    ) -> ScoredWithGrads<FloatTensor<Self>> {
        forward_then_backward::<Self>(x, weight, targets, temperature, grad, needs)
    }

    /// See [`ops::adamw`](crate::ops::adamw). The tensors are one-dimensional.
    fn lm_adamw(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        hp: &AdamW,
    ) -> [FloatTensor<Self>; 3] {
        default_body_runs();
        reference::adamw::<Self>(tensor(param), tensor(grad), tensor(m), tensor(v), hp)
            .map(primitive)
    }

    /// See [`ops::cached_attention`](crate::ops::cached_attention). `cache` holds keys and
    /// values; returns the output and the two written halves.
    fn lm_cached_attention(
        qkv: [FloatTensor<Self>; 3],
        cache: [FloatTensor<Self>; 2],
        rows: &[CacheRow],
        scale: f64,
    ) -> (FloatTensor<Self>, [FloatTensor<Self>; 2]) {
        default_body_runs();
        let (out, cache) =
            reference::cached_attention::<Self>(qkv.map(tensor), cache.map(tensor), rows, scale);
        (primitive(out), cache.map(primitive))
    }

    /// See [`ops::copy_slot`](crate::ops::copy_slot), for one half of a cache.
    fn lm_copy_slot(
        half: FloatTensor<Self>,
        from: usize,
        to: &[usize],
        len: usize,
    ) -> FloatTensor<Self> {
        default_body_runs();
        primitive(reference::copy_slot::<Self>(tensor(half), from, to, len))
    }

    /// See [`ops::sample`](crate::ops::sample): the tokens and their log-probabilities, `[R]` each. The logits are in
    /// single precision.
    fn lm_sample(
        logits: FloatTensor<Self>,
        rows: &[SampleRow],
    ) -> (IntTensor<Self>, FloatTensor<Self>) {
        default_body_runs();
        let (ids, log_probs) = reference::sample::<Self>(tensor(logits), rows);
        (ids.into_primitive(), primitive(log_probs))
    }
}

/// The two passes of [`LmOps::lm_linear_log_probs_with_grads`] as operations of their own.
pub(crate) fn forward_then_backward<B: LmOps>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    targets: IntTensor<B>,
    temperature: f64,
    grad: FloatTensor<B>,
    needs: Needs,
) -> ScoredWithGrads<FloatTensor<B>> {
    let inputs = (x.clone(), weight.clone(), targets.clone());
    let (scored, logits) = B::lm_linear_log_probs_kept(x, weight, targets, temperature);
    let lse = scored[2].clone();
    let left = LogitsLeft { lse, logits };
    let (x, weight, targets) = inputs;
    let grad = LogProbsGrad {
        log_probs: grad,
        entropy: None,
    };
    let (dx, dweight) =
        B::lm_linear_log_probs_bwd(x, weight, targets, left, temperature, grad, needs);
    ScoredWithGrads {
        scored,
        dx,
        dweight,
    }
}

//! Every operation as one entry in the stream of Burn's fusing backend, which runs the wrapped backend's own body when its turn
//! comes. What Burn fuses are the ordinary operations between them.

mod call;

use burn::tensor::{
    DType, Element, Shape, TensorMetadata,
    ops::{FloatTensor, IntTensor},
};
use burn_fusion::{Fusion, FusionBackend};

use crate::{
    EntropyGrad, LmOps, LogProbsGrad, LogitsLeft, Needs, ScoredWithGrads, SeqBounds,
    ops::{AdamW, CacheRow},
    sampling::SampleRow,
};
use call::{Like, Made, array, call, floats, floats_and_ints, made};

impl<B: LmOps + FusionBackend + 'static> LmOps for Fusion<B> {
    fn lm_activations(weights: DType) -> DType {
        B::lm_activations(weights)
    }

    fn lm_rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f64) -> FloatTensor<Self> {
        let like = [Like::of(&x)];
        let [out] = floats::<B, 2, 1>("lm_rms_norm", [x, weight], like, move |[x, weight]| {
            [B::lm_rms_norm(x, weight, eps)]
        });
        out
    }

    fn lm_rms_norm_bwd(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        eps: f64,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let like = [Like::of(&x), Like::of(&weight)];
        let inputs = [x, weight, grad];
        let run = move |[x, weight, grad]: [_; 3]| B::lm_rms_norm_bwd(x, weight, eps, grad).into();
        floats::<B, 3, 2>("lm_rms_norm_bwd", inputs, like, run).into()
    }

    fn lm_norm_rope(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        let like = [Like::of(&x)];
        let inputs = [x, weight, cos, sin];
        let run = move |[x, weight, cos, sin]: [_; 4]| [B::lm_norm_rope(x, weight, cos, sin, eps)];
        let [out] = floats::<B, 4, 1>("lm_norm_rope", inputs, like, run);
        out
    }

    fn lm_norm_rope_bwd(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        eps: f64,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let like = [Like::of(&x), Like::of(&weight)];
        let inputs = [x, weight, cos, sin, grad];
        let run = move |[x, weight, cos, sin, grad]: [_; 5]| {
            B::lm_norm_rope_bwd(x, weight, cos, sin, eps, grad).into()
        };
        floats::<B, 5, 2>("lm_norm_rope_bwd", inputs, like, run).into()
    }

    fn lm_swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let like = [Like::of(&gate)];
        let run = |[gate, up]: [_; 2]| [B::lm_swiglu(gate, up)];
        let [out] = floats::<B, 2, 1>("lm_swiglu", [gate, up], like, run);
        out
    }

    fn lm_swiglu_bwd(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let like = [Like::of(&gate), Like::of(&up)];
        let run = |[gate, up, grad]: [_; 3]| B::lm_swiglu_bwd(gate, up, grad).into();
        floats::<B, 3, 2>("lm_swiglu_bwd", [gate, up, grad], like, run).into()
    }

    fn lm_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let like = [matrix(x.shape[0], weight.shape[0], x.dtype)];
        let run = |[x, weight]: [_; 2]| [B::lm_linear(x, weight)];
        let [out] = floats::<B, 2, 1>("lm_linear", [x, weight], like, run);
        out
    }

    fn lm_linear_bwd_x(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let like = [matrix(grad.shape[0], weight.shape[1], grad.dtype)];
        let run = |[weight, grad]: [_; 2]| [B::lm_linear_bwd_x(weight, grad)];
        let [dx] = floats::<B, 2, 1>("lm_linear_bwd_x", [weight, grad], like, run);
        dx
    }

    fn lm_linear_bwd_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let like = [matrix(grad.shape[1], x.shape[1], grad.dtype)];
        let run = |[x, grad]: [_; 2]| [B::lm_linear_bwd_weight(x, grad)];
        let [dweight] = floats::<B, 2, 1>("lm_linear_bwd_weight", [x, grad], like, run);
        dweight
    }

    fn lm_embedding(weight: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        let like = [matrix(ids.shape[0], weight.shape[1], weight.dtype)];
        let run = |[weight]: [_; 1], ids| [B::lm_embedding(weight, ids)];
        let [out] = floats_and_ints::<B, 1, 1>("lm_embedding", [weight], ids, like, run);
        out
    }

    fn lm_embedding_bwd(
        ids: IntTensor<Self>,
        vocab: usize,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let like = [matrix(vocab, grad.shape[1], grad.dtype)];
        let run = move |[grad]: [_; 1], ids| [B::lm_embedding_bwd(ids, vocab, grad)];
        let [dweight] = floats_and_ints::<B, 1, 1>("lm_embedding_bwd", [grad], ids, like, run);
        dweight
    }

    fn lm_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bounds: &SeqBounds,
        scale: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let lse = matrix(q.shape[0], q.shape[1], wide(q.dtype));
        let like = [Like::of(&q), lse];
        let bounds = bounds.clone();
        let run = move |[q, k, v]: [_; 3]| B::lm_attention(q, k, v, &bounds, scale).into();
        floats::<B, 3, 2>("lm_attention", [q, k, v], like, run).into()
    }

    fn lm_attention_bwd(
        qkv: [FloatTensor<Self>; 3],
        out: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        bounds: &SeqBounds,
        scale: f64,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        let like = qkv.each_ref().map(|x| Like::of(x));
        let [q, k, v] = qkv;
        let bounds = bounds.clone();
        let run = move |[q, k, v, out, lse, grad]: [_; 6]| {
            B::lm_attention_bwd([q, k, v], out, lse, &bounds, scale, grad)
        };
        floats::<B, 6, 3>("lm_attention_bwd", [q, k, v, out, lse, grad], like, run)
    }

    fn lm_linear_log_probs(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
    ) -> [FloatTensor<Self>; 3] {
        let like = columns(&x);
        let run = move |[x, weight]: [_; 2], targets| {
            B::lm_linear_log_probs(x, weight, targets, temperature)
        };
        floats_and_ints::<B, 2, 3>("lm_linear_log_probs", [x, weight], targets, like, run)
    }

    fn lm_linear_log_probs_bwd(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        left: LogitsLeft<FloatTensor<Self>>,
        temperature: f64,
        grad: LogProbsGrad<FloatTensor<Self>>,
        needs: Needs,
    ) -> (Option<FloatTensor<Self>>, Option<FloatTensor<Self>>) {
        let like = wanted(&x, &weight, needs);
        let with_logits = left.logits.is_some();
        let mut inputs = vec![x, weight, left.lse, grad.log_probs];
        inputs.extend(left.logits);
        inputs.extend(
            grad.entropy
                .into_iter()
                .flat_map(|of| [of.entropy, of.grad]),
        );
        let run = move |inputs: Vec<FloatTensor<B>>, ints: Vec<IntTensor<B>>| {
            let [targets] = array(ints);
            let mut inputs = inputs.into_iter();
            let mut next = || inputs.next();
            let [x, weight, lse, log_probs] = array((0..4).filter_map(|_| next()).collect());
            let logits = with_logits.then(&mut next).flatten();
            let entropy = next().zip(next());
            let entropy = entropy.map(|(entropy, grad)| EntropyGrad { entropy, grad });
            let left = LogitsLeft { lse, logits };
            let grad = LogProbsGrad { log_probs, entropy };
            let (dx, dweight) =
                B::lm_linear_log_probs_bwd(x, weight, targets, left, temperature, grad, needs);
            made([dx, dweight].into_iter().flatten())
        };
        let found = call::<B>("lm_linear_log_probs_bwd", inputs, vec![targets], like, run);
        given(found.into_iter(), needs)
    }

    fn lm_linear_log_probs_with_grads(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
        grad: FloatTensor<Self>,
        needs: Needs,
    ) -> ScoredWithGrads<FloatTensor<Self>> {
        let mut like: Vec<Like> = columns(&x).into();
        like.extend(wanted(&x, &weight, needs));
        let run = move |inputs: Vec<FloatTensor<B>>, ints: Vec<IntTensor<B>>| {
            let ([x, weight, grad], [targets]) = (array(inputs), array(ints));
            let ScoredWithGrads {
                scored,
                dx,
                dweight,
            } = B::lm_linear_log_probs_with_grads(x, weight, targets, temperature, grad, needs);
            made(scored.into_iter().chain(dx).chain(dweight))
        };
        let (name, inputs) = ("lm_linear_log_probs_with_grads", vec![x, weight, grad]);
        let mut found = call::<B>(name, inputs, vec![targets], like, run);
        let grads = found.split_off(3);
        let (dx, dweight) = given(grads.into_iter(), needs);
        ScoredWithGrads {
            scored: array(found),
            dx,
            dweight,
        }
    }

    fn lm_adamw(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        hp: &AdamW,
    ) -> [FloatTensor<Self>; 3] {
        let like = [&param, &m, &v].map(|x| Like::of(x));
        let hp = *hp;
        let run = move |[param, grad, m, v]: [_; 4]| B::lm_adamw(param, grad, m, v, &hp);
        floats::<B, 4, 3>("lm_adamw", [param, grad, m, v], like, run)
    }

    fn lm_cached_attention(
        qkv: [FloatTensor<Self>; 3],
        cache: [FloatTensor<Self>; 2],
        rows: &[CacheRow],
        scale: f64,
    ) -> (FloatTensor<Self>, [FloatTensor<Self>; 2]) {
        let ([q, k, v], [keys, values]) = (qkv, cache);
        let like = [&q, &keys, &values].map(|x| Like::of(x));
        let rows = rows.to_vec();
        let run = move |[q, k, v, keys, values]: [_; 5]| {
            let (out, [keys, values]) =
                B::lm_cached_attention([q, k, v], [keys, values], &rows, scale);
            [out, keys, values]
        };
        let inputs = [q, k, v, keys, values];
        let [out, keys, values] = floats::<B, 5, 3>("lm_cached_attention", inputs, like, run);
        (out, [keys, values])
    }

    fn lm_copy_slot(
        half: FloatTensor<Self>,
        from: usize,
        to: &[usize],
        len: usize,
    ) -> FloatTensor<Self> {
        let like = [Like::of(&half)];
        let to = to.to_vec();
        let run = move |[half]: [_; 1]| [B::lm_copy_slot(half, from, &to, len)];
        let [half] = floats::<B, 1, 1>("lm_copy_slot", [half], like, run);
        half
    }

    fn lm_sample(
        logits: FloatTensor<Self>,
        rows: &[SampleRow],
    ) -> (IntTensor<Self>, FloatTensor<Self>) {
        let ids = Like::column(rows.len(), B::IntElem::dtype());
        let like = vec![ids, Like::column(rows.len(), logits.dtype)];
        let rows = rows.to_vec();
        let run = move |inputs: Vec<FloatTensor<B>>, _: Vec<IntTensor<B>>| {
            let [logits] = array(inputs);
            let (ids, log_probs) = B::lm_sample(logits, &rows);
            vec![Made::Int(ids), Made::Float(log_probs)]
        };
        let found = call::<B>("lm_sample", vec![logits], Vec::new(), like, run);
        array::<_, 2>(found).into()
    }
}

fn matrix(rows: usize, columns: usize, dtype: DType) -> Like {
    Like(Shape::new([rows, columns]), dtype)
}

/// The type in which sums are taken; see [`full`](crate::convert::full).
fn wide(dtype: DType) -> DType {
    match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

/// Log-probabilities, entropies and log-sum-exp of the tokens of `x`.
fn columns(x: &impl TensorMetadata) -> [Like; 3] {
    [0, 1, 2].map(|_| Like::column(x.shape()[0], wide(x.dtype())))
}

/// The gradients that are needed, that of the activations first.
fn wanted(x: &impl TensorMetadata, weight: &impl TensorMetadata, needs: Needs) -> Vec<Like> {
    let dx = needs.x.then(|| Like::of(x));
    let dweight = needs.weight.then(|| Like::of(weight));
    dx.into_iter().chain(dweight).collect()
}

/// The gradients in the order of [`wanted`].
fn given<T>(mut found: impl Iterator<Item = T>, needs: Needs) -> (Option<T>, Option<T>) {
    let dx = needs.x.then(|| found.next()).flatten();
    let dweight = needs.weight.then(|| found.next()).flatten();
    (dx, dweight)
}

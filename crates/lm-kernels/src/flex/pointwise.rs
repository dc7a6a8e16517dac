//! Normalisation, rotary embedding and SwiGLU, one pass over memory each.

use std::mem::MaybeUninit;

use burn::tensor::Shape;
use burn_flex::FlexTensor;

use super::{
    buffer::{Input, Output, cast, tensor},
    parallel::{for_chunks, for_chunks2},
    simd::{LANES, dot, exp, sigmoid, total, vectorised},
};

/// Rows per task. Also fixes the order in which weight gradients are summed.
const ROWS: usize = 64;
/// Elements per task of the loops without rows.
const ELEMENTS: usize = 1 << 14;

type Slots<'a> = &'a mut [MaybeUninit<f32>];

pub(super) fn rms_norm(x: FlexTensor, weight: FlexTensor, eps: f64) -> FlexTensor {
    let dtype = x.dtype();
    let (x, weight) = (Input::new(x), Input::new(weight));
    let chunk = ROWS * x.dim(1);
    let mut out = Output::new(x.len());
    for_chunks(out.slots(x.len()), chunk, x.len(), |i, out| {
        norm_rows(&x[i * chunk..][..out.len()], &weight, eps as f32, out);
    });
    // SAFETY: `norm_rows` writes its whole chunk.
    cast(unsafe { out.finish(x.shape().clone()) }, dtype)
}

vectorised! {
    fn norm_rows(x: &[f32], weight: &[f32], eps: f32, out: Slots<'_>) {
        let dim = weight.len();
        for (x, out) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
            let inverse = inverse_rms(x, eps);
            for ((out, x), w) in out.iter_mut().zip(x).zip(weight) {
                out.write(x * inverse * w);
            }
        }
    }
}

#[inline(always)]
fn inverse_rms(x: &[f32], eps: f32) -> f32 {
    1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt()
}

pub(super) fn rms_norm_bwd(
    x: FlexTensor,
    weight: FlexTensor,
    eps: f64,
    grad: FlexTensor,
) -> (FlexTensor, FlexTensor) {
    let (dtype, weight_dtype) = (x.dtype(), weight.dtype());
    let (x, weight, grad) = (Input::new(x), Input::new(weight), Input::new(grad));
    let (dim, chunk) = (weight.len(), ROWS * weight.len());
    let mut dx = Output::new(x.len());
    let mut partial = vec![0.0; x.len().div_ceil(chunk) * dim];
    for_chunks2(
        x.len(),
        (dx.slots(x.len()), chunk),
        (&mut partial, dim),
        |i, dx, dweight| {
            let rows = i * chunk..i * chunk + dx.len();
            norm_rows_bwd(
                &x[rows.clone()],
                &weight,
                &grad[rows],
                eps as f32,
                dx,
                dweight,
            );
        },
    );
    // SAFETY: `norm_rows_bwd` writes its whole chunk.
    let dx = unsafe { dx.finish(x.shape().clone()) };
    (
        cast(dx, dtype),
        cast(sum_partial(&partial, dim), weight_dtype),
    )
}

vectorised! {
    fn norm_rows_bwd(
        x: &[f32],
        weight: &[f32],
        grad: &[f32],
        eps: f32,
        dx: Slots<'_>,
        dweight: &mut [f32],
    ) {
        norm_heads_bwd(x, weight, grad, eps, dx, dweight);
    }
}

/// `Σ x·grad·weight`.
#[inline(always)]
fn weighted_dot(x: &[f32], grad: &[f32], weight: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let tail = x.len() - x.len() % LANES;
    let chunks = x.chunks_exact(LANES).zip(grad.chunks_exact(LANES));
    for ((x, g), w) in chunks.zip(weight.chunks_exact(LANES)) {
        for i in 0..LANES {
            lanes[i] += x[i] * g[i] * w[i];
        }
    }
    let rest = x[tail..].iter().zip(&grad[tail..]).zip(&weight[tail..]);
    total(lanes) + rest.map(|((x, g), w)| x * g * w).sum::<f32>()
}

/// Adds the weight gradients of all tasks in the order of the rows.
fn sum_partial(partial: &[f32], dim: usize) -> FlexTensor {
    let mut sum = vec![0.0; dim];
    for part in partial.chunks_exact(dim) {
        sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    tensor(sum, Shape::new([dim]))
}

/// The rotation of every token: cosines and sines, `[T, D/2]`, and the heads per token.
struct Rotation {
    cos: Input,
    sin: Input,
    heads: usize,
}

impl Rotation {
    fn new(cos: FlexTensor, sin: FlexTensor, heads: usize) -> Self {
        Self {
            cos: Input::new(cos),
            sin: Input::new(sin),
            heads,
        }
    }

    /// The cosines and sines of a task's tokens.
    fn rows(&self, task: usize, len: usize, dim: usize) -> (&[f32], &[f32]) {
        let half = dim / 2;
        let start = task * ROWS * half;
        let count = len / (self.heads * dim) * half;
        (
            &self.cos[start..start + count],
            &self.sin[start..start + count],
        )
    }
}

pub(super) fn norm_rope(
    x: FlexTensor,
    weight: FlexTensor,
    cos: FlexTensor,
    sin: FlexTensor,
    eps: f64,
) -> FlexTensor {
    let dtype = x.dtype();
    let (x, weight) = (Input::new(x), Input::new(weight));
    let rotation = Rotation::new(cos, sin, x.dim(1));
    let chunk = ROWS * x.dim(1) * x.dim(2);
    let mut out = Output::new(x.len());
    for_chunks(out.slots(x.len()), chunk, x.len(), |i, out| {
        let turn = rotation.rows(i, out.len(), weight.len());
        norm_rope_rows(
            &x[i * chunk..][..out.len()],
            &weight,
            turn,
            rotation.heads,
            eps as f32,
            out,
        );
    });
    // SAFETY: `norm_rope_rows` writes its whole chunk.
    cast(unsafe { out.finish(x.shape().clone()) }, dtype)
}

vectorised! {
    fn norm_rope_rows(
        x: &[f32],
        weight: &[f32],
        turn: (&[f32], &[f32]),
        heads: usize,
        eps: f32,
        out: Slots<'_>,
    ) {
        let (dim, half) = (weight.len(), weight.len() / 2);
        let (wa, wb) = weight.split_at(half);
        let tokens = x.chunks_exact(heads * dim).zip(out.chunks_exact_mut(heads * dim));
        let turns = turn.0.chunks_exact(half).zip(turn.1.chunks_exact(half));
        for ((x, out), (cos, sin)) in tokens.zip(turns) {
            for (x, out) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
                let inverse = inverse_rms(x, eps);
                let ((a, b), (oa, ob)) = (x.split_at(half), out.split_at_mut(half));
                for i in 0..half {
                    let (a, b) = (a[i] * inverse * wa[i], b[i] * inverse * wb[i]);
                    oa[i].write(a * cos[i] - b * sin[i]);
                    ob[i].write(b * cos[i] + a * sin[i]);
                }
            }
        }
    }
}

pub(super) fn norm_rope_bwd(
    [x, weight, cos, sin]: [FlexTensor; 4],
    eps: f64,
    grad: FlexTensor,
) -> (FlexTensor, FlexTensor) {
    let (dtype, weight_dtype) = (x.dtype(), weight.dtype());
    let (x, weight, grad) = (Input::new(x), Input::new(weight), Input::new(grad));
    let rotation = Rotation::new(cos, sin, x.dim(1));
    let (dim, chunk) = (weight.len(), ROWS * x.dim(1) * weight.len());
    let mut dx = Output::new(x.len());
    let mut partial = vec![0.0; x.len().div_ceil(chunk) * dim];
    for_chunks2(
        x.len(),
        (dx.slots(x.len()), chunk),
        (&mut partial, dim),
        |i, dx, dweight| {
            let rows = i * chunk..i * chunk + dx.len();
            let turn = rotation.rows(i, dx.len(), dim);
            let inputs = (&x[rows.clone()], &*weight, &grad[rows]);
            norm_rope_rows_bwd(inputs, turn, rotation.heads, eps as f32, dx, dweight);
        },
    );
    // SAFETY: `norm_rope_rows_bwd` writes its whole chunk.
    let dx = unsafe { dx.finish(x.shape().clone()) };
    (
        cast(dx, dtype),
        cast(sum_partial(&partial, dim), weight_dtype),
    )
}

vectorised! {
    fn norm_rope_rows_bwd(
        inputs: (&[f32], &[f32], &[f32]),
        turn: (&[f32], &[f32]),
        heads: usize,
        eps: f32,
        dx: Slots<'_>,
        dweight: &mut [f32],
    ) {
        let (x, weight, grad) = inputs;
        let (dim, half) = (weight.len(), weight.len() / 2);
        let mut rotated = vec![0.0; heads * dim];
        let tokens = x.chunks_exact(heads * dim).zip(grad.chunks_exact(heads * dim));
        let turns = turn.0.chunks_exact(half).zip(turn.1.chunks_exact(half));
        for (((x, grad), (cos, sin)), dx) in
            tokens.zip(turns).zip(dx.chunks_exact_mut(heads * dim))
        {
            // The gradient before the rotation: rotate it back.
            for (g, rotated) in grad.chunks_exact(dim).zip(rotated.chunks_exact_mut(dim)) {
                let ((ga, gb), (ta, tb)) = (g.split_at(half), rotated.split_at_mut(half));
                for i in 0..half {
                    ta[i] = ga[i] * cos[i] + gb[i] * sin[i];
                    tb[i] = gb[i] * cos[i] - ga[i] * sin[i];
                }
            }
            norm_heads_bwd(x, weight, &rotated, eps, dx, dweight);
        }
    }
}

/// The backward pass of the normalisation of rows as long as `weight`: with `r = 1/rms`,
/// `dx = r·grad·weight − x·r³·mean(x·grad·weight)`.
#[inline(always)]
fn norm_heads_bwd(
    x: &[f32],
    weight: &[f32],
    grad: &[f32],
    eps: f32,
    dx: Slots<'_>,
    dweight: &mut [f32],
) {
    let dim = weight.len();
    let heads = x.chunks_exact(dim).zip(grad.chunks_exact(dim));
    for ((x, grad), dx) in heads.zip(dx.chunks_exact_mut(dim)) {
        let inverse = inverse_rms(x, eps);
        let pull = weighted_dot(x, grad, weight) * inverse * inverse * inverse / dim as f32;
        for i in 0..dim {
            dweight[i] += grad[i] * x[i] * inverse;
            dx[i].write(grad[i] * weight[i] * inverse - x[i] * pull);
        }
    }
}

pub(super) fn rope(x: FlexTensor, cos: FlexTensor, sin: FlexTensor) -> FlexTensor {
    let dtype = x.dtype();
    let x = Input::new(x);
    let (heads, dim) = (x.dim(1), x.dim(2));
    let rotation = Rotation::new(cos, sin, heads);
    let chunk = ROWS * heads * dim;
    let mut out = Output::new(x.len());
    for_chunks(out.slots(x.len()), chunk, x.len(), |i, out| {
        let turn = rotation.rows(i, out.len(), dim);
        rope_rows(&x[i * chunk..][..out.len()], turn, heads, dim, out);
    });
    // SAFETY: `rope_rows` writes its whole chunk.
    cast(unsafe { out.finish(x.shape().clone()) }, dtype)
}

vectorised! {
    fn rope_rows(
        x: &[f32],
        turn: (&[f32], &[f32]),
        heads: usize,
        dim: usize,
        out: Slots<'_>,
    ) {
        let half = dim / 2;
        let tokens = x.chunks_exact(heads * dim).zip(out.chunks_exact_mut(heads * dim));
        let turns = turn.0.chunks_exact(half).zip(turn.1.chunks_exact(half));
        for ((x, out), (cos, sin)) in tokens.zip(turns) {
            for (x, out) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
                let ((a, b), (oa, ob)) = (x.split_at(half), out.split_at_mut(half));
                for i in 0..half {
                    oa[i].write(a[i] * cos[i] - b[i] * sin[i]);
                    ob[i].write(b[i] * cos[i] + a[i] * sin[i]);
                }
            }
        }
    }
}

pub(super) fn swiglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
    let dtype = gate.dtype();
    let (gate, up) = (Input::new(gate), Input::new(up));
    let mut out = Output::new(gate.len());
    for_chunks(out.slots(gate.len()), ELEMENTS, gate.len(), |i, out| {
        let part = i * ELEMENTS..i * ELEMENTS + out.len();
        swiglu_part(&gate[part.clone()], &up[part], out);
    });
    // SAFETY: `swiglu_part` writes its whole chunk.
    cast(unsafe { out.finish(gate.shape().clone()) }, dtype)
}

vectorised! {
    fn swiglu_part(gate: &[f32], up: &[f32], out: Slots<'_>) {
        for ((out, &gate), up) in out.iter_mut().zip(gate).zip(up) {
            out.write(gate / (1.0 + exp(-gate)) * up);
        }
    }
}

pub(super) fn swiglu_bwd(
    gate: FlexTensor,
    up: FlexTensor,
    grad: FlexTensor,
) -> (FlexTensor, FlexTensor) {
    let dtype = gate.dtype();
    let (gate, up, grad) = (Input::new(gate), Input::new(up), Input::new(grad));
    let len = gate.len();
    let (mut dgate, mut dup) = (Output::new(len), Output::new(len));
    for_chunks2(
        len,
        (dgate.slots(len), ELEMENTS),
        (dup.slots(len), ELEMENTS),
        |i, dgate, dup| {
            let part = i * ELEMENTS..i * ELEMENTS + dgate.len();
            swiglu_part_bwd(
                &gate[part.clone()],
                &up[part.clone()],
                &grad[part],
                dgate,
                dup,
            );
        },
    );
    // SAFETY: `swiglu_part_bwd` writes both chunks whole.
    let (dgate, dup) = unsafe {
        (
            dgate.finish(gate.shape().clone()),
            dup.finish(gate.shape().clone()),
        )
    };
    (cast(dgate, dtype), cast(dup, dtype))
}

vectorised! {
    fn swiglu_part_bwd(
        gate: &[f32],
        up: &[f32],
        grad: &[f32],
        dgate: Slots<'_>,
        dup: Slots<'_>,
    ) {
        let outputs = dgate.iter_mut().zip(dup);
        for ((((dgate, dup), &gate), up), grad) in outputs.zip(gate).zip(up).zip(grad) {
            let s = sigmoid(gate);
            dgate.write(grad * up * s * (1.0 + gate * (1.0 - s)));
            dup.write(grad * gate * s);
        }
    }
}

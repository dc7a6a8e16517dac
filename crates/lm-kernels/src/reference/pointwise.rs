//! Normalisation, rotary embedding and the gated activation.

use burn::tensor::{Tensor, activation::sigmoid, backend::Backend};

use crate::convert::full;

/// See [`ops::rms_norm`](crate::ops::rms_norm).
pub fn rms_norm<B: Backend>(x: Tensor<B, 2>, weight: Tensor<B, 1>, eps: f64) -> Tensor<B, 2> {
    let dtype = x.dtype();
    let x = full(x);
    let inverse = inverse_rms(x.clone(), eps);
    (x * inverse * full(weight).unsqueeze()).cast(dtype)
}

/// Gradients of [`rms_norm`]. With `r = 1/rms`, `n = x·r` and `g = grad·weight`: `dx = r·(g − n·mean(g·n))` and
/// `dweight = Σ grad·n`.
pub fn rms_norm_bwd<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 1>,
    eps: f64,
    grad: Tensor<B, 2>,
) -> (Tensor<B, 2>, Tensor<B, 1>) {
    let (dtype, weight_dtype) = (x.dtype(), weight.dtype());
    let (x, grad) = (full(x), full(grad));
    let inverse = inverse_rms(x.clone(), eps);
    let normed = x * inverse.clone();
    let dweight = (grad.clone() * normed.clone()).sum_dim(0).squeeze_dim(0);
    let scaled = grad * full(weight).unsqueeze();
    let mean = (scaled.clone() * normed.clone()).mean_dim(1);
    let dx = (scaled - normed * mean) * inverse;
    (dx.cast(dtype), dweight.cast(weight_dtype))
}

/// See [`ops::norm_rope`](crate::ops::norm_rope).
pub fn norm_rope<B: Backend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 1>,
    cos: Tensor<B, 2>,
    sin: Tensor<B, 2>,
    eps: f64,
) -> Tensor<B, 3> {
    let [tokens, heads, dim] = x.dims();
    let normed = rms_norm(x.reshape([tokens * heads, dim]), weight, eps);
    rope(normed.reshape([tokens, heads, dim]), cos, sin)
}

/// Gradients of [`norm_rope`]: the transpose of a rotation is the rotation by the opposite angle, and the rest is
/// [`rms_norm_bwd`].
pub fn norm_rope_bwd<B: Backend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 1>,
    cos: Tensor<B, 2>,
    sin: Tensor<B, 2>,
    eps: f64,
    grad: Tensor<B, 3>,
) -> (Tensor<B, 3>, Tensor<B, 1>) {
    let [tokens, heads, dim] = x.dims();
    let grad = rope(grad, cos, sin.neg()).reshape([tokens * heads, dim]);
    let (dx, dweight) = rms_norm_bwd(x.reshape([tokens * heads, dim]), weight, eps, grad);
    (dx.reshape([tokens, heads, dim]), dweight)
}

/// See [`ops::swiglu`](crate::ops::swiglu).
pub fn swiglu<B: Backend>(gate: Tensor<B, 2>, up: Tensor<B, 2>) -> Tensor<B, 2> {
    gate.clone() * sigmoid(gate) * up
}

/// Gradients of [`swiglu`]. With `s = sigmoid(gate)`: `dgate = grad·up·s·(1 + gate·(1 − s))` and `dup = grad·gate·s`.
pub fn swiglu_bwd<B: Backend>(
    gate: Tensor<B, 2>,
    up: Tensor<B, 2>,
    grad: Tensor<B, 2>,
) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let s = sigmoid(gate.clone());
    let dup = grad.clone() * gate.clone() * s.clone();
    let slope = (gate * (s.clone().neg() + 1.0) + 1.0) * s;
    (grad * up * slope, dup)
}

fn inverse_rms<B: Backend>(x: Tensor<B, 2>, eps: f64) -> Tensor<B, 2> {
    (x.square().mean_dim(1) + eps).sqrt().recip()
}

/// See [`ops::rope`](crate::ops::rope). The transpose of a rotation is the rotation by the opposite angle, so the
/// gradient of `x` is that of the output with the sines negated.
pub fn rope<B: Backend>(x: Tensor<B, 3>, cos: Tensor<B, 2>, sin: Tensor<B, 2>) -> Tensor<B, 3> {
    let half = x.dims()[2] / 2;
    let dtype = x.dtype();
    let (cos, sin) = (
        cos.cast(dtype).unsqueeze_dim(1),
        sin.cast(dtype).unsqueeze_dim(1),
    );
    let a = x.clone().narrow(2, 0, half);
    let b = x.narrow(2, half, half);
    let first = a.clone() * cos.clone() - b.clone() * sin.clone();
    Tensor::cat(vec![first, b * cos + a * sin], 2)
}

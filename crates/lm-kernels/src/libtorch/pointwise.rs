//! Normalisation, rotary embedding and the gated activation: the formulas of the default bodies in fewer passes over
//! the memory. On a CPU, libtorch's own `rms_norm` is a chain of ordinary operations too.

use tch::{Kind, Tensor};

use super::full;

/// See [`ops::rms_norm`](crate::ops::rms_norm).
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Tensor {
    normed(x, weight, eps).to_kind(x.kind())
}

/// Gradients of [`rms_norm`] in the types of its inputs.
pub(super) fn rms_norm_bwd(
    x: &Tensor,
    weight: &Tensor,
    eps: f64,
    grad: &Tensor,
) -> (Tensor, Tensor) {
    let (wide, grad, scale) = (full(x), full(grad), full(weight));
    let inverse = inverse_rms(&wide, eps);
    let normed = &wide * &inverse;
    let product = &grad * &normed;
    let dweight = rows_summed(&product);
    // The mean of grad · weight · normed over the last dimension; its sign is that of the term.
    let mean = product.matmul(&scale.unsqueeze(-1)) * (-1.0 / scale.numel() as f64);
    let mut dx = grad.mul_out(&product, &scale);
    let mut dx = dx.addcmul_(&normed, &mean);
    let dx = dx.g_mul_(&inverse);
    (dx.to_kind(x.kind()), dweight.to_kind(weight.kind()))
}

/// See [`ops::norm_rope`](crate::ops::norm_rope); `angles` are the cosines and the sines.
pub(super) fn norm_rope(x: &Tensor, weight: &Tensor, angles: [&Tensor; 2], eps: f64) -> Tensor {
    let [cos, sin] = angles.map(full);
    rotated(&normed(x, weight, eps), &cos, &sin).to_kind(x.kind())
}

/// Gradients of [`norm_rope`]: the transpose of a rotation is the rotation by the opposite angle.
pub(super) fn norm_rope_bwd(
    x: &Tensor,
    weight: &Tensor,
    angles: [&Tensor; 2],
    eps: f64,
    grad: &Tensor,
) -> (Tensor, Tensor) {
    let [cos, sin] = angles.map(full);
    rms_norm_bwd(x, weight, eps, &rotated(&full(grad), &cos, &-sin))
}

/// See [`ops::swiglu`](crate::ops::swiglu).
pub(super) fn swiglu(gate: &Tensor, up: &Tensor) -> Tensor {
    gate.silu().g_mul_(up)
}

/// Gradients of [`swiglu`].
pub(super) fn swiglu_bwd(gate: &Tensor, up: &Tensor, grad: &Tensor) -> (Tensor, Tensor) {
    let dup = gate.silu().g_mul_(grad);
    let product = grad * up;
    let dgate = gate.silu_backward_grad_input(&product, &product);
    (dgate, dup)
}

/// The normalised input in 32 bits.
fn normed(x: &Tensor, weight: &Tensor, eps: f64) -> Tensor {
    let x = full(x);
    let inverse = inverse_rms(&x, eps);
    (&x * inverse).g_mul_(&full(weight))
}

/// One over the root of the mean square of the last dimension, which stays with size 1.
fn inverse_rms(x: &Tensor, eps: f64) -> Tensor {
    let dim = x.size().last().copied().unwrap_or(1) as f64;
    let norm = x.norm_scalaropt_dim(2.0, [-1_i64].as_slice(), true);
    (norm.square() / dim + eps).rsqrt()
}

/// The sum over all dimensions but the last.
fn rows_summed(x: &Tensor) -> Tensor {
    let dims: Vec<i64> = (0..x.dim() as i64 - 1).collect();
    x.sum_dim_intlist(dims, false, Kind::Float)
}

/// Rotates the pairs `(i, i + D/2)` of every head; `x [T, heads, D]`, angles `[T, D/2]`.
fn rotated(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Tensor {
    let [cos, sin] = [cos, sin].map(|angle| angle.unsqueeze(1));
    let half = cos.size()[2];
    let out = x * Tensor::cat(&[&cos, &cos], 2);
    let (first, second) = (x.narrow(2, 0, half), x.narrow(2, half, half));
    let _ = out.narrow(2, 0, half).addcmul_(&second, &-&sin);
    let _ = out.narrow(2, half, half).addcmul_(&first, &sin);
    out
}

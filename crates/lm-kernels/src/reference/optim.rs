//! AdamW.

use burn::tensor::{Tensor, backend::Backend};

use crate::types::AdamW;

/// See [`ops::adamw`](crate::ops::adamw). The arithmetic is done in the type of the moments.
pub fn adamw<B: Backend>(
    param: Tensor<B, 1>,
    grad: Tensor<B, 1>,
    m: Tensor<B, 1>,
    v: Tensor<B, 1>,
    hp: &AdamW,
) -> [Tensor<B, 1>; 3] {
    let dtype = param.dtype();
    let (param, grad) = (param.cast(m.dtype()), grad.cast(m.dtype()) * hp.grad_scale);
    let m = m * hp.beta1 + grad.clone() * (1.0 - hp.beta1);
    let v = v * hp.beta2 + grad.square() * (1.0 - hp.beta2);
    let (size, root) = hp.step_sizes();
    let denominator = v.clone().sqrt() / root + hp.eps;
    let param = param * (1.0 - hp.lr * hp.weight_decay) - m.clone() / denominator * size;
    [param.cast(dtype), m, v]
}

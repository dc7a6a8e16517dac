//! AdamW in place.

use burn_flex::FlexTensor;

use super::{
    buffer::{InPlace, Input},
    parallel::for_tasks,
    simd::vectorised,
};
use crate::types::AdamW;

/// Elements per task.
const ELEMENTS: usize = 1 << 14;

/// The settings of a step in the precision of the loop.
#[derive(Clone, Copy)]
struct Coefficients {
    beta1: f32,
    beta2: f32,
    eps: f32,
    /// Learning rate times weight decay.
    decay: f32,
    grad_scale: f32,
    /// Learning rate over the first bias correction.
    size: f32,
    /// One over the root of the second bias correction.
    inverse_root: f32,
}

impl Coefficients {
    fn new(hp: &AdamW) -> Self {
        let (size, root) = hp.step_sizes();
        Self {
            beta1: hp.beta1 as f32,
            beta2: hp.beta2 as f32,
            eps: hp.eps as f32,
            decay: (hp.lr * hp.weight_decay) as f32,
            grad_scale: hp.grad_scale as f32,
            size: size as f32,
            inverse_root: (1.0 / root) as f32,
        }
    }
}

pub(super) fn adamw(
    param: FlexTensor,
    grad: FlexTensor,
    m: FlexTensor,
    v: FlexTensor,
    hp: &AdamW,
) -> [FlexTensor; 3] {
    let grad = Input::new(grad);
    let [mut param, mut m, mut v] = [param, m, v].map(InPlace::new);
    let coefficients = Coefficients::new(hp);
    let parts = param
        .values()
        .chunks_mut(ELEMENTS)
        .zip(grad.chunks(ELEMENTS));
    let moments = m
        .values()
        .chunks_mut(ELEMENTS)
        .zip(v.values().chunks_mut(ELEMENTS));
    let tasks = parts.zip(moments).collect();
    for_tasks(tasks, grad.len(), |((param, grad), (m, v))| {
        update(param, grad, m, v, coefficients)
    });
    [param, m, v].map(InPlace::finish)
}

vectorised! {
    fn update(param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], c: Coefficients) {
        for (((p, g), m), v) in param.iter_mut().zip(grad).zip(m).zip(v) {
            let g = g * c.grad_scale;
            *m = c.beta1 * *m + (1.0 - c.beta1) * g;
            *v = c.beta2 * *v + (1.0 - c.beta2) * g * g;
            let denominator = v.sqrt() * c.inverse_root + c.eps;
            *p -= c.decay * *p + c.size * *m / denominator;
        }
    }
}

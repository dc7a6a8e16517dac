//! AdamW in place. libtorch's fused kernel is not among the functions that tch binds.

use tch::Tensor;

use crate::types::AdamW;

/// Elements that are updated at once, so that they stay in the cache from one pass to the next.
const ELEMENTS: i64 = 1 << 17;

/// Updates the parameter and its moments, all one-dimensional.
pub(super) fn adamw(state: [Tensor; 3], grad: &Tensor, hp: &AdamW) -> [Tensor; 3] {
    let total = grad.numel() as i64;
    for start in (0..total).step_by(ELEMENTS as usize) {
        let len = ELEMENTS.min(total - start);
        let part = |x: &Tensor| x.narrow(0, start, len);
        update(state.each_ref().map(part), &part(grad), hp);
    }
    state
}

/// The arithmetic is done in the type of the moments.
fn update([mut param, mut m, mut v]: [Tensor; 3], grad: &Tensor, hp: &AdamW) {
    let (size, root) = hp.step_sizes();
    let grad = grad.to_kind(m.kind()) * hp.grad_scale;
    let mut scratch = grad.square();
    let _ = m.lerp_(&grad, 1.0 - hp.beta1);
    let _ = v.lerp_(&scratch, 1.0 - hp.beta2);
    scratch.copy_(&m);
    let _ = scratch.g_mul_scalar_(-size);
    let denominator = v.sqrt_out(&grad).g_div_scalar_(root).g_add_scalar_(hp.eps);
    let mut wide = param.to_kind(m.kind());
    let _ = wide.g_mul_scalar_(1.0 - hp.lr * hp.weight_decay);
    let _ = wide.addcdiv_(&scratch, &denominator);
    // Of the same type, both are the same memory already.
    if wide.kind() != param.kind() {
        param.copy_(&wide);
    }
}

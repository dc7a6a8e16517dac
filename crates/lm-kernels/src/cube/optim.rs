//! AdamW in place, one unit for each number.

use burn::tensor::TensorMetadata;
use burn_cubecl::{CubeRuntime, cubecl, tensor::CubeTensor};
use cubecl::prelude::*;

use super::launch::{addresses, dense, elementwise, owned, units};
use crate::types::AdamW;

/// [`AdamW`] as the kernel takes it.
#[derive(CubeLaunch, CubeType)]
struct Settings {
    /// `1 − lr · weight_decay`.
    keep: f32,
    beta1: f32,
    /// `1 − beta1`, taken in double precision.
    rest1: f32,
    beta2: f32,
    rest2: f32,
    eps: f32,
    /// Learning rate over the first bias correction.
    size: f32,
    /// Root of the second bias correction.
    root: f32,
    grad_scale: f32,
}

#[cube(launch, address_type = "dynamic")]
fn step_kernel<P: Float, G: Float, M: Float>(
    param: &mut Array<P>,
    grad: &Array<G>,
    m: &mut Array<M>,
    v: &mut Array<M>,
    elements: usize,
    hp: &Settings,
    #[define(P, G, M)] _types: [StorageType; 3],
) {
    let i = ABSOLUTE_POS;
    if i >= elements {
        terminate!();
    }
    let g = f32::cast_from(grad[i]) * hp.grad_scale;
    let first = f32::cast_from(m[i]) * hp.beta1 + g * hp.rest1;
    let second = f32::cast_from(v[i]) * hp.beta2 + g * g * hp.rest2;
    let denominator = second.sqrt() / hp.root + hp.eps;
    let value = f32::cast_from(param[i]) * hp.keep - first / denominator * hp.size;
    param[i] = P::cast_from(value);
    m[i] = M::cast_from(first);
    v[i] = M::cast_from(second);
}

/// [`LmOps::lm_adamw`](crate::LmOps::lm_adamw).
pub(super) fn adamw<R: CubeRuntime>(
    [param, grad, m, v]: [CubeTensor<R>; 4],
    hp: &AdamW,
) -> [CubeTensor<R>; 3] {
    let elements = param.shape().num_elements();
    let ([param, m, v], grad) = ([param, m, v].map(owned), dense(grad));
    let (size, root) = hp.step_sizes();
    let settings = SettingsLaunch::new(
        (1.0 - hp.lr * hp.weight_decay) as f32,
        hp.beta1 as f32,
        (1.0 - hp.beta1) as f32,
        hp.beta2 as f32,
        (1.0 - hp.beta2) as f32,
        hp.eps as f32,
        size as f32,
        root as f32,
        hp.grad_scale as f32,
    );
    let types = [param.dtype.into(), grad.dtype.into(), m.dtype.into()];
    step_kernel::launch(
        &param.client,
        elementwise(&param, elements),
        units(),
        addresses(&[&param, &grad, &m]),
        param.clone().into_array_arg(),
        grad.into_array_arg(),
        m.clone().into_array_arg(),
        v.clone().into_array_arg(),
        elements,
        settings,
        types,
    );
    [param, m, v]
}

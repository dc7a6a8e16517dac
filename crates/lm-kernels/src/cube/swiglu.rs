//! The gated activation, one unit for each element.

use burn::tensor::TensorMetadata;
use burn_cubecl::{CubeRuntime, cubecl, tensor::CubeTensor};
use cubecl::prelude::*;

use super::launch::{addresses, dense, elementwise, empty_like, units};

/// `1 / (1 + e^−x)` without an overflow: the exponential is taken of a negative number only.
#[cube]
fn sigmoid(x: f32) -> f32 {
    let small = (-x.abs()).exp();
    let upper = 1.0 / (1.0 + small);
    if x >= 0.0 { upper } else { small * upper }
}

#[cube(launch, address_type = "dynamic")]
fn forward_kernel<X: Float>(
    gate: &Array<X>,
    up: &Array<X>,
    out: &mut Array<X>,
    elements: usize,
    #[define(X)] _type: StorageType,
) {
    let i = ABSOLUTE_POS;
    if i >= elements {
        terminate!();
    }
    let g = f32::cast_from(gate[i]);
    out[i] = X::cast_from(g * sigmoid(g) * f32::cast_from(up[i]));
}

#[cube(launch, address_type = "dynamic")]
fn backward_kernel<X: Float>(
    gate: &Array<X>,
    up: &Array<X>,
    grad: &Array<X>,
    dgate: &mut Array<X>,
    dup: &mut Array<X>,
    elements: usize,
    #[define(X)] _type: StorageType,
) {
    let i = ABSOLUTE_POS;
    if i >= elements {
        terminate!();
    }
    let g = f32::cast_from(gate[i]);
    let d = f32::cast_from(grad[i]);
    let s = sigmoid(g);
    dgate[i] = X::cast_from(d * f32::cast_from(up[i]) * s * (1.0 + g * (1.0 - s)));
    dup[i] = X::cast_from(d * g * s);
}

/// [`LmOps::lm_swiglu`](crate::LmOps::lm_swiglu).
pub(super) fn swiglu<R: CubeRuntime>(gate: CubeTensor<R>, up: CubeTensor<R>) -> CubeTensor<R> {
    let (gate, up) = (dense(gate), dense(up));
    let elements = gate.shape().num_elements();
    let out = empty_like(&gate);
    forward_kernel::launch(
        &out.client,
        elementwise(&gate, elements),
        units(),
        addresses(&[&gate]),
        gate.into_array_arg(),
        up.into_array_arg(),
        out.clone().into_array_arg(),
        elements,
        out.dtype.into(),
    );
    out
}

/// [`LmOps::lm_swiglu_bwd`](crate::LmOps::lm_swiglu_bwd).
pub(super) fn swiglu_bwd<R: CubeRuntime>(
    [gate, up, grad]: [CubeTensor<R>; 3],
) -> (CubeTensor<R>, CubeTensor<R>) {
    let [gate, up, grad] = [gate, up, grad].map(dense);
    let elements = gate.shape().num_elements();
    let (dgate, dup) = (empty_like(&gate), empty_like(&gate));
    backward_kernel::launch(
        &dgate.client,
        elementwise(&gate, elements),
        units(),
        addresses(&[&gate]),
        gate.into_array_arg(),
        up.into_array_arg(),
        grad.into_array_arg(),
        dgate.clone().into_array_arg(),
        dup.clone().into_array_arg(),
        elements,
        dgate.dtype.into(),
    );
    (dgate, dup)
}

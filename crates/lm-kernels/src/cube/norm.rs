//! RMS normalisation, alone and with the rotary embedding behind it.
//!
//! One cube takes a block of consecutive rows, one after the other. In the backward pass each unit sums the gradient of
//! its own columns of the weight over the rows of its cube; a second kernel adds up the cubes.

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::{CubeRuntime, cubecl, tensor::CubeTensor};
use cubecl::prelude::*;

use super::launch::{UNITS, addresses, dense, elementwise, empty, empty_like, grid, units};
use super::reduce::cube_sum;

/// Rows of a cube in the backward pass. More would make the sums of the cubes smaller and the grid emptier.
const ROWS: usize = 32;

/// The reciprocal of the root mean square of a row.
#[cube]
fn inverse_rms<X: Float>(
    x: &Array<X>,
    start: usize,
    dim: usize,
    eps: f32,
    scratch: &mut SharedMemory<f32>,
    #[comptime] units: u32,
) -> f32 {
    let mut squares = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < dim {
        let value = f32::cast_from(x[start + i]);
        squares += value * value;
        i += units as usize;
    }
    let total = cube_sum(squares, scratch);
    1.0 / (total / f32::cast_from(dim as u32) + eps).sqrt()
}

#[cube(launch, address_type = "dynamic")]
fn forward_kernel<X: Float, W: Float>(
    x: &Array<X>,
    weight: &Array<W>,
    out: &mut Array<X>,
    rows: usize,
    dim: usize,
    eps: f32,
    #[comptime] units: u32,
    #[define(X, W)] _types: [StorageType; 2],
) {
    let row = CUBE_POS;
    if row >= rows {
        terminate!();
    }
    let mut scratch = SharedMemory::<f32>::new(units as usize);
    let start = row * dim;
    let inverse = inverse_rms::<X>(x, start, dim, eps, &mut scratch, units);
    let mut i = UNIT_POS as usize;
    while i < dim {
        let value = f32::cast_from(x[start + i]) * inverse * f32::cast_from(weight[i]);
        out[start + i] = X::cast_from(value);
        i += units as usize;
    }
}

#[cube(launch, address_type = "dynamic")]
fn rope_forward_kernel<X: Float, W: Float, C: Float>(
    x: &Array<X>,
    weight: &Array<W>,
    cos: &Array<C>,
    sin: &Array<C>,
    out: &mut Array<X>,
    rows: usize,
    heads: usize,
    dim: usize,
    eps: f32,
    #[comptime] units: u32,
    #[define(X, W, C)] _types: [StorageType; 3],
) {
    let row = CUBE_POS;
    if row >= rows {
        terminate!();
    }
    let mut scratch = SharedMemory::<f32>::new(units as usize);
    let start = row * dim;
    let half = dim / 2;
    let angles = row / heads * half;
    let inverse = inverse_rms::<X>(x, start, dim, eps, &mut scratch, units);
    let mut i = UNIT_POS as usize;
    while i < half {
        let a = f32::cast_from(x[start + i]) * inverse * f32::cast_from(weight[i]);
        let b = f32::cast_from(x[start + half + i]) * inverse * f32::cast_from(weight[half + i]);
        let c = f32::cast_from(cos[angles + i]);
        let s = f32::cast_from(sin[angles + i]);
        out[start + i] = X::cast_from(a * c - b * s);
        out[start + half + i] = X::cast_from(b * c + a * s);
        i += units as usize;
    }
}

/// The gradient behind the normalisation at column `i` of a row: rotated back if there is a rotation.
#[cube]
fn incoming<X: Float, C: Float>(
    grad: &Array<X>,
    cos: &Array<C>,
    sin: &Array<C>,
    start: usize,
    angles: usize,
    i: usize,
    dim: usize,
    #[comptime] rotated: bool,
) -> f32 {
    let own = f32::cast_from(grad[start + i]);
    if rotated.comptime() {
        let half = dim / 2;
        if i < half {
            let other = f32::cast_from(grad[start + half + i]);
            own * f32::cast_from(cos[angles + i]) + other * f32::cast_from(sin[angles + i])
        } else {
            let at = angles + i - half;
            let other = f32::cast_from(grad[start + i - half]);
            own * f32::cast_from(cos[at]) - other * f32::cast_from(sin[at])
        }
    } else {
        own
    }
}

#[cube(launch, address_type = "dynamic")]
fn backward_kernel<X: Float, W: Float, C: Float>(
    x: &Array<X>,
    weight: &Array<W>,
    cos: &Array<C>,
    sin: &Array<C>,
    grad: &Array<X>,
    dx: &mut Array<X>,
    partial: &mut Array<f32>,
    rows: usize,
    heads: usize,
    dim: usize,
    rows_per_cube: usize,
    eps: f32,
    #[comptime] rotated: bool,
    #[comptime] units: u32,
    #[define(X, W, C)] _types: [StorageType; 3],
) {
    let first = CUBE_POS * rows_per_cube;
    if first >= rows {
        terminate!();
    }
    let mut scratch = SharedMemory::<f32>::new(units as usize);
    let sums = CUBE_POS * dim;
    let step = units as usize;
    let mut i = UNIT_POS as usize;
    while i < dim {
        partial[sums + i] = 0.0;
        i += step;
    }
    let mut row = first;
    while row < first + rows_per_cube && row < rows {
        let start = row * dim;
        let angles = row / heads * (dim / 2);
        let inverse = inverse_rms::<X>(x, start, dim, eps, &mut scratch, units);
        let mut product = 0.0f32;
        let mut i = UNIT_POS as usize;
        while i < dim {
            let g = incoming::<X, C>(grad, cos, sin, start, angles, i, dim, rotated);
            let normed = f32::cast_from(x[start + i]) * inverse;
            product += g * f32::cast_from(weight[i]) * normed;
            partial[sums + i] += g * normed;
            i += step;
        }
        let mean = cube_sum(product, &mut scratch) / f32::cast_from(dim as u32);
        let mut i = UNIT_POS as usize;
        while i < dim {
            let g = incoming::<X, C>(grad, cos, sin, start, angles, i, dim, rotated);
            let normed = f32::cast_from(x[start + i]) * inverse;
            let value = inverse * (g * f32::cast_from(weight[i]) - normed * mean);
            dx[start + i] = X::cast_from(value);
            i += step;
        }
        row += 1;
    }
}

/// Adds up the rows of `partial`, one unit for each column.
#[cube(launch, address_type = "dynamic")]
fn add_rows_kernel<W: Float>(
    partial: &Array<f32>,
    out: &mut Array<W>,
    rows: usize,
    dim: usize,
    #[define(W)] _type: StorageType,
) {
    let column = ABSOLUTE_POS;
    if column >= dim {
        terminate!();
    }
    let mut sum = 0.0f32;
    for row in 0..rows {
        sum += partial[row * dim + column];
    }
    out[column] = W::cast_from(sum);
}

/// Rows and columns of a tensor of rows.
fn sizes<R: CubeRuntime>(x: &CubeTensor<R>, weight: &CubeTensor<R>) -> (usize, usize) {
    let dim = weight.shape().num_elements();
    (x.shape().num_elements() / dim, dim)
}

/// [`LmOps::lm_rms_norm`](crate::LmOps::lm_rms_norm).
pub(super) fn rms_norm<R: CubeRuntime>(
    x: CubeTensor<R>,
    weight: CubeTensor<R>,
    eps: f64,
) -> CubeTensor<R> {
    let (x, weight) = (dense(x), dense(weight));
    let (rows, dim) = sizes(&x, &weight);
    let out = empty_like(&x);
    let types = [x.dtype.into(), weight.dtype.into()];
    forward_kernel::launch(
        &x.client.clone(),
        grid(&x, rows),
        units(),
        addresses(&[&x, &weight]),
        x.into_array_arg(),
        weight.into_array_arg(),
        out.clone().into_array_arg(),
        rows,
        dim,
        eps as f32,
        UNITS,
        types,
    );
    out
}

/// [`LmOps::lm_norm_rope`](crate::LmOps::lm_norm_rope).
pub(super) fn norm_rope<R: CubeRuntime>(
    [x, weight, cos, sin]: [CubeTensor<R>; 4],
    eps: f64,
) -> CubeTensor<R> {
    let [x, weight, cos, sin] = [x, weight, cos, sin].map(dense);
    let (rows, dim) = sizes(&x, &weight);
    let out = empty_like(&x);
    let types = [x.dtype.into(), weight.dtype.into(), cos.dtype.into()];
    rope_forward_kernel::launch(
        &x.client.clone(),
        grid(&x, rows),
        units(),
        addresses(&[&x, &weight, &cos]),
        x.clone().into_array_arg(),
        weight.into_array_arg(),
        cos.into_array_arg(),
        sin.into_array_arg(),
        out.clone().into_array_arg(),
        rows,
        x.shape()[1],
        dim,
        eps as f32,
        UNITS,
        types,
    );
    out
}

/// [`LmOps::lm_rms_norm_bwd`](crate::LmOps::lm_rms_norm_bwd), or with cosines and sines
/// [`LmOps::lm_norm_rope_bwd`](crate::LmOps::lm_norm_rope_bwd).
pub(super) fn backward<R: CubeRuntime>(
    [x, weight, grad]: [CubeTensor<R>; 3],
    angles: Option<[CubeTensor<R>; 2]>,
    eps: f64,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let [x, weight, grad] = [x, weight, grad].map(dense);
    let (rows, dim) = sizes(&x, &weight);
    let rotated = angles.is_some();
    let heads = if rotated { x.shape()[1] } else { 1 };
    // Without a rotation the kernel does not read them, but every argument of a launch must be given.
    let [cos, sin] = angles
        .unwrap_or([weight.clone(), weight.clone()])
        .map(dense);
    let cubes = rows.div_ceil(ROWS);
    let partial = empty(&x, Shape::new([cubes, dim]), DType::F32);
    let (dx, dweight) = (empty_like(&x), empty_like(&weight));
    let (client, weight_type) = (x.client.clone(), weight.dtype.into());
    backward_kernel::launch(
        &client,
        grid(&x, cubes),
        units(),
        addresses(&[&x, &weight, &cos, &partial]),
        x.clone().into_array_arg(),
        weight.clone().into_array_arg(),
        cos.clone().into_array_arg(),
        sin.into_array_arg(),
        grad.into_array_arg(),
        dx.clone().into_array_arg(),
        partial.clone().into_array_arg(),
        rows,
        heads,
        dim,
        ROWS,
        eps as f32,
        rotated,
        UNITS,
        [x.dtype.into(), weight_type, cos.dtype.into()],
    );
    add_rows_kernel::launch(
        &client,
        elementwise(&x, dim),
        units(),
        addresses(&[&partial]),
        partial.clone().into_array_arg(),
        dweight.clone().into_array_arg(),
        cubes,
        dim,
        weight_type,
    );
    (dx, dweight)
}

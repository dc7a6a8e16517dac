//! The gradient of the embedding table.
//!
//! Every position finds the next one with the same token id; then the first position of each id adds up the gradients
//! along this chain and writes the row. Nothing is added atomically, so the order of the sum is that of the positions.

use burn::tensor::{DType, Shape, Tensor, TensorMetadata, backend::Backend};
use burn_cubecl::{CubeRuntime, cubecl, tensor::CubeTensor};
use cubecl::prelude::*;

use super::launch::{addresses, dense, elementwise, empty, grid, owned, units};
use crate::convert::{primitive, tensor};

/// For each position the next one with the same token id, or the number of positions if there is none; and whether none
/// came before.
#[cube(launch, address_type = "dynamic")]
fn chain_kernel<I: Int>(
    ids: &Array<I>,
    next: &mut Array<u32>,
    is_first: &mut Array<u32>,
    tokens: usize,
    #[define(I)] _int: StorageType,
) {
    let token = ABSOLUTE_POS;
    if token >= tokens {
        terminate!();
    }
    let id = ids[token];
    let mut other = token + 1;
    while other < tokens && ids[other] != id {
        other += 1;
    }
    next[token] = other as u32;
    let mut before = token;
    while before > 0 && ids[before - 1] != id {
        before -= 1;
    }
    let mut first = 0u32;
    if before == 0 {
        first = 1u32;
    }
    is_first[token] = first;
}

/// One cube for each position; those that are not the first of their id have nothing to do.
#[cube(launch, address_type = "dynamic")]
fn sum_kernel<I: Int, G: Float>(
    ids: &Array<I>,
    next: &Array<u32>,
    is_first: &Array<u32>,
    grad: &Array<G>,
    table: &mut Array<G>,
    tokens: usize,
    width: usize,
    #[define(I, G)] _types: [StorageType; 2],
) {
    let token = CUBE_POS;
    if token >= tokens {
        terminate!();
    }
    if is_first[token] == 0 {
        terminate!();
    }
    let row = u32::cast_from(ids[token]) as usize;
    let mut column = UNIT_POS as usize;
    while column < width {
        let mut sum = 0.0f32;
        let mut at = token;
        while at < tokens {
            sum += f32::cast_from(grad[at * width + column]);
            at = next[at] as usize;
        }
        table[row * width + column] = G::cast_from(sum);
        column += CUBE_DIM as usize;
    }
}

/// [`LmOps::lm_embedding_bwd`](crate::LmOps::lm_embedding_bwd) of at least one token.
pub(super) fn embedding_bwd<B, R>(
    ids: CubeTensor<R>,
    vocab: usize,
    grad: CubeTensor<R>,
) -> CubeTensor<R>
where
    R: CubeRuntime,
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    let (ids, grad) = (dense(ids), dense(grad));
    let [tokens, width] = grad.shape().dims();
    let device = tensor::<B, 2>(grad.clone()).device();
    let table = Tensor::<B, 2>::zeros([vocab, width], (&device, grad.dtype));
    // The zeros may be a view of one zero.
    let table = owned(primitive(table));
    let column = || empty(&grad, Shape::new([tokens]), DType::U32);
    let (next, is_first) = (column(), column());
    chain_kernel::launch(
        &grad.client,
        elementwise(&grad, tokens),
        units(),
        addresses(&[&ids, &next]),
        ids.clone().into_array_arg(),
        next.clone().into_array_arg(),
        is_first.clone().into_array_arg(),
        tokens,
        ids.dtype.into(),
    );
    let types = [ids.dtype.into(), grad.dtype.into()];
    sum_kernel::launch(
        &grad.client,
        grid(&grad, tokens),
        units(),
        addresses(&[&grad, &table]),
        ids.into_array_arg(),
        next.into_array_arg(),
        is_first.into_array_arg(),
        grad.clone().into_array_arg(),
        table.clone().into_array_arg(),
        tokens,
        width,
        types,
    );
    table
}

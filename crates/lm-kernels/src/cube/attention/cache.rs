//! Writing new keys and values into their slots.

use burn::tensor::TensorMetadata;
use burn_cubecl::{CubeRuntime, cubecl, tensor::CubeTensor};
use cubecl::prelude::*;

use super::super::launch::{addresses, dense, elementwise, owned, table, units};
use crate::types::CacheRow;

/// Copies every row of `new` to the row of `cache` that `places` names, one unit for each number.
#[cube(launch, address_type = "dynamic")]
fn write_kernel<C: Float, X: Float>(
    cache: &mut Array<C>,
    new: &Array<X>,
    places: &Array<u32>,
    elements: usize,
    width: usize,
    #[define(C, X)] _types: [StorageType; 2],
) {
    let i = ABSOLUTE_POS;
    if i >= elements {
        terminate!();
    }
    let row = i / width;
    let place = places[row] as usize;
    cache[place * width + i - row * width] = C::cast_from(new[i]);
}

/// Half of a cache with the new rows in their places; the same buffer if nobody else holds it.
pub(super) fn write<R: CubeRuntime>(
    half: CubeTensor<R>,
    new: CubeTensor<R>,
    rows: &[CacheRow],
) -> CubeTensor<R> {
    let (half, new) = (owned(half), dense(new));
    let (capacity, width) = (half.shape()[1], half.shape()[2] * half.shape()[3]);
    let places = |row: &CacheRow| {
        let first = row.slot * capacity + row.start;
        (first..first + row.len).map(|place| place as u32)
    };
    let places: Vec<u32> = rows.iter().flat_map(places).collect();
    let elements = new.shape().num_elements();
    let types = [half.dtype.into(), new.dtype.into()];
    write_kernel::launch(
        &half.client,
        elementwise(&half, elements),
        units(),
        addresses(&[&half, &new]),
        half.clone().into_array_arg(),
        new.into_array_arg(),
        table(&half, &places).into_array_arg(),
        elements,
        width,
        types,
    );
    half
}

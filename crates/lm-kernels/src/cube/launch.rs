//! What every launch needs: dense inputs, new outputs, the grid, and the types that the kernels take.

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::cubecl::prelude::{AddressType, CubeCount, CubeDim};
use burn_cubecl::cubecl::server::CubeCountSelection;
use burn_cubecl::{CubeRuntime, kernel::into_contiguous, tensor::CubeTensor};

/// Units of a cube that reduces one row; a power of two, and one that every Vulkan device allows.
pub(super) const UNITS: u32 = 128;

/// Whether the kernels take all these tensors. They compute in single precision, so a tensor in double precision is
/// left to the default body.
pub(super) fn taken<R: CubeRuntime>(tensors: &[&CubeTensor<R>]) -> bool {
    let narrow = |x: &&CubeTensor<R>| matches!(x.dtype, DType::F32 | DType::F16 | DType::BF16);
    tensors.iter().all(narrow) && tensors.iter().all(|x| x.meta.num_elements() > 0)
}

/// The tensor with its elements one after the other.
pub(super) fn dense<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    into_contiguous(x)
}

/// A dense tensor that may be written: the same buffer if nobody else holds it, a copy otherwise.
pub(super) fn owned<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    let x = dense(x);
    if x.can_mut() { x } else { dense(x.copy()) }
}

/// A dense tensor with undefined elements, on the device of `like`.
pub(super) fn empty<R: CubeRuntime>(
    like: &CubeTensor<R>,
    shape: Shape,
    dtype: DType,
) -> CubeTensor<R> {
    let handle = like.client.empty(shape.num_elements() * dtype.size());
    let (client, device) = (like.client.clone(), like.device.clone());
    CubeTensor::new_contiguous(client, device, shape, handle, dtype)
}

/// A dense tensor with undefined elements, of the shape and type of `like`.
pub(super) fn empty_like<R: CubeRuntime>(like: &CubeTensor<R>) -> CubeTensor<R> {
    empty(like, like.shape(), like.dtype)
}

/// A one-dimensional table of numbers for a kernel.
pub(super) fn table<R: CubeRuntime>(like: &CubeTensor<R>, values: &[u32]) -> CubeTensor<R> {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_ne_bytes()).collect();
    let handle = like.client.create_from_slice(&bytes);
    let (client, device) = (like.client.clone(), like.device.clone());
    CubeTensor::new_contiguous(
        client,
        device,
        Shape::new([values.len()]),
        handle,
        DType::U32,
    )
}

/// A grid of at least `cubes` cubes. It may have some more, whose position the kernel has to compare.
pub(super) fn grid<R: CubeRuntime>(like: &CubeTensor<R>, cubes: usize) -> CubeCount {
    let cubes = u32::try_from(cubes).expect("fewer cubes than 2^32");
    CubeCountSelection::new(&like.client, cubes).cube_count()
}

/// The grid for one unit per element, with cubes of [`UNITS`].
pub(super) fn elementwise<R: CubeRuntime>(like: &CubeTensor<R>, elements: usize) -> CubeCount {
    grid(like, elements.div_ceil(UNITS as usize))
}

/// A row of [`UNITS`].
pub(super) fn units() -> CubeDim {
    CubeDim::new_1d(UNITS)
}

/// The integers that address the largest of the tensors.
pub(super) fn addresses<R: CubeRuntime>(tensors: &[&CubeTensor<R>]) -> AddressType {
    let sizes = tensors.iter().map(|x| x.required_address_type());
    sizes.max().unwrap_or_default()
}

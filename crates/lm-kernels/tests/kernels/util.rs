//! Backends, seeded tensors and comparison shared by the tests.

use burn::{
    backend::Autodiff,
    tensor::{Int, Tensor, TensorData},
};

pub(crate) use crate::Fast;

/// The same under autodiff.
pub(crate) type Grad = Autodiff<Fast>;

/// Values in `[-1, 1)` from a seeded generator (splitmix64).
pub(crate) fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A seeded tensor with values in `[-1, 1)`.
pub(crate) fn random<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<Fast, D> {
    let data = TensorData::new(values(seed, shape.iter().product()), shape);
    Tensor::from_data(data, &Default::default())
}

/// A leaf of the autodiff graph with the given value.
pub(crate) fn leaf<const D: usize>(value: &Tensor<Fast, D>) -> Tensor<Grad, D> {
    Tensor::from_inner(value.clone()).require_grad()
}

/// A leaf without gradient.
pub(crate) fn frozen<const D: usize>(value: &Tensor<Fast, D>) -> Tensor<Grad, D> {
    Tensor::from_inner(value.clone())
}

/// Seeded token numbers below `below`.
pub(crate) fn tokens(seed: u64, count: usize, below: usize) -> Vec<i32> {
    let scale = |x: f32| ((x + 1.0) * 0.5 * below as f32) as i32;
    values(seed, count).into_iter().map(scale).collect()
}

/// An integer tensor on either backend, whose integers are the same.
pub(crate) fn int_tensor<B: burn::tensor::backend::Backend>(values: &[i32]) -> Tensor<B, 1, Int> {
    Tensor::from_data(TensorData::from(values), &Default::default())
}

/// The values of a tensor.
pub(crate) fn read<const D: usize>(x: &Tensor<Fast, D>) -> Vec<f32> {
    x.to_data().to_vec().expect("a float tensor")
}

/// Where the values of a tensor lie in memory.
#[cfg(not(any(feature = "libtorch", feature = "vulkan")))]
pub(crate) fn address<const D: usize>(x: &Tensor<Fast, D>) -> usize {
    x.clone().into_primitive().tensor().bytes().as_ptr() as usize
}

/// Where the values of a tensor lie in memory.
#[cfg(all(feature = "libtorch", not(feature = "vulkan")))]
pub(crate) fn address<const D: usize>(x: &Tensor<Fast, D>) -> usize {
    x.clone().into_primitive().tensor().tensor.data_ptr() as usize
}

/// Asserts that two tensors agree to `1e-4` of the larger of 1 and their largest value.
#[track_caller]
pub(crate) fn close<const D: usize>(
    what: &str,
    found: &Tensor<Fast, D>,
    expected: &Tensor<Fast, D>,
) {
    assert_eq!(found.dims(), expected.dims(), "{what}: shape");
    close_values(what, &read(found), &read(expected));
}

/// [`close`] for plain values.
#[track_caller]
pub(crate) fn close_values(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}: count");
    let size = expected.iter().fold(1.0_f32, |size, x| size.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        // Written so that a NaN fails.
        let near = (found - expected).abs() <= 1e-4 * size;
        assert!(near, "{what}[{i}]: expected {expected}, found {found}");
    }
}

/// The gradients of `Σ output · seeded weights` with respect to the leaves that have one.
pub(crate) fn gradients<const D: usize>(
    output: Tensor<Grad, D>,
    leaves: &[&dyn Leaf],
) -> Vec<Option<Vec<f32>>> {
    let weights = Tensor::from_inner(random(99, output.dims()));
    let grads = (output * weights).sum().backward();
    leaves.iter().map(|leaf| leaf.gradient(&grads)).collect()
}

/// A leaf of any rank.
pub(crate) trait Leaf {
    /// Its gradient, if it was reached.
    fn gradient(
        &self,
        grads: &<Grad as burn::tensor::backend::AutodiffBackend>::Gradients,
    ) -> Option<Vec<f32>>;
}

impl<const D: usize> Leaf for Tensor<Grad, D> {
    fn gradient(
        &self,
        grads: &<Grad as burn::tensor::backend::AutodiffBackend>::Gradients,
    ) -> Option<Vec<f32>> {
        self.grad(grads).map(|grad| {
            assert_eq!(grad.dims(), self.dims(), "shape of a gradient");
            read(&grad)
        })
    }
}

/// Asserts that two lists of gradients agree.
#[track_caller]
pub(crate) fn close_gradients(
    what: &str,
    found: &[Option<Vec<f32>>],
    expected: &[Option<Vec<f32>>],
) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let (Some(found), Some(expected)) = (found, expected) else {
            panic!("{what}: gradient {i} is missing");
        };
        close_values(&format!("{what}: gradient {i}"), found, expected);
    }
}

//! A layer of a transformer by hand: normalisation, a product and attention over two sequences, with gradients.
//!
//! `cargo run --release -p lm-kernels --example gradients`

use burn::backend::{Autodiff, Flex};
use burn::tensor::{Distribution, Tensor};
use lm_kernels::{SeqBounds, TrainBackend, ops};

/// Width of the hidden states, and of the one attention head.
const WIDTH: usize = 8;

/// The sum of what the layer gives for `x [T, WIDTH]`.
fn layer<B: TrainBackend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    bounds: &SeqBounds,
) -> Tensor<B, 1> {
    let [tokens, _] = x.dims();
    let ones = Tensor::ones([WIDTH], &x.device());
    let projected = ops::linear(ops::rms_norm(x, ones, 1e-6), weight);
    let heads = projected.reshape([tokens, 1, WIDTH]);
    let scale = 1.0 / (WIDTH as f64).sqrt();
    ops::attention(heads.clone(), heads.clone(), heads, bounds, scale).sum()
}

/// The gradient of a weight by the kernels, and by a difference of two sums, at one element.
pub(crate) fn run() -> (f32, f32) {
    type B = Autodiff<Flex>;
    let device = Default::default();
    // Sequences of three and two tokens lie end to end, without padding.
    let bounds = SeqBounds::from_lengths(&[3, 2]);
    let x = Tensor::<B, 2>::random([5, WIDTH], Distribution::Default, &device);
    let weight = Tensor::<B, 2>::random([WIDTH, WIDTH], Distribution::Default, &device);
    let leaf = weight.clone().detach().require_grad();
    let gradients = layer(x.clone(), leaf.clone(), &bounds).backward();
    let gradient = leaf
        .grad(&gradients)
        .expect("the weight has a part in the sum");

    let step = 1e-2;
    let at = |change: f32| {
        let corner = weight.clone().slice([0..1, 0..1]) + change;
        let changed = weight.clone().slice_assign([0..1, 0..1], corner);
        layer(x.clone(), changed, &bounds).into_scalar()
    };
    let difference = (at(step) - at(-step)) / (2.0 * step);
    (gradient.slice([0..1, 0..1]).into_scalar(), difference)
}

pub(crate) fn main() {
    let (gradient, difference) = run();
    println!("gradient {gradient:.4}, difference {difference:.4}");
}

//! Values at the edge of what a model can produce: huge logits and scores, rows of zeros.

use burn::tensor::Tensor;
use lm_kernels::{SeqBounds, ops, reference};

use crate::util::{
    Fast, Grad, close, close_gradients, close_values, gradients, int_tensor, leaf, random, read,
};

#[test]
fn logits_of_ten_thousand() {
    let device = Default::default();
    // Logits (1e4, −1e4, 0), (−1e4, 1e4, 0) and, from a row of zeros, (0, 0, 0).
    let x = Tensor::<Fast, 2>::from_floats([[1e4], [-1e4], [0.0]], &device);
    let w = Tensor::<Fast, 2>::from_floats([[1.0], [-1.0], [0.0]], &device);
    let targets = int_tensor::<Fast>(&[0, 0, 2]);
    let found = ops::linear_log_probs(x.clone(), w.clone(), targets, 1.0);
    let third = -(3.0_f32.ln());
    close_values("log_probs", &read(&found.log_probs), &[0.0, -2e4, third]);
    close_values("entropy", &read(&found.entropy), &[0.0, 0.0, -third]);
    let targets = int_tensor::<Grad>(&[0, 0, 2]);
    let (a, b) = (leaf(&x), leaf(&w));
    let out = ops::linear_log_probs(a.clone(), b.clone(), targets.clone(), 1.0);
    let found = gradients(out.log_probs, &[&a, &b]);
    let (a, b) = (leaf(&x), leaf(&w));
    let [out, _, _] = reference::linear_log_probs(a.clone(), b.clone(), targets, 1.0);
    close_gradients("log_probs", &found, &gradients(out, &[&a, &b]));
}

#[test]
fn scores_of_ten_thousand_and_zero_rows() {
    let bounds = SeqBounds::from_lengths(&[3, 40]);
    let zeros = Tensor::zeros([1, 2, 8], &Default::default());
    let with_zeros =
        |seed, scale| Tensor::cat(vec![random(seed, [42, 2, 8]) * scale, zeros.clone()], 0);
    let (q, k, v) = (with_zeros(1, 60.0), with_zeros(2, 60.0), with_zeros(3, 1.0));
    let run = |attention: fn([Tensor<Grad, 3>; 3], &SeqBounds) -> Tensor<Grad, 3>| {
        let leaves = [leaf(&q), leaf(&k), leaf(&v)];
        let out = attention(leaves.clone(), &bounds);
        let value = out.clone().inner();
        let [a, b, c] = &leaves;
        (value, gradients(out, &[a, b, c]))
    };
    let found = run(|[q, k, v], bounds| ops::attention(q, k, v, bounds, 1.0));
    let expected = run(|[q, k, v], bounds| reference::attention(q, k, v, bounds, 1.0).0);
    close("attention", &found.0, &expected.0);
    close_gradients("attention", &found.1, &expected.1);
}

#[test]
fn norm_of_zeros() {
    let (x, w) = (Tensor::zeros([2, 5], &Default::default()), random(1, [5]));
    let (a, b) = (leaf(&x), leaf(&w));
    let out = ops::rms_norm(a.clone(), b.clone(), 1e-6);
    close("rms_norm", &out.clone().inner(), &x);
    let found = gradients(out, &[&a, &b]);
    let (a, b) = (leaf(&x), leaf(&w));
    let expected = gradients(reference::rms_norm(a.clone(), b.clone(), 1e-6), &[&a, &b]);
    close_gradients("rms_norm", &found, &expected);
}

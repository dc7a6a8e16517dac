//! Values at the ends of what occurs, and every size of a group of heads.

use burn::tensor::Tensor;
use lm_kernels::{SeqBounds, ops, reference};

use crate::util::{
    Fast, Grad, close, close_gradients, gradients, int_tensor, leaf, random, read, tokens,
};

#[test]
fn groups_of_one_to_eight_heads() {
    let lengths = [1, 2, 17, 1];
    let bounds = SeqBounds::from_lengths(&lengths);
    let total = bounds.total();
    for per_group in 1..=8 {
        let q = random(31, [total, per_group, 6]) * 2.0;
        let (k, v) = (random(32, [total, 1, 6]) * 2.0, random(33, [total, 1, 6]));
        compare_attention(&format!("groups of {per_group}"), [q, k, v], &bounds);
    }
}

#[test]
fn scores_of_ten_thousand_and_zero_rows() {
    let bounds = SeqBounds::from_lengths(&[33, 1, 2]);
    let total = bounds.total();
    // Whole numbers, so that the scores are the same in every order of the sums; an exponential would show the last bit
    // of a score of this size.
    let whole = |seed| (random(seed, [total, 2, 6]) * 100.0).round();
    let (q, k, v) = (whole(34), whole(35), random(36, [total, 2, 6]));
    let qkv = [q.clone(), k.clone(), v.clone()];
    compare_attention("large scores", qkv, &bounds);
    compare_attention("zero queries", [q.zeros_like(), k, v], &bounds);
}

/// Output and gradients against those of the default body.
fn compare_attention(what: &str, qkv: [Tensor<Fast, 3>; 3], bounds: &SeqBounds) {
    let leaves = qkv.each_ref().map(leaf);
    let [q, k, v] = leaves.clone();
    let out = ops::attention(q, k, v, bounds, 0.5);
    let [q, k, v] = qkv.clone();
    let (expected, lse) = reference::attention(q, k, v, bounds, 0.5);
    close(what, &out.clone().inner(), &expected);
    let grad = random(99, expected.dims());
    let found = gradients(out, &[&leaves[0], &leaves[1], &leaves[2]]);
    let saved = reference::SavedAttention {
        qkv,
        out: expected,
        lse,
    };
    let expected = reference::attention_bwd(saved, bounds, 0.5, grad);
    let expected: Vec<_> = expected.iter().map(|x| Some(read(x))).collect();
    close_gradients(what, &found, &expected);
}

#[test]
fn logits_of_ten_thousand() {
    let (rows, dim, vocab) = (3, 4, 300);
    let (x, w) = (
        random(41, [rows, dim]) * 100.0,
        random(42, [vocab, dim]) * 100.0,
    );
    let x = Tensor::cat(vec![x, Tensor::zeros([1, dim], &Default::default())], 0);
    let ids = tokens(43, rows + 1, vocab);
    let (a, b) = (leaf(&x), leaf(&w));
    let found = ops::linear_log_probs(a.clone(), b.clone(), int_tensor::<Grad>(&ids), 1.0);
    let (c, d) = (leaf(&x), leaf(&w));
    let [log_probs, entropy, _] =
        reference::linear_log_probs(c.clone(), d.clone(), int_tensor::<Grad>(&ids), 1.0);
    close(
        "log_probs",
        &found.log_probs.clone().inner(),
        &log_probs.clone().inner(),
    );
    close("entropy", &found.entropy.inner(), &entropy.inner());
    close_gradients(
        "log_probs",
        &gradients(found.log_probs, &[&a, &b]),
        &gradients(log_probs, &[&c, &d]),
    );
}

#[test]
fn rows_of_zeros_and_of_ten_thousand() {
    let zeros = Tensor::<Fast, 2>::zeros([1, 40], &Default::default());
    let x = Tensor::cat(vec![random(51, [2, 40]) * 1e4, zeros], 0);
    let w = random(52, [40]);
    let (a, b) = (leaf(&x), leaf(&w));
    let found = ops::rms_norm(a.clone(), b.clone(), 1e-6);
    let (c, d) = (leaf(&x), leaf(&w));
    let expected = reference::rms_norm(c.clone(), d.clone(), 1e-6);
    close(
        "rms_norm",
        &found.clone().inner(),
        &expected.clone().inner(),
    );
    let (found, expected) = (gradients(found, &[&a, &b]), gradients(expected, &[&c, &d]));
    close_gradients("rms_norm", &found, &expected);

    let (a, b) = (leaf(&x), leaf(&x));
    let found = ops::swiglu(a.clone(), b.clone());
    let (c, d) = (leaf(&x), leaf(&x));
    let expected = reference::swiglu(c.clone(), d.clone());
    close("swiglu", &found.clone().inner(), &expected.clone().inner());
    let (found, expected) = (gradients(found, &[&a, &b]), gradients(expected, &[&c, &d]));
    close_gradients("swiglu", &found, &expected);
}

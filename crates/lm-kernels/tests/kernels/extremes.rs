//! Values at the borders of what a model can meet (huge logits, rows of zeros), and every size of a group of heads.

use burn::tensor::Tensor;
use lm_kernels::{Needs, SeqBounds, ops, reference};

use crate::util::{
    Fast, Grad, close, close_gradients, close_values, frozen, gradients, int_tensor, leaf, random,
    read, tokens,
};

#[test]
fn logits_of_ten_thousand_give_finite_log_probs_and_gradients() {
    let (rows, dim, vocab) = (5, 4, 37);
    for size in [1e4_f64, -1e4] {
        let (x, w) = (random(1, [rows, dim]) * size, random(2, [vocab, dim]));
        let ids = tokens(3, rows, vocab);
        let (a, b) = (leaf(&x), leaf(&w));
        let scored = ops::linear_log_probs(a.clone(), b.clone(), int_tensor(&ids), 1.0);
        let (log_probs, entropies) = (
            read(&scored.log_probs.clone().inner()),
            read(&scored.entropy.clone().inner()),
        );
        let expected =
            reference::linear_log_probs::<Fast>(x.clone(), w.clone(), int_tensor(&ids), 1.0);
        close_values("log-probabilities", &log_probs, &read(&expected[0]));
        close_values("entropies", &entropies, &read(&expected[1]));
        assert!(log_probs.iter().all(|p| p.is_finite() && *p <= 0.0));
        assert!(
            log_probs.iter().any(|p| *p < -1e3),
            "none of the logits is far from the largest"
        );
        let found = gradients(scored.log_probs, &[&a, &b]);
        let (a, b) = (leaf(&x), leaf(&w));
        let [log_probs, ..] =
            reference::linear_log_probs::<Grad>(a.clone(), b.clone(), int_tensor(&ids), 1.0);
        close_gradients("huge logits", &found, &gradients(log_probs, &[&a, &b]));
    }
}

type Gradients = Vec<Option<Vec<f32>>>;

/// Output and gradients of the operation and of its default body with queries of this size.
fn attention(size: f64) -> [(Vec<f32>, Gradients); 2] {
    let bounds = SeqBounds::from_lengths(&[1, 6]);
    let [q, k, v] = [1, 2, 3].map(|seed| random(seed, [7, 2, 8]));
    let leaves = || [leaf(&(q.clone() * size)), leaf(&k), leaf(&v)];
    let result = |out: Tensor<Grad, 3>, leaves: &[Tensor<Grad, 3>; 3]| {
        let [a, b, c] = leaves;
        (read(&out.clone().inner()), gradients(out, &[a, b, c]))
    };
    let (found, expected) = (leaves(), leaves());
    let [a, b, c] = found.clone();
    let out = ops::attention(a, b, c, &bounds, 1.0);
    let [a, b, c] = expected.clone();
    let (by_default, _) = reference::attention(a, b, c, &bounds, 1.0);
    [result(out, &found), result(by_default, &expected)]
}

#[test]
fn large_attention_scores_choose_one_key() {
    let [(out, found), (expected_out, expected)] = attention(300.0);
    close_values("large scores", &out, &expected_out);
    // The gradient of a key is a sum of queries, of which rounding leaves a part: it is measured by their size.
    let scaled = |mut gradients: Gradients| {
        let keys = gradients[1].iter_mut().flatten();
        keys.for_each(|x| *x /= 300.0);
        gradients
    };
    close_gradients("large scores", &scaled(found), &scaled(expected));
}

#[test]
fn scores_of_ten_thousand_stay_finite() {
    // Two neighbouring numbers of this size are a thousandth apart, and so are probabilities that are rebuilt from
    // them.
    let [(out, found), (expected_out, _)] = attention(1e4);
    close_values("huge scores", &out, &expected_out);
    let all = found.iter().flatten().flatten();
    assert!(found.iter().all(Option::is_some) && all.into_iter().all(|x| x.is_finite()));
}

#[test]
fn rows_of_zeros_stay_zero_and_have_finite_gradients() {
    let (x, w) = (
        Tensor::<Fast, 2>::zeros([3, 20], &Default::default()),
        random(1, [20]),
    );
    let (a, b) = (leaf(&x), leaf(&w));
    let out = ops::rms_norm(a.clone(), b.clone(), 1e-6);
    assert!(read(&out.clone().inner()).iter().all(|x| *x == 0.0));
    let found = gradients(out, &[&a, &b]);
    let (a, b) = (leaf(&x), leaf(&w));
    let out = reference::rms_norm(a.clone(), b.clone(), 1e-6);
    close_gradients("rows of zeros", &found, &gradients(out, &[&a, &b]));
}

#[test]
fn no_tokens_give_nothing() {
    let empty = |shape: [usize; 2]| Tensor::<Fast, 2>::zeros(shape, &Default::default());
    let weight = frozen(&random(1, [5, 8]));
    let x = leaf(&empty([0, 8]));
    assert_eq!(ops::linear(x.clone(), weight.clone()).dims(), [0, 5]);
    let scored = ops::linear_log_probs(x, weight, int_tensor(&[]), 1.0);
    assert_eq!(scored.log_probs.dims(), [0]);
    let (x, weight) = (empty([0, 8]), random(1, [5, 8]));
    let no_grad = Tensor::<Fast, 1>::zeros([0], &Default::default());
    let (scored, grads) =
        ops::linear_log_probs_with_grads(x, weight, int_tensor(&[]), 1.0, no_grad, Needs::BOTH);
    assert_eq!(scored.log_probs.dims(), [0]);
    assert_eq!(grads.x.expect("asked for").dims(), [0, 8]);
    assert_eq!(read(&grads.weight.expect("asked for")), [0.0; 40]);
    assert_eq!(ops::swiglu(empty([0, 3]), empty([0, 3])).dims(), [0, 3]);
}

#[test]
fn logits_of_ten_thousand_by_hand() {
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
fn large_scores_beside_rows_of_zeros() {
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
fn large_scores_and_queries_of_zeros() {
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

//! Values at the borders of what a model can meet: huge logits, rows of zeros.

use burn::tensor::Tensor;
use lm_kernels::{SeqBounds, ops, reference};

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

#[test]
fn attention_scores_of_ten_thousand_choose_one_key() {
    let bounds = SeqBounds::from_lengths(&[1, 6]);
    let [q, k, v] = [1, 2, 3].map(|seed| random(seed, [7, 2, 8]));
    let size = 1e4;
    let q = q * size;
    let (a, b, c) = (leaf(&q), leaf(&k), leaf(&v));
    let out = ops::attention(a.clone(), b.clone(), c.clone(), &bounds, 1.0);
    let (expected, _) = reference::attention(q.clone(), k.clone(), v.clone(), &bounds, 1.0);
    close("huge scores", &out.clone().inner(), &expected);
    let found = gradients(out, &[&a, &b, &c]);
    let (a, b, c) = (leaf(&q), leaf(&k), leaf(&v));
    let (out, _) = reference::attention(a.clone(), b.clone(), c.clone(), &bounds, 1.0);
    let expected = gradients(out, &[&a, &b, &c]);
    // The gradient of a key is a sum of queries, of which rounding leaves a part: it is measured by their size.
    let scaled = |mut gradients: Vec<Option<Vec<f32>>>| {
        let keys = gradients[1].iter_mut().flatten();
        keys.for_each(|x| *x /= size as f32);
        gradients
    };
    close_gradients("huge scores", &scaled(found), &scaled(expected));
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
    assert_eq!(ops::swiglu(empty([0, 3]), empty([0, 3])).dims(), [0, 3]);
}

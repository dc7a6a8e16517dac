//! Linear layers, embeddings and log-probabilities.

use burn::tensor::{Tensor, TensorPrimitive};
use lm_kernels::{LmOps, LogProbsGrad, LogitsLeft, Needs, ops, reference};

use crate::util::{
    Fast, Grad, close, close_gradients, close_values, frozen, gradients, int_tensor, leaf, random,
    read, tokens,
};

#[test]
fn linear_matches_the_default_body_and_its_gradients() {
    for [rows, inputs, outputs] in [
        [1, 1, 1],
        [1, 7, 3],
        [2, 16, 300],
        [5, 3, 2],
        // Skinny products: one group of lanes, a full one and a small one, and the largest number of rows.
        [8, 32, 50],
        [9, 5, 97],
        [21, 40, 49],
        [64, 17, 13],
        [65, 17, 13],
        [130, 33, 17],
        [512, 128, 384],
    ] {
        let (x, w) = (random(1, [rows, inputs]), random(2, [outputs, inputs]));
        let what = format!("linear [{rows}, {inputs}] -> {outputs}");
        close(
            &what,
            &ops::linear(x.clone(), w.clone()),
            &reference::linear(x.clone(), w.clone()),
        );
        let (a, b) = (leaf(&x), leaf(&w));
        let found = gradients(ops::linear(a.clone(), b.clone()), &[&a, &b]);
        let (a, b) = (leaf(&x), leaf(&w));
        let expected = gradients(reference::linear(a.clone(), b.clone()), &[&a, &b]);
        close_gradients(&what, &found, &expected);
    }
}

#[cfg(not(any(feature = "libtorch", feature = "vulkan")))]
/// A row gives the same bits whatever lies beside it, so that a sequence does not depend on its neighbours while it is
/// generated.
#[test]
fn a_row_does_not_depend_on_the_other_rows() {
    let (x, w) = (random(1, [64, 300]), random(2, [70, 300]));
    for w in [w.clone(), w.cast(burn::tensor::DType::BF16)] {
        let all = ops::linear(x.clone(), w.clone());
        for rows in [1, 2, 7, 8, 9, 16, 17, 40] {
            let some = ops::linear(x.clone().narrow(0, 0, rows), w.clone());
            assert_eq!(
                read(&some),
                read(&all.clone().narrow(0, 0, rows)),
                "{rows} rows"
            );
        }
    }
}

#[test]
fn a_frozen_weight_gets_no_gradient_and_the_input_still_does() {
    let (x, w) = (leaf(&random(1, [4, 3])), frozen(&random(2, [5, 3])));
    let found = gradients(ops::linear(x.clone(), w.clone()), &[&x, &w]);
    assert!(found[0].is_some() && found[1].is_none());
    let (x, w) = (frozen(&random(1, [4, 3])), leaf(&random(2, [5, 3])));
    let found = gradients(ops::linear(x.clone(), w.clone()), &[&x, &w]);
    assert!(found[0].is_none() && found[1].is_some());
}

#[cfg(not(feature = "vulkan"))]
#[test]
fn a_narrow_weight_gives_what_its_widened_values_give() {
    for [rows, inputs, outputs] in [[1, 7, 3], [2, 16, 700], [3, 33, 256], [140, 64, 1029]] {
        let (x, w) = (random(5, [rows, inputs]), random(6, [outputs, inputs]));
        let narrow = w.cast(burn::tensor::DType::BF16);
        let wide = narrow.clone().cast(burn::tensor::DType::F32);
        let what = format!("narrow weight [{rows}, {inputs}] -> {outputs}");
        for linear in [ops::linear::<Grad>, reference::linear::<Grad>] {
            let (a, b) = (leaf(&x), frozen(&narrow));
            let out = linear(a.clone(), b.clone());
            let expected_out = ops::linear(x.clone(), wide.clone());
            close(&what, &out.clone().inner(), &expected_out);
            let found = gradients(out, &[&a]);
            let c = leaf(&x);
            let expected = gradients(ops::linear(c.clone(), frozen(&wide)), &[&c]);
            close_gradients(&what, &found, &expected);
        }
        let ids = tokens(7, 5, outputs);
        close(
            &what,
            &ops::embedding(narrow.clone(), int_tensor(&ids)).cast(burn::tensor::DType::F32),
            &ops::embedding(wide.clone(), int_tensor(&ids)),
        );
        let targets = tokens(8, rows, outputs);
        let log_probs = |weight: &Tensor<Fast, 2>| {
            let a = leaf(&x);
            let scored =
                ops::linear_log_probs(a.clone(), frozen(weight), int_tensor(&targets), 0.7);
            let values = read(&scored.log_probs.clone().inner());
            (values, gradients(scored.log_probs, &[&a]))
        };
        let (found, expected) = (log_probs(&narrow), log_probs(&wide));
        close_values(&what, &found.0, &expected.0);
        close_gradients(&what, &found.1, &expected.1);
    }
}

#[cfg(not(any(feature = "libtorch", feature = "vulkan")))]
#[test]
fn a_row_does_not_depend_on_its_neighbours_with_a_narrow_weight() {
    let x = random(3, [150, 128]);
    for outputs in [3, 130, 600] {
        let w = random(4, [outputs, 128]).cast(burn::tensor::DType::BF16);
        let all = read(&ops::linear(x.clone(), w.clone()));
        for rows in [1, 2, 5, 65] {
            let some = read(&ops::linear(x.clone().narrow(0, 0, rows), w.clone()));
            assert_eq!(
                some,
                all[..rows * outputs],
                "{rows} rows, {outputs} outputs"
            );
        }
    }
}

#[cfg(not(any(feature = "libtorch", feature = "vulkan")))]
#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    // Continuous batching relies on it: bit for bit, for every number of rows.
    for outputs in [3, 64, 130] {
        let (x, w) = (random(3, [150, 128]), random(4, [outputs, 128]));
        let all = read(&ops::linear(x.clone(), w.clone()));
        for rows in [1, 2, 3, 5, 8, 64, 65] {
            let some = read(&ops::linear(x.clone().narrow(0, 0, rows), w.clone()));
            assert_eq!(
                some,
                all[..rows * outputs],
                "{rows} rows of {outputs} outputs"
            );
        }
    }
}

#[test]
fn embedding_picks_rows_and_sums_their_gradients() {
    let (w, ids) = (random(5, [11, 6]), tokens(6, 40, 11));
    let (fast, grad) = (int_tensor::<Fast>(&ids), int_tensor::<Grad>(&ids));
    close(
        "embedding",
        &ops::embedding(w.clone(), fast.clone()),
        &reference::embedding(w.clone(), fast.clone()),
    );
    let a = leaf(&w);
    let found = gradients(ops::embedding(a.clone(), grad.clone()), &[&a]);
    let a = leaf(&w);
    let expected = gradients(reference::embedding(a.clone(), grad), &[&a]);
    close_gradients("embedding", &found, &expected);
    let body = reference::embedding_bwd(fast, 11, random(99, [40, 6]));
    close_gradients("default body of embedding", &[Some(read(&body))], &expected);
}

#[test]
fn gradients_of_an_embedding_add_up_in_any_pattern() {
    // One token alone, all alike, all different, and chains that cross each other.
    for (ids, vocab, width) in [
        (vec![4], 5, 3),
        (vec![2; 70], 4, 130),
        ((0..90).collect(), 90, 33),
        (tokens(7, 300, 9), 12, 200),
    ] {
        let ids = int_tensor::<Fast>(&ids);
        let grad = random(8, [ids.dims()[0], width]);
        let primitive = grad.clone().into_primitive().tensor();
        let found = Fast::lm_embedding_bwd(ids.clone().into_primitive(), vocab, primitive);
        let found = Tensor::from_primitive(TensorPrimitive::Float(found));
        let expected = reference::embedding_bwd(ids, vocab, grad);
        close("gradient of an embedding", &found, &expected);
    }
}

#[test]
fn log_probs_by_hand() {
    // Logits (0, ln 3) at temperature 1: probabilities 1/4 and 3/4.
    let device = Default::default();
    let x = Tensor::<Fast, 2>::from_floats([[1.0], [2.0]], &device);
    let w = Tensor::<Fast, 2>::from_floats([[0.0], [3.0_f32.ln()]], &device);
    let targets = int_tensor::<Fast>(&[1, 0]);
    let found = ops::linear_log_probs(x, w, targets, 1.0);
    // The second row has logits (0, 2 ln 3): probabilities 1/10 and 9/10.
    close_values(
        "log_probs",
        &read(&found.log_probs),
        &[0.75_f32.ln(), 0.1_f32.ln()],
    );
    let entropy = |p: f32| -(p * p.ln() + (1.0 - p) * (1.0 - p).ln());
    close_values(
        "entropy",
        &read(&found.entropy),
        &[entropy(0.25), entropy(0.1)],
    );
}

#[test]
fn log_probs_match_the_default_body_and_its_gradients() {
    for ([rows, dim, vocab], temperature) in [
        ([1, 3, 2], 1.0),
        ([2, 8, 37], 0.7),
        ([130, 16, 301], 1.3),
        ([1100, 24, 65], 1.0),
    ] {
        log_probs_match([rows, dim, vocab], temperature);
    }
}

/// More logits than Flex keeps for the backward pass; too many for the software driver of Vulkan.
#[cfg(not(feature = "vulkan"))]
#[test]
fn more_logits_than_are_kept() {
    log_probs_match([20, 2, 900_000], 1.0);
    entropies_have_a_gradient([20, 2, 900_000], 1.0, 3.0);
    gradients_at_once([20, 2, 900_000], 1.0, 3.0);
}

/// The backend's backward pass without the logits of the forward pass, over several blocks of rows.
#[test]
fn logits_that_were_not_kept_are_computed_again() {
    let (rows, dim, vocab, temperature) = (1100, 12, 67, 0.8);
    let (x, weight) = (random(17, [rows, dim]) * 3.0, random(18, [vocab, dim]));
    let targets = int_tensor::<Fast>(&tokens(19, rows, vocab));
    let [_, _, lse] =
        reference::linear_log_probs(x.clone(), weight.clone(), targets.clone(), temperature);
    let grad = LogProbsGrad::of_log_probs(random(20, [rows]));
    let float = |x: Tensor<Fast, 2>| x.into_primitive().tensor();
    let column = |x: Tensor<Fast, 1>| x.into_primitive().tensor();
    let left = LogitsLeft {
        lse: column(lse.clone()),
        logits: None,
    };
    let found = Fast::lm_linear_log_probs_bwd(
        float(x.clone()),
        float(weight.clone()),
        targets.clone().into_primitive(),
        left,
        temperature,
        grad.clone().map(column),
        Needs::BOTH,
    );
    let saved = reference::SavedLogProbs {
        x,
        weight,
        targets,
        lse,
    };
    let expected = reference::linear_log_probs_bwd(saved, temperature, grad, Needs::BOTH);
    for (found, expected) in [(found.x, expected.x), (found.weight, expected.weight)] {
        let found =
            Tensor::<Fast, 2>::from_primitive(TensorPrimitive::Float(found.expect("asked for")));
        close(
            "logits computed again",
            &found,
            &expected.expect("asked for"),
        );
    }
}

fn log_probs_match([rows, dim, vocab]: [usize; 3], temperature: f64) {
    let (x, w) = (random(7, [rows, dim]) * 3.0, random(8, [vocab, dim]));
    let ids = tokens(9, rows, vocab);
    let what = format!("linear_log_probs [{rows}, {dim}] -> {vocab}");
    let fast = int_tensor::<Fast>(&ids);
    let found = ops::linear_log_probs(x.clone(), w.clone(), fast.clone(), temperature);
    let [log_probs, entropy, lse] =
        reference::linear_log_probs(x.clone(), w.clone(), fast.clone(), temperature);
    close(&what, &found.log_probs, &log_probs);
    close(&what, &found.entropy, &entropy);
    let ids = int_tensor::<Grad>(&ids);
    let (a, b) = (leaf(&x), leaf(&w));
    let out = ops::linear_log_probs(a.clone(), b.clone(), ids.clone(), temperature);
    let found = gradients(out.log_probs, &[&a, &b]);
    let (a, b) = (leaf(&x), leaf(&w));
    let [out, _, _] = reference::linear_log_probs(a.clone(), b.clone(), ids.clone(), temperature);
    let expected = gradients(out, &[&a, &b]);
    close_gradients(&what, &found, &expected);

    let (a, b) = (leaf(&x), frozen(&w));
    let out = ops::linear_log_probs(a.clone(), b.clone(), ids, temperature);
    let partial = gradients(out.log_probs, &[&a, &b]);
    assert_eq!(partial, [found[0].clone(), None], "{what}: frozen weight");

    // The default backward body, which other backends run.
    let saved = reference::SavedLogProbs {
        x,
        weight: w,
        targets: fast,
        lse,
    };
    let grad = LogProbsGrad::of_log_probs(random(99, [rows]));
    let found = reference::linear_log_probs_bwd(saved, temperature, grad, Needs::BOTH);
    let body = [found.x, found.weight].map(|grad| grad.as_ref().map(read));
    close_gradients(&format!("default body of {what}"), &body, &expected);
}

/// Scores and gradients of one operation are those of a forward and a backward pass.
#[test]
fn log_probs_with_their_gradients_at_once() {
    for ([rows, dim, vocab], temperature, size) in [
        ([1, 3, 2], 1.0, 3.0),
        ([2, 8, 37], 0.7, 3.0),
        ([130, 16, 301], 1.3, 3.0),
        ([1100, 24, 65], 1.0, 3.0),
        // Probabilities that are 1 and 0.
        ([5, 4, 37], 1.0, 1e4),
        // Rows of zeros.
        ([40, 6, 19], 1.0, 0.0),
    ] {
        gradients_at_once([rows, dim, vocab], temperature, size);
    }
}

fn gradients_at_once([rows, dim, vocab]: [usize; 3], temperature: f64, size: f64) {
    let (x, w) = (random(7, [rows, dim]) * size, random::<2>(8, [vocab, dim]));
    let ids = tokens(9, rows, vocab);
    let what = format!("linear_log_probs_with_grads [{rows}, {dim}] -> {vocab}");
    let run = |needs| {
        let (x, w, targets) = (x.clone(), w.clone(), int_tensor::<Fast>(&ids));
        let grad = random(99, [rows]);
        ops::linear_log_probs_with_grads(x, w, targets, temperature, grad, needs)
    };
    let (scored, grads) = run(Needs::BOTH);
    let targets = int_tensor::<Grad>(&ids);
    let (a, b) = (leaf(&x), leaf(&w));
    let [log_probs, entropy, _] =
        reference::linear_log_probs(a.clone(), b.clone(), targets, temperature);
    close(&what, &scored.log_probs, &log_probs.clone().inner());
    close(&what, &scored.entropy, &entropy.inner());
    let found = [grads.x, grads.weight].map(|grad| grad.as_ref().map(read));
    close_gradients(&what, &found, &gradients(log_probs, &[&a, &b]));

    for (x, weight) in [(true, false), (false, true), (false, false)] {
        let (_, grads) = run(Needs { x, weight });
        let partial = [grads.x, grads.weight].map(|grad| grad.as_ref().map(read));
        let wanted = [x.then_some(&found[0]), weight.then_some(&found[1])];
        let wanted = wanted.map(|grad| grad.cloned().flatten());
        assert_eq!(partial, wanted, "{what}: x {x}, weight {weight}");
    }
}

/// On an autodiff backend the results are the same, and nothing flows back through them.
#[test]
fn gradients_at_once_are_constants() {
    let (x, w) = (leaf(&random(1, [5, 4])), leaf(&random(2, [7, 4])));
    let ids = tokens(3, 5, 7);
    let grad = random::<1>(4, [5]);
    let (scored, grads) = ops::linear_log_probs_with_grads(
        x.clone(),
        w.clone(),
        int_tensor(&ids),
        1.0,
        Tensor::from_inner(grad.clone()),
        Needs::BOTH,
    );
    let (inner, expected) = ops::linear_log_probs_with_grads(
        x.clone().inner(),
        w.clone().inner(),
        int_tensor::<Fast>(&ids),
        1.0,
        grad,
        Needs::BOTH,
    );
    assert_eq!(
        read(&scored.log_probs.clone().inner()),
        read(&inner.log_probs)
    );
    let values = |grad: Option<Tensor<Grad, 2>>| read(&grad.expect("a gradient").inner());
    assert_eq!(values(grads.x), read(&expected.x.expect("a gradient")));
    assert_eq!(
        values(grads.weight),
        read(&expected.weight.expect("a gradient"))
    );
    let through = (scored.log_probs * x.clone().sum_dim(1).squeeze_dim(1)).sum();
    let mut through = through.backward();
    assert!(x.grad_remove(&mut through).is_some());
    assert!(w.grad_remove(&mut through).is_none());
}

/// A loss of both: `Σ g·log p + Σ e·H`.
fn loss_of_both(log_probs: Tensor<Grad, 1>, entropy: Tensor<Grad, 1>) -> Tensor<Grad, 1> {
    let rows = log_probs.dims()[0];
    let [g, e] = [31, 32].map(|seed| Tensor::from_inner(random(seed, [rows])));
    log_probs * g + entropy * e
}

#[test]
fn entropies_have_a_gradient_where_they_are_asked_for() {
    for ([rows, dim, vocab], temperature, size) in [
        ([1, 3, 2], 1.0, 3.0),
        ([2, 8, 37], 0.7, 3.0),
        ([130, 16, 301], 1.3, 3.0),
        ([600, 24, 65], 1.0, 3.0),
        // Probabilities that are 1 and 0.
        ([5, 4, 37], 1.0, 1e4),
    ] {
        entropies_have_a_gradient([rows, dim, vocab], temperature, size);
    }
}

fn entropies_have_a_gradient([rows, dim, vocab]: [usize; 3], temperature: f64, size: f64) {
    let (x, w) = (random(7, [rows, dim]) * size, random::<2>(8, [vocab, dim]));
    let what = format!("log-probabilities and entropies [{rows}, {dim}] -> {vocab}");
    let ids = int_tensor::<Grad>(&tokens(9, rows, vocab));
    let (a, b) = (leaf(&x), leaf(&w));
    let scored = ops::linear_log_probs_and_entropy(a.clone(), b.clone(), ids.clone(), temperature);
    let plain = ops::linear_log_probs(a.clone(), b.clone(), ids.clone(), temperature);
    let bits = |x: &Tensor<Grad, 1>| read(&x.clone().inner());
    assert_eq!(bits(&scored.log_probs), bits(&plain.log_probs), "{what}");
    assert_eq!(bits(&scored.entropy), bits(&plain.entropy), "{what}");
    let found = gradients(loss_of_both(scored.log_probs, scored.entropy), &[&a, &b]);
    let (a, b) = (leaf(&x), leaf(&w));
    let [log_probs, entropy, _] =
        reference::linear_log_probs(a.clone(), b.clone(), ids.clone(), temperature);
    let expected = gradients(loss_of_both(log_probs, entropy), &[&a, &b]);
    close_gradients(&what, &found, &expected);

    let (a, b) = (frozen(&x), leaf(&w));
    let scored = ops::linear_log_probs_and_entropy(a.clone(), b.clone(), ids, temperature);
    let partial = gradients(loss_of_both(scored.log_probs, scored.entropy), &[&a, &b]);
    assert_eq!(partial, [None, found[1].clone()], "{what}: frozen input");
}

/// Several weights at once are one after the other, bit for bit, with few rows and with many.
#[test]
fn several_weights_give_what_each_gives() {
    for rows in [1, 2, 5, 16, 64, 65, 200] {
        let x = random(1, [rows, 24]);
        let weights =
            [(2, 7), (3, 48), (4, 101), (5, 1)].map(|(seed, out)| random(seed, [out, 24]));
        let found = ops::linears(x.clone(), weights.clone());
        for (found, weight) in found.iter().zip(weights) {
            let expected = ops::linear(x.clone(), weight);
            assert_eq!(found.dims(), expected.dims());
            assert_eq!(read(found), read(&expected), "{rows} rows");
        }
    }
    let [none] = ops::linears(random(1, [0, 24]), [random(2, [7, 24])]);
    assert_eq!(none.dims(), [0, 7]);
}

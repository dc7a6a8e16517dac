//! Results do not depend on the number of threads.

use lm_kernels::{Needs, SeqBounds, ops};

use crate::util::{Fast, Grad, gradients, int_tensor, leaf, random, read, tokens};

/// Output and gradients of a small network in a pool of `threads` threads.
fn run(threads: usize) -> Vec<Vec<f32>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("a thread pool").install(|| {
        let lengths = [130, 70, 300, 1];
        let total = lengths.iter().sum();
        let (x, w) = (leaf(&random(1, [total, 128])), leaf(&random(2, [128, 128])));
        let (norm, head) = (leaf(&random(3, [128])), leaf(&random(4, [600, 128])));
        let y = ops::rms_norm(x.clone(), norm.clone(), 1e-6);
        let q = ops::linear(y.clone(), w.clone()).reshape([total, 4, 32]);
        let k = y.narrow(1, 0, 64).reshape([total, 2, 32]);
        let bounds = SeqBounds::from_lengths(&lengths);
        let out = ops::attention(q, k.clone(), k, &bounds, 0.2).reshape([total, 128]);
        let out = ops::swiglu(out.clone(), out);
        let targets = int_tensor::<Grad>(&tokens(5, total, 600));
        let found = ops::linear_log_probs(out, head.clone(), targets, 0.9).log_probs;
        let mut values = vec![read(&found.clone().inner())];
        values.extend(at_once());
        values.extend(
            gradients(found, &[&x, &w, &norm, &head])
                .into_iter()
                .flatten(),
        );
        values
    })
}

/// Log-probabilities with their gradients.
fn at_once() -> [Vec<f32>; 3] {
    let (x, head) = (random(6, [501, 32]), random(7, [600, 32]));
    let targets = int_tensor::<Fast>(&tokens(8, 501, 600));
    let grad = random(9, [501]);
    let (scored, grads) =
        ops::linear_log_probs_with_grads(x, head, targets, 0.9, grad, Needs::BOTH);
    let [dx, dweight] = [grads.x, grads.weight].map(|grad| read(&grad.expect("asked for")));
    [read(&scored.log_probs), dx, dweight]
}

/// Products that are cut into pieces for the threads, by rows and by columns, of sizes that are no multiples of
/// anything: `x · wᵀ` and its two gradients.
fn products() -> Vec<Vec<f32>> {
    let mut values = Vec::new();
    for (tokens, inputs, outputs) in [(1301, 259, 70), (130, 70, 1025), (2000, 3, 385)] {
        let (x, w) = (
            leaf(&random(1, [tokens, inputs])),
            leaf(&random(2, [outputs, inputs])),
        );
        let product = ops::linear(x.clone(), w.clone());
        values.push(read(&product.clone().inner()));
        values.extend(gradients(product, &[&x, &w]).into_iter().flatten());
    }
    values
}

#[test]
fn products_are_the_same_sums_however_they_are_cut() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a thread pool").install(products)
    };
    let one = run(1);
    assert_eq!(one.len(), 9);
    for threads in [2, 3, 5, 8] {
        for (i, (found, expected)) in run(threads).iter().zip(&one).enumerate() {
            assert!(found == expected, "{threads} threads: product {i}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let one = run(1);
    assert_eq!(one.len(), 8);
    for threads in [2, 3] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
}

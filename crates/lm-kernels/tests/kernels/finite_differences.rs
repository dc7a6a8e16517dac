//! The default bodies' backward passes against finite differences of their forward passes, in 64 bits.
//!
//! Everything else is compared with the default bodies; this is what they are compared with.

use burn::tensor::{DType, Tensor, TensorData};
use lm_kernels::{EntropyGrad, LogProbsGrad, Needs, SeqBounds, reference};

use crate::util::{Fast, int_tensor, tokens, values};

/// Step of the differences: errors of rounding and of the cubic term are both about 1e-10.
const STEP: f64 = 1e-5;

fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<Fast, D> {
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::from_data(data, (&Default::default(), DType::F64))
}

fn read<const D: usize>(x: &Tensor<Fast, D>) -> Vec<f64> {
    assert_eq!(
        x.dtype(),
        DType::F64,
        "the default body left the 64 bits of its input"
    );
    x.to_data().to_vec().expect("64 bits")
}

/// Seeded values in `[-1, 1)`.
fn random<const D: usize>(seed: u64, shape: [usize; D]) -> Vec<f64> {
    let values = values(seed, shape.iter().product());
    values.into_iter().map(f64::from).collect()
}

/// `Σ output · grad`, whose gradient by the inputs is what a backward pass gives for `grad`.
fn pair<const D: usize>(output: &Tensor<Fast, D>, grad: &[f64]) -> f64 {
    let output = read(output);
    assert_eq!(output.len(), grad.len());
    output.iter().zip(grad).map(|(out, grad)| out * grad).sum()
}

/// Asserts that every gradient is the slope of `loss`.
#[track_caller]
fn check<const N: usize>(
    what: &str,
    inputs: [Vec<f64>; N],
    loss: impl Fn(&[Vec<f64>; N]) -> f64,
    gradients: [Vec<f64>; N],
) {
    for (number, gradient) in gradients.iter().enumerate() {
        assert_eq!(
            gradient.len(),
            inputs[number].len(),
            "{what}: input {number}"
        );
        for (i, found) in gradient.iter().enumerate() {
            let at = |step: f64| {
                let mut moved = inputs.clone();
                moved[number][i] += step;
                loss(&moved)
            };
            let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let near = (found - slope).abs() <= 1e-7 * slope.abs().max(1.0);
            assert!(
                near,
                "{what}: input {number}[{i}]: slope {slope}, gradient {found}"
            );
        }
    }
}

#[test]
fn rms_norm() {
    let shape = [3, 5];
    let inputs = [random(1, shape), random(2, [5])];
    let grad = random(3, shape);
    let forward = |x: &[f64], w: &[f64]| reference::rms_norm(tensor(x, shape), tensor(w, [5]), 0.1);
    let (dx, dw) = reference::rms_norm_bwd(
        tensor(&inputs[0], shape),
        tensor(&inputs[1], [5]),
        0.1,
        tensor(&grad, shape),
    );
    let loss = |[x, w]: &[Vec<f64>; 2]| pair(&forward(x, w), &grad);
    check("rms_norm", inputs, loss, [read(&dx), read(&dw)]);
}

#[test]
fn norm_rope() {
    let shape = [3, 2, 6];
    let inputs = [random(1, shape), random(2, [6])];
    let grad = random(3, shape);
    let angles = random(4, [3, 3]);
    let table = |f: fn(f64) -> f64| {
        let values: Vec<f64> = angles.iter().map(|angle| f(3.0 * angle)).collect();
        tensor(&values, [3, 3])
    };
    let (cos, sin) = (table(f64::cos), table(f64::sin));
    let (dx, dw) = reference::norm_rope_bwd(
        tensor(&inputs[0], shape),
        tensor(&inputs[1], [6]),
        cos.clone(),
        sin.clone(),
        0.1,
        tensor(&grad, shape),
    );
    let loss = |[x, w]: &[Vec<f64>; 2]| {
        let (x, w) = (tensor(x, shape), tensor(w, [6]));
        pair(
            &reference::norm_rope(x, w, cos.clone(), sin.clone(), 0.1),
            &grad,
        )
    };
    check("norm_rope", inputs, loss, [read(&dx), read(&dw)]);
}

#[test]
fn swiglu() {
    let shape = [3, 7];
    let inputs = [1, 2].map(|seed| random(seed, shape).iter().map(|x| 4.0 * x).collect());
    let grad = random(3, shape);
    let [gate, up] = [0, 1].map(|i: usize| {
        let inputs: &[Vec<f64>; 2] = &inputs;
        tensor(&inputs[i], shape)
    });
    let (dgate, dup) = reference::swiglu_bwd(gate, up, tensor(&grad, shape));
    let loss = |[gate, up]: &[Vec<f64>; 2]| {
        pair(
            &reference::swiglu(tensor(gate, shape), tensor(up, shape)),
            &grad,
        )
    };
    check("swiglu", inputs, loss, [read(&dgate), read(&dup)]);
}

#[test]
fn attention() {
    for (lengths, hq, hkv, dim) in [
        (&[1, 2, 4][..], 4, 2, 3),
        (&[5][..], 1, 1, 2),
        (&[2, 3][..], 8, 1, 2),
    ] {
        let total: usize = lengths.iter().sum();
        let (queries, keys) = ([total, hq, dim], [total, hkv, dim]);
        let bounds = SeqBounds::from_lengths(lengths);
        let inputs = [random(1, queries), random(2, keys), random(3, keys)];
        let grad = random(4, queries);
        let qkv =
            |[q, k, v]: &[Vec<f64>; 3]| [tensor(q, queries), tensor(k, keys), tensor(v, keys)];
        let forward = |inputs: &[Vec<f64>; 3]| {
            let [q, k, v] = qkv(inputs);
            reference::attention(q, k, v, &bounds, 0.7)
        };
        let (out, lse) = forward(&inputs);
        let saved = reference::SavedAttention {
            qkv: qkv(&inputs),
            out,
            lse,
        };
        let found = reference::attention_bwd(saved, &bounds, 0.7, tensor(&grad, queries));
        let loss = |inputs: &[Vec<f64>; 3]| pair(&forward(inputs).0, &grad);
        let what = format!("attention {lengths:?} {hq}/{hkv} {dim}");
        check(&what, inputs, loss, found.map(|gradient| read(&gradient)));
    }
}

/// Of a loss that log-probabilities and entropies are part of.
#[test]
fn linear_log_probs() {
    let (rows, dim, vocab) = (4, 3, 9);
    let inputs = [random(1, [rows, dim]), random(2, [vocab, dim])];
    let [grad, of_entropy] = [3, 4].map(|seed| random(seed, [rows]));
    let targets = int_tensor::<Fast>(&tokens(5, rows, vocab));
    let both = |[x, w]: &[Vec<f64>; 2]| (tensor(x, [rows, dim]), tensor(w, [vocab, dim]));
    let forward = |inputs: &[Vec<f64>; 2]| {
        let (x, weight) = both(inputs);
        reference::linear_log_probs(x, weight, targets.clone(), 0.7)
    };
    let (x, weight) = both(&inputs);
    let [_, entropy, lse] = forward(&inputs);
    let saved = reference::SavedLogProbs {
        x,
        weight,
        targets: targets.clone(),
        lse,
    };
    let gradients = LogProbsGrad {
        log_probs: tensor(&grad, [rows]),
        entropy: Some(EntropyGrad {
            entropy,
            grad: tensor(&of_entropy, [rows]),
        }),
    };
    let grads = reference::linear_log_probs_bwd(saved, 0.7, gradients, Needs::BOTH);
    let loss = |inputs: &[Vec<f64>; 2]| {
        let [log_probs, entropy, _] = forward(inputs);
        pair(&log_probs, &grad) + pair(&entropy, &of_entropy)
    };
    let found = [grads.x, grads.weight].map(|gradient| read(&gradient.expect("a gradient")));
    check("linear_log_probs", inputs, loss, found);
}

#[test]
fn embedding() {
    let inputs = [random(1, [5, 3])];
    let ids = int_tensor::<Fast>(&[4, 0, 4, 1]);
    let grad = random(2, [4, 3]);
    let found = reference::embedding_bwd(ids.clone(), 5, tensor(&grad, [4, 3]));
    let loss = |[table]: &[Vec<f64>; 1]| {
        pair(
            &reference::embedding(tensor(table, [5, 3]), ids.clone()),
            &grad,
        )
    };
    check("embedding", inputs, loss, [read(&found)]);
}

//! Inputs in BF16 against the default bodies, which compute with the same rounded inputs.
//!
//! A value in BF16 has a rounding error of 2⁻⁹ = 0.2 %. Bodies that round at other places differ by a few of these.

use burn::tensor::{DType, Tensor};
use lm_kernels::{LogProbsGrad, Needs, SeqBounds, ops, reference};

use crate::util::{Fast, int_tensor, random, read, tokens};

const EPS: f64 = 1e-6;

fn narrow<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<Fast, D> {
    random(seed, shape).cast(DType::BF16)
}

/// Asserts that two tensors are of one type and agree to 2 % of the largest value.
#[track_caller]
fn near<const D: usize>(what: &str, found: &Tensor<Fast, D>, expected: &Tensor<Fast, D>) {
    assert_eq!(found.dims(), expected.dims(), "{what}: shape");
    assert_eq!(found.dtype(), expected.dtype(), "{what}: type");
    let wide = |x: &Tensor<Fast, D>| read(&x.clone().cast(DType::F32));
    let (found, expected) = (wide(found), wide(expected));
    let size = expected.iter().fold(0.0_f32, |size, x| size.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let near = (found - expected).abs() <= 0.02 * size;
        assert!(near, "{what}[{i}]: expected {expected}, found {found}");
    }
}

#[test]
fn normalisations() {
    let (x, w, grad) = (narrow(1, [37, 48]), narrow(2, [48]), narrow(3, [37, 48]));
    let found = ops::rms_norm(x.clone(), w.clone(), EPS);
    near(
        "rms_norm",
        &found,
        &reference::rms_norm(x.clone(), w.clone(), EPS),
    );
    let (dx, dw) = backward::rms_norm(&x, &w, &grad);
    let (edx, edw) = reference::rms_norm_bwd(x, w, EPS, grad);
    near("rms_norm: dx", &dx, &edx);
    near("rms_norm: dweight", &dw, &edw);
    let (x, w, angle) = (
        narrow(4, [37, 3, 16]),
        narrow(5, [16]),
        random(6, [37, 8]) * 3.0,
    );
    let (cos, sin) = (angle.clone().cos(), angle.sin());
    let found = ops::norm_rope(x.clone(), w.clone(), cos.clone(), sin.clone(), EPS);
    near(
        "norm_rope",
        &found,
        &reference::norm_rope(x, w, cos, sin, EPS),
    );
}

#[test]
fn gated_activation() {
    let (gate, up, grad) = (narrow(1, [9, 70]), narrow(2, [9, 70]), narrow(3, [9, 70]));
    let found = ops::swiglu(gate.clone(), up.clone());
    near(
        "swiglu",
        &found,
        &reference::swiglu(gate.clone(), up.clone()),
    );
    let found = backward::swiglu(&gate, &up, &grad);
    let expected = reference::swiglu_bwd(gate, up, grad);
    near("swiglu: dgate", &found.0, &expected.0);
    near("swiglu: dup", &found.1, &expected.1);
}

#[test]
fn attention_and_its_gradients() {
    let bounds = SeqBounds::from_lengths(&[1, 2, 70]);
    let (q, k, v) = (
        narrow(1, [73, 4, 16]),
        narrow(2, [73, 2, 16]),
        narrow(3, [73, 2, 16]),
    );
    let grad = narrow(4, [73, 4, 16]);
    let (expected, lse) = reference::attention(q.clone(), k.clone(), v.clone(), &bounds, 0.25);
    let found = ops::attention(q.clone(), k.clone(), v.clone(), &bounds, 0.25);
    near("attention", &found, &expected);
    let found = backward::attention([&q, &k, &v], &bounds, 0.25, &grad);
    let saved = reference::SavedAttention {
        qkv: [q, k, v],
        out: expected,
        lse,
    };
    let expected = reference::attention_bwd(saved, &bounds, 0.25, grad);
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        near(&format!("attention: gradient {i}"), found, expected);
    }
}

#[test]
fn log_probs_and_their_gradients() {
    let (x, w) = (narrow(1, [75, 24]), narrow(2, [301, 24]));
    let targets = int_tensor::<Fast>(&tokens(3, 75, 301));
    let [log_probs, entropy, lse] =
        reference::linear_log_probs(x.clone(), w.clone(), targets.clone(), 0.8);
    let found = ops::linear_log_probs(x.clone(), w.clone(), targets.clone(), 0.8);
    near("log_probs", &found.log_probs, &log_probs);
    near("entropy", &found.entropy, &entropy);
    let grad = random(4, [75]);
    let (dx, dw) = backward::log_probs(&x, &w, &targets, &grad, 0.8);
    let (scored, at_once) = ops::linear_log_probs_with_grads(
        x.clone(),
        w.clone(),
        targets.clone(),
        0.8,
        grad.clone(),
        Needs::BOTH,
    );
    near("log_probs, at once", &scored.log_probs, &log_probs);
    let saved = reference::SavedLogProbs {
        x,
        weight: w,
        targets,
        lse,
    };
    let grad = LogProbsGrad::of_log_probs(grad);
    let expected = reference::linear_log_probs_bwd(saved, 0.8, grad, Needs::BOTH);
    let (edx, edw) = (expected.x, expected.weight);
    let (edx, edw) = (edx.expect("asked for"), edw.expect("asked for"));
    near("log_probs: dx", &dx, &edx);
    near("log_probs: dweight", &dw, &edw);
    let (dx, dw) = (at_once.x, at_once.weight);
    near("at once: dx", &dx.expect("asked for"), &edx);
    near("at once: dweight", &dw.expect("asked for"), &edw);
}

/// Gradients through autodiff, for a given gradient of the output.
mod backward {
    use burn::tensor::{Int, Tensor};
    use lm_kernels::{SeqBounds, ops};

    use super::EPS;
    use crate::util::{Fast, Grad, leaf};

    type Narrow<const D: usize> = Tensor<Fast, D>;

    fn of<const D: usize, const N: usize, const E: usize>(
        out: Tensor<Grad, D>,
        grad: &Narrow<D>,
        leaves: [&Tensor<Grad, E>; N],
    ) -> [Narrow<E>; N] {
        let grads = (out * Tensor::from_inner(grad.clone())).sum().backward();
        leaves.map(|leaf| leaf.grad(&grads).expect("a gradient"))
    }

    pub(super) fn rms_norm(
        x: &Narrow<2>,
        w: &Narrow<1>,
        grad: &Narrow<2>,
    ) -> (Narrow<2>, Narrow<1>) {
        let (a, b) = (leaf(x), leaf(w));
        let out = ops::rms_norm(a.clone(), b.clone(), EPS);
        let grads = (out * Tensor::from_inner(grad.clone())).sum().backward();
        (
            a.grad(&grads).expect("a gradient"),
            b.grad(&grads).expect("a gradient"),
        )
    }

    pub(super) fn swiglu(
        gate: &Narrow<2>,
        up: &Narrow<2>,
        grad: &Narrow<2>,
    ) -> (Narrow<2>, Narrow<2>) {
        let (a, b) = (leaf(gate), leaf(up));
        let [dgate, dup] = of(ops::swiglu(a.clone(), b.clone()), grad, [&a, &b]);
        (dgate, dup)
    }

    pub(super) fn attention(
        qkv: [&Narrow<3>; 3],
        bounds: &SeqBounds,
        scale: f64,
        grad: &Narrow<3>,
    ) -> [Narrow<3>; 3] {
        let [a, b, c] = qkv.map(leaf);
        let out = ops::attention(a.clone(), b.clone(), c.clone(), bounds, scale);
        of(out, grad, [&a, &b, &c])
    }

    pub(super) fn log_probs(
        x: &Narrow<2>,
        w: &Narrow<2>,
        targets: &Tensor<Fast, 1, Int>,
        grad: &Narrow<1>,
        temperature: f64,
    ) -> (Narrow<2>, Narrow<2>) {
        let (a, b) = (leaf(x), leaf(w));
        let targets = Tensor::from_inner(targets.clone());
        let out = ops::linear_log_probs(a.clone(), b.clone(), targets, temperature);
        let [dx, dw] = of(out.log_probs, grad, [&a, &b]);
        (dx, dw)
    }
}

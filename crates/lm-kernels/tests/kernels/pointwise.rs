//! Normalisation, rotary embedding and SwiGLU.

use burn::tensor::Tensor;
use lm_kernels::{ops, reference};

use crate::util::{Fast, close, close_gradients, close_values, gradients, leaf, random, read};

const EPS: f64 = 1e-6;

#[test]
fn rms_norm_matches_the_default_body_and_its_gradients() {
    for (rows, dim) in [(1, 1), (3, 5), (7, 16), (67, 33), (300, 128), (600, 70)] {
        let (x, w) = (random(1, [rows, dim]), random(2, [dim]));
        let what = format!("rms_norm [{rows}, {dim}]");
        close(
            &what,
            &ops::rms_norm(x.clone(), w.clone(), EPS),
            &reference::rms_norm(x.clone(), w.clone(), EPS),
        );
        let (a, b) = (leaf(&x), leaf(&w));
        let found = gradients(ops::rms_norm(a.clone(), b.clone(), EPS), &[&a, &b]);
        let (a, b) = (leaf(&x), leaf(&w));
        let expected = gradients(reference::rms_norm(a.clone(), b.clone(), EPS), &[&a, &b]);
        close_gradients(&what, &found, &expected);
        let body = reference::rms_norm_bwd(x, w, EPS, random(99, [rows, dim]));
        let body = [Some(read(&body.0)), Some(read(&body.1))];
        close_gradients(&format!("default body of {what}"), &body, &expected);
    }
}

#[test]
fn rms_norm_by_hand() {
    let x = Tensor::<Fast, 2>::from_floats([[3.0, 4.0]], &Default::default());
    let w = Tensor::<Fast, 1>::from_floats([1.0, 2.0], &Default::default());
    // The mean square is 12.5.
    let root = 12.5_f32.sqrt();
    close_values(
        "rms_norm",
        &read(&ops::rms_norm(x, w, 0.0)),
        &[3.0 / root, 8.0 / root],
    );
}

#[test]
fn norm_rope_matches_the_default_body_and_its_gradients() {
    for [rows, heads, dim] in [[1, 1, 2], [3, 2, 6], [5, 3, 32], [300, 4, 32], [70, 1, 128]] {
        let (x, w) = (random(3, [rows, heads, dim]), random(4, [dim]));
        let angle = random(5, [rows, dim / 2]) * 3.0;
        let (cos, sin) = (angle.clone().cos(), angle.sin());
        let what = format!("norm_rope [{rows}, {heads}, {dim}]");
        let table = || (cos.clone(), sin.clone());
        let ((c, s), (c2, s2)) = (table(), table());
        close(
            &what,
            &ops::norm_rope(x.clone(), w.clone(), c, s, EPS),
            &reference::norm_rope(x.clone(), w.clone(), c2, s2, EPS),
        );
        let lift = |t: Tensor<Fast, 2>| Tensor::from_inner(t);
        let (a, b) = (leaf(&x), leaf(&w));
        let (c, s) = (lift(cos.clone()), lift(sin.clone()));
        let out = ops::norm_rope(a.clone(), b.clone(), c.clone(), s.clone(), EPS);
        let found = gradients(out, &[&a, &b]);
        let (a, b) = (leaf(&x), leaf(&w));
        let expected = gradients(
            reference::norm_rope(a.clone(), b.clone(), c, s, EPS),
            &[&a, &b],
        );
        close_gradients(&what, &found, &expected);
    }
}

#[test]
fn rope_matches_the_default_body_and_its_gradients() {
    for [rows, heads, dim] in [[1, 1, 2], [3, 2, 6], [5, 3, 32], [300, 4, 32], [70, 1, 128]] {
        let x = random(3, [rows, heads, dim]);
        let angle = random(5, [rows, dim / 2]) * 3.0;
        // Some scalings of the frequencies multiply cosines and sines, so this is no mere rotation.
        let (cos, sin) = (angle.clone().cos() * 1.3, angle.sin() * 1.3);
        let what = format!("rope [{rows}, {heads}, {dim}]");
        close(
            &what,
            &ops::rope(x.clone(), cos.clone(), sin.clone()),
            &reference::rope(x.clone(), cos.clone(), sin.clone()),
        );
        let (c, s) = (Tensor::from_inner(cos), Tensor::from_inner(sin));
        let a = leaf(&x);
        let found = gradients(ops::rope(a.clone(), c.clone(), s.clone()), &[&a]);
        let a = leaf(&x);
        let expected = gradients(reference::rope(a.clone(), c, s), &[&a]);
        close_gradients(&what, &found, &expected);
    }
}

#[test]
fn norm_rope_rotates_halves() {
    // One head (3, 4) of mean square 12.5, rotated by a quarter turn: (a, b) becomes (−b, a).
    let device = Default::default();
    let x = Tensor::<Fast, 3>::from_floats([[[3.0, 4.0]]], &device);
    let w = Tensor::<Fast, 1>::ones([2], &device);
    let (cos, sin) = (
        Tensor::zeros([1, 1], &device),
        Tensor::ones([1, 1], &device),
    );
    let root = 12.5_f32.sqrt();
    let found = read(&ops::norm_rope(x, w, cos, sin, 0.0));
    close_values("norm_rope", &found, &[-4.0 / root, 3.0 / root]);
}

#[test]
fn swiglu_matches_the_default_body_and_its_gradients() {
    for (rows, dim) in [(1, 1), (3, 5), (9, 64), (257, 384)] {
        let (gate, up) = (random(6, [rows, dim]) * 20.0, random(7, [rows, dim]));
        let what = format!("swiglu [{rows}, {dim}]");
        close(
            &what,
            &ops::swiglu(gate.clone(), up.clone()),
            &reference::swiglu(gate.clone(), up.clone()),
        );
        let (a, b) = (leaf(&gate), leaf(&up));
        let found = gradients(ops::swiglu(a.clone(), b.clone()), &[&a, &b]);
        let (a, b) = (leaf(&gate), leaf(&up));
        let expected = gradients(reference::swiglu(a.clone(), b.clone()), &[&a, &b]);
        close_gradients(&what, &found, &expected);
        let body = reference::swiglu_bwd(gate, up, random(99, [rows, dim]));
        let body = [Some(read(&body.0)), Some(read(&body.1))];
        close_gradients(&format!("default body of {what}"), &body, &expected);
    }
}

#[test]
fn swiglu_survives_extreme_gates() {
    let device = Default::default();
    let gate = Tensor::<Fast, 2>::from_floats([[-200.0, 200.0, 0.0, -90.0]], &device);
    let up = Tensor::<Fast, 2>::ones([1, 4], &device);
    close_values(
        "swiglu",
        &read(&ops::swiglu(gate, up)),
        &[0.0, 200.0, 0.0, 0.0],
    );
}

#[test]
fn views_are_read_through_their_strides() {
    let x = random(8, [20, 6]).transpose();
    let w = random(9, [20]);
    let packed = Tensor::<Fast, 2>::from_data(x.to_data(), &Default::default());
    close(
        "a transposed input",
        &ops::rms_norm(x.clone(), w.clone(), EPS),
        &ops::rms_norm(packed.clone(), w, EPS),
    );
    let w = random(10, [4, 20]);
    close(
        "a transposed input",
        &ops::linear(x, w.clone()),
        &ops::linear(packed, w),
    );
}

#[cfg(not(feature = "vulkan"))]
#[test]
fn other_types_keep_their_type() {
    let (x, w) = (random(11, [5, 8]), random(12, [8]));
    let expected = read(&ops::rms_norm(x.clone(), w.clone(), EPS));
    let found = ops::rms_norm(
        x.cast(burn::tensor::DType::F64),
        w.cast(burn::tensor::DType::F64),
        EPS,
    );
    assert_eq!(found.dtype(), burn::tensor::DType::F64);
    close_values(
        "rms_norm in 64 bits",
        &read(&found.cast(burn::tensor::DType::F32)),
        &expected,
    );
}

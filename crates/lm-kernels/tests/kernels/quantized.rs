//! Matrices in 8 bits. Burn's quantisation on LibTorch has no body, and on CubeCL the default bodies would run.

use burn::tensor::{
    Tensor, TensorPrimitive,
    quantization::{QuantLevel, QuantScheme, QuantStore, QuantValue},
};
use lm_kernels::{LmOps, ops};

use crate::util::{Fast, Grad, close, frozen, int_tensor, leaf, random, read, tokens};

/// A seeded matrix in 8 bits, with one scale for each `block` values or for all.
fn quantized(seed: u64, shape: [usize; 2], block: Option<u8>) -> Tensor<Fast, 2> {
    let level = block.map_or(QuantLevel::Tensor, |block| QuantLevel::block([block]));
    let scheme = QuantScheme::default()
        .with_value(QuantValue::Q8S)
        .with_level(level)
        .with_store(QuantStore::Native);
    random(seed, shape).quantize_dynamic(&scheme)
}

#[test]
fn products_and_rows_are_those_of_the_dequantised_matrix() {
    // One row, few, and as many as go to the large product; pieces that end inside of a block.
    for rows in [1, 3, 16, 65, 200] {
        for (inputs, outputs, block) in [
            (64, 70, Some(64)),
            (96, 301, Some(32)),
            (33, 20, None),
            (48, 520, Some(144)),
        ] {
            let what = format!("[{rows}, {inputs}] -> {outputs}");
            let x = random(1, [rows, inputs]);
            let weight = quantized(2, [outputs, inputs], block);
            let wide = weight.clone().dequantize();
            let found = ops::linear(x.clone(), weight.clone());
            close(&what, &found, &ops::linear(x.clone(), wide.clone()));
            let [a, b] = ops::linears(x.clone(), [weight.clone(), wide.clone()]);
            assert_eq!(read(&a), read(&found), "{what}: several at once");
            close(&what, &b, &found);
            let ids = int_tensor::<Fast>(&tokens(3, 9, outputs));
            let rows = ops::embedding(weight, ids.clone());
            assert_eq!(
                read(&rows),
                read(&ops::embedding(wide, ids)),
                "{what}: rows"
            );
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_others() {
    let weight = quantized(5, [300, 128], Some(64));
    let x = random(6, [40, 128]);
    let all = read(&ops::linear(x.clone(), weight.clone()));
    for count in [1, 4, 7, 16] {
        let some = ops::linear(x.clone().narrow(0, 0, count), weight.clone());
        assert_eq!(read(&some), all[..count * 300], "{count} rows");
    }
}

#[test]
fn the_default_bodies_agree() {
    let (weight, x) = (quantized(7, [50, 64], Some(64)), random(8, [5, 64]));
    let wide = weight.clone().dequantize();
    let TensorPrimitive::QFloat(primitive) = weight.into_primitive() else {
        panic!("expected a quantised tensor");
    };
    let own = Fast::lm_linear_quantized(x.clone().into_primitive().tensor(), primitive);
    let own = Tensor::<Fast, 2>::from_primitive(TensorPrimitive::Float(own));
    close(
        "default body",
        &lm_kernels::reference::linear(x, wide),
        &own,
    );
}

#[test]
fn eight_bits_are_close_to_the_values() {
    let values = random(9, [64, 128]);
    let narrow = quantized(9, [64, 128], Some(64)).dequantize();
    let far = read(&(values - narrow).abs().max());
    assert!(far[0] <= 0.5 / 127.0 + 1e-6, "{far:?}");
}

#[test]
#[should_panic(expected = "passes no gradient on")]
fn a_gradient_is_not_lost_silently() {
    let weight = quantized(10, [8, 64], Some(64));
    let TensorPrimitive::QFloat(weight) = weight.into_primitive() else {
        panic!("expected a quantised tensor");
    };
    let weight = Tensor::<Grad, 2>::from_primitive(TensorPrimitive::QFloat(weight));
    let x = random(11, [2, 64]);
    // Without a gradient it is a product like others.
    let _ = ops::linear(frozen(&x), weight.clone());
    ops::linear(leaf(&x), weight);
}

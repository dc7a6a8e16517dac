//! Storage in 16 bits: what the kernels compute from narrow numbers against what they compute from the same numbers
//! widened. Lavapipe, like most Vulkan devices, has F16 and no BF16; the kernels are the same for both.

use burn::tensor::{DType, Tensor, backend::Backend};
use lm_kernels::{
    LmOps, SeqBounds,
    ops::{self, AdamW},
};

use crate::util::{Fast, int_tensor, random, read, tokens};

type Primitive = burn::tensor::ops::FloatTensor<Fast>;

/// Two roundings to 11 bits.
const TOLERANCE: f32 = 1e-3;

fn narrow<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<Fast, D> {
    random(seed, shape).cast(DType::F16)
}

/// Runs `op` on narrow and on wide copies of the inputs; every output keeps its type and agrees with the wide one.
#[track_caller]
fn agree<const N: usize>(
    what: &str,
    inputs: [Tensor<Fast, 2>; N],
    op: impl Fn([Tensor<Fast, 2>; N]) -> Vec<Tensor<Fast, 2>>,
) {
    let wide = inputs.clone().map(|x| x.cast(DType::F32));
    for (found, expected) in op(inputs).into_iter().zip(op(wide)) {
        assert_eq!(found.dtype(), DType::F16, "{what}: type");
        let found = read(&found.cast(DType::F32));
        let size = read(&expected)
            .iter()
            .fold(1.0_f32, |size, x| size.max(x.abs()));
        for (found, expected) in found.iter().zip(read(&expected)) {
            let near = (found - expected).abs() <= TOLERANCE * size;
            assert!(near, "{what}: expected {expected}, found {found}");
        }
    }
}

fn primitive<const D: usize>(x: Tensor<Fast, D>) -> Primitive {
    x.into_primitive().tensor()
}

fn tensor(x: Primitive) -> Tensor<Fast, 2> {
    let x = Tensor::<Fast, 3>::from_primitive(burn::tensor::TensorPrimitive::Float(x));
    x.flatten(1, 2)
}

fn flat(x: Primitive) -> Tensor<Fast, 2> {
    Tensor::from_primitive(burn::tensor::TensorPrimitive::Float(x))
}

#[test]
fn the_device_has_sixteen_bits() {
    assert!(Fast::supports_dtype(&Default::default(), DType::F16));
}

#[test]
fn norms_and_swiglu() {
    let (x, y) = (narrow(1, [5, 40]), narrow(2, [5, 40]));
    let w = narrow(3, [1, 40]);
    agree("rms_norm", [x.clone(), w.clone()], |[x, w]| {
        vec![ops::rms_norm(x, w.flatten(0, 1), 1e-6)]
    });
    agree("rms_norm_bwd", [x.clone(), w, y.clone()], |[x, w, grad]| {
        let weight = primitive(w.flatten::<1>(0, 1));
        let (dx, _) = Fast::lm_rms_norm_bwd(primitive(x), weight, 1e-6, primitive(grad));
        vec![flat(dx)]
    });
    agree("swiglu", [x.clone(), y.clone()], |[x, y]| {
        vec![ops::swiglu(x, y)]
    });
    agree("swiglu_bwd", [x.clone(), y.clone(), x], |[x, y, grad]| {
        let (dx, dy) = Fast::lm_swiglu_bwd(primitive(x), primitive(y), primitive(grad));
        vec![flat(dx), flat(dy)]
    });
}

#[test]
fn attention_and_its_gradients() {
    let bounds = SeqBounds::from_lengths(&[17, 1, 2]);
    let heads = |x: Tensor<Fast, 2>, heads| x.reshape([20, heads, 6]);
    let inputs = [
        narrow(4, [20, 24]),
        narrow(5, [20, 12]),
        narrow(6, [20, 12]),
    ];
    agree("attention", inputs, |[q, k, v]| {
        let qkv = [heads(q, 4), heads(k, 2), heads(v, 2)].map(primitive);
        let [q, k, v] = qkv.clone();
        let (out, lse) = Fast::lm_attention(q, k, v, &bounds, 0.4);
        let grad = qkv[0].clone();
        let grads = Fast::lm_attention_bwd(qkv, out.clone(), lse, &bounds, 0.4, grad);
        [out].into_iter().chain(grads).map(tensor).collect()
    });
}

#[test]
fn moments_stay_wide_over_narrow_weights() {
    let hp = AdamW {
        lr: 0.01,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.1,
        step: 1,
        grad_scale: 0.5,
    };
    let zeros = || Tensor::<Fast, 2>::zeros([3, 50], &Default::default());
    agree(
        "adamw",
        [narrow(7, [3, 50]), narrow(8, [3, 50])],
        |[param, grad]| {
            let [param, m, v] = ops::adamw(param, grad, zeros(), zeros(), &hp);
            assert_eq!([m.dtype(), v.dtype()], [DType::F32; 2]);
            vec![param]
        },
    );
}

#[test]
fn log_probs_are_wide() {
    let (x, w) = (narrow(9, [7, 16]), narrow(10, [90, 16]));
    let ids = int_tensor::<Fast>(&tokens(11, 7, 90));
    let wide = |x: &Tensor<Fast, 2>| x.clone().cast(DType::F32);
    let expected = ops::linear_log_probs(wide(&x), wide(&w), ids.clone(), 0.8);
    let found = ops::linear_log_probs(x, w, ids, 0.8);
    assert_eq!(found.log_probs.dtype(), DType::F32);
    let pairs = [
        (found.log_probs, expected.log_probs),
        (found.entropy, expected.entropy),
    ];
    for (found, expected) in pairs {
        // The logits have been rounded to 11 bits.
        for (found, expected) in read(&found).iter().zip(read(&expected)) {
            assert!(
                (found - expected).abs() <= 5e-3,
                "expected {expected}, found {found}"
            );
        }
    }
}

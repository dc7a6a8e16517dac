//! The optimizer against a plain transcription of PyTorch's in float64.

use burn::module::{Module, Param, ParamId};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor};
use lm_train::{AdamWConfig, GradientAccumulator, Optimizer};

use crate::support::{Cpu, bits, weights};

/// Two parameters of different rank, one of which may be frozen.
#[derive(Module, Debug)]
struct Pair<B: Backend> {
    matrix: Param<Tensor<B, 2>>,
    vector: Param<Tensor<B, 1>>,
}

const CONFIG: AdamWConfig = AdamWConfig {
    beta1: 0.9,
    beta2: 0.99,
    eps: 1e-8,
    weight_decay: 0.1,
    max_grad_norm: Some(1.0),
    master_weights: true,
};

fn pair() -> Pair<Cpu> {
    let device = Default::default();
    Pair {
        matrix: Param::from_tensor(Tensor::from_floats([[0.5, -1.0], [2.0, 0.25]], &device)),
        vector: Param::from_tensor(Tensor::from_floats([1.0, -3.0, 0.1], &device)),
    }
}

fn names(pair: &Pair<Cpu>) -> Vec<(String, ParamId)> {
    vec![
        ("matrix".into(), pair.matrix.id),
        ("vector".into(), pair.vector.id),
    ]
}

/// The gradients of `Σ matrix⁴ / 4 + Σ vector² / 2`: the cube of the matrix, and the vector.
fn gradients(pair: &Pair<Cpu>) -> GradientAccumulator<Cpu> {
    let loss = pair.matrix.val().powi_scalar(4).sum().div_scalar(4.0)
        + pair.vector.val().square().sum().div_scalar(2.0);
    let mut gradients = GradientAccumulator::new();
    gradients.add(pair, loss.backward());
    gradients
}

fn step(pair: Pair<Cpu>, optimizer: &mut Optimizer<Cpu>) -> (Pair<Cpu>, f64) {
    let gradients = gradients(&pair).finish();
    optimizer.step(pair, gradients, 0.05)
}

/// One step of `clip_grad_norm_` and `AdamW` on values, first and second moments; returns the norm.
fn reference_step(state: &mut [[f64; 3]], gradient: impl Fn(usize, f64) -> f64, step: i32) -> f64 {
    let AdamWConfig {
        beta1,
        beta2,
        eps,
        weight_decay,
        max_grad_norm,
        ..
    } = CONFIG;
    let gradients: Vec<f64> = state
        .iter()
        .enumerate()
        .map(|(i, [x, ..])| gradient(i, *x))
        .collect();
    let norm = gradients.iter().map(|g| g * g).sum::<f64>().sqrt();
    let clip = (max_grad_norm.unwrap() / (norm + 1e-6)).min(1.0);
    for ([x, m, v], g) in state.iter_mut().zip(gradients) {
        let g = g * clip;
        *x -= 0.05 * weight_decay * *x;
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        let denominator = (*v / (1.0 - beta2.powi(step))).sqrt() + eps;
        *x -= 0.05 * (*m / (1.0 - beta1.powi(step))) / denominator;
    }
    norm
}

#[test]
fn the_updates_are_those_of_pytorch() {
    let mut pair = pair();
    let mut optimizer = Optimizer::new(CONFIG);
    let mut state: Vec<[f64; 3]> = weights(&pair)
        .concat()
        .iter()
        .map(|&x| [f64::from(x), 0.0, 0.0])
        .collect();
    for number in 1..=20 {
        let expected_norm =
            reference_step(&mut state, |i, x| if i < 4 { x * x * x } else { x }, number);
        let norm;
        (pair, norm) = step(pair, &mut optimizer);
        assert!(
            (norm - expected_norm).abs() <= 1e-4 * expected_norm,
            "{norm} is not {expected_norm}"
        );
        for (found, [expected, ..]) in weights(&pair).concat().iter().zip(&state) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-5,
                "step {number}: {found} is not {expected}"
            );
        }
    }
    assert_eq!(optimizer.steps(), 20);
}

/// A parameter of 1.0 in BF16, whose next lower number is 0.996, after steps of 0.0005.
fn narrow_after(steps: usize, master_weights: bool) -> f32 {
    let device = Default::default();
    let config = AdamWConfig {
        weight_decay: 0.0,
        master_weights,
        ..CONFIG
    };
    let narrow = |pair: Pair<Cpu>| Pair {
        matrix: pair.matrix,
        vector: pair.vector.map(|_| {
            let one = Tensor::from_data([1.0_f32], (&device, DType::BF16));
            one.require_grad()
        }),
    };
    let mut pair = narrow(pair());
    let mut optimizer = Optimizer::new(config);
    for _ in 0..steps {
        let loss = pair.vector.val().cast(DType::F32).sum();
        let mut gradients = GradientAccumulator::new();
        gradients.add(&pair, loss.backward());
        (pair, _) = optimizer.step(pair, gradients.finish(), 0.0005);
    }
    assert_eq!(pair.vector.val().dtype(), DType::BF16);
    pair.vector.val().into_data().iter::<f32>().next().unwrap()
}

#[test]
fn master_weights_add_up_what_narrow_ones_lose() {
    assert_eq!(narrow_after(20, false), 1.0);
    let with_master = narrow_after(20, true);
    // Twenty steps of 0.0005, rounded to eight bits.
    assert!((with_master - 0.99).abs() < 0.003, "{with_master}");
}

#[test]
fn frozen_parameters_stay() {
    let mut pair = pair();
    pair.matrix = pair.matrix.set_require_grad(false);
    let before = weights(&pair);
    let (pair, norm) = step(pair, &mut Optimizer::new(CONFIG));
    assert_eq!(weights(&pair)[0], before[0]);
    assert_ne!(weights(&pair)[1], before[1]);
    assert!((norm - (1.0f64 + 9.0 + 0.01).sqrt()).abs() < 1e-4, "{norm}");
    assert!(!pair.matrix.val().is_require_grad() && pair.vector.val().is_require_grad());
}

#[test]
fn accumulated_gradients_add_up() {
    let pair = pair();
    let once = gradients(&pair).finish();
    let mut twice = gradients(&pair);
    let loss = pair.vector.val().square().sum().div_scalar(2.0);
    twice.add(&pair, loss.backward());
    let twice = twice.finish();
    let values = |gradient: Option<&Tensor<_, 1>>| {
        gradient
            .unwrap()
            .to_data()
            .iter::<f32>()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        values(twice.get(pair.matrix.id)),
        values(once.get(pair.matrix.id))
    );
    assert_eq!(values(twice.get(pair.vector.id)), [2.0, -6.0, 0.2]);
    assert_eq!(twice.len(), 2);
}

#[test]
fn a_norm_that_is_not_finite_changes_nothing() {
    let mut optimizer = Optimizer::new(CONFIG);
    let pair = pair();
    let before = weights(&pair);
    let loss = pair.vector.val().mul_scalar(f32::INFINITY).sum();
    let mut gradients = GradientAccumulator::new();
    gradients.add(&pair, loss.backward());
    let (pair, norm) = optimizer.step(pair, gradients.finish(), 0.05);
    assert!(!norm.is_finite());
    assert_eq!(weights(&pair), before);
    assert_eq!(optimizer.steps(), 0);
}

#[test]
fn a_saved_optimizer_continues_with_new_ids() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("optimizer.safetensors");
    let mut optimizer = Optimizer::new(CONFIG);
    let (trained, _) = step(pair(), &mut optimizer);
    optimizer.save(&names(&trained), &path).unwrap();

    let twin = Pair::<Cpu> {
        matrix: Param::from_tensor(trained.matrix.val().detach()),
        vector: Param::from_tensor(trained.vector.val().detach()),
    };
    assert_ne!(twin.matrix.id, trained.matrix.id);
    let mut loaded = Optimizer::load(CONFIG, &names(&twin), &path, &Default::default()).unwrap();
    let (trained, _) = step(trained, &mut optimizer);
    let (twin, _) = step(twin, &mut loaded);
    assert_eq!(bits(&weights(&trained)), bits(&weights(&twin)));
}

#[test]
fn moments_of_another_module_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("optimizer.safetensors");
    let mut optimizer = Optimizer::new(CONFIG);
    let (trained, _) = step(pair(), &mut optimizer);
    optimizer.save(&names(&trained), &path).unwrap();
    let fewer = &names(&trained)[..1];
    let error = Optimizer::<Cpu>::load(CONFIG, fewer, &path, &Default::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("expected moments of 1 parameters"),
        "{error}"
    );
    assert!(optimizer.save(fewer, &path).is_err());
}

//! A gradient that is known before the forward pass gives what the same gradient gives afterwards.

use burn::backend::Flex;
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Int, Tensor};
use lm_model::{LoraConfig, Qwen3};
use lm_train::{
    GradientAccumulator, ParamGradients, Recompute, Scoring, backpropagate, backpropagate_known,
};

use crate::support::{Cpu, VOCAB, tiny_config, tiny_model};

const SEQUENCES: [&[u32]; 2] = [&[3, 1, 4, 1, 5, 9, 2], &[6, 5, 3, 5]];

/// Every row but the first of each sequence, at a temperature that is not 1.
fn scoring(model: &Qwen3<Cpu>, entropy_gradient: Option<Tensor<Cpu, 1>>) -> Scoring<Cpu> {
    let device = model.device();
    let ints = |values: &[i32]| Tensor::<Cpu, 1, Int>::from_ints(values, &device);
    Scoring {
        batch: model.pack(&SEQUENCES),
        rows: ints(&[1, 2, 3, 4, 5, 6, 8, 9, 10]),
        targets: ints(&[4, 1, 5, 9, 2, 0, 3, 5, VOCAB as i32 - 1]),
        temperature: 0.8,
        entropy_gradient,
    }
}

fn gradient() -> Tensor<Flex, 1> {
    let values = [0.3, -1.0, 0.0, 2.0, 0.7, -0.2, 1.1, -0.6, 0.05];
    Tensor::from_floats(values, &Default::default())
}

/// The log-probabilities, and the gradients of two backward passes over `model`.
fn found(
    model: &Qwen3<Cpu>,
    recompute: Recompute,
    known: bool,
    entropy_gradient: Option<Tensor<Cpu, 1>>,
) -> (Vec<f32>, ParamGradients<Flex>) {
    let mut gradients = GradientAccumulator::<Cpu>::new();
    let mut log_probs = Vec::new();
    for _ in 0..2 {
        let scoring = scoring(model, entropy_gradient.clone());
        let read = |x: Tensor<Flex, 1>| x.into_data().to_vec::<f32>().expect("32 bits");
        if known {
            backpropagate_known(
                model,
                scoring,
                recompute,
                gradient(),
                |scored| log_probs = read(scored.log_probs),
                &mut gradients,
            )
        } else {
            let upstream = |scored: lm_kernels::ops::TokenLogProbs<Flex>| {
                log_probs = read(scored.log_probs);
                Some(gradient())
            };
            assert!(backpropagate(
                model,
                scoring,
                recompute,
                upstream,
                &mut gradients
            ));
        }
    }
    (log_probs, gradients.finish())
}

#[track_caller]
fn assert_near(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1e-3_f32, |size, x| size.max(x.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let near = (found - expected).abs() <= 1e-5 * size;
        assert!(near, "{what}: expected {expected}, found {found}");
    }
}

/// Freezes every parameter but one.
struct FreezeAllBut(ParamId);

impl ModuleMapper<Cpu> for FreezeAllBut {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<Cpu, D>>) -> Param<Tensor<Cpu, D>> {
        let trained = param.id == self.0;
        param.set_require_grad(trained)
    }
}

fn models() -> [(&'static str, Qwen3<Cpu>); 6] {
    let lora = LoraConfig {
        rank: 2,
        ..LoraConfig::default()
    };
    let untied = lm_model::Qwen3Config {
        tie_word_embeddings: false,
        ..tiny_config()
    };
    let untied = || untied.init(&Default::default(), 3);
    let adapted = |model: Qwen3<Cpu>| model.with_lora(&lora, 3).expect("adapters");
    let tied = lm_model::Qwen3Config {
        tie_word_embeddings: true,
        ..tiny_config()
    };
    let model = untied();
    let mut head_alone = FreezeAllBut(model.head_parameter().id);
    [
        ("head alone", model.map(&mut head_alone)),
        ("tied", tied.init(&Default::default(), 3)),
        ("untied", untied()),
        ("tied, adapters", adapted(tiny_model())),
        ("untied, adapters", adapted(untied())),
        ("frozen embeddings", tiny_model().freeze_embeddings()),
    ]
}

#[test]
fn known_before_or_found_after() {
    for (name, model) in models() {
        for recompute in [Recompute::Nothing, Recompute::Segments(1)] {
            let what = format!("{name}, {recompute:?}");
            let (log_probs, known) = found(&model, recompute, true, None);
            let (expected, after) = found(&model, recompute, false, None);
            assert_near(&what, &log_probs, &expected);
            match name {
                "head alone" => assert_eq!(after.len(), 1),
                _ => assert!(after.len() > 1),
            }
            assert_eq!(known.len(), after.len(), "{what}: parameters");
            for (id, gradient) in after.iter() {
                let values = |x: &Tensor<Flex, 1>| x.to_data().to_vec::<f32>().expect("32 bits");
                let known = known.get(id).map(values);
                assert_near(&what, &known.expect("a gradient"), &values(gradient));
            }
        }
    }
}

/// Two passes over a tied matrix sum four gradients, in the same order with recomputation and without.
#[test]
fn layers_that_are_computed_again_change_no_bit_of_a_sum() {
    for (name, model) in models() {
        let [kept, again] = [Recompute::Nothing, Recompute::Segments(1)]
            .map(|recompute| found(&model, recompute, true, None).1);
        for (id, gradient) in kept.iter() {
            let bits = |x: &Tensor<Flex, 1>| x.to_data().to_vec::<f32>().expect("32 bits");
            assert_eq!(again.get(id).map(bits), Some(bits(gradient)), "{name}");
        }
    }
}

#[test]
fn a_gradient_of_the_entropies_is_not_lost() {
    let model = tiny_model();
    let entropies = [0.9, 0.1, 0.5, 0.3, 0.8, 0.2, 0.6, 0.4, 0.7];
    let entropies = Some(Tensor::from_floats(entropies, &model.device()));
    let (_, known) = found(&model, Recompute::Nothing, true, entropies.clone());
    let (_, after) = found(&model, Recompute::Nothing, false, entropies);
    let (_, without) = found(&model, Recompute::Nothing, true, None);
    assert_eq!(known.norm(), after.norm());
    let values = |x: &Tensor<Flex, 1>| x.to_data().to_vec::<f32>().expect("32 bits");
    let moved = known.iter().map(|(id, gradient)| {
        let without = without.get(id).expect("a gradient");
        let pairs = values(gradient).into_iter().zip(values(without));
        pairs.fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()))
    });
    // One norm can be near another though every value differs: the values are compared.
    assert!(moved.fold(0.0, f32::max) > 1e-2);
}

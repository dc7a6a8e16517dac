//! How a step is split into micro-batches, and how samples are packed, changes only the rounding.

use burn::backend::Flex;
use burn::module::ParamId;
use burn::tensor::Tensor;
use lm_model::{LoraConfig, Qwen3};
use lm_train::{BatchLayout, ParamGradients, RunFiles, SftConfig};

use crate::support::{Cpu, Recorder, bits, quick, samples, tiny_model, train_sft, weights};

/// TRL's invariants: the largest difference of the losses, and their mean drift, which a wrong weight
/// of a micro-batch would move.
#[track_caller]
fn check_same_trajectory(one: SftConfig, other: SftConfig) {
    let samples = samples(12);
    let run = |config| {
        let mut recorder = Recorder::default();
        train_sft(
            tiny_model(),
            &samples,
            &config,
            &RunFiles::default(),
            &mut recorder,
        )
        .unwrap();
        recorder.steps
    };
    let (one, other) = (run(one), run(other));
    let differences: Vec<f64> = one
        .iter()
        .zip(&other)
        .map(|(a, b)| a.loss - b.loss)
        .collect();
    let largest = differences.iter().map(|d| d.abs()).fold(0.0, f64::max);
    let drift = differences.iter().sum::<f64>() / differences.len() as f64;
    assert!(
        largest <= 1e-4 && drift.abs() <= 1e-5,
        "largest {largest}, drift {drift}"
    );
    for (a, b) in one.iter().zip(&other) {
        assert!((a.grad_norm - b.grad_norm).abs() <= 1e-3 * a.grad_norm);
        assert_eq!(a.num_tokens, b.num_tokens);
    }
}

#[test]
fn six_at_once_is_three_times_two() {
    let config = |size, accumulation| SftConfig {
        batch_size: Some(size),
        grad_accumulation: accumulation,
        ..quick(20)
    };
    check_same_trajectory(config(6, 1), config(2, 3));
    check_same_trajectory(config(6, 1), config(1, 6));
}

#[test]
fn a_token_budget_gives_the_same_epoch() {
    let all = SftConfig {
        batch_size: Some(12),
        ..quick(10)
    };
    let budget = SftConfig {
        batch_size: None,
        batch_tokens: Some(50),
        grad_accumulation: 12,
        ..quick(10)
    };
    check_same_trajectory(all, budget);
}

#[test]
fn padding_changes_nothing() {
    let config = |layout| SftConfig {
        batch_size: Some(4),
        layout,
        ..quick(20)
    };
    check_same_trajectory(config(BatchLayout::Packed), config(BatchLayout::Padded));
}

#[test]
fn layers_that_are_computed_again_change_no_bit() {
    let lora = LoraConfig {
        rank: 2,
        ..LoraConfig::default()
    };
    let adapted = || tiny_model().with_lora(&lora, 3).unwrap();
    let frozen = || tiny_model().freeze_embeddings();
    let models: [&dyn Fn() -> Qwen3<Cpu>; 3] = [&tiny_model, &adapted, &frozen];
    for model in models {
        let run = |recompute_layers| {
            let config = SftConfig {
                recompute_layers,
                ..quick(6)
            };
            let mut recorder = Recorder::default();
            let files = RunFiles::default();
            let outcome = train_sft(model(), &samples(12), &config, &files, &mut recorder).unwrap();
            (recorder.trajectory(), bits(&weights(&outcome.model)))
        };
        let kept = run(0);
        for layers in [1, 2, 5] {
            assert_eq!(run(layers), kept, "{layers} layers at a time");
        }
    }
}

#[test]
fn dropout_cannot_be_computed_again() {
    let lora = LoraConfig {
        dropout: 0.1,
        ..LoraConfig::default()
    };
    let model = tiny_model().with_lora(&lora, 3).unwrap();
    let config = SftConfig {
        recompute_layers: 1,
        ..quick(1)
    };
    let (files, samples) = (RunFiles::default(), samples(3));
    let error = train_sft(model, &samples, &config, &files, &mut Recorder::default());
    let text = error.expect_err("must be refused").to_string();
    assert!(text.contains("recompute_layers"), "{text}");
}

/// A gradient that is longer than the squares that are held at once, and not a multiple of them.
#[test]
fn the_norm_of_a_large_table_is_that_of_its_elements() {
    let elements = (2 << 22) + 5;
    let mut gradients = ParamGradients::<Flex>::default();
    let table = Tensor::<Flex, 1>::full([elements], 0.5, &Default::default());
    gradients.add(ParamId::new(), table);
    gradients.add(
        ParamId::new(),
        Tensor::<Flex, 1>::from_floats([3.0], &Default::default()),
    );
    let expected = (elements as f64 * 0.25 + 9.0).sqrt();
    assert!((gradients.norm() / expected - 1.0).abs() < 1e-6);
}

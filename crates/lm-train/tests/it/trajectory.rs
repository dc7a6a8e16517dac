//! The same run as PyTorch's: 24 steps with warm-up, cosine, accumulation and clipping.
//!
//! The reference lies outside this repository; without it the test says so and passes.

use std::path::{Path, PathBuf};

use lm_model::checkpoint;
use lm_train::{OptimConfig, RunFiles, Sample, SftConfig};
use safetensors::SafeTensors;
use serde::Deserialize;

use crate::support::{Cpu, Recorder, train_sft};

#[derive(Deserialize)]
struct Expected {
    base: String,
    trajectory: Vec<ExpectedStep>,
}

#[derive(Deserialize)]
struct ExpectedStep {
    lr: f64,
    loss: f64,
    grad_norm: f64,
}

fn parity() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("RNER_SHARED").map_or(beside, PathBuf::from);
    Some(shared.join("parity")).filter(|dir| dir.join("sft-trajectory").is_dir())
}

/// The rows of `batches.safetensors`, without their padding, in the order of the batches.
fn samples(path: &Path) -> Vec<Sample> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let rows = |name: &str, batch: usize| -> Vec<Vec<i32>> {
        let view = file.tensor(&format!("{name}.{batch}")).unwrap();
        let values: Vec<i32> = view
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| i32::from_le_bytes(*b))
            .collect();
        values
            .chunks(view.shape()[1])
            .map(<[i32]>::to_vec)
            .collect()
    };
    let batch = |batch| {
        let columns = rows("input_ids", batch)
            .into_iter()
            .zip(rows("attention_mask", batch))
            .zip(rows("labels", batch));
        columns
            .map(|((ids, mask), labels)| sample(&ids, &mask, &labels))
            .collect::<Vec<_>>()
    };
    (0..4).flat_map(batch).collect()
}

fn sample(ids: &[i32], mask: &[i32], labels: &[i32]) -> Sample {
    let length = mask.iter().filter(|&&m| m == 1).count();
    let loss_from = labels.iter().position(|&label| label != -100).unwrap();
    assert_eq!(labels[loss_from..length], ids[loss_from..length]);
    Sample {
        ids: ids[..length].iter().map(|&id| id as u32).collect(),
        loss_from,
    }
}

fn config() -> SftConfig {
    SftConfig {
        max_steps: Some(24),
        batch_size: Some(3),
        grad_accumulation: 2,
        shuffle: false,
        optim: OptimConfig {
            lr: 2e-3,
            warmup_ratio: 3.0 / 24.0,
            weight_decay: 0.01,
            ..Default::default()
        },
        ..Default::default()
    }
}

#[track_caller]
fn assert_close(what: &str, step: usize, found: f64, expected: f64) {
    let error = (found - expected).abs() / expected.abs();
    assert!(
        error <= 1e-3,
        "step {step}: {what} {found} is not {expected} (relative error {error:.1e})"
    );
}

#[test]
fn losses_norms_and_rates_are_those_of_pytorch() {
    let Some(parity) = parity() else {
        println!("skipped: no parity/sft-trajectory in RNER_SHARED or beside the repository");
        return;
    };
    let dir = parity.join("sft-trajectory");
    let text = std::fs::read_to_string(dir.join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_str(&text).unwrap();
    let model = checkpoint::load::<Cpu>(&parity.join(&expected.base), &Default::default()).unwrap();
    let mut recorder = Recorder::default();
    let samples = samples(&dir.join("batches.safetensors"));
    train_sft(
        model,
        &samples,
        &config(),
        &RunFiles::default(),
        &mut recorder,
    )
    .unwrap();
    assert_eq!(recorder.steps.len(), expected.trajectory.len());
    for (index, (found, expected)) in recorder.steps.iter().zip(&expected.trajectory).enumerate() {
        assert_close("learning rate", index, found.learning_rate, expected.lr);
        assert_close("loss", index, found.loss, expected.loss);
        assert_close("gradient norm", index, found.grad_norm, expected.grad_norm);
    }
}

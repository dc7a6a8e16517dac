//! Stopping and resuming a run with dropout.
//!
//! Alone in its process: a backend's random numbers belong to the whole process, and other tests would draw from them
//! between a step's seed and its use.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the support of the other tests is used in part"
)]

#[path = "it/support.rs"]
mod support;

use lm_model::{LoraConfig, Qwen3};
use lm_train::RunFiles;
use support::{Cpu, Recorder, bits, quick, samples, tiny_model, train_sft, weights};

fn model() -> Qwen3<Cpu> {
    let lora = LoraConfig {
        rank: 2,
        dropout: 0.3,
        ..LoraConfig::default()
    };
    tiny_model().with_lora(&lora, 3).unwrap()
}

#[test]
fn a_resumed_run_draws_the_same_dropout() {
    let (samples, config) = (samples(9), quick(6));
    let mut alone = Recorder::default();
    let files = RunFiles::default();
    let expected = train_sft(model(), &samples, &config, &files, &mut alone).unwrap();

    let root = tempfile::tempdir().unwrap();
    let files = RunFiles {
        checkpoints: Some(root.path().to_path_buf()),
        ..RunFiles::default()
    };
    let mut first = Recorder::stopping_at(4);
    let stopped = train_sft(model(), &samples, &config, &files, &mut first).unwrap();
    assert!(stopped.stopped && stopped.steps < expected.steps);
    let files = RunFiles {
        resume: stopped.checkpoint.into(),
        ..files
    };
    let mut second = Recorder::default();
    let finished = train_sft(model(), &samples, &config, &files, &mut second).unwrap();
    assert_eq!(
        [first.trajectory(), second.trajectory()].concat(),
        alone.trajectory()
    );
    assert_eq!(
        bits(&weights(&finished.model)),
        bits(&weights(&expected.model))
    );
}

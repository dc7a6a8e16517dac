//! Stopping and resuming must not show in the trajectory.

use lm_model::{LoraConfig, Precision, Qwen3};
use lm_train::{Error, RunFiles, Sample, SftConfig, TrainState, latest_checkpoint, train_sft};
use tempfile::TempDir;

use crate::support::{Cpu, Recorder, bits, quick, samples, tiny_model, weights};

fn config() -> SftConfig {
    SftConfig {
        batch_tokens: Some(40),
        batch_size: None,
        grad_accumulation: 2,
        epochs: 2.5,
        max_steps: None,
        ..quick(0)
    }
}

fn files(root: &TempDir) -> RunFiles {
    RunFiles {
        checkpoints: Some(root.path().to_path_buf()),
        ..Default::default()
    }
}

/// Runs until the monitor is asked for the `question`-th time, resumes, and compares with a run that
/// was left alone.
#[track_caller]
fn check_stop(question: usize) {
    check_stop_of(tiny_model, question);
}

#[track_caller]
fn check_stop_of(tiny_model: impl Fn() -> Qwen3<Cpu>, question: usize) {
    check_stop_with(&config(), tiny_model, question);
}

#[track_caller]
fn check_stop_with(config: &SftConfig, tiny_model: impl Fn() -> Qwen3<Cpu>, question: usize) {
    let samples = samples(17);
    let mut alone = Recorder::default();
    let expected = train_sft(
        tiny_model(),
        &samples,
        config,
        &RunFiles::default(),
        &mut alone,
    )
    .unwrap();

    let root = tempfile::tempdir().unwrap();
    let mut first = Recorder::stopping_at(question);
    let stopped = train_sft(tiny_model(), &samples, config, &files(&root), &mut first).unwrap();
    assert!(stopped.stopped && stopped.steps < expected.steps);
    assert_eq!(stopped.checkpoint, latest_checkpoint(root.path()).unwrap());

    let mut second = Recorder::default();
    let resumed = RunFiles {
        resume: stopped.checkpoint,
        ..files(&root)
    };
    let finished = train_sft(tiny_model(), &samples, config, &resumed, &mut second).unwrap();
    assert!(!finished.stopped);
    assert_eq!(finished.steps, expected.steps);
    assert_eq!(
        [first.trajectory(), second.trajectory()].concat(),
        alone.trajectory()
    );
    assert_eq!(
        bits(&weights(&finished.model)),
        bits(&weights(&expected.model))
    );
}

#[test]
fn before_the_first_step() {
    check_stop(1);
}

#[test]
fn between_two_steps() {
    check_stop(5);
}

#[test]
fn between_two_steps_in_bf16_with_and_without_master_weights() {
    let narrow = || tiny_model().in_precision(Precision::Bf16);
    for master_weights in [true, false] {
        let config = SftConfig {
            master_weights,
            ..config()
        };
        check_stop_with(&config, narrow, 5);
    }
}

#[test]
fn between_two_micro_batches() {
    check_stop(8);
}

#[test]
fn at_every_other_place() {
    for question in [2, 3, 4, 6, 7, 9, 10, 11] {
        check_stop(question);
    }
}

fn adapted_model() -> Qwen3<Cpu> {
    let lora = LoraConfig {
        rank: 2,
        ..LoraConfig::default()
    };
    tiny_model().with_lora(&lora, 3).unwrap()
}

#[test]
fn of_an_adapter() {
    for question in [1, 5, 8] {
        check_stop_of(adapted_model, question);
    }
}

#[test]
fn an_adapter_is_trained_alone_and_saved_alone() {
    let root = tempfile::tempdir().unwrap();
    let outcome = train_sft(
        adapted_model(),
        &samples(9),
        &quick(3),
        &files(&root),
        &mut (),
    )
    .unwrap();
    let base = outcome.model.without_adapter();
    assert_eq!(bits(&weights(&base)), bits(&weights(&tiny_model())));
    assert_ne!(
        bits(&weights(&outcome.model)),
        bits(&weights(&adapted_model()))
    );
    let checkpoint = outcome.checkpoint.unwrap();
    assert!(checkpoint.join("adapter_model.safetensors").exists());
    assert!(!checkpoint.join("model.safetensors").exists());
}

#[test]
fn a_frozen_model_is_refused() {
    let frozen = adapted_model().without_adapter();
    let refused = train_sft(
        frozen,
        &samples(3),
        &quick(1),
        &RunFiles::default(),
        &mut (),
    );
    assert!(matches!(refused, Err(Error::NothingToTrain { .. })));
}

#[test]
fn checkpoints_are_written_when_due_and_pruned() {
    let root = tempfile::tempdir().unwrap();
    let config = SftConfig {
        save_every: Some(2),
        save_total_limit: Some(2),
        ..quick(5)
    };
    let mut recorder = Recorder::default();
    train_sft(
        tiny_model(),
        &samples(9),
        &config,
        &files(&root),
        &mut recorder,
    )
    .unwrap();
    let names: Vec<_> = recorder
        .checkpoints
        .iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["step-000002", "step-000004", "step-000005"]);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
}

#[test]
fn a_finished_run_resumes_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let samples = samples(6);
    let done = train_sft(tiny_model(), &samples, &quick(2), &files(&root), &mut ()).unwrap();
    let mut recorder = Recorder::default();
    let resumed = RunFiles {
        resume: done.checkpoint.clone(),
        ..files(&root)
    };
    let again = train_sft(tiny_model(), &samples, &quick(2), &resumed, &mut recorder).unwrap();
    assert!(recorder.steps.is_empty() && recorder.checkpoints.is_empty());
    assert_eq!(again.checkpoint, done.checkpoint);
    assert_eq!(bits(&weights(&again.model)), bits(&weights(&done.model)));
}

#[test]
fn attached_files_lie_in_the_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let tokenizer = root.path().join("tokenizer.json");
    std::fs::write(&tokenizer, "{}").unwrap();
    let files = RunFiles {
        attach: vec![tokenizer],
        ..files(&root)
    };
    let outcome = train_sft(tiny_model(), &samples(3), &quick(1), &files, &mut ()).unwrap();
    let checkpoint = outcome.checkpoint.unwrap();
    assert_eq!(
        std::fs::read_to_string(checkpoint.join("tokenizer.json")).unwrap(),
        "{}"
    );
    assert_eq!(TrainState::read(&checkpoint).unwrap().global_step, 1);
}

#[track_caller]
fn check_refused(samples: &[Sample], config: &SftConfig, expected: &str) {
    let root = tempfile::tempdir().unwrap();
    let done = train_sft(
        tiny_model(),
        &crate::support::samples(6),
        &quick(1),
        &files(&root),
        &mut (),
    )
    .unwrap();
    let resumed = RunFiles {
        resume: done.checkpoint,
        ..files(&root)
    };
    let error = train_sft(tiny_model(), samples, config, &resumed, &mut ()).unwrap_err();
    assert!(
        matches!(&error, Error::ResumeMismatch { what, .. } if *what == expected),
        "{error}"
    );
}

#[test]
fn another_run_is_refused() {
    check_refused(
        &samples(6),
        &SftConfig {
            lr: 0.5,
            ..quick(1)
        },
        "the configuration",
    );
    check_refused(&samples(7), &quick(1), "the training data");
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let root = tempfile::tempdir().unwrap();
    let samples = samples(6);
    let done = train_sft(tiny_model(), &samples, &quick(1), &files(&root), &mut ()).unwrap();
    let path = done
        .checkpoint
        .clone()
        .unwrap()
        .join("optimizer.safetensors");
    std::fs::write(&path, [0; 40]).unwrap();
    let resumed = RunFiles {
        resume: done.checkpoint,
        ..files(&root)
    };
    let error = train_sft(tiny_model(), &samples, &quick(1), &resumed, &mut ()).unwrap_err();
    assert!(
        error.to_string().contains("optimizer.safetensors"),
        "{error}"
    );
}

//! Stopping and resuming must not show in the trajectory.

use lm_model::{LoraConfig, Precision, Qwen3};
use lm_train::{Checkpoint, Error, RunFiles, Sample, SftConfig, TrainState, latest_checkpoint};
use tempfile::TempDir;

use crate::support::{Cpu, Recorder, bits, quick, samples, tiny_model, train_sft, weights};

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

/// Runs up to a micro-batch, counted from 1, resumes, and compares with a run that
/// was left alone.
#[track_caller]
fn check_stop(micro_batch: usize) {
    check_stop_of(tiny_model, micro_batch);
}

#[track_caller]
fn check_stop_of(tiny_model: impl Fn() -> Qwen3<Cpu>, micro_batch: usize) {
    check_stop_with(&config(), tiny_model, micro_batch);
}

#[track_caller]
fn check_stop_with(config: &SftConfig, tiny_model: impl Fn() -> Qwen3<Cpu>, micro_batch: usize) {
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
    let mut first = Recorder::stopping_at(micro_batch);
    let stopped = train_sft(tiny_model(), &samples, config, &files(&root), &mut first).unwrap();
    assert!(stopped.stopped && stopped.steps < expected.steps);
    assert_eq!(stopped.checkpoint, latest_checkpoint(root.path()).unwrap());

    let mut second = Recorder::default();
    let resumed = RunFiles {
        resume: stopped.checkpoint.into(),
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
        let mut config = config();
        config.optim.master_weights = master_weights;
        check_stop_with(&config, narrow, 5);
    }
}

#[test]
fn between_two_micro_batches() {
    check_stop(8);
}

#[test]
fn at_every_other_place() {
    for micro_batch in [2, 3, 4, 6, 7, 9, 10, 11] {
        check_stop(micro_batch);
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
    for micro_batch in [1, 5, 8] {
        check_stop_of(adapted_model, micro_batch);
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
        resume: done.checkpoint.clone().into(),
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
        texts: vec![("how.json".to_owned(), "[]".to_owned())],
        ..files(&root)
    };
    let outcome = train_sft(tiny_model(), &samples(3), &quick(1), &files, &mut ()).unwrap();
    let checkpoint = outcome.checkpoint.unwrap();
    assert_eq!(
        std::fs::read_to_string(checkpoint.join("tokenizer.json")).unwrap(),
        "{}"
    );
    let written = std::fs::read_to_string(checkpoint.join("how.json"));
    assert_eq!(written.unwrap(), "[]");
    assert_eq!(
        Checkpoint::<TrainState>::open(&checkpoint)
            .unwrap()
            .state()
            .global_step,
        1
    );
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
        resume: done.checkpoint.into(),
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
    let mut faster = quick(1);
    faster.optim.lr = 0.5;
    check_refused(&samples(6), &faster, "configuration field `optim.lr`");
    check_refused(&samples(7), &quick(1), "the training data");
}

/// Rewrites the state of a checkpoint of one step and resumes from it with `config`.
fn resume_rewritten(
    config: &SftConfig,
    change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>),
) -> Result<usize, Error> {
    let root = tempfile::tempdir().unwrap();
    let samples = samples(6);
    let done = train_sft(tiny_model(), &samples, &quick(1), &files(&root), &mut ()).unwrap();
    let path = done.checkpoint.clone().unwrap().join("trainer_state.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut state: serde_json::Map<_, _> = serde_json::from_str(&text).unwrap();
    change(&mut state);
    std::fs::write(&path, serde_json::to_string(&state).unwrap()).unwrap();
    // As an older program left it.
    std::fs::remove_file(path.with_file_name("checkpoint.json")).unwrap();
    let resumed = RunFiles {
        resume: done.checkpoint.into(),
        ..files(&root)
    };
    let outcome = train_sft(tiny_model(), &samples, config, &resumed, &mut ())?;
    Ok(outcome.steps)
}

#[test]
fn a_checkpoint_survives_a_field_that_is_younger_than_it() {
    let forget = |state: &mut serde_json::Map<_, serde_json::Value>| {
        let optim = state["config"]["optim"].as_object_mut().unwrap();
        optim.remove("freeze_embeddings").unwrap();
    };
    assert_eq!(resume_rewritten(&quick(1), forget).unwrap(), 1);
    let mut frozen = quick(1);
    frozen.optim.freeze_embeddings = true;
    let said = resume_rewritten(&frozen, forget).unwrap_err().to_string();
    let expected = "`optim.freeze_embeddings` differs (checkpoint false, this run true)";
    assert!(said.contains(expected), "{said}");
    // How often is logged is not what makes the run.
    let quiet = SftConfig {
        log_every: 5,
        ..quick(1)
    };
    assert_eq!(resume_rewritten(&quiet, |_| ()).unwrap(), 1);
}

#[test]
fn a_checkpoint_with_a_hash_says_what_to_do() {
    let error = resume_rewritten(&quick(1), |state| {
        state.remove("config");
        state.insert("config_hash".into(), "5f".into());
    });
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Outdated { .. }), "{error}");
    assert!(
        error.to_string().contains("end the run with that version"),
        "{error}"
    );
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
        resume: done.checkpoint.into(),
        ..files(&root)
    };
    let error = train_sft(tiny_model(), &samples, &quick(1), &resumed, &mut ()).unwrap_err();
    assert!(
        error.to_string().contains("optimizer.safetensors"),
        "{error}"
    );
}

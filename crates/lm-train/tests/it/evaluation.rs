//! Evaluation while training: the loss, the best model, giving up, and resuming in between.

use burn::backend::Flex;
use lm_model::checkpoint;
use lm_train::{Error, OptimConfig, RunFiles, Sample, SftConfig, SftData, latest_checkpoint};

use crate::support::{Cpu, Recorder, bits, quick, samples, tiny_model, train_sft, weights};

/// A learning rate at which the held-out loss of random samples soon rises.
fn config(steps: usize) -> SftConfig {
    SftConfig {
        eval_every: Some(3),
        optim: OptimConfig {
            lr: 3e-2,
            warmup_ratio: 0.0,
            ..Default::default()
        },
        ..quick(steps)
    }
}

fn split(samples: &[Sample]) -> SftData<'_> {
    let (train, eval) = samples.split_at(8);
    SftData { train, eval }
}

fn files(root: &tempfile::TempDir) -> RunFiles {
    RunFiles {
        checkpoints: Some(root.path().to_owned()),
        ..RunFiles::default()
    }
}

/// What evaluations say, without the clock.
fn losses(recorder: &Recorder) -> Vec<(usize, u64, bool)> {
    let evaluations = recorder.evaluations.iter();
    evaluations
        .map(|e| (e.global_step, e.eval_loss.to_bits(), e.is_best))
        .collect()
}

#[test]
fn the_loss_is_that_of_a_step_on_the_same_samples() {
    let samples = samples(12);
    let data = split(&samples);
    let mut recorder = Recorder::default();
    // With a learning rate of 0 the model stays as it was.
    let still = SftConfig {
        optim: OptimConfig {
            lr: 0.0,
            ..Default::default()
        },
        eval_every: Some(1),
        ..quick(1)
    };
    train_sft(
        tiny_model(),
        data,
        &still,
        &RunFiles::default(),
        &mut recorder,
    )
    .unwrap();
    let found = &recorder.evaluations[0];
    let mut step = Recorder::default();
    let all_at_once = SftConfig {
        batch_size: Some(4),
        ..quick(1)
    };
    train_sft(
        tiny_model(),
        data.eval,
        &all_at_once,
        &RunFiles::default(),
        &mut step,
    )
    .unwrap();
    assert!((found.eval_loss - step.steps[0].loss).abs() < 1e-5);
    assert!((found.eval_entropy - step.steps[0].entropy).abs() < 1e-5);
    let targets: usize = data.eval.iter().map(|s| s.ids.len() - s.loss_from).sum();
    assert_eq!(found.eval_num_tokens, targets as u64);
}

#[test]
fn evaluation_does_not_touch_the_trajectory() {
    let samples = samples(12);
    let (mut with, mut without) = (Recorder::default(), Recorder::default());
    let none = SftConfig {
        eval_every: None,
        ..config(7)
    };
    let files = RunFiles::default();
    train_sft(tiny_model(), split(&samples), &config(7), &files, &mut with).unwrap();
    train_sft(tiny_model(), split(&samples), &none, &files, &mut without).unwrap();
    assert_eq!(with.trajectory(), without.trajectory());
    let steps: Vec<usize> = with.evaluations.iter().map(|e| e.global_step).collect();
    assert_eq!(steps, [3, 6, 7]);
}

#[test]
fn the_best_model_is_kept_and_given_back() {
    let (samples, root) = (samples(12), tempfile::tempdir().unwrap());
    let config = SftConfig {
        load_best: true,
        ..config(30)
    };
    let mut recorder = Recorder::default();
    let data = split(&samples);
    let outcome = train_sft(tiny_model(), data, &config, &files(&root), &mut recorder).unwrap();
    let best = outcome.best.unwrap();
    let lowest = recorder
        .evaluations
        .iter()
        .min_by(|a, b| a.eval_loss.total_cmp(&b.eval_loss))
        .unwrap();
    assert_eq!(best.global_step, lowest.global_step);
    assert!(best.global_step < 30, "the run never got worse: {best:?}");
    let kept = checkpoint::load::<Cpu>(&root.path().join("best"), &Default::default()).unwrap();
    assert_eq!(bits(&weights(&outcome.model)), bits(&weights(&kept)));
    let last = latest_checkpoint(root.path()).unwrap().unwrap();
    checkpoint::load::<Flex>(&last, &Default::default()).unwrap();
    assert!(last.ends_with("step-000030"));
}

#[test]
fn a_run_without_gains_ends_early() {
    let samples = samples(12);
    let config = SftConfig {
        early_stopping_patience: Some(2),
        ..config(90)
    };
    let mut recorder = Recorder::default();
    let files = RunFiles::default();
    let outcome = train_sft(
        tiny_model(),
        split(&samples),
        &config,
        &files,
        &mut recorder,
    )
    .unwrap();
    assert!(!outcome.stopped && outcome.steps < 90, "{}", outcome.steps);
    let best = outcome.best.unwrap();
    assert_eq!(outcome.steps, best.global_step + 6);
}

#[test]
fn a_resumed_run_evaluates_the_same() {
    let (samples, root) = (samples(12), tempfile::tempdir().unwrap());
    let config = SftConfig {
        save_every: Some(3),
        early_stopping_patience: Some(4),
        ..config(24)
    };
    let data = split(&samples);
    let mut whole = Recorder::default();
    let expected = train_sft(
        tiny_model(),
        data,
        &config,
        &RunFiles::default(),
        &mut whole,
    )
    .unwrap();
    // Micro-batches of steps and of evaluations count; each stop is somewhere else.
    for micro_batch in [2, 5, 7, 11] {
        let dir = root.path().join(micro_batch.to_string());
        let mut files = RunFiles {
            checkpoints: Some(dir.clone()),
            ..RunFiles::default()
        };
        let mut first = Recorder::stopping_at(micro_batch);
        assert!(
            train_sft(tiny_model(), data, &config, &files, &mut first)
                .unwrap()
                .stopped
        );
        files.resume = latest_checkpoint(&dir).unwrap().into();
        let mut second = Recorder::default();
        let outcome = train_sft(tiny_model(), data, &config, &files, &mut second).unwrap();
        assert_eq!(outcome.best, expected.best);
        assert_eq!(outcome.steps, expected.steps);
        let all = [losses(&first), losses(&second)].concat();
        assert_eq!(all, losses(&whole), "stopped at micro-batch {micro_batch}");
    }
}

#[test]
fn what_evaluation_needs_is_asked_for() {
    let samples = samples(8);
    let refuse = |config: SftConfig, word: &str| {
        let found = train_sft(
            tiny_model(),
            &samples,
            &config,
            &RunFiles::default(),
            &mut (),
        );
        let error = found.unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    refuse(config(3), "eval_every");
    let patient = SftConfig {
        early_stopping_patience: Some(1),
        ..quick(1)
    };
    refuse(patient, "early_stopping_patience");
    let best = SftConfig {
        load_best: true,
        ..quick(1)
    };
    refuse(best, "load_best");
}

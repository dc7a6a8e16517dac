//! Stopping, saving and going on.

use lm_train::RunFiles;

use super::toy::{Watch, config, expect_error, run};
use super::values;
use crate::GrpoConfig;

#[test]
fn a_stopped_run_continues_on_the_same_trajectory() {
    let mut watch = Watch::default();
    let whole = run(&config(), &RunFiles::default(), &mut watch).expect("a run");
    let expected = values(&whole.model);
    let signs = watch.signs;
    let mut batches = 0;
    // Every third sign of life: during rollouts, reference passes, first and second iterations.
    for stop_at in (1..signs).step_by(3) {
        let dir = tempfile::tempdir().expect("a directory");
        let files = RunFiles {
            checkpoints: Some(dir.path().into()),
            ..Default::default()
        };
        let first =
            run(&config(), &files, &mut Watch::stopping_at(stop_at)).expect("a stopped run");
        assert!(first.stopped && first.steps < 3);
        let checkpoint = first.checkpoint.as_ref().expect("a checkpoint");
        batches += usize::from(checkpoint.join("rollout_batch.json").exists());
        let files = RunFiles {
            resume: first.checkpoint.into(),
            ..files
        };
        let second = run(&config(), &files, &mut Watch::default()).expect("a resumed run");
        assert!(!second.stopped && second.steps == 3);
        assert!(
            values(&second.model) == expected,
            "stopped at {stop_at} of {signs}"
        );
    }
    assert!(
        0 < batches && batches < signs / 3,
        "{batches} stops in the middle of a batch"
    );
}

#[test]
fn checkpoints_are_written_when_asked_and_at_the_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = RunFiles {
        checkpoints: Some(dir.path().into()),
        ..Default::default()
    };
    let config = GrpoConfig {
        save_every: Some(2),
        ..config()
    };
    let mut watch = Watch::default();
    let outcome = run(&config, &files, &mut watch).expect("a run");
    assert_eq!(
        watch.checkpoints,
        [
            dir.path().join("step-000002"),
            dir.path().join("step-000003")
        ]
    );
    assert_eq!(
        outcome.checkpoint,
        lm_train::latest_checkpoint(dir.path()).expect("readable")
    );
    let files = RunFiles {
        resume: outcome.checkpoint.into(),
        ..files
    };
    let again = run(&config, &files, &mut watch).expect("a finished run");
    assert!(values(&again.model) == values(&outcome.model) && again.steps == 3);
}

#[test]
fn only_the_newest_checkpoints_stay() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = RunFiles {
        checkpoints: Some(dir.path().into()),
        ..Default::default()
    };
    let config = GrpoConfig {
        save_every: Some(1),
        save_total_limit: Some(2),
        ..config()
    };
    run(&config, &files, &mut ()).expect("a run");
    let entries = std::fs::read_dir(dir.path()).expect("readable");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["step-000002", "step-000003"]);
}

#[test]
fn another_run_cannot_resume() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = RunFiles {
        checkpoints: Some(dir.path().into()),
        ..Default::default()
    };
    let outcome = run(&config(), &files, &mut Watch::stopping_at(20)).expect("a stopped run");
    let files = RunFiles {
        resume: outcome.checkpoint.into(),
        ..files
    };
    let other = GrpoConfig {
        epsilon: 0.1,
        ..config()
    };
    let message = expect_error(run(&other, &files, &mut ())).to_string();
    assert!(
        message.contains("`epsilon` differs (checkpoint 0.2, this run 0.1)"),
        "{message}"
    );
    let smaller = GrpoConfig {
        micro_batch_tokens: 20,
        save_every: Some(1),
        ..config()
    };
    assert_eq!(
        run(&smaller, &files, &mut ()).expect("a resumed run").steps,
        3
    );
}

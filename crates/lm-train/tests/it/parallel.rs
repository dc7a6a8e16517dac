//! Several workers follow the trajectory of one.

use burn::backend::Flex;
use lm_model::Qwen3;
use lm_train::{Error, Observer, OptimConfig, Outcome, Resume, RunFiles, SftConfig, SftData};

use crate::support::{Cpu, Listener, Recorder, quick, samples, tiny_model, weights};

type Device = <Flex as burn::tensor::backend::BackendTypes>::Device;

/// [`lm_train::train_sft_on`] with the token of the listener.
fn train_sft_on<'a>(
    devices: &[Device],
    model: Qwen3<Cpu>,
    data: impl Into<SftData<'a>>,
    config: &SftConfig,
    files: &RunFiles,
    listener: &mut impl Listener,
) -> Result<Outcome<Cpu>, Error> {
    let stop = listener.token();
    lm_train::train_sft_on(devices, model, data, config, files, &stop, listener)
}

fn workers(count: usize) -> Vec<Device> {
    vec![Device::default(); count]
}

/// Largest relative difference of losses and norms, and the mean signed one of the losses.
fn check_close(one: &Recorder, other: &Recorder) {
    assert_eq!(one.steps.len(), other.steps.len());
    let relative = |a: f64, b: f64| (a - b).abs() / a.abs().max(1e-12);
    let mut drift = 0.0;
    for (a, b) in one.steps.iter().zip(&other.steps) {
        assert!(relative(a.loss, b.loss) <= 1e-5, "{a:?} {b:?}");
        assert!(relative(a.grad_norm, b.grad_norm) <= 1e-4, "{a:?} {b:?}");
        assert!(relative(a.entropy, b.entropy) <= 1e-5, "{a:?} {b:?}");
        assert_eq!(a.num_tokens, b.num_tokens);
        drift += (a.loss - b.loss) / one.steps.len() as f64;
    }
    assert!(drift.abs() <= 1e-5, "{drift}");
}

#[test]
fn two_and_three_workers_are_one() {
    let samples = samples(12);
    let (train, eval) = samples.split_at(9);
    let data = SftData { train, eval };
    // The last micro-batch of an epoch has a single sample, so that some workers have nothing to do.
    let config = SftConfig {
        batch_size: Some(4),
        grad_accumulation: 2,
        eval_every: Some(5),
        optim: OptimConfig {
            lr: 3e-3,
            ..Default::default()
        },
        ..quick(20)
    };
    let run = |devices: &[Device]| {
        let mut recorder = Recorder::default();
        let files = RunFiles::default();
        let model = tiny_model();
        let outcome = train_sft_on(devices, model, data, &config, &files, &mut recorder).unwrap();
        (recorder, weights(&outcome.model))
    };
    let (alone, expected) = run(&workers(1));
    for count in [2, 3] {
        let (together, found) = run(&workers(count));
        check_close(&alone, &together);
        assert_eq!(together.evaluations.len(), alone.evaluations.len());
        for (a, b) in expected.iter().flatten().zip(found.iter().flatten()) {
            assert!((a - b).abs() <= 1e-4, "{a} {b}");
        }
    }
}

#[test]
fn workers_stop_together_and_go_on_where_they_were() {
    let (samples, root) = (samples(12), tempfile::tempdir().unwrap());
    let mut files = RunFiles {
        checkpoints: Some(root.path().to_owned()),
        ..RunFiles::default()
    };
    let config = quick(9);
    let run = |files: &RunFiles, recorder: &mut Recorder| {
        train_sft_on(
            &workers(2),
            tiny_model(),
            &samples,
            &config,
            files,
            recorder,
        )
        .unwrap()
    };
    let mut whole = Recorder::default();
    run(&RunFiles::default(), &mut whole);
    let mut first = Recorder::stopping_at(5);
    let stopped = run(&files, &mut first);
    assert!(stopped.stopped && stopped.steps == 4, "{}", stopped.steps);
    // The newest is damaged: all workers go on from the same older one.
    let newest = stopped.checkpoint.unwrap();
    std::fs::create_dir(root.path().join("step-000009")).unwrap();
    std::fs::write(root.path().join("step-000009/trainer_state.json"), "").unwrap();
    assert!(newest.ends_with("step-000004"));
    files.resume = Resume::Latest;
    let mut second = Recorder::default();
    assert_eq!(run(&files, &mut second).steps, 9);
    let joined = [first.trajectory(), second.trajectory()].concat();
    assert_eq!(joined, whole.trajectory());
}

#[test]
fn a_failure_of_the_first_worker_ends_all() {
    /// Puts a file where the next checkpoint would go.
    struct InTheWay(std::path::PathBuf);
    impl Listener for InTheWay {}
    impl Observer for InTheWay {
        fn on_step(&mut self, _metrics: &lm_train::StepMetrics) {
            std::fs::remove_dir_all(&self.0).ok();
            std::fs::write(&self.0, "not a directory").unwrap();
        }
    }
    let (samples, root) = (samples(6), tempfile::tempdir().unwrap());
    let checkpoints = root.path().join("checkpoints");
    let files = RunFiles {
        checkpoints: Some(checkpoints.clone()),
        ..RunFiles::default()
    };
    let config = SftConfig {
        save_every: Some(1),
        ..quick(5)
    };
    let found = train_sft_on(
        &workers(2),
        tiny_model(),
        &samples,
        &config,
        &files,
        &mut InTheWay(checkpoints),
    );
    assert!(matches!(found.unwrap_err(), Error::Io { .. }));
    // The session is free for the next run.
    train_sft_on(
        &workers(2),
        tiny_model(),
        &samples,
        &quick(2),
        &RunFiles::default(),
        &mut (),
    )
    .unwrap();
}

#[test]
fn no_device_is_an_error() {
    let found = train_sft_on(
        &[],
        tiny_model(),
        &samples(3),
        &quick(1),
        &RunFiles::default(),
        &mut (),
    );
    assert!(matches!(
        found.unwrap_err(),
        Error::Config {
            field: "devices",
            ..
        }
    ));
}

//! Rollouts of the next step beside the training of this one.

use std::time::Duration;

use burn::backend::Flex;
use burn::module::AutodiffModule;
use lm_generate::{Generated, Progress, Request};
use lm_model::Qwen3;
use lm_train::RunFiles;
use tokio_util::sync::CancellationToken;

use super::invariants::with_adapter;
use super::toy::{Listener, Numbers, Setup, ShareOfSeven, Watch, config, expect_error, run};
use super::{Train, policy, prompts, values, values_of};
use crate::{
    BoxError, BuiltinEngine, Environment, GrpoConfig, Observer, Outcome, RolloutEngine, train_grpo,
};

fn ahead() -> GrpoConfig {
    GrpoConfig {
        one_step_off_policy: true,
        ..config()
    }
}

/// Takes its time, and notes the weights that it samples with.
struct Slow {
    engine: BuiltinEngine<Flex>,
    pause: Duration,
    weights: Vec<Vec<f32>>,
}

impl Slow {
    fn new(milliseconds: u64) -> Self {
        Self {
            engine: BuiltinEngine::new(5),
            pause: Duration::from_millis(milliseconds),
            weights: Vec::new(),
        }
    }
}

impl RolloutEngine<Flex> for Slow {
    fn rollout(
        &mut self,
        model: &Qwen3<Flex>,
        requests: &[Request],
        stop: &CancellationToken,
        observer: &mut dyn lm_generate::Observer,
    ) -> Result<Vec<Vec<Generated>>, BoxError> {
        std::thread::sleep(self.pause);
        self.weights.push(values_of(model));
        self.engine.rollout(model, requests, stop, observer)
    }
}

fn run_slowly(engine: &mut Slow, config: &GrpoConfig, watch: &mut impl Listener) -> Outcome<Train> {
    let (prompts, model) = (prompts(), policy());
    let environment = Environment {
        prompts: &prompts,
        held_out: &[],
        decoder: &Numbers(&[0]),
        reward: &ShareOfSeven,
        reference: Some(model.valid()),
        engine,
    };
    let (files, stop) = (RunFiles::default(), watch.token());
    train_grpo(model, environment, config, &files, &stop, watch).expect("a run")
}

#[test]
fn every_batch_but_the_first_is_one_step_old_however_long_it_takes() {
    let (mut engine, mut watch) = (Slow::new(0), Watch::default());
    let outcome = run_slowly(&mut engine, &ahead(), &mut watch);
    let mut slow = Slow::new(60);
    let other = run_slowly(&mut slow, &ahead(), &mut ());
    assert!(values(&outcome.model) == values(&other.model));
    assert!(slow.weights == engine.weights);

    let base = values(&policy());
    let one = GrpoConfig {
        max_steps: Some(1),
        ..ahead()
    };
    let after_one = run_slowly(&mut Slow::new(0), &one, &mut ());
    let [first, second, third] = &engine.weights[..] else {
        panic!("expected a rollout for each of three steps");
    };
    assert!(*first == base && *second == base);
    assert!(*third == values(&after_one.model) && *third != base);
    let staleness: Vec<_> = watch
        .metrics
        .iter()
        .map(|m| m.get("sampling/staleness"))
        .collect();
    assert_eq!(staleness, [Some(0.0), Some(1.0), Some(1.0)]);
}

#[test]
fn ratios_are_to_the_policy_that_sampled() {
    let mut config = ahead();
    (config.iterations, config.optim.lr) = (1, 2e-2);
    let mut watch = Watch::default();
    run(&config, &RunFiles::default(), &mut watch).expect("a run");
    for (step, metrics) in watch.metrics.iter().enumerate() {
        let value = |name| metrics.get(name).expect("the metric");
        // The old log-probabilities are those of the engine's policy, not of the one that has moved on.
        assert!(value("sampling/sampling_logp_difference/max") <= 1e-4);
        // Only the first batch is on-policy in its only pass.
        assert_eq!(
            value("clip_ratio/region_mean") > 0.0,
            step > 0,
            "step {step}"
        );
    }
    assert_eq!(watch.rows, 3 * 3 * 4);
}

#[test]
fn a_stopped_run_continues_with_the_same_old_batches() {
    let mut watch = Watch::default();
    let whole = run(&ahead(), &RunFiles::default(), &mut watch).expect("a run");
    let expected = values(&whole.model);
    let (mut pending, mut policies) = (0, 0);
    for stop_at in (1..).step_by(3) {
        let dir = tempfile::tempdir().expect("a directory");
        let files = RunFiles {
            checkpoints: Some(dir.path().into()),
            ..Default::default()
        };
        let mut watch = Watch::stopping_at(stop_at);
        let first = run(&ahead(), &files, &mut watch).expect("a run");
        if !first.stopped {
            break;
        }
        let checkpoint = first.checkpoint.as_ref().expect("a checkpoint");
        pending += usize::from(checkpoint.join("next_rollout_batch.json").exists());
        policies += usize::from(checkpoint.join("rollout_policy").exists());
        let files = RunFiles {
            resume: first.checkpoint.into(),
            ..files
        };
        let second = run(&ahead(), &files, &mut Watch::default()).expect("a resumed run");
        assert!(values(&second.model) == expected, "stopped at {stop_at}");
    }
    assert!(pending + policies > 0, "no stop in the middle of a step");
}

/// An engine so slow that the training is stopped long before the rollout is over.
#[test]
fn a_stop_between_updates_keeps_the_policy_that_samples() {
    check_stop_between_updates(policy);
    check_stop_between_updates(with_adapter);
}

fn check_stop_between_updates(model: fn() -> Qwen3<Train>) {
    let go_on = |files: &RunFiles| {
        let setup = Setup {
            model: model(),
            ..Default::default()
        };
        setup.run(&ahead(), files, &mut ()).expect("a run")
    };
    let expected = go_on(&RunFiles::default());
    let dir = tempfile::tempdir().expect("a directory");
    let files = RunFiles {
        checkpoints: Some(dir.path().into()),
        ..Default::default()
    };
    let prompts = prompts();
    let mut engine = SlowAfter(0, BuiltinEngine::new(5));
    let environment = Environment {
        prompts: &prompts,
        held_out: &[],
        decoder: &Numbers(&[0]),
        reward: &ShareOfSeven,
        reference: Some(policy().valid()),
        engine: &mut engine,
    };
    let mut impatient = StopsOnceWaiting::default();
    let (config, stop) = (ahead(), impatient.0.clone());
    let first = train_grpo(model(), environment, &config, &files, &stop, &mut impatient);
    let first = first.expect("a stopped run");
    assert!(first.stopped && first.steps == 0);
    let checkpoint = first.checkpoint.clone().expect("a checkpoint");
    assert!(checkpoint.join("rollout_policy").exists());
    assert!(!checkpoint.join("next_rollout_batch.json").exists());
    let files = RunFiles {
        resume: first.checkpoint.into(),
        ..files
    };
    let second = go_on(&files);
    assert!(values(&second.model) == values(&expected.model));
    assert!(values(&second.model) != values(&model()));
}

/// The second rollout does nothing until it is stopped.
struct SlowAfter(usize, BuiltinEngine<Flex>);

impl RolloutEngine<Flex> for SlowAfter {
    fn rollout(
        &mut self,
        model: &Qwen3<Flex>,
        requests: &[Request],
        stop: &CancellationToken,
        observer: &mut dyn lm_generate::Observer,
    ) -> Result<Vec<Vec<Generated>>, BoxError> {
        self.0 += 1;
        if self.0 == 1 {
            return self.1.rollout(model, requests, stop, observer);
        }
        let state = Progress {
            finished: 0,
            total: 1,
            active: 1,
            tokens: 0,
        };
        while !stop.is_cancelled() {
            observer.on_step(state);
            std::thread::sleep(Duration::from_millis(2));
        }
        Err("stopped".into())
    }
}

/// Stops when it hears of a rollout that has not sampled a token, which is while the training waits for it.
#[derive(Default)]
struct StopsOnceWaiting(CancellationToken);

impl Observer for StopsOnceWaiting {
    fn on_progress(&mut self, progress: Progress) {
        if progress.total == 1 {
            self.0.cancel();
        }
    }
}

#[test]
fn an_error_of_the_rollout_ends_the_run() {
    struct Broken(usize, BuiltinEngine<Flex>);
    impl RolloutEngine<Flex> for Broken {
        fn rollout(
            &mut self,
            model: &Qwen3<Flex>,
            requests: &[Request],
            stop: &CancellationToken,
            observer: &mut dyn lm_generate::Observer,
        ) -> Result<Vec<Vec<Generated>>, BoxError> {
            self.0 += 1;
            match self.0 {
                1 => self.1.rollout(model, requests, stop, observer),
                _ => Err("the server is gone".into()),
            }
        }
    }
    let prompts = prompts();
    let setup = Setup::default();
    let environment = Environment {
        prompts: &prompts,
        held_out: &[],
        decoder: &Numbers(&[0]),
        reward: &ShareOfSeven,
        reference: setup.reference,
        engine: &mut Broken(0, BuiltinEngine::new(5)),
    };
    let (config, files, stop) = (ahead(), RunFiles::default(), CancellationToken::new());
    let outcome = train_grpo(setup.model, environment, &config, &files, &stop, &mut ());
    let message = expect_error(outcome).to_string();
    assert!(
        message.contains("step 2") && message.contains("the server is gone"),
        "{message}"
    );
}

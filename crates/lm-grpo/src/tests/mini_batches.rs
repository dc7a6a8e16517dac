//! Several updates in a pass over a rollout batch.

use burn::module::AutodiffModule;
use lm_train::{Optimizer, Resume, RunFiles};
use tokio_util::sync::CancellationToken;

use super::toy::{Numbers, ShareOfSeven, Watch, config, run};
use super::{Train, policy, prompts, values};
use crate::batch::Batch;
use crate::collect::Collector;
use crate::pass::{PassContext, PassEnd, accumulate};
use crate::{BuiltinEngine, Environment, GrpoConfig};

/// Steps of two passes, each of three updates.
fn divided() -> GrpoConfig {
    GrpoConfig {
        mini_batches: 3,
        ..config()
    }
}

/// The first rollout batch of a run of the usual setup.
fn first_batch(config: &GrpoConfig) -> Batch {
    let (prompts, model, mut engine) = (prompts(), policy(), BuiltinEngine::new(5));
    let mut collector = Collector {
        context: PassContext::new(&model, &prompts, config).expect("a context"),
        environment: Environment {
            prompts: &prompts,
            held_out: &[],
            decoder: &Numbers(&[0]),
            reward: &ShareOfSeven,
            reference: Some(model.valid()),
            engine: &mut engine,
        },
        trainable: (0..prompts.len()).collect(),
        config,
    };
    let stop = CancellationToken::new();
    let fresh = collector.collect(&model.valid(), 0, 0, &stop, &mut ());
    fresh.expect("a rollout").expect("nobody stops").batch
}

#[test]
fn every_mini_batch_is_an_update_with_ratios_to_the_policy_that_sampled() {
    let config = GrpoConfig {
        max_steps: Some(1),
        ..divided()
    };
    let batch = first_batch(&config);
    assert!(batch.trajectories.iter().all(|t| !t.old.is_empty()));
    let (prompts, mut model) = (prompts(), policy());
    let lengths: Vec<usize> = prompts.iter().map(|prompt| prompt.ids.len()).collect();
    let mut optimizer = Optimizer::<Train>::new(config.optim.adamw());
    for part in [0..4, 4..8, 8..12, 0..4, 4..8, 8..12] {
        let context = PassContext::new(&model, &prompts, &config).expect("a context");
        let micro_batches = batch.micro_batches(part, &lengths, config.micro_batch_tokens);
        let stop = CancellationToken::new();
        let end = accumulate(&model, &batch, &micro_batches, context, &stop, &mut ());
        let PassEnd::Complete(passed) = end else {
            panic!("expected a complete pass");
        };
        (model, _) = optimizer.step(model, passed.gradients, config.optim.lr);
    }
    let outcome = run(&config, &RunFiles::default(), &mut ()).expect("a run");
    assert!(values(&outcome.model) == values(&model));
}

#[test]
fn one_mini_batch_takes_its_ratios_from_the_first_pass() {
    let batch = first_batch(&config());
    assert_eq!(config().mini_batches, 1);
    assert!(batch.trajectories.iter().all(|t| t.old.is_empty()));
    assert_eq!(batch.next_mini_batch(1), batch.whole());
    let lengths: Vec<usize> = batch
        .trajectories
        .iter()
        .map(|t| t.completion.len())
        .collect();
    let (loss, masked) = (config().loss_type, vec![false; lengths.len()]);
    let weights = loss.weights(&lengths, &masked, config().max_completion_length);
    let found: Vec<f64> = batch.trajectories.iter().map(|t| t.weight).collect();
    assert_eq!(found, weights);
}

#[test]
fn a_stopped_run_goes_on_between_mini_batches() {
    let mut watch = Watch::default();
    let whole = run(&divided(), &RunFiles::default(), &mut watch).expect("a run");
    let (expected, signs) = (values(&whole.model), watch.signs);
    let mut between = 0;
    for stop_at in (1..signs).step_by(7) {
        let dir = tempfile::tempdir().expect("a directory");
        let files = RunFiles {
            checkpoints: Some(dir.path().into()),
            ..Default::default()
        };
        let stopped = run(&divided(), &files, &mut Watch::stopping_at(stop_at));
        let first = stopped.expect("a stopped run");
        assert!(first.stopped);
        let checkpoint = first.checkpoint.expect("a checkpoint");
        let batch = std::fs::read_to_string(checkpoint.join("rollout_batch.json"));
        let batch: Option<Batch> = batch.ok().and_then(|text| serde_json::from_str(&text).ok());
        between += usize::from(batch.is_some_and(|batch| batch.passes.len() % 3 != 0));
        let files = RunFiles {
            resume: Resume::From(checkpoint),
            ..files
        };
        let second = run(&divided(), &files, &mut ()).expect("a resumed run");
        assert!(
            values(&second.model) == expected,
            "stopped at {stop_at} of {signs}"
        );
    }
    assert!(between > 0, "no stop inside a pass");
}

#[test]
fn the_updates_of_a_step_are_counted() {
    assert_eq!(divided().updates_per_step(), 6);
    let mut watch = Watch::default();
    let config = GrpoConfig {
        mini_batches: 3,
        iterations: 1,
        max_steps: Some(2),
        optim: lm_train::OptimConfig {
            schedule: lm_train::ScheduleKind::Linear,
            lr: 0.006,
            ..config().optim
        },
        ..config()
    };
    run(&config, &RunFiles::default(), &mut watch).expect("a run");
    // The last update of each step, of six in all.
    let rates = watch.metrics.iter().map(|m| m.get("learning_rate"));
    let rates: Vec<f64> = rates.map(|rate| rate.expect("a rate")).collect();
    let expected: Vec<f64> = [2, 5].map(|n| config.optim.schedule(6).lr(n)).to_vec();
    assert_eq!(rates, expected);
    assert!(rates[0] > rates[1]);
}

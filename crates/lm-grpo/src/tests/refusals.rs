//! Rewards, losses and engines that go wrong: which error says so, and what it names.

use std::sync::atomic::{AtomicUsize, Ordering};

use burn::backend::Flex;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use lm_model::Qwen3;
use lm_train::RunFiles;

use super::toy::{Setup, config, expect_error};
use super::{Train, policy, values};
use crate::{Error, GrpoConfig, Place, Reward, RewardItem, RewardValue, Scoring};

/// A reward given as a function of the items.
struct With<F>(F);

impl<F: Fn(&[RewardItem<'_>]) -> Vec<RewardValue> + Sync> Reward for With<F> {
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
        (self.0)(items)
    }
}

fn value(total: f64) -> RewardValue {
    RewardValue {
        total,
        parts: Vec::new(),
    }
}

fn error_of(reward: impl Fn(&[RewardItem<'_>]) -> Vec<RewardValue> + Sync) -> Error {
    let reward = With(reward);
    let setup = Setup {
        reward: &reward,
        ..Default::default()
    };
    expect_error(setup.run(&config(), &RunFiles::default(), &mut ()))
}

#[test]
fn too_few_and_too_many_values_are_refused() {
    let error = error_of(|_| vec![value(1.0)]);
    let Error::RewardCount {
        at: Scoring::Step(1),
        expected: 12,
        found: 1,
        first_without: Some(Place { completion: 1, .. }),
    } = error
    else {
        panic!("unexpected: {error}");
    };
    let error = error_of(|items| vec![value(1.0); items.len() + 1]);
    let message = error.to_string();
    let expected = "step 1: reward: expected 12 values, one per completion, found 13";
    assert_eq!(message, expected);
}

#[test]
fn numbers_that_are_not_finite_name_their_completion() {
    let bad = |total: f64, part: f64| {
        move |items: &[RewardItem<'_>]| {
            let mut values = vec![value(1.0); items.len()];
            values[6].total = total;
            values[6].parts.push(("f1".into(), part));
            values
        }
    };
    let message = error_of(bad(f64::NAN, 0.0)).to_string();
    let place = message.contains("completion 2 of prompt ");
    assert!(place && message.contains("found NaN"), "{message}");
    let message = error_of(bad(0.0, f64::INFINITY)).to_string();
    assert!(message.ends_with("found inf as its `f1`"), "{message}");
}

#[test]
fn a_panic_is_caught_and_names_its_completion() {
    let error = error_of(|items| {
        let score = |item: &RewardItem<'_>| {
            assert!(item.prompt_index != 3, "no gold for 3");
            value(item.completion.len() as f64)
        };
        items.iter().map(score).collect()
    });
    let Error::RewardPanicked {
        at: Scoring::Step(_),
        message,
        place: Some(place),
    } = error
    else {
        panic!("unexpected: {error}");
    };
    assert!(message.contains("no gold for 3"), "{message}");
    assert_eq!((place.prompt, place.completion), (3, 0));

    let error = error_of(|items| match items.len() {
        1 => vec![value(0.0)],
        _ => panic!("only together"),
    });
    let expected = "step 1: reward: panicked with \"only together\"";
    assert_eq!(error.to_string(), expected);
}

/// Replaces all parameters by NaN.
struct Spoil;

impl ModuleMapper<Flex> for Spoil {
    fn map_float<const D: usize>(
        &mut self,
        param: Param<Tensor<Flex, D>>,
    ) -> Param<Tensor<Flex, D>> {
        param.map(|tensor| tensor * f32::NAN)
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_before_the_update() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = RunFiles {
        checkpoints: Some(dir.path().into()),
        ..Default::default()
    };
    let mut setup = Setup::default();
    let before = values(&setup.model);
    setup.reference = setup.reference.map(|reference| reference.map(&mut Spoil));
    let config = GrpoConfig {
        micro_batch_tokens: 10_000,
        ..config()
    };
    let error = expect_error(setup.run(&config, &files, &mut ()));
    let message = error.to_string();
    let Error::NonFinite {
        step: 1,
        quantity: "loss",
        checkpoint: Some(path),
        prompts,
        completion: Some(0),
        ..
    } = error
    else {
        panic!("unexpected: {error}");
    };
    assert_eq!(prompts.len(), config.prompts_per_step);
    assert!(message.contains(&format!("{prompts:?}")), "{message}");
    let saved: Qwen3<Train> =
        lm_model::checkpoint::load(&path, &Default::default()).expect("a checkpoint");
    assert!(values(&saved) == before && values(&policy()) == before);
}

/// The weights that a step began with stay on disk when a later pass of it goes wrong.
#[test]
fn a_checkpoint_is_not_replaced_in_the_middle_of_a_bad_step() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = RunFiles {
        checkpoints: Some(dir.path().into()),
        ..Default::default()
    };
    let mut config = GrpoConfig {
        save_every: Some(1),
        beta: 0.0,
        ..config()
    };
    // Equal rewards move nothing at any rate. The first update of the second step makes the second pass overflow.
    config.optim.lr = 1e30;
    let calls = AtomicUsize::new(0);
    let reward = With(|items: &[RewardItem<'_>]| {
        calls.fetch_add(1, Ordering::Relaxed);
        let total = |i: usize| {
            if calls.load(Ordering::Relaxed) == 1 {
                1.0
            } else {
                i as f64
            }
        };
        (0..items.len()).map(|i| value(total(i))).collect()
    });
    let setup = Setup {
        reward: &reward,
        ..Default::default()
    };
    let error = expect_error(setup.run(&config, &files, &mut ()));
    let Error::NonFinite {
        step: 2,
        checkpoint: Some(path),
        ..
    } = error
    else {
        panic!("unexpected: {error}");
    };
    assert_eq!(path, dir.path().join("step-000001"));
    let saved: Qwen3<Train> =
        lm_model::checkpoint::load(&path, &Default::default()).expect("a checkpoint");
    assert!(values(&saved) == values(&policy()));
}

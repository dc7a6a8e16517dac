//! Groups that are replaced, and evaluations: what they do, and that a resumed run does the same.

use lm_train::RunFiles;

use super::toy::{Setup, Watch, config, expect_error};
use super::values;
use crate::{Error, GrpoConfig, Reward, RewardItem, RewardValue};

/// Rewards the share of token 7, but equally for all completions of even prompts.
struct OddPrompts;

impl Reward for OddPrompts {
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
        let share = |item: &RewardItem<'_>| {
            let words: Vec<&str> = item.completion.split(' ').collect();
            words.iter().filter(|word| **word == "7").count() as f64 / words.len() as f64
        };
        // The first token alone would often be the same, so the length takes part too.
        let odd = |item: &RewardItem<'_>| share(item) + item.completion.len() as f64;
        let total = |item: &RewardItem<'_>| match item.prompt_index % 2 {
            0 => 0.5,
            _ => odd(item),
        };
        let value = |item| RewardValue {
            total: total(item),
            parts: Vec::new(),
        };
        items.iter().map(value).collect()
    }
}

fn resampling() -> GrpoConfig {
    GrpoConfig {
        dynamic_sampling: Some(2),
        prompts_per_step: 2,
        group_size: 6,
        ..config()
    }
}

fn setup() -> Setup<'static> {
    Setup {
        reward: &OddPrompts,
        ..Default::default()
    }
}

#[test]
fn groups_with_equal_rewards_are_replaced() {
    let mut watch = Watch::default();
    let files = RunFiles::default();
    setup()
        .run(&resampling(), &files, &mut watch)
        .expect("a run");
    let mut replaced = 0.0;
    for metrics in &watch.metrics {
        let get = |name: &str| metrics.get(name).expect("a number");
        let (rounds, dropped) = (
            get("dynamic_sampling/rounds"),
            get("dynamic_sampling/dropped_groups"),
        );
        assert!(rounds <= 2.0);
        // Three of the five prompts never differ, so that five groups in all are enough to find the two that do.
        let uniform = get("frac_reward_zero_std") * (2.0 + dropped);
        assert!((uniform - uniform.round()).abs() < 1e-9, "{uniform}");
        assert!(get("dynamic_sampling/sampled_reward") <= get("reward"));
        replaced += dropped;
    }
    assert!(replaced > 0.0);
    // The batch has its size in every step.
    assert_eq!(watch.rows, 3 * 2 * 6);
}

/// Stops a run everywhere, continues it, and compares the weights with those of a run that was not stopped.
fn check_resumed(config: &GrpoConfig, setup: impl Fn() -> Setup<'static>) {
    let dir = tempfile::tempdir().expect("a directory");
    let files = |name: &str| RunFiles {
        checkpoints: Some(dir.path().join(name)),
        ..Default::default()
    };
    let mut watch = Watch::default();
    let whole = setup().run(config, &files("whole"), &mut watch);
    let whole = whole.expect("a run");
    let signs = watch.signs;
    for stop_at in (2..signs).step_by(signs / 12) {
        let files = files(&stop_at.to_string());
        let mut stopping = Watch::stopping_at(stop_at);
        let first = setup().run(config, &files, &mut stopping).expect("a stop");
        assert!(first.stopped);
        let files = RunFiles {
            resume: first.checkpoint.into(),
            ..files
        };
        let mut rest = Watch::default();
        let second = setup()
            .run(config, &files, &mut rest)
            .expect("a resumed run");
        assert_eq!((second.steps, second.best), (whole.steps, whole.best));
        assert_eq!(second.early_stopped, whole.early_stopped);
        assert!(
            values(&second.model) == values(&whole.model),
            "stopped at {stop_at} of {signs}"
        );
        for metrics in &rest.metrics {
            let same = &watch.metrics[metrics.global_step - 1];
            for name in ["reward", "num_tokens", "dynamic_sampling/dropped_groups"] {
                assert_eq!(metrics.get(name), same.get(name), "{name}");
            }
        }
    }
}

#[test]
fn a_resumed_run_replaces_the_same_groups() {
    check_resumed(&resampling(), setup);
}

fn evaluating() -> GrpoConfig {
    GrpoConfig {
        eval_every: Some(1),
        load_best: true,
        ..config()
    }
}

fn held_out() -> Setup<'static> {
    Setup {
        held_out: &[1, 4],
        ..Default::default()
    }
}

#[test]
fn a_resumed_run_evaluates_the_same() {
    check_resumed(&evaluating(), held_out);
}

#[test]
fn held_out_prompts_are_evaluated_and_not_trained_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = RunFiles {
        checkpoints: Some(dir.path().into()),
        ..Default::default()
    };
    let mut watch = Watch::default();
    let config = GrpoConfig {
        max_steps: Some(4),
        ..evaluating()
    };
    let outcome = held_out().run(&config, &files, &mut watch).expect("a run");
    let steps: Vec<usize> = watch.evaluations.iter().map(|e| e.global_step).collect();
    assert_eq!(steps, [0, 1, 2, 3, 4]);
    let best = outcome.best.expect("an evaluation");
    let rewards = watch.evaluations.iter().map(|e| e.reward);
    assert_eq!(best.reward, rewards.fold(f64::NEG_INFINITY, f64::max));
    let json = serde_json::to_value(&watch.evaluations[0]).expect("JSON");
    assert_eq!(json["eval_reward"], json["eval_rewards/share/mean"]);
    assert!(json["eval_completions/mean_length"].is_number());
    // Three prompts are left, and each is in every step.
    assert!(watch.prompts.iter().all(|prompt| ![1, 4].contains(prompt)));
    let kept = lm_model::checkpoint::load(&dir.path().join("best"), &Default::default());
    assert!(values(&kept.expect("the best model")) == values(&outcome.model));
}

/// Every completion gets the same, so no evaluation is better than the first.
struct Constant;

impl Reward for Constant {
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
        let value = RewardValue {
            total: 1.0,
            parts: Vec::new(),
        };
        vec![value; items.len()]
    }
}

#[test]
fn a_run_ends_when_patience_does() {
    let config = GrpoConfig {
        early_stopping_patience: Some(2),
        load_best: false,
        max_steps: Some(9),
        ..evaluating()
    };
    let setup = Setup {
        reward: &Constant,
        ..held_out()
    };
    let mut watch = Watch::default();
    let outcome = setup.run(&config, &RunFiles::default(), &mut watch);
    let outcome = outcome.expect("a run");
    assert!(outcome.early_stopped && !outcome.stopped);
    assert_eq!((outcome.steps, watch.evaluations.len()), (2, 3));
}

#[test]
fn an_evaluation_needs_prompts_and_a_place() {
    let none = Setup::default().run(&evaluating(), &RunFiles::default(), &mut ());
    let error = expect_error(none);
    assert!(
        matches!(error, Error::NoHeldOut { held_out: 0, .. }),
        "{error}"
    );
    let error = expect_error(held_out().run(&evaluating(), &RunFiles::default(), &mut ()));
    assert!(matches!(error, Error::NowhereToKeep), "{error}");
    let patient = GrpoConfig {
        early_stopping_patience: Some(1),
        ..config()
    };
    let error = expect_error(held_out().run(&patient, &RunFiles::default(), &mut ()));
    assert!(
        error.to_string().contains("early_stopping_patience"),
        "{error}"
    );
}

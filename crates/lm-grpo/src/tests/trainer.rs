//! Whole runs on the toy: learning, metrics, and what is refused.

use burn::backend::Flex;
use burn::module::AutodiffModule;
use lm_generate::{Finish, Generated, Request};
use lm_model::Qwen3;
use lm_train::RunFiles;
use tokio_util::sync::CancellationToken;

use super::toy::{Fixed, Numbers, Setup, ShareOfSeven, Watch, config, expect_error, run};
use super::{policy, prompts, values};
use crate::{
    BoxError, EngineCorrection, Environment, Error, GrpoConfig, RolloutEngine, train_grpo,
};

#[test]
fn the_policy_learns_what_is_rewarded() {
    let config = GrpoConfig {
        group_size: 8,
        prompts_per_step: 5,
        max_steps: Some(40),
        beta: 0.0,
        ..config()
    };
    let mut watch = Watch::default();
    run(&config, &RunFiles::default(), &mut watch).expect("a run");
    let reward: Vec<f64> = watch
        .metrics
        .iter()
        .map(|m| m.get("reward").expect("a reward"))
        .collect();
    let start = reward[..3].iter().sum::<f64>() / 3.0;
    let end = reward[37..].iter().sum::<f64>() / 3.0;
    assert!(start < 0.25 && end > start + 0.4, "from {start} to {end}");
    assert_eq!(watch.rows, 40 * 5 * 8);
}

#[test]
fn metrics_have_the_names_of_trl() {
    let mut watch = Watch::default();
    run(&config(), &RunFiles::default(), &mut watch).expect("a run");
    let names = [
        "loss",
        "grad_norm",
        "learning_rate",
        "epoch",
        "num_tokens",
        "entropy",
        "kl",
        "reward",
        "reward_std",
        "frac_reward_zero_std",
        "rewards/share/mean",
        "rewards/share/std",
        "clip_ratio/region_mean",
        "clip_ratio/low_mean",
        "clip_ratio/low_min",
        "clip_ratio/high_mean",
        "clip_ratio/high_max",
        "completions/mean_length",
        "completions/min_length",
        "completions/max_length",
        "completions/clipped_ratio",
        "sampling/sampling_logp_difference/mean",
        "sampling/sampling_logp_difference/max",
        "sampling/importance_sampling_ratio/min",
        "sampling/importance_sampling_ratio/mean",
        "sampling/importance_sampling_ratio/max",
        "rollout_tokens_per_second",
        "training_tokens_per_second",
        "step_time",
        "time/rollout_share",
        "time/training_share",
    ];
    for metrics in &watch.metrics {
        for name in names {
            assert!(
                metrics.get(name).is_some_and(f64::is_finite),
                "{name}: {:?}",
                metrics.get(name)
            );
        }
        // Engine and trainer compute the same distribution.
        assert!(
            metrics
                .get("sampling/sampling_logp_difference/max")
                .expect("a number")
                < 1e-4
        );
        assert_eq!(metrics.get("reward"), metrics.get("rewards/share/mean"));
    }
    assert_eq!(watch.metrics[2].global_step, 3);
    assert_eq!(watch.metrics[2].get("epoch"), Some(9.0 / 5.0));
    let json = serde_json::to_value(&watch.metrics[0]).expect("JSON");
    assert_eq!(json["global_step"], 1);
    assert!(json["clip_ratio/low_mean"].is_number());
}

#[test]
fn with_one_iteration_nothing_is_clipped_and_later_passes_move_away() {
    let once = GrpoConfig {
        iterations: 1,
        ..config()
    };
    let mut watch = Watch::default();
    run(&once, &RunFiles::default(), &mut watch).expect("a run");
    assert!(
        watch
            .metrics
            .iter()
            .all(|m| m.get("clip_ratio/region_mean") == Some(0.0))
    );
    assert_eq!(watch.metrics[0].get("kl"), Some(0.0));
    assert!(watch.metrics[2].get("kl").expect("a number") > 0.0);

    let mut often = config();
    (often.iterations, often.optim.lr) = (4, 2e-2);
    let mut watch = Watch::default();
    run(&often, &RunFiles::default(), &mut watch).expect("a run");
    assert!(
        watch
            .metrics
            .iter()
            .any(|m| m.get("clip_ratio/region_mean").expect("a number") > 0.0)
    );
}

#[test]
fn masked_completions_teach_nothing() {
    let masked = GrpoConfig {
        mask_truncated: true,
        ..config()
    };
    let reward = Fixed(|n| (0..n).map(|i| i as f64).collect());
    let before = values(&policy());
    // Without a stop token, every completion runs into the limit.
    let setup = || Setup {
        reward: &reward,
        stops: &[],
        ..Default::default()
    };
    let mut watch = Watch::default();
    let outcome = setup()
        .run(&masked, &RunFiles::default(), &mut watch)
        .expect("a run");
    assert!(values(&outcome.model) == before);
    for metrics in watch.metrics {
        assert_eq!(metrics.get("completions/clipped_ratio"), Some(1.0));
        assert_eq!(metrics.get("completions/mean_terminated_length"), None);
        assert_eq!(metrics.get("grad_norm"), Some(0.0));
    }
    let outcome = setup()
        .run(&config(), &RunFiles::default(), &mut ())
        .expect("a run");
    assert!(values(&outcome.model) != before);
}

#[test]
fn completions_without_an_advantage_teach_nothing_when_masked() {
    let reward = Fixed(|n| vec![0.5; n]);
    let before = values(&policy());
    let weights_after = |mask_uniform| {
        let config = GrpoConfig {
            mask_uniform,
            ..config()
        };
        let setup = Setup {
            // Another model than the policy, or the penalty would begin with no gradient.
            reference: Some(policy().config().init::<Flex>(&Default::default(), 6)),
            reward: &reward,
            ..Default::default()
        };
        let outcome = setup.run(&config, &RunFiles::default(), &mut ());
        values(&outcome.expect("a run").model)
    };
    assert!(config().beta > 0.0);
    assert!(weights_after(true) == before);
    assert!(weights_after(false) != before);
}

#[test]
fn equal_rewards_leave_the_policy_alone_without_a_penalty() {
    let config = GrpoConfig {
        beta: 0.0,
        ..config()
    };
    let reward = Fixed(|n| vec![0.5; n]);
    let setup = Setup {
        reference: None,
        reward: &reward,
        ..Default::default()
    };
    let before = values(&setup.model);
    let mut watch = Watch::default();
    let outcome = setup
        .run(&config, &RunFiles::default(), &mut watch)
        .expect("a run");
    assert!(values(&outcome.model) == before);
    for metrics in watch.metrics {
        assert_eq!(metrics.get("frac_reward_zero_std"), Some(1.0));
        assert_eq!(metrics.get("kl"), None);
    }
}

#[test]
fn a_missing_reference_and_bad_settings_are_refused() {
    let setup = Setup {
        reference: None,
        ..Default::default()
    };
    let error = expect_error(setup.run(&config(), &RunFiles::default(), &mut ()));
    assert!(matches!(error, Error::MissingReference { .. }), "{error}");
    let bad = GrpoConfig {
        temperature: 0.0,
        ..config()
    };
    let message = expect_error(run(&bad, &RunFiles::default(), &mut ())).to_string();
    assert!(
        message.contains("temperature") && message.contains("positive"),
        "{message}"
    );
    let error =
        serde_json::from_str::<GrpoConfig>(r#"{"num_generations": 8}"#).expect_err("unknown");
    assert!(error.to_string().contains("num_generations"), "{error}");
}

/// Returns fewer completions than it was asked for.
struct Lazy;

impl RolloutEngine<Flex> for Lazy {
    fn rollout(
        &mut self,
        _model: &Qwen3<Flex>,
        requests: &[Request],
        _stop: &CancellationToken,
        _observer: &mut dyn lm_generate::Observer,
    ) -> Result<Vec<Vec<Generated>>, BoxError> {
        let one = Generated {
            ids: vec![3],
            log_probs: vec![],
            finish: Finish::Stop,
        };
        Ok(requests
            .iter()
            .map(|request| vec![one.clone(); request.n - 1])
            .collect())
    }
}

#[test]
fn an_engine_that_returns_too_little_is_refused() {
    let error = error_of(&mut Lazy, &config());
    assert_eq!(
        error.to_string(),
        "step 1: rollout: expected 4 completions in group 0, found 3"
    );
}

/// Returns completions without log-probabilities.
struct Silent;

impl RolloutEngine<Flex> for Silent {
    fn rollout(
        &mut self,
        _model: &Qwen3<Flex>,
        requests: &[Request],
        _stop: &CancellationToken,
        _observer: &mut dyn lm_generate::Observer,
    ) -> Result<Vec<Vec<Generated>>, BoxError> {
        let one = Generated {
            ids: vec![3],
            log_probs: vec![],
            finish: Finish::Stop,
        };
        let group = |request: &Request| vec![one.clone(); request.n];
        Ok(requests.iter().map(group).collect())
    }
}

#[test]
fn a_correction_needs_the_log_probabilities_of_the_engine() {
    let corrected = GrpoConfig {
        engine_correction: EngineCorrection::Truncate,
        ..config()
    };
    let error = error_of(&mut Silent, &corrected);
    let named = matches!(error, Error::NoEngineLogProbs { step: 1, group: 0 });
    assert!(named, "{error}");
}

fn error_of(engine: &mut dyn RolloutEngine<Flex>, config: &GrpoConfig) -> Error {
    let prompts = prompts();
    let model = policy();
    let environment = Environment {
        prompts: &prompts,
        held_out: &[],
        decoder: &Numbers(&[0]),
        reward: &ShareOfSeven,
        reference: Some(model.valid()),
        engine,
    };
    let (files, stop) = (RunFiles::default(), CancellationToken::new());
    expect_error(train_grpo(
        model,
        environment,
        config,
        &files,
        &stop,
        &mut (),
    ))
}

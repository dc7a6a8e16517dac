//! What must not change a run: the order of prompts, an adapter that does nothing, and who computes log-probabilities.

use burn::backend::Flex;
use burn::module::AutodiffModule;
use lm_model::{LoraConfig, Qwen3};
use lm_train::RunFiles;

use super::pass::{all_close, flat, off_policy, pass};
use super::toy::{Setup, Watch, config, run};
use super::{Train, policy};
use crate::{EngineCorrection, GrpoConfig, ImportanceSamplingLevel, LossType};

#[test]
fn the_order_of_prompts_does_not_matter() {
    let model = policy();
    let mut batch = off_policy(&model, LossType::DrGrpo);
    let (expected, stats) = pass(&model, &mut batch, 30);
    let mut turned = batch.clone();
    // Groups of three end to end, the last of two.
    turned.trajectories.rotate_left(6);
    let (found, other) = pass(&model, &mut turned, 30);
    all_close(&flat(&found), &flat(&expected));
    assert!((stats.loss - other.loss).abs() <= 1e-5 * (1.0 + stats.loss.abs()));
}

/// The greatest of a metric over the steps of a run.
fn greatest(config: &GrpoConfig, name: &str) -> f64 {
    let mut watch = Watch::default();
    run(config, &RunFiles::default(), &mut watch).expect("a run");
    let values = watch
        .metrics
        .iter()
        .map(|m| m.get(name).expect("the metric"));
    values.fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn the_engine_computes_the_log_probabilities_of_the_trainer() {
    let difference = greatest(&config(), "sampling/sampling_logp_difference/max");
    assert!(difference <= 1e-4, "{difference}");
    let ratio = greatest(&config(), "sampling/importance_sampling_ratio/max");
    assert!((ratio - 1.0).abs() <= 1e-4, "{ratio}");
}

#[test]
fn a_correction_of_engines_that_agree_changes_little() {
    let trained = |engine_correction| {
        let config = GrpoConfig {
            engine_correction,
            max_steps: Some(1),
            ..config()
        };
        let outcome = run(&config, &RunFiles::default(), &mut ()).expect("a run");
        super::values(&outcome.model)
    };
    let expected = trained(EngineCorrection::None);
    for correction in [EngineCorrection::Truncate, EngineCorrection::Mask] {
        for (a, b) in trained(correction).iter().zip(&expected) {
            // Adam divides by the size of the gradient, so the smallest gradients show their rounding.
            assert!((a - b).abs() <= 2e-3, "{a} instead of {b}");
        }
    }
}

#[test]
fn sequence_ratios_are_one_in_the_first_pass() {
    let config = GrpoConfig {
        importance_sampling_level: ImportanceSamplingLevel::Sequence,
        iterations: 1,
        ..config()
    };
    assert_eq!(greatest(&config, "clip_ratio/region_mean"), 0.0);
}

pub(crate) fn with_adapter() -> Qwen3<Train> {
    let lora = LoraConfig {
        rank: 2,
        ..Default::default()
    };
    policy().with_lora(&lora, 3).expect("an adapter")
}

/// The reference of an adapter's policy is the policy without it: the same weights, held once.
#[test]
fn the_reference_of_an_adapter_is_the_policy_without_it() {
    let config = GrpoConfig {
        iterations: 1,
        ..config()
    };
    let base = policy().valid();
    let trained = |reference: Qwen3<Flex>| {
        let setup = Setup {
            model: with_adapter(),
            reference: Some(reference),
            ..Default::default()
        };
        let mut watch = Watch::default();
        let outcome = setup.run(&config, &RunFiles::default(), &mut watch);
        (outcome.expect("a run").model, watch)
    };
    let (model, watch) = trained(with_adapter().valid().without_adapter());
    let (other, _) = trained(base.clone());
    assert!(super::values(&model) == super::values(&other));
    // A fresh adapter changes nothing, later it does.
    assert_eq!(watch.metrics[0].get("kl"), Some(0.0));
    assert!(watch.metrics[2].get("kl").expect("a number") > 0.0);
    // The base below it is what it was.
    let below = super::values_of(&model.valid().without_adapter());
    assert!(below == super::values_of(&base));
    assert!(super::values_of(&model.valid()) != below);
}

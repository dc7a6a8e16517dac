//! Several workers against one.

use burn::module::AutodiffModule;
use lm_train::RunFiles;

use super::pass::{all_close, flat, micro_batches, off_policy, pass, pass_on};
use super::toy::{Listener, Numbers, ShareOfSeven, Watch, config, run};
use super::{Train, policy, prompts, values};
use crate::{BuiltinEngine, Environment, Error, GrpoConfig, LossType, Outcome, train_grpo_on};

fn on_workers(
    count: usize,
    config: &GrpoConfig,
    files: &RunFiles,
    watch: &mut Watch,
) -> Result<Outcome<Train>, Error> {
    let (prompts, model) = (prompts(), policy());
    let environment = Environment {
        prompts: &prompts,
        held_out: &[],
        decoder: &Numbers(&[0]),
        reward: &ShareOfSeven,
        reference: Some(model.valid()),
        engine: &mut BuiltinEngine::new(5),
    };
    let devices = vec![Default::default(); count];
    let stop = watch.token();
    train_grpo_on(&devices, model, environment, config, files, &stop, watch)
}

#[test]
fn the_gradients_of_workers_add_up_to_those_of_one() {
    let model = policy();
    let mut batch = off_policy(&model, LossType::DrGrpo);
    let (expected, stats) = pass(&model, &mut batch, 20);
    for others in [1, 2, 40] {
        let (found, other) = pass_on(others, &model, &mut batch, 20);
        all_close(&flat(&found), &flat(&expected));
        assert!((stats.loss - other.loss).abs() <= 1e-9 * (1.0 + stats.loss.abs()));
        assert_eq!(stats.clip_high, other.clip_high);
    }
    assert!(micro_batches(&batch, 20).len() > 2);
}

#[test]
fn two_workers_train_as_one() {
    for freeze_embeddings in [false, true] {
        // Plain enough that Adam does not blow the rounding of the smallest gradients up.
        let mut config = config();
        config.optim.eps = 1e-3;
        config.optim.freeze_embeddings = freeze_embeddings;
        let (mut one, mut two) = (Watch::default(), Watch::default());
        let files = RunFiles::default();
        let expected = run(&config, &files, &mut one).expect("a run");
        let found = on_workers(2, &config, &files, &mut two).expect("a run");
        assert_eq!((one.metrics.len(), two.metrics.len()), (3, 3));
        all_close(&values(&found.model), &values(&expected.model));
        for (a, b) in one.metrics.iter().zip(&two.metrics) {
            for name in ["loss", "grad_norm", "kl", "entropy", "reward"] {
                let (a, b) = (a.get(name).expect(name), b.get(name).expect(name));
                assert!(
                    (a - b).abs() <= 1e-4 * (1.0 + a.abs()),
                    "{name}: {b} for {a}"
                );
            }
        }
    }
}

#[test]
fn workers_stop_together_and_go_on() {
    let (mut whole, files) = (Watch::default(), RunFiles::default());
    let expected = on_workers(2, &config(), &files, &mut whole).expect("a run");
    for stop_at in (1..whole.signs).step_by(11) {
        let dir = tempfile::tempdir().expect("a directory");
        let files = RunFiles {
            checkpoints: Some(dir.path().into()),
            ..Default::default()
        };
        let mut watch = Watch::stopping_at(stop_at);
        let first = on_workers(2, &config(), &files, &mut watch).expect("a stopped run");
        let files = RunFiles {
            resume: first.checkpoint.into(),
            ..files
        };
        let second = on_workers(2, &config(), &files, &mut Watch::default());
        let second = second.expect("a resumed run");
        assert!(
            values(&second.model) == values(&expected.model),
            "{stop_at}"
        );
    }
}

#[test]
fn a_run_needs_a_device() {
    let outcome = on_workers(0, &config(), &RunFiles::default(), &mut Watch::default());
    let error = super::toy::expect_error(outcome).to_string();
    assert!(error.contains("devices"), "{error}");
}

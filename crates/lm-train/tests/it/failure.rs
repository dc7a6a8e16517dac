//! Numbers that are not finite end the run without touching the weights.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use lm_train::{Checkpoint, Error, OptimConfig, RunFiles, SftConfig, TrainState};

use crate::support::{Cpu, Recorder, quick, samples, tiny_model, train_sft};

fn failure(error: Error) -> (usize, &'static str, Option<std::path::PathBuf>) {
    match error {
        Error::NonFinite {
            step,
            quantity,
            checkpoint,
            ..
        } => (step, quantity, checkpoint),
        other => panic!("expected a number that is not finite, found: {other}"),
    }
}

/// Steps done before a checkpoint.
fn steps_of(checkpoint: &std::path::Path) -> usize {
    let checkpoint = Checkpoint::<TrainState>::open(checkpoint).unwrap();
    checkpoint.state().global_step
}

#[test]
fn a_diverging_run_names_its_step_and_keeps_the_last_good_state() {
    let root = tempfile::tempdir().unwrap();
    let files = RunFiles {
        checkpoints: Some(root.path().to_path_buf()),
        ..Default::default()
    };
    let config = SftConfig {
        optim: OptimConfig {
            lr: 1e30,
            warmup_ratio: 0.0,
            ..Default::default()
        },
        ..quick(9)
    };
    let mut recorder = Recorder::default();
    let error = train_sft(tiny_model(), &samples(9), &config, &files, &mut recorder).unwrap_err();
    let message = error.to_string();
    let (step, _, checkpoint) = failure(error);
    assert!(
        step > 1 && message.contains(&format!("step {step}")),
        "{message}"
    );
    assert_eq!(recorder.steps.len(), step - 1);
    assert_eq!(steps_of(&checkpoint.unwrap()), step - 1);
}

#[test]
fn a_bad_weight_fails_the_first_step() {
    struct Spoil;
    impl ModuleMapper<Cpu> for Spoil {
        fn map_float<const D: usize>(
            &mut self,
            param: Param<Tensor<Cpu, D>>,
        ) -> Param<Tensor<Cpu, D>> {
            param.map(|tensor| {
                Tensor::from_inner(tensor.inner().mul_scalar(f32::NAN)).require_grad()
            })
        }
    }
    let model = tiny_model().map(&mut Spoil);
    let error =
        train_sft(model, &samples(3), &quick(1), &RunFiles::default(), &mut ()).unwrap_err();
    assert_eq!(failure(error), (1, "loss", None));
}

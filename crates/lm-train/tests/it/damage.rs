//! Checkpoints that are not what was written: passed over and named, and the run ends as if nothing had been.

use std::fs;
use std::path::{Path, PathBuf};

use lm_model::{LoraConfig, Qwen3};
use lm_train::{Error, Observer, Resume, RunFiles, SetAside, SftConfig, SftData, StepMetrics};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::support::{Cpu, Listener, bits, quick, samples, tiny_model, train_sft, weights};

/// Bits that are flipped, all in all.
const FLIPS: u64 = 240;

/// An adapter, so that a checkpoint is small.
fn model() -> Qwen3<Cpu> {
    let lora = LoraConfig {
        rank: 1,
        target_modules: vec!["q_proj".into()],
        ..LoraConfig::default()
    };
    tiny_model().with_lora(&lora, 3).unwrap()
}

/// Four steps with a checkpoint after each and evaluations, which ends with the best model.
pub(crate) fn config() -> SftConfig {
    SftConfig {
        save_every: Some(1),
        eval_every: Some(2),
        load_best: true,
        ..quick(4)
    }
}

/// Notes which checkpoints were damaged, and how many steps were made.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) damaged: Vec<SetAside>,
    steps: usize,
    /// Stops the run after this step.
    last: Option<usize>,
    stop: lm_train::CancellationToken,
}

impl Listener for Watch {
    fn token(&self) -> lm_train::CancellationToken {
        self.stop.clone()
    }
}

impl Observer for Watch {
    fn on_step(&mut self, metrics: &StepMetrics) {
        self.steps += 1;
        if self.last == Some(metrics.global_step) {
            self.stop.cancel();
        }
    }

    fn on_damaged_checkpoint(&mut self, checkpoint: &SetAside) {
        self.damaged.push(checkpoint.clone());
    }
}

pub(crate) fn run(
    root: &Path,
    config: &SftConfig,
    watch: &mut Watch,
) -> Result<Vec<Vec<u32>>, Error> {
    let files = RunFiles {
        checkpoints: Some(root.to_path_buf()),
        resume: Resume::Latest,
        ..RunFiles::default()
    };
    let samples = samples(9);
    let (train, eval) = samples.split_at(7);
    let data = SftData { train, eval };
    Ok(bits(&weights(
        &train_sft(model(), data, config, &files, watch)?.model,
    )))
}

/// The checkpoints of a run that was stopped after its third step, and the weights of one that was not.
pub(crate) fn stopped() -> (tempfile::TempDir, Vec<Vec<u32>>) {
    let (root, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut watch = Watch {
        last: Some(3),
        ..Watch::default()
    };
    run(root.path(), &config(), &mut watch).unwrap();
    assert!(root.path().join("step-000003").exists() && !root.path().join("step-000004").exists());
    let expected = run(whole.path(), &config(), &mut Watch::default()).unwrap();
    (root, expected)
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// The files of a folder, sorted.
fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn a_flipped_bit_anywhere_costs_steps_and_never_changes_the_result() {
    let (stopped, expected) = stopped();
    let newest = files_of(&stopped.path().join("step-000003"));
    assert!(newest.len() >= 5, "{newest:?}");
    let (mut rng, mut redone) = (ChaCha8Rng::seed_from_u64(7), 0);
    for flip in 0..FLIPS {
        let root = tempfile::tempdir().unwrap();
        copy(stopped.path(), root.path());
        let file = &newest[flip as usize % newest.len()];
        let file = root.path().join(file.strip_prefix(stopped.path()).unwrap());
        let mut bytes = fs::read(&file).unwrap();
        let (byte, bit) = (rng.random_range(0..bytes.len()), rng.random_range(0..8));
        bytes[byte] ^= 1 << bit;
        fs::write(&file, bytes).unwrap();
        let mut watch = Watch::default();
        let place = format!("bit {bit} of byte {byte} of {}", file.display());
        let found = run(root.path(), &config(), &mut watch);
        let found = found.unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(found == expected, "{place}: another model");
        let [damaged] = &watch.damaged[..] else {
            panic!("{place}: {:?}", watch.damaged);
        };
        assert!(damaged.to.ends_with("damaged-step-000003") && damaged.to.exists());
        assert!(root.path().join("step-000003").exists());
        redone += watch.steps;
    }
    assert_eq!(redone as u64, 2 * FLIPS);
}

#[test]
fn files_that_are_cut_short_emptied_or_gone_are_passed_over() {
    let (stopped, expected) = stopped();
    let damage: [fn(&Path); 3] = [
        |file| fs::write(file, "").unwrap(),
        |file| fs::remove_file(file).unwrap(),
        |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        },
    ];
    for damage in damage {
        for file in files_of(&stopped.path().join("step-000003")) {
            let root = tempfile::tempdir().unwrap();
            copy(stopped.path(), root.path());
            damage(&root.path().join(file.strip_prefix(stopped.path()).unwrap()));
            let mut watch = Watch::default();
            let found = run(root.path(), &config(), &mut watch).unwrap();
            assert!(found == expected, "{}", file.display());
            // Without its list alone, a checkpoint is like one of an older program.
            let is_read = file.ends_with("checkpoint.json") && watch.steps == 1;
            assert!(is_read || watch.damaged.len() == 1, "{}", file.display());
        }
    }
}

#[test]
fn if_none_is_whole_the_run_says_so_and_begins_anew_only_when_it_is_started_again() {
    let (stopped, expected) = stopped();
    let root = stopped.path();
    for step in 1..=3 {
        fs::write(
            root.join(format!("step-00000{step}/optimizer.safetensors")),
            [0; 9],
        )
        .unwrap();
    }
    let error = run(root, &config(), &mut Watch::default()).unwrap_err();
    let Error::AllDamaged { set_aside, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(set_aside.len(), 3);
    let said = error.to_string();
    for part in [
        "damaged-step-000001",
        "damaged-step-000003",
        "begins anew",
        "put an intact copy back",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let mut watch = Watch::default();
    assert!(run(root, &config(), &mut watch).unwrap() == expected);
    assert_eq!((watch.steps, watch.damaged.len()), (4, 0));
    assert!(
        root.join("damaged-step-000002/optimizer.safetensors")
            .exists()
    );
}

#[test]
fn a_name_of_a_damaged_checkpoint_is_never_given_twice() {
    let (stopped, expected) = stopped();
    let root = stopped.path();
    for number in ["", "-2", "-3"] {
        let mut watch = Watch {
            last: Some(3),
            ..Watch::default()
        };
        fs::write(root.join("step-000003/trainer_state.json"), number).unwrap();
        run(root, &config(), &mut watch).unwrap();
        let aside = root.join(format!("damaged-step-000003{number}/trainer_state.json"));
        assert_eq!(fs::read_to_string(aside).unwrap(), number);
    }
    assert!(run(root, &config(), &mut Watch::default()).unwrap() == expected);
}

/// An older program removed its checkpoints file by file, and could be killed in between.
#[test]
fn what_an_older_program_has_half_removed_or_half_written_is_in_nobodys_way() {
    let root = tempfile::tempdir().unwrap();
    let half = root.path().join("step-000008");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("model.safetensors"), "half").unwrap();
    let unfinished = root
        .path()
        .join(format!(".step-000009.{}-0.partial", u32::MAX));
    fs::create_dir(&unfinished).unwrap();
    let mut watch = Watch::default();
    run(root.path(), &config(), &mut watch).unwrap();
    assert_eq!((watch.steps, watch.damaged.len()), (4, 1));
    assert!(
        root.path()
            .join("damaged-step-000008/model.safetensors")
            .exists()
    );
    assert!(!half.exists() && !unfinished.exists());
}

#[test]
fn checkpoints_of_an_older_program_are_read_if_they_read_well() {
    let (stopped, expected) = stopped();
    let forget = |root: &Path, names: &[&str]| {
        for name in names {
            fs::remove_file(root.join(name).join("checkpoint.json")).unwrap();
        }
    };
    forget(
        stopped.path(),
        &["best", "step-000001", "step-000002", "step-000003"],
    );
    let root = tempfile::tempdir().unwrap();
    copy(stopped.path(), root.path());
    let mut watch = Watch::default();
    assert!(run(root.path(), &config(), &mut watch).unwrap() == expected);
    assert_eq!((watch.steps, watch.damaged.len()), (1, 0));
    for file in files_of(&stopped.path().join("step-000003")) {
        let root = tempfile::tempdir().unwrap();
        copy(stopped.path(), root.path());
        let file = root.path().join(file.strip_prefix(stopped.path()).unwrap());
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let mut watch = Watch::default();
        assert!(
            run(root.path(), &config(), &mut watch).unwrap() == expected,
            "{}",
            file.display()
        );
        assert_eq!(
            (watch.steps, watch.damaged.len()),
            (2, 1),
            "{}",
            file.display()
        );
    }
}

/// The best model was written at step 2: the states after it count on it, the one before writes it anew.
#[test]
fn a_run_that_ends_with_its_best_model_goes_on_from_before_it_was_lost() {
    let (stopped, expected) = stopped();
    let state = fs::read_to_string(stopped.path().join("step-000003/trainer_state.json")).unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["best"]["global_step"], 2);
    let lose: [fn(&Path); 2] = [
        |best| fs::remove_dir_all(best).unwrap(),
        |best| {
            let file = best.join("adapter_model.safetensors");
            let mut bytes = fs::read(&file).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&file, bytes).unwrap();
        },
    ];
    for lose in lose {
        let root = tempfile::tempdir().unwrap();
        copy(stopped.path(), root.path());
        lose(&root.path().join("best"));
        let mut watch = Watch::default();
        assert!(run(root.path(), &config(), &mut watch).unwrap() == expected);
        assert_eq!((watch.steps, watch.damaged.len()), (3, 2));
        assert!(
            watch.damaged[0].reason.contains("of step 2"),
            "{:?}",
            watch.damaged
        );
    }
}

#[test]
fn a_checkpoint_that_was_asked_for_by_name_is_not_renamed() {
    let (stopped, _) = stopped();
    let dir = stopped.path().join("step-000003");
    fs::write(dir.join("trainer_state.json"), "{}").unwrap();
    let files = RunFiles {
        checkpoints: Some(stopped.path().to_path_buf()),
        resume: Resume::From(dir.clone()),
        ..RunFiles::default()
    };
    let samples = samples(9);
    let (train, eval) = samples.split_at(7);
    let data = SftData { train, eval };
    let error = train_sft(model(), data, &config(), &files, &mut ()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert!(dir.exists());
}

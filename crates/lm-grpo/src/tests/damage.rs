//! Checkpoints in the middle of a step that are not what was written.

use std::fs;
use std::path::{Path, PathBuf};

use lm_train::{Resume, RunFiles, SetAside};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;

use super::toy::{Listener, Setup, Watch, config, run};
use super::{policy, values};
use crate::{GrpoConfig, Observer};

/// Notes which checkpoints were damaged.
#[derive(Default)]
struct Damaged(Vec<SetAside>);

impl Listener for Damaged {
    fn token(&self) -> CancellationToken {
        CancellationToken::new()
    }
}

impl Observer for Damaged {
    fn on_damaged_checkpoint(&mut self, checkpoint: &SetAside) {
        self.0.push(checkpoint.clone());
    }
}

fn saving() -> GrpoConfig {
    GrpoConfig {
        save_every: Some(1),
        one_step_off_policy: true,
        ..config()
    }
}

fn files(root: &Path) -> RunFiles {
    RunFiles {
        checkpoints: Some(root.into()),
        resume: Resume::Latest,
        ..Default::default()
    }
}

/// A run that was stopped between two updates of its second step or later, with its newest checkpoint.
fn stopped() -> (tempfile::TempDir, PathBuf) {
    for stop_at in 1.. {
        let root = tempfile::tempdir().expect("a directory");
        let outcome = run(
            &saving(),
            &files(root.path()),
            &mut Watch::stopping_at(stop_at),
        );
        let outcome = outcome.expect("a run");
        assert!(outcome.stopped, "no stop in the middle of a batch");
        let newest = outcome.checkpoint.expect("a checkpoint");
        let has = |name: &str| newest.join(name).exists();
        if outcome.steps >= 2 && has("rollout_batch.json") {
            return (root, newest);
        }
    }
    unreachable!("the run is stopped at some sign of life");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("copied");
        }
    }
}

fn files_of(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("listed");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    found.sort();
    found
}

#[test]
fn a_flipped_bit_in_any_file_never_changes_the_result() {
    let whole = run(&saving(), &RunFiles::default(), &mut ()).expect("a run");
    let expected = values(&whole.model);
    let (stopped, newest) = stopped();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for round in 0..4 {
        for file in files_of(&newest).into_iter().filter(|path| path.is_file()) {
            let root = tempfile::tempdir().expect("a directory");
            copy(stopped.path(), root.path());
            let file = root
                .path()
                .join(file.strip_prefix(stopped.path()).expect("inside"));
            let mut bytes = fs::read(&file).expect("read");
            let (byte, bit) = (rng.random_range(0..bytes.len()), rng.random_range(0..8));
            bytes[byte] ^= 1 << bit;
            fs::write(&file, bytes).expect("written");
            let mut damaged = Damaged::default();
            let outcome = run(&saving(), &files(root.path()), &mut damaged).expect("a run");
            let place = format!(
                "round {round}: bit {bit} of byte {byte} of {}",
                file.display()
            );
            assert!(values(&outcome.model) == expected, "{place}");
            assert_eq!(damaged.0.len(), 1, "{place}");
        }
    }
}

/// Nothing but its content can betray a batch of an older program.
#[test]
fn a_batch_that_contradicts_its_run_is_passed_over() {
    let whole = run(&saving(), &RunFiles::default(), &mut ()).expect("a run");
    let (stopped, newest) = stopped();
    let change = |from: &str, to: &str, file: &str| {
        let root = tempfile::tempdir().expect("a directory");
        copy(stopped.path(), root.path());
        let dir = root.path().join(newest.file_name().expect("a name"));
        fs::remove_file(dir.join("checkpoint.json")).expect("removed");
        let text = fs::read_to_string(dir.join(file)).expect("read");
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from} is not in {file}");
        fs::write(dir.join(file), changed).expect("written");
        let mut damaged = Damaged::default();
        let outcome = run(&saving(), &files(root.path()), &mut damaged).expect("a run");
        assert!(values(&outcome.model) == values(&whole.model));
        let [one] = &damaged.0[..] else {
            panic!("{from}: {:?}", damaged.0);
        };
        assert!(one.reason.contains(file), "{}", one.reason);
    };
    change("\"prompt\":", "\"prompt\":9", "rollout_batch.json");
    change(
        "\"completion\":[",
        "\"completion\":[999,",
        "rollout_batch.json",
    );
    change("\"sampled\":[", "\"sampled\":[-1.0,", "rollout_batch.json");
    change(
        "\"global_step\": ",
        "\"global_step\": 9",
        "trainer_state.json",
    );
}

#[test]
fn a_lost_best_model_is_found_again() {
    let config = GrpoConfig {
        save_every: Some(1),
        eval_every: Some(1),
        load_best: true,
        ..config()
    };
    let train = |root: &Path, watch: &mut Damaged| {
        let setup = Setup {
            held_out: &[1],
            model: policy(),
            ..Setup::default()
        };
        setup.run(&config, &files(root), watch).expect("a run")
    };
    let root = tempfile::tempdir().expect("a directory");
    let whole = train(root.path(), &mut Damaged::default());
    fs::remove_dir_all(root.path().join("best")).expect("removed");
    let mut damaged = Damaged::default();
    // Those that count on the lost model are passed over; what is before it, or the beginning, writes it anew.
    let setup = Setup {
        held_out: &[1],
        model: policy(),
        ..Setup::default()
    };
    let found = setup.run(&config, &files(root.path()), &mut damaged);
    let found = found.unwrap_or_else(|error| {
        assert!(error.to_string().contains("begins anew"), "{error}");
        train(root.path(), &mut damaged)
    });
    assert!(values(&found.model) == values(&whole.model));
    assert_eq!(found.best, whole.best);
}

//! The bodies over the stored inputs and changes of them: what the fuzzer checks is checked in every run of the tests,
//! although less long.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rner_fuzz::mutate::Mutator;
use rner_fuzz::{TARGETS, Target};

/// Changed inputs of a target in a run of the tests; `RNER_FUZZ_CHANGES` asks for others.
const N_CHANGES: u64 = 400;

fn stored(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fuzz");
    let folder = fixtures.join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(path).expect("a stored input"));
    paths.into_iter().map(read).collect()
}

/// Whether the body takes an input; its panic is printed.
fn holds(target: &Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.body)(input))).is_ok()
}

#[test]
fn stored_inputs_hold() {
    for target in TARGETS {
        for (path, input) in stored(target) {
            assert!(holds(target, &input), "{}: {}", target.name, path.display());
        }
    }
}

#[test]
fn changed_inputs_hold() {
    let n_changes = std::env::var("RNER_FUZZ_CHANGES").ok();
    let n_changes = n_changes.map_or(N_CHANGES, |n| n.parse().expect("a number"));
    let mut failures = Vec::new();
    for target in TARGETS {
        let seeds: Vec<Vec<u8>> = stored(target).into_iter().map(|(_, input)| input).collect();
        let mutator = Mutator::new(&seeds);
        let fails = |number: &u64| !holds(target, &mutator.input(*number));
        if let Some(number) = (0..n_changes).find(fails) {
            let input = mutator.input(number);
            failures.push(format!(
                "{} {number}: {}",
                target.name,
                input.escape_ascii()
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

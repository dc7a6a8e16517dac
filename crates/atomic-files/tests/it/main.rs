//! What the crate promises, tried with full disks, killed processes and several writers.

mod dir;
mod file;
mod lock;
mod remove;

#[path = "../../examples/settings.rs"]
#[allow(dead_code, reason = "the example's own `main` prints")]
mod settings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells a process that a test has started what to do and where.
const TASK: &str = "ATOMIC_FILES_TEST_TASK";

/// The names in a folder, hidden ones too.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("listed");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.display().to_string()).collect();
    names.sort();
    names
}

/// Whether a process succeeds that runs the test `name` of this program, which finds `dir` by [`task`]. `limits` are
/// commands for the shell.
fn child(name: &str, dir: &Path, limits: &str) -> bool {
    let program = std::env::current_exe().expect("this program");
    let script = format!("{limits} exec \"$0\" --exact {name}");
    let mut shell = Command::new("sh");
    let shell = shell.arg("-c").arg(script).arg(program).env(TASK, dir);
    let output = shell.output().expect("the child starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test"), "{said}");
    output.status.success()
}

/// The folder to work in, if this process is a [`child`].
fn task() -> Option<PathBuf> {
    std::env::var_os(TASK).map(PathBuf::from)
}

#[test]
fn the_example_runs() {
    let dir = tempfile::tempdir().expect("a folder");
    let listing = settings::work_in(dir.path()).expect("runs");
    assert_eq!(listing, "best settings.toml table.csv");
    let table = fs::read_to_string(dir.path().join("table.csv")).expect("a table");
    assert_eq!(table.lines().count(), 1000);
    let weights = fs::read(dir.path().join("best/weights")).expect("weights");
    assert_eq!(weights, b"second");
}

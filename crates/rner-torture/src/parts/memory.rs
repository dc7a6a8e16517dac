//! The tests again, compiled so that a sum that wraps and a wrong assumption are failures, and under tools that see
//! wrong accesses to memory.
//!
//! In CI the small crates have overflow checks and debug assertions. With `--minutes` all of them have, and from five
//! minutes on AddressSanitizer and memcheck follow, which take longer than that.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::lab::Lab;
use crate::tally::Tally;
use crate::toolchain::{self, Ended};

/// Crates whose tests are built and run in a minute.
const SMALL: [&str; 4] = ["atomic-files", "ner-types", "ner-score", "ner-rewards"];

/// Time from which on the sanitizers run too.
const LONG: Duration = Duration::from_secs(300);

/// Lines of a failed test that are shown.
const SHOWN: usize = 60;

pub(crate) fn run(lab: &Lab, tally: &mut Tally) -> Result<()> {
    let time = lab.time(Duration::ZERO);
    checked(lab, time.is_zero(), tally)?;
    let again = "`cargo xtask torture --only memory --minutes 5`";
    if time < LONG {
        tally.skip(format!(
            "AddressSanitizer and memcheck, which take long: {again}"
        ));
    } else {
        sanitized("address", "tests under AddressSanitizer", lab, tally)?;
        if toolchain::has("valgrind", &[]) {
            sanitized("memcheck", "tests under memcheck", lab, tally)?;
        } else {
            tally.skip(format!("memcheck: `apt-get install valgrind`, and {again}"));
        }
    }
    tally.skip(
        "Miri, which knows neither the vector instructions nor the mapped files of our `unsafe`",
    );
    Ok(())
}

/// Tests with overflow checks and debug assertions in our own crates, but for doctests, which the wrapper does not see.
fn checked(lab: &Lab, is_short: bool, tally: &mut Tally) -> Result<()> {
    let mut command = toolchain::cargo(&lab.source(""))?;
    command.args([
        "test",
        "--release",
        "--locked",
        "--no-fail-fast",
        "--lib",
        "--bins",
        "--tests",
    ]);
    if is_short {
        command.args(SMALL.iter().flat_map(|name| ["-p", name]));
    } else {
        command.arg("--workspace");
    }
    command.env(
        "RUSTC_WORKSPACE_WRAPPER",
        lab.source("scripts/rustc/checked"),
    );
    enter("checked tests", &toolchain::run(&mut command)?, lab, tally);
    Ok(())
}

fn sanitized(tool: &str, name: &'static str, lab: &Lab, tally: &mut Tally) -> Result<()> {
    let mut command = Command::new(lab.source("scripts/sanitize.sh"));
    command
        .arg(tool)
        .env("CARGO_TARGET_DIR", toolchain::target_folder()?);
    enter(name, &toolchain::run(&mut command)?, lab, tally);
    Ok(())
}

fn enter(name: &'static str, ended: &Ended, lab: &Lab, tally: &mut Tally) {
    tally.count(name, passed(&ended.words));
    if !ended.is_success {
        tally.fail(lab.seed(), format!("{name}:\n{}", ended.tail(SHOWN)));
    }
}

/// How many tests cargo says to have passed, over all its programs.
fn passed(words: &str) -> u64 {
    let results = words
        .lines()
        .filter_map(|line| line.split_once("test result: "));
    let numbers = results.filter_map(|(_, rest)| {
        let (before, _) = rest.split_once(" passed")?;
        before.rsplit(' ').next()?.parse::<u64>().ok()
    });
    numbers.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_summed() {
        let words = "running 3 tests\ntest result: ok. 3 passed; 0 failed; 1 ignored\n\
                     test result: FAILED. 39 passed; 1 failed;\n";
        assert_eq!(passed(words), 42);
    }
}

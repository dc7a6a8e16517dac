//! Changes of the code that a test should notice, by `cargo mutants`: in what counts, scores, rewards and trains.
//!
//! All changes of these files are tried, whatever `--cases` and `--minutes` say: an hour or two on two cores.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::lab::Lab;
use crate::tally::Tally;
use crate::toolchain;

/// Largest share that the tests may miss.
const MOST_MISSED: f64 = 0.1;

/// What is changed: crates, and files of them if not all. The profile is the one in which the dependencies are there
/// already (Burn), or the one that compiles fastest.
const SUBJECTS: [Subject; 4] = [
    Subject::small("ner-types"),
    Subject::small("ner-score"),
    Subject::small("ner-rewards"),
    Subject {
        package: "lm-grpo",
        files: &["surrogate.rs", "objective.rs", "ratio.rs"],
        profile: "release",
    },
];

struct Subject {
    package: &'static str,
    files: &'static [&'static str],
    profile: &'static str,
}

impl Subject {
    const fn small(package: &'static str) -> Self {
        Self {
            package,
            files: &[],
            profile: "dev",
        }
    }
}

/// What the tool writes about a crate.
#[derive(Debug, Default, Deserialize, PartialEq)]
struct Outcomes {
    missed: u64,
    caught: u64,
    /// Changes with which a test did not end: noticed.
    timeout: u64,
    /// Changes that do not compile.
    unviable: u64,
}

impl Outcomes {
    fn share_missed(&self) -> f64 {
        let all = self.missed + self.caught + self.timeout;
        self.missed as f64 / all.max(1) as f64
    }
}

pub(crate) fn run(lab: &Lab, tally: &mut Tally) -> Result<()> {
    if !toolchain::has("cargo", &["mutants"]) {
        tally.skip("changes of the code: `cargo install --locked cargo-mutants`, and again");
        return Ok(());
    }
    for subject in &SUBJECTS {
        let out = lab.folder(subject.package)?;
        try_all(subject, lab, &out)?;
        let out = out.join("mutants.out");
        let outcomes = read(&out.join("outcomes.json"))?;
        tally.count(
            "changes",
            outcomes.missed + outcomes.caught + outcomes.timeout,
        );
        tally.count("missed", outcomes.missed);
        for missed in fs::read_to_string(out.join("missed.txt"))
            .unwrap_or_default()
            .lines()
        {
            eprintln!("missed: {missed}");
        }
        tally.measure(
            "share missed in a crate",
            outcomes.share_missed(),
            Some(MOST_MISSED),
            lab.seed(),
        );
    }
    Ok(())
}

/// Runs the tool on a copy of the workspace, with the dependencies of earlier runs.
fn try_all(subject: &Subject, lab: &Lab, out: &Path) -> Result<()> {
    let mut command = toolchain::cargo(&lab.source(""))?;
    command
        .args([
            "mutants",
            "--package",
            subject.package,
            "--profile",
            subject.profile,
        ])
        .args([
            "--no-shuffle",
            "--minimum-test-timeout",
            "60",
            "--colors",
            "never",
        ])
        .arg("--output")
        .arg(out);
    for file in subject.files {
        command.args(["--file", file]);
    }
    command.args(["--", "--lib", "--tests"]);
    // The code under test is small; what compiles fastest is done first.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0");
    let status = command.status().context("cannot start cargo mutants")?;
    // 2 and 3 say that changes were missed, or that tests did not end.
    let is_done = matches!(status.code(), Some(0 | 2 | 3));
    anyhow::ensure!(is_done, "cargo mutants: {}: {status}", subject.package);
    Ok(())
}

fn read(path: &Path) -> Result<Outcomes> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_compile_counts_for_nothing() {
        let text = r#"{"outcomes": [], "total_mutants": 12, "missed": 1, "caught": 6, "timeout": 1,
                       "unviable": 4, "success": 0}"#;
        let outcomes: Outcomes = serde_json::from_str(text).expect("it is read");
        assert_eq!(outcomes.share_missed(), 0.125);
        assert_eq!(Outcomes::default().share_missed(), 0.0);
    }
}

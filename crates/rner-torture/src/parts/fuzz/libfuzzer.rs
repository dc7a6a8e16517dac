//! libFuzzer on each target, which looks for inputs that reach new code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, bail};
use rner_fuzz::{MAX_BYTES, TARGETS, Target};

use super::{crashes, create, files};
use crate::lab::Lab;
use crate::tally::Tally;
use crate::toolchain::{self, Ended};

/// Least time of a target.
const LEAST: Duration = Duration::from_secs(5);

/// Most memory in MiB: the program and its inputs have some 100, so that an input has more than 256. libFuzzer looks
/// each second, and the most is looked at again at the end.
const MOST_MEMORY: u64 = 400;

pub(super) fn run(lab: &Lab, kept: &Path, time: Duration, tally: &mut Tally) -> Result<()> {
    if !toolchain::has("c++", &[]) {
        tally.skip("libFuzzer, which needs a C++ compiler: `apt-get install g++`, and again");
        return Ok(());
    }
    let program = build(&lab.source(""))?;
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = (time * n_threads as u32 / TARGETS.len() as u32).max(LEAST);
    let fuzzer = Fuzzer {
        program,
        lab,
        kept,
        share,
    };
    for outcome in fuzzer.all(n_threads) {
        outcome?.enter(lab, tally);
    }
    Ok(())
}

/// Builds the fuzzer. With the features of this program, so that the dependencies are those of its own build.
fn build(root: &Path) -> Result<PathBuf> {
    eprintln!("building the fuzzer (the first build takes minutes)");
    let mut command = toolchain::cargo(root)?;
    command
        .args([
            "build",
            "--release",
            "--locked",
            "-p",
            "rner-torture",
            "-p",
            "rner-fuzz",
        ])
        .args(["--features", "rner-fuzz/libfuzzer", "--bin", "rner-fuzz"])
        .env(
            "RUSTC_WORKSPACE_WRAPPER",
            root.join("scripts/rustc/coverage"),
        );
    let ended = toolchain::run(&mut command)?;
    if !ended.is_success {
        bail!("the fuzzer cannot be built:\n{}", ended.tail(20));
    }
    Ok(toolchain::target_folder()?.join("release/rner-fuzz"))
}

struct Fuzzer<'a> {
    program: PathBuf,
    lab: &'a Lab,
    kept: &'a Path,
    share: Duration,
}

/// What libFuzzer says of a target.
struct Outcome {
    target: &'static Target,
    ended: Ended,
    /// Inputs that broke it, and were not there before.
    crashes: Vec<PathBuf>,
    command: String,
}

impl Fuzzer<'_> {
    /// All targets, several at once.
    fn all(&self, n_threads: usize) -> Vec<Result<Outcome>> {
        let targets = Mutex::new(TARGETS.iter());
        let next = || targets.lock().ok()?.next();
        let work = || {
            let mut outcomes = Vec::new();
            while let Some(target) = next() {
                outcomes.push(self.one(target));
            }
            outcomes
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
            let joined = workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_default());
            joined.flatten().collect()
        })
    }

    fn one(&self, target: &'static Target) -> Result<Outcome> {
        let folder = crashes(self.kept, target);
        let corpus = self.kept.join("corpus").join(target.name);
        create(&folder)?;
        create(&corpus)?;
        let before: BTreeSet<_> = files(&folder)?.into_iter().collect();
        let ended = toolchain::run(&mut self.command(target, &folder, &corpus))?;
        let mut crashes = files(&folder)?;
        crashes.retain(|path| !before.contains(path));
        let command = format!(
            "RNER_FUZZ_TARGET={} {}",
            target.name,
            self.program.display()
        );
        Ok(Outcome {
            target,
            ended,
            crashes,
            command,
        })
    }

    fn command(&self, target: &Target, crashes: &Path, corpus: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("RNER_FUZZ_TARGET", target.name)
            .arg(corpus)
            .arg(self.lab.source("fixtures/fuzz").join(target.name))
            .arg(format!("-max_total_time={}", self.share.as_secs()))
            .arg(format!("-max_len={MAX_BYTES}"))
            .arg(format!("-seed={}", self.lab.seed() as u32))
            .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
            .arg(format!("-artifact_prefix={}/", crashes.display()))
            .args(["-timeout=2", "-print_final_stats=1"]);
        command
    }
}

impl Outcome {
    fn enter(&self, lab: &Lab, tally: &mut Tally) {
        let statistic = |name| statistic(&self.ended.words, name);
        tally.count(
            self.target.name,
            statistic("number_of_executed_units").unwrap_or(0),
        );
        let memory = statistic("peak_rss_mb").unwrap_or(0) as f64;
        tally.measure(
            "MiB of libFuzzer",
            memory,
            Some(MOST_MEMORY as f64),
            lab.seed(),
        );
        if self.ended.is_success {
            return;
        }
        let name = self.target.name;
        let why = reason(&self.ended.words, name);
        let inputs = self.crashes.iter();
        let inputs: Vec<_> = inputs
            .map(|path| format!("{} {}", self.command, path.display()))
            .collect();
        tally.fail(
            lab.seed(),
            format!("{name}: {why}; `{}`", inputs.join("`, `")),
        );
    }
}

/// A number of libFuzzer's last lines.
fn statistic(words: &str, name: &str) -> Option<u64> {
    let mut lines = words.lines();
    let number = lines.find_map(|line| {
        line.strip_prefix("stat::")?
            .strip_prefix(name)?
            .strip_prefix(':')
    })?;
    number.trim().parse().ok()
}

/// What the body said when it failed; else libFuzzer's last lines.
fn reason(words: &str, target: &str) -> String {
    let mut lines = words.lines();
    let said = lines
        .by_ref()
        .find(|line| line.starts_with(&format!("{target}: ")));
    match said {
        Some(line) => {
            let next = lines.next().unwrap_or_default();
            format!(
                "{} {next}",
                line.trim_start_matches(target).trim_start_matches(": ")
            )
        }
        None => words.lines().rev().take(10).collect::<Vec<_>>().join(" | "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libfuzzer_is_read_as_it_writes() {
        let words = "#2 INITED cov: 3\n\
                     bio: panicked at src/rows.rs:1:2:\nno such place\n==1== ERROR: libFuzzer: deadly signal\n\
                     stat::number_of_executed_units: 1234\nstat::peak_rss_mb:              56\n";
        assert_eq!(statistic(words, "number_of_executed_units"), Some(1234));
        assert_eq!(statistic(words, "peak_rss_mb"), Some(56));
        assert_eq!(statistic(words, "peak"), None);
        assert_eq!(
            reason(words, "bio"),
            "panicked at src/rows.rs:1:2: no such place"
        );
    }
}

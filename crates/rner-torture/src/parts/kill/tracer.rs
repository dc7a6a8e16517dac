//! SIGKILL at a system call, by way of `strace`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Calls that give and take names, and those that force something to the disk.
const CALLS: [&str; 7] = [
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "fsync",
    "fdatasync",
];

/// Longest time of a command that takes less than a second as a rule.
const PATIENCE: Duration = Duration::from_secs(120);

/// A system call, and which one of its kind in a thread, from 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct At {
    pub(super) call: String,
    pub(super) number: u64,
}

/// Starts `rner`, watched or not.
pub(super) struct Tracer {
    program: PathBuf,
    root: PathBuf,
    /// For what `strace` and the program say.
    notes: PathBuf,
}

impl Tracer {
    pub(super) fn new(program: PathBuf, root: PathBuf, notes: PathBuf) -> Self {
        Self {
            program,
            root,
            notes,
        }
    }

    /// Why processes cannot be watched and killed here, if they cannot.
    pub(super) fn refusal(&self) -> Option<String> {
        let probe = ["data".to_owned(), "list".to_owned()];
        let strace = self.strace(&self.notes.join("calls"), &["openat"], None);
        match self.end(strace, &probe) {
            Err(error) => Some(format!("strace: {error:#}")),
            Ok(status) if !status.success() => Some(format!("strace: {}", self.said())),
            Ok(_) => match std::fs::read_to_string(self.notes.join("calls")) {
                Ok(calls) if calls.contains("openat(") => None,
                _ => Some("strace sees no system calls here".to_owned()),
            },
        }
    }

    /// Lets a command come to its end. Returns the calls at which it could have been killed.
    pub(super) fn watch(&self, args: &[String]) -> Result<Vec<At>> {
        let log = self.notes.join("calls");
        let status = self.end(self.strace(&log, &CALLS, None), args)?;
        ensure!(
            status.success(),
            "it fails when it is watched: {}",
            self.said()
        );
        let text = std::fs::read_to_string(&log).context("what strace wrote")?;
        Ok(places(&text))
    }

    /// Runs a command that is killed at a call. Returns whether it came so far.
    pub(super) fn kill(&self, args: &[String], at: &At) -> Result<bool> {
        let status = self.end(
            self.strace(Path::new("/dev/null"), &[&at.call], Some(at)),
            args,
        )?;
        if status.success() {
            return Ok(false);
        }
        // `strace` ends as its child did.
        let is_killed = signal_of(status) == Some(9);
        ensure!(is_killed, "it failed with {status}: {}", self.said());
        Ok(true)
    }

    /// Lets a command come to its end that must succeed.
    pub(super) fn run(&self, args: &[String]) -> Result<()> {
        let status = self.end(Command::new(&self.program), args)?;
        ensure!(status.success(), "{status}: {}", self.said());
        Ok(())
    }

    /// The head of a command line: `strace`, which writes the calls to a file, and the program.
    fn strace(&self, log: &Path, calls: &[&str], at: Option<&At>) -> Command {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-e", "signal=none", "-o"])
            .arg(log);
        command.arg(format!("--trace={}", calls.join(",")));
        command.args(
            at.map(|At { call, number }| format!("--inject={call}:signal=SIGKILL:when={number}")),
        );
        command.arg(&self.program);
        command
    }

    fn end(&self, mut command: Command, args: &[String]) -> Result<std::process::ExitStatus> {
        let said = File::create(self.notes.join("said")).context("a file for the words")?;
        let command = command
            .args(args)
            .current_dir(&self.root)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said);
        let program = command.get_program().to_owned();
        let child = command.spawn();
        let mut child = child.with_context(|| program.display().to_string())?;
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                bail!("it did not end in {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The last words of the command that ended.
    fn said(&self) -> String {
        let said = std::fs::read_to_string(self.notes.join("said")).unwrap_or_default();
        said.lines().rev().take(3).collect::<Vec<_>>().join(" | ")
    }
}

#[cfg(unix)]
fn signal_of(status: std::process::ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal_of(_: std::process::ExitStatus) -> Option<i32> {
    None
}

/// The calls of a log. `strace` counts those of each thread apart, so each kind is as long as in the busiest thread.
fn places(log: &str) -> Vec<At> {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for line in log.lines() {
        let words = line.split_once(char::is_whitespace);
        let call =
            words.and_then(|(thread, rest)| Some((thread, rest.trim_start().split_once('(')?.0)));
        if let Some(call) = call.filter(|(_, call)| CALLS.contains(call)) {
            *counts.entry(call).or_default() += 1;
        }
    }
    let mut longest: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, call), count) in counts {
        let known = longest.entry(call).or_default();
        *known = count.max(*known);
    }
    let of_kind = |(call, count): (&str, u64)| {
        let call = call.to_owned();
        (1..=count).map(move |number| At {
            call: call.clone(),
            number,
        })
    };
    longest.into_iter().flat_map(of_kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_thread() {
        let log = "17 fsync(3) = 0\n17 fsync(4 <unfinished ...>\n18 fsync(5) = 0\n\
                   17 <... fsync resumed>) = 0\n18 rename(\"a\", \"b\") = 0\n18 +++ exited with 0 +++\n";
        let at = |call: &str, number| At {
            call: call.into(),
            number,
        };
        let expected = [at("fsync", 1), at("fsync", 2), at("rename", 1)];
        assert_eq!(places(log), expected);
    }
}

//! Processes of `rner`, and how they ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Longest time of any of these commands; some take two seconds.
const LONGEST: Duration = Duration::from_secs(120);

/// A process that runs. What it says goes into a file, so that it never waits for a reader.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    said: PathBuf,
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) said: String,
}

impl Process {
    /// Starts the command; `said` is the file for what it says to stderr.
    pub(super) fn start(mut command: Command, said: &Path) -> Result<Self> {
        let file = File::create(said).with_context(|| said.display().to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn();
        Ok(Self {
            child: child.with_context(|| format!("cannot start {command:?}"))?,
            said: said.into(),
        })
    }

    pub(super) fn number(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Lets it run for so long, or to its end.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && self.is_running() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends a signal by its name; a process that has ended hears nothing.
    pub(super) fn send(&self, signal: &str) -> Result<()> {
        let mut kill = Command::new("kill");
        kill.args([format!("-{signal}"), self.number().to_string()]);
        kill.stderr(Stdio::null()).status().context("kill")?;
        Ok(())
    }

    /// Waits for the end.
    pub(super) fn wait(mut self) -> Result<Ended> {
        let latest = Instant::now() + LONGEST;
        while self.is_running() {
            if Instant::now() > latest {
                // A process that hangs would outlive this one.
                let _ = self.child.kill();
                let _ = self.child.wait();
                bail!(
                    "not at its end after {} s: {}",
                    LONGEST.as_secs(),
                    self.words()
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = self.child.wait().context("waiting")?;
        Ok(Ended {
            status,
            said: self.words(),
        })
    }

    fn words(&self) -> String {
        let bytes = std::fs::read(&self.said).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Ended {
    /// Refuses what no end may be, whatever the trouble: a panic.
    pub(super) fn check(&self) -> Result<()> {
        if self.said.contains("panicked") || self.status.code() == Some(101) {
            bail!("a panic: {}", self.said);
        }
        Ok(())
    }

    /// Whether it says that it has done its work.
    pub(super) fn is_success(&self) -> bool {
        self.status.success()
    }
}

//! The program `rner serve`, started for real.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::lab::Lab;

/// Name of the model that is served.
pub(super) const MODEL: &str = "tiny";

/// Limit of the cache in MiB.
pub(super) const CACHE_MIB: f64 = 64.0;

/// Requests that may wait.
pub(super) const WAITING: usize = 64;

/// Files that the server may open: what most systems allow, and fewer than there are slow clients.
pub(super) const FILES: u32 = 1024;

/// A server that ends with this value.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    pub(super) address: SocketAddr,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts it on a free port, with few files, a small cache, and adapters below a folder.
    pub(super) fn start(lab: &Lab, adapters: &Path) -> Result<Self> {
        let kv = (CACHE_MIB / 1024.0).to_string();
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &FILES.to_string()])
            .arg(lab.program()?)
            .args(["serve", "--port", "0", "--name", MODEL, "--kv-memory", &kv])
            .args(["--max-waiting", &WAITING.to_string(), "--model"])
            .arg(lab.source("fixtures/tiny-base"))
            .arg("--adapter-root")
            .arg(adapters)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start rner serve")?;
        let (said, reader) = listen(&mut child)?;
        let address = address(&mut child);
        let address = address.with_context(|| format!("rner serve says: {}", text(&said)))?;
        Ok(Self {
            child,
            address,
            said,
            reader: Some(reader),
        })
    }

    /// A number of `/proc/PID/status` in MiB, such as `VmRSS`; `None` where the system has no such file.
    pub(super) fn memory(&self, name: &str) -> Option<f64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib / 1024.0)
    }

    /// Whether it is there and has not panicked.
    pub(super) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server has ended: {status}; it said: {}", self.said());
        }
        self.check_words()
    }

    fn check_words(&self) -> Result<()> {
        let said = self.said();
        if said.contains("panicked") {
            bail!("the server has panicked: {said}");
        }
        Ok(())
    }

    fn said(&self) -> String {
        text(&self.said)
    }

    /// Asks it to end, and gives the time that it took.
    pub(super) fn end(&mut self, patience: Duration) -> Result<Duration> {
        let start = Instant::now();
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        sent.context("cannot send a signal")?;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if start.elapsed() > patience {
                bail!("SIGTERM: still there after {} s", patience.as_secs());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let time = start.elapsed();
        self.reader.take().map(JoinHandle::join);
        self.check_words()?;
        if !status.success() {
            bail!("SIGTERM: {status}; it said: {}", self.said());
        }
        Ok(time)
    }
}

fn text(said: &Mutex<String>) -> String {
    said.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Keeps what it says on its standard error, in a thread.
fn listen(child: &mut Child) -> Result<(Arc<Mutex<String>>, JoinHandle<()>)> {
    let mut stderr = child.stderr.take().context("no stderr")?;
    let said = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&said);
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = stderr.read(&mut buffer) {
            let words = String::from_utf8_lossy(&buffer[..n]);
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push_str(&words);
        }
    });
    Ok((said, reader))
}

fn address(child: &mut Child) -> Result<SocketAddr> {
    let stdout = child.stdout.take().context("no stdout")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let url = line.trim().strip_prefix("http://");
    let address = url.and_then(|url| url.strip_suffix("/v1"));
    let address = address.with_context(|| format!("expected an address, found {line:?}"))?;
    address.parse().context("an address")
}

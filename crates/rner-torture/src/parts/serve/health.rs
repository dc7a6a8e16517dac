//! `/health` again and again, on a connection that stays and on new ones, in a thread of its own.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::times::Times;
use super::wire::{ask, connect, get};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);

/// Every so many questions have a new connection.
const NEW: u32 = 4;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// On the connection that stays.
    pub(super) kept: Times,
    /// On new connections, opening them included.
    pub(super) new: Times,
    /// How much later than asked for this thread was woken: the noise of the machine.
    pub(super) host: Times,
    pub(super) faults: Vec<String>,
}

/// Asks until `stop`.
pub(super) fn watch(address: SocketAddr, stop: &AtomicBool) -> Found {
    let mut found = Found::default();
    let mut kept = None;
    for turn in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let start = Instant::now();
        let is_new = turn % NEW == 0;
        let asked = if is_new {
            connect(address).and_then(|mut stream| once(&mut stream))
        } else {
            again(&mut kept, address)
        };
        let times = if is_new {
            &mut found.new
        } else {
            &mut found.kept
        };
        times.add(start.elapsed());
        if let Err(error) = asked {
            kept = None;
            found.faults.push(format!("/health: {error:#}"));
        }
        let slept = Instant::now();
        std::thread::sleep(PAUSE);
        found.host.add(slept.elapsed().saturating_sub(PAUSE));
    }
    found
}

fn again(kept: &mut Option<TcpStream>, address: SocketAddr) -> Result<()> {
    if kept.is_none() {
        *kept = Some(connect(address)?);
    }
    kept.as_mut().map_or(Ok(()), once)
}

fn once(stream: &mut TcpStream) -> Result<()> {
    let answer = ask(stream, &get("/health"))?;
    let status = answer.status;
    ensure!(status == 200, "{status} {}", answer.message());
    Ok(())
}

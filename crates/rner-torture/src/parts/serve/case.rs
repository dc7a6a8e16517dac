//! One case: the same attacks in another order, beside a neighbour.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rand::Rng;
use rand::seq::SliceRandom;

use super::asking::{self, neighbour, ordinary, poison};
use super::bad;
use super::bombs::{bombs, leave, many_adapters, throw};
use super::health;
use super::request::{Bad, good};
use super::slow;
use super::times::Times;
use super::wire::{exchange, post};
use crate::lab::random;

/// Time for which the neighbour is alone, and for which each attack is made at least.
const QUIET: Duration = Duration::from_secs(1);

/// Clients of the ordinary load.
const CLIENTS: u64 = 8;

/// Bombs at once.
const AT_ONCE: usize = 12;

/// Between two requests of the attacks beside which the neighbour's times are compared. Without it they would measure
/// how this program and the server share the cores.
const PAUSE: Duration = Duration::from_millis(5);

/// What a case tried and found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) bad: u64,
    pub(super) damaged: u64,
    pub(super) bombs: u64,
    pub(super) slow: u64,
    pub(super) leavers: u64,
    pub(super) poison: u64,
    pub(super) ordinary: Times,
    /// Medians of the neighbour's time under an attack, divided by those without.
    pub(super) under_bad: f64,
    pub(super) under_poison: f64,
    pub(super) quiet: Times,
    pub(super) free: Times,
    pub(super) health: health::Found,
    pub(super) faults: Vec<String>,
}

/// Plays a case against a server.
pub(super) fn play(address: SocketAddr, seed: u64) -> Found {
    let (stop, open) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let health = scope.spawn(|| health::watch(address, &stop));
        let slow = scope.spawn(|| slow::attack(address, &open));
        let mut found = Found::default();
        while !open.load(Ordering::Relaxed) && !slow.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
        found.attack(address, seed);
        found.slow(slow);
        stop.store(true, Ordering::Relaxed);
        found.health = health.join().unwrap_or_default();
        found.faults.append(&mut found.health.faults);
        found
    })
}

impl Found {
    fn attack(&mut self, address: SocketAddr, seed: u64) {
        let mut bad = bad::all();
        bad.shuffle(&mut random(seed));
        let (before, ()) = beside(address, || std::thread::sleep(QUIET));
        let (under_bad, faults) = beside(address, || self.send_bad(address, &bad, seed));
        self.faults.extend(faults);
        let (under_poison, faults) = beside(address, || self.send_poison(address));
        self.faults.extend(faults);
        let (after, ()) = beside(address, || std::thread::sleep(QUIET));
        self.compare(before, under_bad, under_poison, after);
        self.throw_all(address, seed);
        match leave(address) {
            Ok((leavers, time)) => {
                self.leavers += leavers;
                self.free.add(time);
            }
            Err(error) => self.faults.push(format!("leavers: {error:#}")),
        }
        self.load(address, seed);
    }

    fn compare(
        &mut self,
        before: asking::Found,
        bad: asking::Found,
        poison: asking::Found,
        after: asking::Found,
    ) {
        self.quiet = before.times.clone();
        self.quiet.extend(&after.times);
        let quiet = self.quiet.median().max(1e-3);
        self.under_bad = bad.times.median() / quiet;
        self.under_poison = poison.times.median() / quiet;
        for one in [before, bad, poison, after] {
            self.faults.extend(one.faults);
        }
    }

    /// Sends every bad request, and after each some damaged ones.
    fn send_bad(&mut self, address: SocketAddr, all: &[Bad], seed: u64) -> Vec<String> {
        let mut random = random(seed ^ 1);
        let mut faults = Vec::new();
        for bad in all {
            self.bad += 1;
            if let Err(error) = refused(address, bad) {
                faults.push(format!("{}: {error:#}", bad.name));
            }
            std::thread::sleep(PAUSE);
            let damaged = damaged(&mut random);
            self.damaged += 1;
            let answer = exchange(address, &post("/v1/completions", &damaged), false);
            if let Err(error) = answer.and_then(|answer| answer.check()) {
                let body = String::from_utf8_lossy(&damaged);
                faults.push(format!("{body:?}: {error:#}"));
            }
            std::thread::sleep(PAUSE);
        }
        faults
    }

    fn send_poison(&mut self, address: SocketAddr) -> Vec<String> {
        let mut faults = Vec::new();
        let start = Instant::now();
        while start.elapsed() < QUIET {
            for request in poison() {
                self.poison += 1;
                let answer = exchange(address, &request, false).and_then(|answer| {
                    answer.check()?;
                    let status = answer.status;
                    ensure!(
                        [200, 400].contains(&status),
                        "{status} {}",
                        answer.message()
                    );
                    Ok(())
                });
                if let Err(error) = answer {
                    let request = String::from_utf8_lossy(&request);
                    faults.push(format!("poison {request:?}: {error:#}"));
                }
                std::thread::sleep(PAUSE);
            }
        }
        faults
    }

    fn throw_all(&mut self, address: SocketAddr, seed: u64) {
        let mut all: Vec<_> = bombs().into_iter().flat_map(|bomb| vec![bomb; 4]).collect();
        all.shuffle(&mut random(seed ^ 2));
        self.bombs += all.len() as u64;
        for some in all.chunks(AT_ONCE) {
            std::thread::scope(|scope| {
                let threads = some.iter().map(|(name, bytes)| {
                    let thrown = scope.spawn(move || throw(address, bytes));
                    (name, thrown)
                });
                for (name, thrown) in threads.collect::<Vec<_>>() {
                    if let Err(error) = joined(thrown) {
                        self.faults.push(format!("bomb {name}: {error:#}"));
                    }
                }
            });
        }
        match many_adapters(address, seed) {
            Ok(count) => self.bombs += count as u64,
            Err(error) => self.faults.push(format!("bomb of adapters: {error:#}")),
        }
    }

    fn load(&mut self, address: SocketAddr, seed: u64) {
        let stop = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            let client = |i| scope.spawn(move || ordinary(address, seed * 1000 + i, stop));
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            std::thread::sleep(QUIET);
            stop.store(true, Ordering::Relaxed);
            for client in clients {
                let one = client.join().unwrap_or_default();
                self.ordinary.extend(&one.times);
                self.faults.extend(one.faults);
            }
        });
    }

    fn slow(&mut self, slow: ScopedJoinHandle<'_, slow::Found>) {
        let found = slow.join().unwrap_or_default();
        self.slow += found.clients;
        self.faults.extend(found.faults);
    }
}

fn joined(thrown: ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thrown.join().map_err(|_| anyhow!("a panic"))?
}

/// What a neighbour got while something was done.
fn beside<T>(address: SocketAddr, work: impl FnOnce() -> T) -> (asking::Found, T) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope: &Scope<'_, '_>| {
        let neighbour = scope.spawn(|| neighbour(address, &stop));
        let done = work();
        stop.store(true, Ordering::Relaxed);
        (neighbour.join().unwrap_or_default(), done)
    })
}

/// Sends a bad request and looks whether it is refused as it should be.
fn refused(address: SocketAddr, bad: &Bad) -> Result<()> {
    let answer = match exchange(address, &bad.bytes, bad.half_close) {
        // A client that breaks off is owed no answer.
        Err(_) if bad.expected.contains(&0) => return Ok(()),
        other => other?,
    };
    let (status, message) = (answer.status, answer.message());
    ensure!(
        bad.expected.contains(&status),
        "expected {:?}, found {status} {message}",
        bad.expected
    );
    if bad.may_be_bare && answer.body.is_empty() {
        return Ok(());
    }
    answer.check().with_context(|| format!("status {status}"))?;
    ensure!(
        message.contains(bad.says),
        "expected the word {:?}, found {message:?}",
        bad.says
    );
    Ok(())
}

/// A right body in which some bytes are others.
fn damaged(random: &mut impl Rng) -> Vec<u8> {
    let mut body = good().to_string().into_bytes();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..body.len());
        if random.random_bool(0.5) {
            body[at] = random.random();
        } else {
            body.insert(at, b"0123456789-e.\"[]{},:"[random.random_range(0..20)]);
        }
    }
    body
}

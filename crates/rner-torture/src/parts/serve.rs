//! The real program `rner serve` against bad requests, bombs, slow clients, poison and clients that leave.
//!
//! One server answers all cases. In each, a neighbour asks for the same answer again and again, alone and beside the
//! attacks, while another thread asks for `/health`. Every answer must be HTTP with words in JSON that say what is
//! wrong, 4xx for a client's faults, 429 or 503 with `Retry-After` for load. The server may open 1,024 files, which is
//! what most systems allow; there are more slow clients than that.

mod adapters;
mod asking;
mod bad;
mod bodies;
mod bombs;
mod case;
mod health;
mod program;
mod request;
mod slow;
mod times;
mod wire;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::lab::Lab;
use crate::tally::Tally;
use case::Found;
use program::{CACHE_MIB, Program};

/// Cases of fifteen to twenty seconds.
const STANDARD: u64 = 3;

/// Memory besides the weights and the cache, in MiB.
const BESIDES: f64 = 128.0;

/// Longest time from SIGTERM to the end.
const END: Duration = Duration::from_secs(30);

pub(crate) fn run(lab: &Lab, tally: &mut Tally) -> Result<()> {
    let folder = lab.folder("adapters")?;
    adapters::write(&folder)?;
    let mut program = Program::start(lab, &folder)?;
    let good = json!({"lora_name": "good", "lora_path": "good"});
    let loaded = bombs::manage(program.address, "load", good)?;
    let status = loaded.status;
    ensure!(status == 200, "an adapter: {status} {}", loaded.message());
    let before = program.memory("VmRSS:");
    if before.is_none() {
        tally.skip("memory: this system has no /proc/PID/status");
    }
    for seed in lab.cases(STANDARD) {
        let found = case::play(program.address, seed);
        enter(&found, seed, tally);
        tally.case(seed, || program.check());
        if let (Some(before), Some(most)) = (before, program.memory("VmHWM:")) {
            let limit = Some(CACHE_MIB + BESIDES);
            tally.measure("MiB above the loaded model", most - before, limit, seed);
        }
        if program.check().is_err() {
            return Ok(());
        }
    }
    let ended = program.end(END)?;
    let seconds = ended.as_secs_f64();
    tally.measure(
        "s from SIGTERM to the end",
        seconds,
        Some(END.as_secs_f64()),
        lab.seed(),
    );
    Ok(())
}

fn enter(found: &Found, seed: u64, tally: &mut Tally) {
    tally.count("bad requests", found.bad);
    tally.count("damaged bodies", found.damaged);
    tally.count("bombs", found.bombs);
    tally.count("slow clients", found.slow);
    tally.count("leavers", found.leavers);
    tally.count("poison", found.poison);
    tally.count("ordinary answers", found.ordinary.len() as u64);
    let health = &found.health;
    tally.count("/health", (health.kept.len() + health.new.len()) as u64);
    tally.measure("/health p50 ms", health.kept.median(), None, seed);
    tally.measure("p99", health.kept.quantile(0.99), Some(100.0), seed);
    tally.measure("max", health.kept.max(), None, seed);
    tally.measure(
        "on new connections p99",
        health.new.quantile(0.99),
        Some(100.0),
        seed,
    );
    tally.measure("max there", health.new.max(), None, seed);
    tally.measure(
        "latest wake-up of the machine ms",
        health.host.max(),
        None,
        seed,
    );
    tally.measure("neighbour alone p50 ms", found.quiet.median(), None, seed);
    tally.measure("x under bad requests", found.under_bad, Some(1.5), seed);
    tally.measure("x under poison", found.under_poison, Some(1.5), seed);
    tally.measure(
        "ms until a leaver's place is free",
        found.free.max(),
        Some(1000.0),
        seed,
    );
    tally.measure("ordinary p99 ms", found.ordinary.quantile(0.99), None, seed);
    for fault in &found.faults {
        tally.fail(seed, fault);
    }
}

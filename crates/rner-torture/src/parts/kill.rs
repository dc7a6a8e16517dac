//! The program dies at a call to the disk, is started again, and must end as if nothing had been.
//!
//! *In process*, through the library: a workload runs once undisturbed, which counts its calls to the disk and gives
//! the files that are expected. Then it dies at one of the calls, often in the middle of it, in every third case a
//! second time while it recovers, and is started again. *For real*: `rner` gets SIGKILL as it enters a system call that
//! changes names or forces something to the disk, by way of `strace`. After both: the last run ends well, its files are
//! those of the undisturbed run, byte for byte but for times, and nothing else lies in the folder.

mod disk;
mod files;
mod life;
mod real;
mod tracer;
mod work;
mod world;

use anyhow::Result;

use crate::lab::Lab;
use crate::tally::Tally;
use life::Calm;
use real::Real;
use world::World;

/// Cases in CI.
const STANDARD: u64 = 250;

/// Every so many cases, `rner` is killed for real too.
const REAL: u64 = 6;

pub(crate) fn run(lab: &Lab, tally: &mut Tally) -> Result<()> {
    let world = World::new(lab)?;
    let calm = Calm::default();
    let mut real = Real::new(lab, &world, tally)?;
    for seed in lab.cases(STANDARD) {
        let mut kills = Vec::new();
        tally.case(seed, || life::case(seed, &world, &calm, &mut kills));
        enter("kills in process", &kills, tally);
        if let Some(real) = real.as_mut().filter(|_| seed.is_multiple_of(REAL)) {
            let mut kills = Vec::new();
            tally.case(seed, || real.case(seed, seed / REAL, &mut kills));
            enter("real kills", &kills, tally);
        }
        world.clear()?;
    }
    Ok(())
}

/// Counts the lives that were to be ended: those that were, and those that ended before.
fn enter(what: &'static str, kills: &[bool], tally: &mut Tally) {
    let died = kills.iter().filter(|is_dead| **is_dead).count() as u64;
    tally.count(what, died);
    tally.count("double kills", u64::from(died > 1));
    tally.count("ended before", kills.len() as u64 - died);
}

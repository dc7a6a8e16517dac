//! Processes that die at their calls to the disk, in this process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rand::Rng;

use super::disk::{Death, Mortal};
use super::files::{Files, bury};
use super::work::Work;
use super::world::World;
use crate::lab::random;

/// Dies once or twice, goes on, and compares. Tells of each life that was to end whether it did.
pub(super) fn case(seed: u64, world: &World, calm: &Calm, kills: &mut Vec<bool>) -> Result<()> {
    let work = Work::of(seed);
    let undisturbed = calm.of(work, world)?;
    let deaths = deaths(seed, undisturbed.calls);
    let what = format!("{work:?}, {deaths:?}");
    world.clear()?;
    for death in &deaths {
        kills.push(live(work, world, Some(*death)).is_dead());
        bury(&world.out)?;
    }
    let last = live(work, world, None);
    last.ended.with_context(|| format!("{what}: stuck"))?;
    let found = undisturbed.files.differences(&Files::read(&world.out)?);
    ensure!(found.is_empty(), "{what}: {}", found.join("; "));
    Ok(())
}

/// Where the processes of a case die: successive cases of a work are spread over its calls, and meet all of them in the
/// end.
fn deaths(seed: u64, calls: u64) -> Vec<Death> {
    /// Multiples of the golden ratio are spread evenly, however many there are.
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let mut random = random(seed);
    let share = (Work::of(seed).before(seed) as f64 * GOLDEN).fract();
    let mut torn = |call| Death {
        call,
        torn: random.random_bool(0.5).then(|| random.random()),
    };
    let first = torn((share * calls as f64) as u64);
    // A recovery has fewer calls the later the first death was.
    let second = random.random_range(0..(calls - first.call).max(4));
    let second = random.random_bool(0.33).then_some(second);
    let mut torn = |call| Death {
        call,
        torn: random.random_bool(0.5).then(|| random.random()),
    };
    std::iter::once(first)
        .chain(second.map(&mut torn))
        .collect()
}

/// One process: how it ended, and its disk.
struct Life {
    ended: Result<()>,
    disk: Arc<Mortal>,
}

impl Life {
    fn is_dead(&self) -> bool {
        self.disk.is_dead()
    }
}

fn live(work: Work, world: &World, death: Option<Death>) -> Life {
    let disk = Arc::new(Mortal::new(death));
    let installed = atomic_files::install(disk.clone());
    let ended = catch_unwind(AssertUnwindSafe(|| work.run(world, &world.out)));
    drop(installed);
    let ended = ended.unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
    Life { ended, disk }
}

/// A run that nobody disturbed.
struct Undisturbed {
    calls: u64,
    files: Files,
}

/// One for each work, made when it is first needed.
#[derive(Default)]
pub(super) struct Calm(RefCell<BTreeMap<Work, Arc<Undisturbed>>>);

impl Calm {
    fn of(&self, work: Work, world: &World) -> Result<Arc<Undisturbed>> {
        if let Some(known) = self.0.borrow().get(&work) {
            return Ok(Arc::clone(known));
        }
        world.clear()?;
        let life = live(work, world, None);
        life.ended
            .with_context(|| format!("{work:?}, undisturbed"))?;
        let undisturbed = Arc::new(Undisturbed {
            calls: life.disk.calls(),
            files: Files::read(&world.out)?,
        });
        self.0.borrow_mut().insert(work, Arc::clone(&undisturbed));
        Ok(undisturbed)
    }
}

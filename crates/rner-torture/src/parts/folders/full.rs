//! A disk that is full.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Result, ensure};
use rand::Rng;

use super::command::Command;
use super::process::Ended;
use super::tree::PAGE;
use super::world::World;
use crate::lab::random;
use crate::tally::Tally;

/// The command on a disk with too little room for it, once more there, and then with room enough.
pub(super) fn case(
    world: &mut World,
    command: Command,
    seed: u64,
    tally: &mut Tally,
) -> Result<()> {
    let (_, whole) = world.undisturbed(command)?;
    let mut random = random(seed);
    // Mostly less than what stays in the end; work needs more room while it lasts.
    let most = (whole + whole / 5).max(2);
    let pages = if random.random() {
        random.random_range(1..=most)
    } else {
        (most as f64).powf(random.random_range(0.0..1.0)) as u64
    };
    let folder = world.case_folder(seed)?;
    let disk = Disk::new(&folder, pages);
    world.has_mounts = Some(disk.is_mounted);
    for _ in 0..2 {
        tally.count("runs on a full disk", 1);
        let ended = disk.run(world, command)?;
        if ended.is_success() {
            tally.count("of them had room enough", 1);
            world.check_result(command, &folder)?;
        } else {
            check_refusal(&ended, &folder)?;
        }
    }
    disk.enlarge()?;
    world.check_recovered(command, &folder)
}

/// An error that names a path there; no signal.
fn check_refusal(ended: &Ended, folder: &Path) -> Result<()> {
    let Ended { status, said } = ended;
    ensure!(status.code() == Some(1), "ended with {status}: {said}");
    let names = said.contains(&folder.display().to_string());
    ensure!(names, "expected an error that names the path, said: {said}");
    Ok(())
}

/// A small file system, or a limit on the length of files where none can be mounted.
struct Disk {
    folder: PathBuf,
    pages: u64,
    is_mounted: bool,
}

impl Disk {
    fn new(folder: &Path, pages: u64) -> Self {
        let size = format!("size={}", pages * PAGE);
        Self {
            folder: folder.to_owned(),
            pages,
            is_mounted: mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], folder),
        }
    }

    fn run(&self, world: &World, command: Command) -> Result<Ended> {
        if self.is_mounted {
            return world.run(command, &self.folder);
        }
        let direct = world.command(command, &self.folder);
        let mut limited = std::process::Command::new("sh");
        // In blocks of 512 bytes. Without the trap the system would end the process; a full disk is an error.
        let limit = self.pages * PAGE / 512;
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        limited.args(["-c", &script]).arg(direct.get_program());
        let ended = world.start_as({
            limited.args(direct.get_args());
            limited
        })?;
        let ended = ended.wait()?;
        ended.check()?;
        Ok(ended)
    }

    /// Gives room enough.
    fn enlarge(&self) -> Result<()> {
        let is_larger = !self.is_mounted || mount(&["-o", "remount,size=256m"], &self.folder);
        ensure!(is_larger, "{}: cannot enlarge it", self.folder.display());
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = std::process::Command::new("umount")
                .arg(&self.folder)
                .status();
        }
    }
}

fn mount(options: &[&str], folder: &Path) -> bool {
    let mut mount = std::process::Command::new("mount");
    let mount = mount.args(options).arg(folder).stderr(Stdio::null());
    mount.status().is_ok_and(|status| status.success())
}

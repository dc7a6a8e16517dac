//! Every reader of the workspace on inputs that nobody wrote.
//!
//! The bodies of `rner-fuzz` run in this process over stored inputs and changes of them: what CI has time for. With
//! `--minutes`, libFuzzer goes on, which looks for inputs that reach new code; building it takes minutes. Inputs that
//! broke something are kept under `torture/fuzz/crash` of the build folder, and every later run begins with them.

mod inside;
mod libfuzzer;
mod peak;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rner_fuzz::Target;

use crate::lab::Lab;
use crate::tally::Tally;
use crate::toolchain;

pub(crate) fn run(lab: &Lab, tally: &mut Tally) -> Result<()> {
    let kept = toolchain::target_folder()?.join("torture/fuzz");
    inside::run(lab, &kept, tally)?;
    let time = lab.time(Duration::ZERO);
    if time.is_zero() {
        tally.skip(
            "libFuzzer, whose build takes minutes: `cargo xtask torture --only fuzz --minutes 6`",
        );
        return Ok(());
    }
    libfuzzer::run(lab, &kept, time, tally)
}

/// Where inputs lie that broke a target.
fn crashes(kept: &Path, target: &Target) -> PathBuf {
    kept.join("crash").join(target.name)
}

/// The files of a folder in the order of their names; none if there is no folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = folder.read_dir() else {
        return Ok(Vec::new());
    };
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<std::io::Result<_>>().context("a folder")?;
    paths.sort();
    Ok(paths)
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

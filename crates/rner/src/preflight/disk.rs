//! Room on the disks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Finding;
use super::data::{base_is_here, bytes_to_fetch};
use crate::plan::disk_of;
use crate::recipe::Recipe;

/// A file system, as `df` sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Disk {
    mount: String,
    free: u64,
}

pub(super) fn check(recipe: &Recipe, run: &Path) -> Vec<Finding> {
    let mut wanted: BTreeMap<String, (u64, u64, Vec<&str>)> = BTreeMap::new();
    for (path, bytes, what) in wishes(recipe, run) {
        if bytes > 0
            && let Some(disk) = disk_of_path(&path)
        {
            let (_, sum, names) = wanted
                .entry(disk.mount)
                .or_insert((disk.free, 0, Vec::new()));
            *sum += bytes;
            names.push(what);
        }
    }
    let full = wanted.into_iter().filter(|(_, (free, sum, _))| sum > free);
    full.map(|(mount, (free, sum, names))| {
        let gib = |bytes: u64| bytes as f64 / (1_u64 << 30) as f64;
        let what = format!(
            "{mount} has {:.1} GiB free, and {} take about {:.1}",
            gib(free),
            names.join(", "),
            gib(sum)
        );
        let remedy = "free some, or put them elsewhere: --out, data.cache, HF_HOME";
        Finding::stops("disk", what).remedy(remedy)
    })
    .collect()
}

/// What will be written where.
fn wishes(recipe: &Recipe, run: &Path) -> Vec<(PathBuf, u64, &'static str)> {
    let disk = disk_of(recipe).unwrap_or_default();
    // What an earlier start wrote is not written a second time.
    let left = disk.run.saturating_sub(bytes_below(run));
    let mut wishes = vec![
        (run.to_owned(), left, "models and checkpoints"),
        (recipe.data.cache_dir(), bytes_to_fetch(recipe), "datasets"),
    ];
    if !base_is_here(recipe) {
        wishes.push((hub_cache(), disk.base, "the base model"));
    }
    wishes
}

/// Where `lm_model::hub` keeps models, as far as the usual variables say.
fn hub_cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let home = || variable("HOME").unwrap_or_else(|| "/tmp".into());
    variable("HF_HUB_CACHE")
        .or_else(|| variable("HF_HOME"))
        .unwrap_or_else(|| home().join(".cache/huggingface"))
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The file system that a path is on, or will be; none where there is no `df`.
fn disk_of_path(path: &Path) -> Option<Disk> {
    let path = std::path::absolute(path).ok()?;
    let there = path.ancestors().find(|path| path.exists())?;
    let output = Command::new("df").arg("-Pk").arg(there).output().ok()?;
    read_df(&String::from_utf8(output.stdout).ok()?)
}

/// The second line of `df -Pk`, as POSIX lays it down: source, blocks, used, available, share, mount.
fn read_df(text: &str) -> Option<Disk> {
    let mut words = text.lines().nth(1)?.split_whitespace().skip(3);
    let kib: u64 = words.next()?.parse().ok()?;
    Some(Disk {
        mount: words.skip(1).collect::<Vec<_>>().join(" "),
        free: kib * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_is_read_from_df() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                    /dev/sda1 100 60 40 60% /a place\n";
        let disk = Disk {
            mount: "/a place".into(),
            free: 40 * 1024,
        };
        assert_eq!(read_df(text), Some(disk));
        assert_eq!(read_df("df: no such file\n"), None);
    }

    #[test]
    fn a_run_of_many_seeds_of_a_large_model_wants_more_than_there_is() {
        let sets = ["run.seeds=100000".to_owned()];
        let recipe = Recipe::resolve("paper-8b", &sets).expect("a recipe");
        if disk_of_path(Path::new(".")).is_none() {
            eprintln!("there is no df here: nothing is looked at");
            return;
        }
        let found = check(&recipe, Path::new("runs/absent"));
        assert!(
            found
                .iter()
                .any(|f| f.what.contains("models and checkpoints")),
            "{found:?}"
        );
    }
}

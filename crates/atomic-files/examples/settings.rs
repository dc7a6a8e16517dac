//! A program's settings, changed while others may read them, and its results as a folder.
//!
//! `cargo run -p atomic-files --example settings`

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

use atomic_files::{AtomicDir, AtomicFile, remove_dir, write};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::temp_dir().join(format!("atomic-files-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let listing = work_in(&dir)?;
    remove_dir(&dir)?;
    println!("{listing}");
    Ok(())
}

/// Returns the names that are in `dir` at the end.
pub(crate) fn work_in(dir: &Path) -> Result<String, Box<dyn Error>> {
    // Whoever reads the file meanwhile sees the old settings or the new ones.
    let settings = dir.join("settings.toml");
    write(&settings, "lr = 1e-5\n")?;
    write(&settings, "lr = 2e-5\n")?;

    // A table of any length, row by row.
    let mut table = AtomicFile::create(&dir.join("table.csv"))?;
    for step in 1..=1000 {
        writeln!(table, "{step},{}", 1.0 / f64::from(step))?;
    }
    table.commit()?;

    // A change of mind leaves the old table.
    let mut abandoned = AtomicFile::create(&dir.join("table.csv"))?;
    writeln!(abandoned, "half a row")?;
    drop(abandoned);

    // A folder with everything in it; the second one takes the place of the first.
    for weights in ["first", "second"] {
        let best = AtomicDir::create(&dir.join("best"))?;
        fs::write(best.path().join("weights"), weights)?;
        best.commit()?;
    }

    let names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().display().to_string()));
    let mut names: Vec<String> = names.collect::<std::io::Result<_>>()?;
    names.sort();
    Ok(names.join(" "))
}

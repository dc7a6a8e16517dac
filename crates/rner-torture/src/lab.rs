//! What a part works with: seeds, an amount, a folder, the program.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

/// How much a part does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Amount {
    /// What CI has time for; each part says how much that is.
    Standard,
    /// So many cases.
    Cases(u64),
    /// As many as this time allows, and one at least.
    Time(Duration),
}

/// What a part works with.
#[derive(Debug)]
pub(crate) struct Lab {
    root: PathBuf,
    seed: u64,
    amount: Amount,
    dir: TempDir,
}

impl Lab {
    pub(crate) fn new(root: PathBuf, seed: u64, amount: Amount) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("rner-torture-").tempdir();
        Ok(Self {
            root,
            seed,
            amount,
            dir: dir.context("cannot create a folder")?,
        })
    }

    /// The seed of the first case.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The seeds of the cases, `standard` of them unless the user said otherwise. A case depends on its seed alone.
    pub(crate) fn cases(&self, standard: u64) -> impl Iterator<Item = u64> + use<> {
        let (count, end) = match self.amount {
            Amount::Standard => (standard, None),
            Amount::Cases(count) => (count, None),
            Amount::Time(time) => (u64::MAX, Some(Instant::now() + time)),
        };
        let seed = self.seed;
        (0..count)
            .take_while(move |case| *case == 0 || end.is_none_or(|end| Instant::now() < end))
            .map(move |case| seed.wrapping_add(case))
    }

    /// How long a part lasts that has no cases: `standard` unless the user gave a time.
    pub(crate) fn time(&self, standard: Duration) -> Duration {
        match self.amount {
            Amount::Time(time) => time,
            Amount::Standard | Amount::Cases(_) => standard,
        }
    }

    /// A file or folder of the workspace, such as `fixtures/tiny-base`.
    pub(crate) fn source(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// An empty folder that is removed when the part is over.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.path().join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
        }
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// The program `rner` beside this one.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        let me = std::env::current_exe().context("cannot find this program")?;
        let folder = me.parent().unwrap_or(Path::new("."));
        let program = folder.join(format!("rner{}", std::env::consts::EXE_SUFFIX));
        ensure!(
            program.is_file(),
            "{}: expected the program here; build it with `cargo build --release -p rner-cli`",
            program.display()
        );
        Ok(program)
    }
}

/// The random numbers of a case.
pub(crate) fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(amount: Amount) -> Lab {
        Lab::new(PathBuf::from("."), 7, amount).expect("a folder")
    }

    #[test]
    fn cases_are_counted_from_the_seed() {
        let seeds = |amount, standard| lab(amount).cases(standard).collect::<Vec<_>>();
        assert_eq!(seeds(Amount::Standard, 3), [7, 8, 9]);
        assert_eq!(seeds(Amount::Cases(1), 3), [7]);
        assert_eq!(seeds(Amount::Time(Duration::ZERO), 3), [7]);
    }

    #[test]
    fn a_folder_is_empty_each_time() {
        let lab = lab(Amount::Standard);
        let folder = lab.folder("a").expect("made");
        std::fs::write(folder.join("b"), "c").expect("written");
        let again = lab.folder("a").expect("made");
        assert_eq!(again.read_dir().expect("listed").count(), 0);
    }
}

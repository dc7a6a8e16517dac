//! Where the job and the journal of a folder are, be it one of `rner cot generate` or of `rner reproduce`.

use std::path::{Path, PathBuf};

use super::job::{FILE, Job};
use super::journal_dir::{JOURNAL, journal_dir};
use crate::error::Result;
use crate::recipe::Recipe;

/// A job with the folder of its answers.
#[derive(Clone, Debug)]
pub struct Place {
    /// The settings and the source.
    pub job: Job,
    /// Folder of the journal.
    pub journal: PathBuf,
    /// Where files about it go unless somewhere else is named. In a run they are kept apart from what its stages
    /// wrote, which they would otherwise change.
    pub out: PathBuf,
    /// Seeds of the run that were not looked at, as folders.
    pub other_seeds: Vec<PathBuf>,
}

impl Place {
    /// Finds both for a folder of `rner cot generate`, for that of a run, or for one inside of a run: that of a seed,
    /// of the stage, of the journal.
    ///
    /// # Errors
    /// A folder that is none of these, or a recipe or job that cannot be read.
    pub fn find(dir: &Path) -> Result<Self> {
        if dir.join(FILE).is_file() {
            return Ok(Self {
                job: Job::read(dir)?,
                journal: dir.to_owned(),
                out: dir.to_owned(),
                other_seeds: Vec::new(),
            });
        }
        match run_around(dir) {
            Some(run) => Self::of_run(&run, dir),
            // Its error says what is expected.
            None => Err(Job::missing(dir)),
        }
    }

    fn of_run(run: &Path, dir: &Path) -> Result<Self> {
        let recipe = Recipe::resolve(&run.join("recipe.toml").display().to_string(), &[])?;
        let mut roots = seed_roots(run, &recipe);
        let chosen = roots
            .iter()
            .position(|(_, root)| dir.starts_with(root) && *root != run);
        let (seed, root) = roots.swap_remove(chosen.unwrap_or(0));
        let data = stage_dir(&root, "data");
        let mut job = Job::new(
            &data.join("train.jsonl"),
            recipe.cot.clone(),
            recipe.sampling_seed(seed),
        )?;
        if recipe.cot.exclude_eval {
            job.exclude(&[data.join("eval")])?;
        }
        Ok(Self {
            job,
            journal: journal_of(&recipe, run, &root),
            out: run.join("cot-export"),
            other_seeds: roots.into_iter().map(|(_, root)| root).collect(),
        })
    }
}

/// The folder of a run that `dir` is, or lies in.
fn run_around(dir: &Path) -> Option<PathBuf> {
    let dir = dir.canonicalize().ok()?;
    let mut around = dir.ancestors().take(3);
    around
        .find(|dir| dir.join("recipe.toml").is_file())
        .map(Path::to_owned)
}

/// The seeds of a run with their folders.
fn seed_roots(run: &Path, recipe: &Recipe) -> Vec<(u64, PathBuf)> {
    let root = |seed: u64| match recipe.run.seeds {
        1 => run.to_owned(),
        _ => run.join(format!("seed-{seed}")),
    };
    recipe
        .run
        .all_seeds()
        .map(|seed| (seed, root(seed)))
        .collect()
}

/// Where the answers of a run are; `root` is the folder of the seed.
fn journal_of(recipe: &Recipe, run: &Path, root: &Path) -> PathBuf {
    let stage = stage_dir(root, "cot");
    let journal = journal_dir(&recipe.cot, run, &stage);
    // A run of an older program that was not gone on with since.
    if !journal.join(JOURNAL).is_file() && stage.join(JOURNAL).is_file() {
        return stage;
    }
    journal
}

/// The folder of a stage, whatever its number is.
fn stage_dir(root: &Path, name: &str) -> PathBuf {
    let is_stage = |path: &PathBuf| {
        let folder = path.file_name().and_then(|folder| folder.to_str());
        let number = folder.and_then(|folder| folder.strip_prefix("stage-")?.split_once('-'));
        number.is_some_and(|(n, stage)| stage == name && n.parse::<usize>().is_ok())
    };
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let found = entries.map(|entry| entry.path()).find(is_stage);
    found.unwrap_or_else(|| root.join(format!("stage-{name}")))
}

//! Every kind of file that a command reads back, damaged.
//!
//! Each case copies a folder of sound files, damages one or two of them, and reads the folder back through the
//! libraries, as the command does. That ends in an error, or in the result of the sound files. Where a file has no hash
//! (a dataset, a model from elsewhere), a flipped bit can give another result, which is counted: whoever reads then
//! shows that a sound file could have given it. A panic, another result where there is a hash, and memory beyond
//! four times the files and 64 MB are failures.

mod answers;
mod change;
mod fetched;
mod memory;
mod models;
mod rows;
mod said;
mod stages;
mod subject;
mod texts;
mod training;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rand::Rng;
use rand::seq::IndexedRandom;
use tempfile::TempDir;

use crate::lab::{self, Lab};
use crate::tally::Tally;
use change::Change;
use subject::{Proof, Reading, Subject};

/// Damaged folders in CI.
const STANDARD: u64 = 2_000;

/// Bytes that reading may take at most beside four times the files.
const SLACK: usize = 64 << 20;

/// A file system in memory, where there is one: waiting for a disk would be most of the time.
const IN_MEMORY: &str = "/dev/shm";

pub(crate) fn run(lab: &Lab, tally: &mut Tally) -> Result<()> {
    let home = tempfile::tempdir_in(IN_MEMORY).or_else(|_| tempfile::tempdir());
    let mut bench = Bench {
        home: home.context("a folder")?,
        sound: Vec::new(),
        turns: Vec::new(),
    };
    for (turns, subject) in subjects()? {
        bench.add(subject, turns)?;
    }
    // Readers catch panics of foreign parsers; their words would fill the screen.
    let _quiet = said::Quiet::begin();
    for seed in lab.cases(STANDARD) {
        bench.case(seed, tally);
    }
    Ok(())
}

/// The kinds, each with the number of its turns among those of the others.
fn subjects() -> Result<Vec<(usize, Box<dyn Subject>)>> {
    let mut all: Vec<(usize, Box<dyn Subject>)> = vec![
        (4, Box::new(training::SFT)),
        (4, Box::new(training::GRPO)),
        (6, Box::new(models::Models)),
        (4, Box::new(answers::Lines)),
        (2, Box::new(answers::Chains::new()?)),
        (3, Box::new(answers::Evaluation)),
    ];
    for (is_finished, is_alone) in [(true, true), (true, false), (false, true), (false, false)] {
        all.push((
            1,
            Box::new(stages::Stages {
                is_finished,
                is_alone,
            }),
        ));
    }
    all.extend(rows::Rows::ALL.map(|kind| (1, Box::new(kind) as Box<dyn Subject>)));
    all.extend(texts::Text::ALL.map(|kind| (1, Box::new(kind) as Box<dyn Subject>)));
    Ok(all)
}

/// A kind with its sound files and their result.
struct Sound {
    subject: Box<dyn Subject>,
    dir: PathBuf,
    targets: Vec<PathBuf>,
    bytes: usize,
    result: String,
}

/// All kinds, and the folder with their files.
struct Bench {
    home: TempDir,
    sound: Vec<Sound>,
    /// Whose turn it is.
    turns: Vec<usize>,
}

impl Bench {
    /// Writes the sound files of a kind and reads them once.
    fn add(&mut self, subject: Box<dyn Subject>, turns: usize) -> Result<()> {
        self.turns.extend([self.sound.len()].repeat(turns));
        let name = subject.name();
        let dir = self.home.path().join(format!("sound-{}", self.sound.len()));
        fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
        subject
            .write(&dir)
            .with_context(|| format!("writing: {name}"))?;
        let files = subject::files(&dir)?;
        let bytes = files.iter().map(|file| size(&dir.join(file))).sum();
        let work = self.work();
        subject::copy(&dir, &work)?;
        let result = match subject
            .read(&work)
            .with_context(|| format!("reading: {name}"))?
        {
            Ok(result) => result,
            Err(words) => bail!("{name}: the sound files are refused: {words}"),
        };
        let targets: Vec<PathBuf> = files
            .into_iter()
            .filter(|file| subject.is_target(file))
            .collect();
        self.sound.push(Sound {
            subject,
            dir,
            targets,
            bytes,
            result,
        });
        Ok(())
    }

    fn work(&self) -> PathBuf {
        self.home.path().join("work")
    }

    /// Kinds take turns.
    fn case(&self, seed: u64, tally: &mut Tally) {
        let turn = (seed % self.turns.len() as u64) as usize;
        let sound = &self.sound[self.turns[turn]];
        let mut found = None;
        tally.case(seed, || {
            let case = AssertUnwindSafe(|| sound.damage(seed, &self.work()));
            let outcome = catch_unwind(case).unwrap_or_else(|_| bail!("{}", said::last()));
            found = Some(outcome.with_context(|| sound.subject.name())?);
            Ok(())
        });
        tally.count(sound.subject.name(), 1);
        if let Some((outcome, memory)) = found {
            tally.count(outcome, 1);
            tally.measure("memory / (4 × files + 64 MB)", memory, Some(1.0), seed);
        }
    }
}

/// Where there is no hash, and the result is one that a sound file could have given.
const OTHER: &str = "other results of files without a hash";

impl Sound {
    /// Damages a copy and reads it: what came of it, and the memory that it took as a share of what it may take.
    fn damage(&self, seed: u64, work: &Path) -> Result<(&'static str, f64)> {
        let random = &mut lab::random(seed);
        subject::copy(&self.dir, work)?;
        let mut done = Vec::new();
        for _ in 0..if random.random_ratio(1, 8) { 2 } else { 1 } {
            let (file, change) = (
                self.targets.choose(random).context("a file")?,
                Change::any(random),
            );
            if work.join(file).is_file() {
                change.apply(&work.join(file), random)?;
                done.push((file.as_path(), change));
            }
        }
        memory::begin();
        let reading = self.subject.read(work);
        let memory = memory::most_taken();
        let outcome = reading.and_then(|reading| self.judged(reading, &done));
        let allowed = 4 * self.bytes + SLACK;
        let outcome = outcome.with_context(|| format!("{done:?}"))?;
        Ok((outcome, memory as f64 / allowed as f64))
    }

    /// What came of it, in a word.
    fn judged(&self, reading: Reading, done: &[(&Path, Change)]) -> Result<&'static str> {
        match reading {
            Ok(result) if result == self.result => Ok("same results"),
            Ok(result) if self.subject.proof() == Proof::Hashed => {
                bail!(
                    "another result in silence: {result}, expected {}",
                    self.result
                )
            }
            Ok(_) => Ok(OTHER),
            Err(words) if self.names_one(&words, done) => Ok("errors"),
            Err(words) => bail!("the error names none of the files: {words}"),
        }
    }

    /// Whether an error says which file is damaged, or which folder it is in. Where a file is gone, one beside it may
    /// tell.
    fn names_one(&self, words: &str, done: &[(&Path, Change)]) -> bool {
        let is_gone = |change| matches!(change, Change::Gone | Change::Link);
        let beside = self.targets.iter().map(PathBuf::as_path);
        let beside = beside.filter(|_| done.iter().any(|(_, change)| is_gone(*change)));
        let damaged = done.iter().map(|(file, _)| *file);
        let mut parts = damaged.chain(beside).flat_map(Path::iter);
        parts.any(|part| words.contains(&*part.to_string_lossy()))
    }
}

fn size(path: &Path) -> usize {
    path.metadata().map_or(0, |file| file.len() as usize)
}

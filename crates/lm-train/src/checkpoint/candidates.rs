//! The search for the checkpoint that a run goes on from: the newest that proves to be whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use atomic_files::AtomicDir;

use super::folder::{BEST, PREFIX, list};
use super::manifest::{self, MANIFEST, Proof};
use super::{Checkpoint, RunState, STATE_FILE};
use crate::error::Error;
use crate::outcome::RunFiles;
use crate::resume::{Resume, SetAside};

/// What a damaged checkpoint is called, followed by its former name.
const DAMAGED: &str = "damaged-";

/// The checkpoint with the most steps in `root` whose files are what was written, if there is any. Those of an older
/// program, which kept no hashes, count as they are. Nothing is renamed; a run with [`Resume::Latest`] does more.
///
/// # Errors
/// [`Error::Io`] if `root` exists and cannot be listed, or a file not be read.
pub fn latest_checkpoint(root: &Path) -> Result<Option<PathBuf>, Error> {
    for (_, dir) in list(root)?.into_iter().rev() {
        match manifest::check(&dir) {
            Ok(_) if dir.join(STATE_FILE).is_file() => return Ok(Some(dir)),
            Ok(_) => {
                tracing::warn!(checkpoint = %dir.display(), "passed over: there is no {STATE_FILE}")
            }
            Err(Error::Corrupt { path, problem }) => {
                tracing::warn!(file = %path.display(), problem, "passed over a damaged checkpoint");
            }
            Err(other) => return Err(other),
        }
    }
    Ok(None)
}

/// Compares the folder of a checkpoint, or that of the best model, with its list. One of an older program has none and
/// counts as it is.
///
/// # Errors
/// [`Error::Corrupt`] naming the first file that is not what was written, [`Error::NewerCheckpoint`] for a list that
/// only a newer program can read, [`Error::Io`] if a file cannot be read.
pub fn verify_checkpoint(dir: &Path) -> Result<(), Error> {
    manifest::check(dir).map(drop)
}

/// The checkpoints that a run may go on from.
#[derive(Debug)]
pub struct Candidates<'a> {
    /// The folder of all checkpoints of the run.
    root: Option<&'a Path>,
    /// The newest last.
    dirs: Vec<PathBuf>,
    /// Whether files are compared with their hashes.
    proves: bool,
    /// Whether damaged ones are renamed and others tried. Else the first is the only one.
    renames: bool,
    set_aside: Vec<SetAside>,
    best: Best,
}

/// What is known of the best model.
#[derive(Debug, Default)]
enum Best {
    #[default]
    Unknown,
    Good,
    /// Its problem, and the step of the newest state that counts on it. An older state with another best model writes
    /// that one anew when it comes to its step.
    Lost(String, Option<usize>),
}

impl<'a> Candidates<'a> {
    /// Those that [`RunFiles::resume`] allows. Folders that are no checkpoints, because the removal by an older program
    /// was interrupted, are set aside, and hidden ones that a killed process was writing are removed.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder of the checkpoints cannot be listed or one of them not be renamed.
    pub fn find(files: &'a RunFiles) -> Result<Self, Error> {
        let root = files.checkpoints.as_deref();
        let mut found = Self {
            root,
            dirs: Vec::new(),
            proves: true,
            renames: files.resume == Resume::Latest,
            set_aside: Vec::new(),
            best: Best::Unknown,
        };
        match (&files.resume, root) {
            (Resume::From(dir), _) => found.dirs.push(dir.clone()),
            (Resume::Latest, Some(root)) => found.list(root)?,
            (Resume::Latest, None) | (Resume::Never, _) => {}
        }
        Ok(found)
    }

    /// The one that another worker of the same run has proved.
    pub(crate) fn proved(files: &'a RunFiles) -> Result<Self, Error> {
        let proves = false;
        Ok(Self {
            proves,
            ..Self::find(files)?
        })
    }

    fn list(&mut self, root: &Path) -> Result<(), Error> {
        clear_unfinished(root);
        for (_, dir) in list(root)? {
            if dir.join(STATE_FILE).exists() || dir.join(MANIFEST).exists() {
                self.dirs.push(dir);
            } else {
                self.set_aside(dir, format!("it has neither {MANIFEST} nor {STATE_FILE}"))?;
            }
        }
        if self.dirs.is_empty() {
            announce_beginning(root);
        }
        Ok(())
    }

    /// Whether there is none, so that the run begins anew.
    pub fn is_empty(&self) -> bool {
        self.dirs.is_empty()
    }

    /// Those that were passed over so far, and were renamed.
    pub fn passed_over(self) -> Vec<SetAside> {
        self.set_aside
    }

    /// Reads the newest checkpoint that is whole and of the run that began with `fresh`, by `read`, which refuses one
    /// that contradicts itself with [`Error::Corrupt`]. Returns its directory too.
    ///
    /// # Errors
    /// [`Error::AllDamaged`] if none is whole; with [`Resume::From`] what is wrong with the one. The errors of
    /// [`Checkpoint::open_of_run`] for one of another run or program, and those of `read`.
    pub fn newest<S: RunState, T>(
        &mut self,
        fresh: &S,
        mut read: impl FnMut(Checkpoint<S>) -> Result<T, Error>,
    ) -> Result<(PathBuf, T), Error> {
        while let Some(dir) = self.dirs.pop() {
            let proof = self.proof(&dir);
            let is_proved = matches!(proof, Ok(Proof::Verified));
            let opened = proof.and_then(|_| Checkpoint::open_of_run(&dir, fresh));
            let result = opened.and_then(|checkpoint| {
                self.check_best(checkpoint.state())?;
                read(checkpoint)
            });
            match result {
                Ok(value) => return Ok((dir, value)),
                Err(error) if self.renames && is_damage(&error, is_proved) => {
                    self.set_aside(dir, error.to_string())?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::AllDamaged {
            root: self.root.unwrap_or(Path::new(".")).to_path_buf(),
            set_aside: std::mem::take(&mut self.set_aside),
        })
    }

    fn proof(&self, dir: &Path) -> Result<Proof, Error> {
        if !self.proves {
            return Ok(Proof::Verified);
        }
        let proof = manifest::check(dir)?;
        if proof == Proof::None {
            let checkpoint = dir.display();
            tracing::warn!(%checkpoint, "not verified: an older version wrote it, without {MANIFEST}");
        }
        Ok(proof)
    }

    /// A run that ends with the best model cannot go on from a state that counts on one that is lost.
    fn check_best<S: RunState>(&mut self, state: &S) -> Result<(), Error> {
        let (Some(root), Some(step)) = (self.root, state.step_of_best()) else {
            return Ok(());
        };
        let dir = root.join(BEST);
        if matches!(self.best, Best::Unknown) {
            self.best = look_at_best(&dir)?;
        }
        let Best::Lost(problem, lost) = &mut self.best else {
            return Ok(());
        };
        if *lost.get_or_insert(step) != step {
            return Ok(());
        }
        let problem = format!("the run is to end with this model, of step {step}: {problem}");
        Err(Error::corrupt(&dir, problem))
    }

    fn set_aside(&mut self, from: PathBuf, reason: String) -> Result<(), Error> {
        let to = free_name(&from);
        atomic_files::rename(&from, &to)?;
        tracing::warn!(
            checkpoint = %from.display(), now = %to.display(), reason,
            "a checkpoint is damaged and was set aside"
        );
        self.set_aside.push(SetAside { from, to, reason });
        Ok(())
    }
}

fn look_at_best(dir: &Path) -> Result<Best, Error> {
    if !dir.is_dir() {
        return Ok(Best::Lost("it is missing".to_owned(), None));
    }
    match manifest::check(dir) {
        Ok(_) => Ok(Best::Good),
        Err(error @ Error::Corrupt { .. }) => Ok(Best::Lost(error.to_string(), None)),
        Err(other) => Err(other),
    }
}

/// Whether an error says that a checkpoint is damaged, and not that it is of another run or that the system refuses. Of
/// one whose files are what was written, the model is only of another shape.
fn is_damage(error: &Error, is_proved: bool) -> bool {
    use lm_model::Error as Model;
    let is_absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match error {
        Error::Corrupt { .. } => true,
        Error::Io { source, .. } => is_absent(source),
        Error::Model(_) if is_proved => false,
        Error::Model(error) => match error {
            Model::Io { source, .. } => is_absent(source),
            Model::Config { source, .. } => matches!(**source, Model::Json { .. }),
            Model::Json { .. }
            | Model::NoWeights { .. }
            | Model::NotSafetensors { .. }
            | Model::Truncated { .. }
            | Model::BadHeader { .. }
            | Model::BadIndex { .. } => true,
            _ => false,
        },
        _ => false,
    }
}

/// A name beside that no earlier checkpoint has.
fn free_name(from: &Path) -> PathBuf {
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    let mut to = from.with_file_name(format!("{DAMAGED}{name}"));
    let mut number = 2;
    while to.symlink_metadata().is_ok() {
        to = from.with_file_name(format!("{DAMAGED}{name}-{number}"));
        number += 1;
    }
    to
}

/// A run that begins anew beside damaged checkpoints says so each time.
fn announce_beginning(root: &Path) {
    let damaged = names(root).filter(|name| name.starts_with(DAMAGED)).count();
    if damaged > 0 {
        tracing::warn!(
            damaged, folder = %root.display(),
            "no checkpoint is left to go on from beside the damaged ones: the run begins anew"
        );
    }
}

/// Removes the hidden folders of checkpoints that killed processes were writing, whatever their names would have been:
/// beginning to write one of that name clears them, unless their process lives.
fn clear_unfinished(root: &Path) {
    for name in names(root) {
        let target = name.strip_prefix('.').and_then(|name| name.split_once('.'));
        let is_ours = |target: &str| target == BEST || target.starts_with(PREFIX);
        if let Some((target, _)) = target.filter(|(target, _)| is_ours(target)) {
            // What cannot be cleared is in nobody's way.
            drop(AtomicDir::create(&root.join(target)));
        }
    }
}

fn names(root: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

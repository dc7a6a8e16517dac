//! The folder of the parts: to which question they are the answers, which are finished, and who works on one.
//!
//! The manifests lie below `_manifest`, which Spark, Hadoop and Dask pass over. A part's manifest is written before the
//! part appears: a part without one was made by somebody else, and a manifest without a part is of work that was
//! killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use atomic_files::{Lock, set_aside};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::manifest::{Manifest, hash_file};

/// Name of the folder of manifests.
pub(crate) const MANIFESTS: &str = "_manifest";

/// How long another process may take to write the question.
const QUESTION_TRIES: usize = 500;

/// Between two looks at a lock.
const PAUSE: Duration = Duration::from_millis(20);

/// What becomes of other work in the folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// It is refused.
    #[default]
    Refuse,
    /// It gets another name, `NAME.old-1`.
    Aside,
}

/// Everything that an answer depends on, by name.
pub type Question = Map<String, Value>;

/// A folder whose parts are answers to one question, or one file that is.
#[derive(Clone, Debug)]
pub struct Folder {
    dir: PathBuf,
    /// The one part, if it is a file.
    file: Option<String>,
    claim: Claim,
    question_blake3: String,
}

/// Whether a part is finished.
#[derive(Debug)]
pub(crate) enum State {
    /// There is nothing.
    Missing,
    /// It is there, with its manifest.
    Whole(Box<Manifest>),
    /// It is there, and something is wrong with it.
    Wrong(&'static str),
}

impl Folder {
    /// Claims a folder for a question, and makes it where it is missing.
    ///
    /// # Errors
    /// [`Error::OtherQuestion`], unless that is set aside; a folder that cannot be made or written to.
    pub fn claim(dir: &Path, question: &Question, claim: Claim) -> Result<Self> {
        let folder = Self::new(dir, None, question, claim)?;
        let manifests = folder.manifests();
        let lock = folder.lock_question()?;
        match folder.differences(question) {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) if claim == Claim::Aside => {
                drop(lock);
                set_aside(dir)?;
                atomic_files::fs::create_dir_all(&manifests)
                    .map_err(Error::io(&manifests, "create"))?;
            }
            Ok(Some(differences)) => return Err(folder.other_question(differences)),
            Err(error) => return Err(error),
        }
        let text = pretty(question)?;
        atomic_files::write(&folder.question(), text)?;
        Ok(folder)
    }

    /// One file in the place of a folder; its manifest is `NAME.manifest.json` beside it.
    ///
    /// # Errors
    /// A path without a name, or whose folder cannot be made.
    pub fn of_file(path: &Path, question: &Question, claim: Claim) -> Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| {
            Error::usage(format!("{}: expected the name of a file", path.display()))
        })?;
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        atomic_files::fs::create_dir_all(dir).map_err(Error::io(dir, "create"))?;
        Self::new(dir, Some(name.to_owned()), question, claim)
    }

    /// A folder to look at: nothing is made, and nothing is claimed.
    ///
    /// # Errors
    /// A folder that has no parts, or those of another question.
    pub fn look_at(dir: &Path, question: &Question) -> Result<Self> {
        let folder = Self::new(dir, None, question, Claim::Refuse)?;
        let path = folder.question();
        path.metadata().map_err(Error::io(&path, "read"))?;
        match folder.differences(question)? {
            None => Ok(folder),
            Some(differences) => Err(folder.other_question(differences)),
        }
    }

    fn other_question(&self, differences: String) -> Error {
        Error::OtherQuestion {
            folder: self.dir.clone(),
            differences,
        }
    }

    fn new(dir: &Path, file: Option<String>, question: &Question, claim: Claim) -> Result<Self> {
        let question = pretty(question)?;
        Ok(Self {
            dir: dir.to_owned(),
            file,
            claim,
            question_blake3: blake3::hash(question.as_bytes()).to_hex().to_string(),
        })
    }

    fn manifests(&self) -> PathBuf {
        self.dir.join(MANIFESTS)
    }

    /// Where the question lies.
    fn question(&self) -> PathBuf {
        self.manifests().join("question.json")
    }

    /// Several processes may begin at once.
    fn lock_question(&self) -> Result<Lock> {
        let manifests = self.manifests();
        let mut tries = 0;
        loop {
            atomic_files::fs::create_dir_all(&manifests)
                .map_err(Error::io(&manifests, "create"))?;
            match Lock::file(&self.question()) {
                Err(atomic_files::Error::InUse { .. }) if tries < QUESTION_TRIES => tries += 1,
                taken => return Ok(taken?),
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What differs from the question that is there, as words.
    fn differences(&self, question: &Question) -> Result<Option<String>> {
        let path = self.question();
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(Error::io(&path, "read"))?,
        };
        let there: Question = serde_json::from_slice(&text).map_err(|error| {
            Error::usage(format!(
                "{}: expected a question, found {error}",
                path.display()
            ))
        })?;
        let names = there.keys().chain(question.keys());
        let mut differing: Vec<&str> = names
            .filter(|name| there.get(*name) != question.get(*name))
            .map(String::as_str)
            .collect();
        differing.sort_unstable();
        differing.dedup();
        Ok((!differing.is_empty()).then(|| differing.join(", ")))
    }

    /// The one part, if this is a file.
    pub(crate) fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Where a part lies.
    pub(crate) fn part(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where the manifest of a part lies.
    pub(crate) fn manifest(&self, part: &str) -> PathBuf {
        if self.file.is_some() {
            return self.dir.join(format!("{part}.manifest.json"));
        }
        self.manifests().join("parts").join(format!("{part}.json"))
    }

    pub(crate) fn question_blake3(&self) -> &str {
        &self.question_blake3
    }

    /// Locks a part; `None` if another process works on it.
    pub(crate) fn lock(&self, part: &str) -> Result<Option<Lock>> {
        let path = self.part(part);
        let manifest = self.manifest(part);
        for parent in [path.parent(), manifest.parent()].into_iter().flatten() {
            atomic_files::fs::create_dir_all(parent).map_err(Error::io(parent, "create"))?;
        }
        let lock = match Lock::file(&path) {
            Err(atomic_files::Error::InUse { .. }) => return Ok(None),
            taken => taken?,
        };
        // What a killed process left of the manifest goes too.
        drop(Lock::file(&manifest)?);
        Ok(Some(lock))
    }

    /// Whether a part is finished, and whole.
    pub(crate) fn state(&self, part: &str) -> Result<State> {
        let path = self.part(part);
        if path.symlink_metadata().is_err() {
            return Ok(State::Missing);
        }
        let Some(manifest) = Manifest::read(&self.manifest(part))? else {
            return Ok(State::Wrong("it is there without a manifest"));
        };
        if manifest.question_blake3 != self.question_blake3 {
            return Ok(State::Wrong("it answers another question"));
        }
        if manifest.part_blake3 != hash_file(&path)? {
            return Ok(State::Wrong(
                "it is not what was written (its hash differs)",
            ));
        }
        Ok(State::Whole(Box::new(manifest)))
    }

    /// Makes room for a part that is wrong, or refuses.
    pub(crate) fn make_room(&self, part: &str, what: &'static str) -> Result<()> {
        if self.claim == Claim::Refuse {
            return Err(self.other_part(part, what));
        }
        set_aside(&self.part(part))?;
        Ok(())
    }

    pub(crate) fn other_part(&self, part: &str, what: &'static str) -> Error {
        let path = self.part(part);
        Error::OtherPart { path, what }
    }
}

fn pretty(question: &Question) -> Result<String> {
    let text = serde_json::to_string_pretty(question);
    let text = text.map_err(|error| Error::usage(format!("the question: {error}")))?;
    Ok(text + "\n")
}

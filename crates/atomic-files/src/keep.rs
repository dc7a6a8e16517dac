//! Files that a process does not replace.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::aside::set_aside;
use crate::error::Error;

/// What is kept: files, or folders with all that is in them.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

#[derive(Clone, Debug, PartialEq)]
struct Kept {
    path: PathBuf,
    way: Way,
}

/// What happens to a new file where another one is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It is refused.
    Refuse,
    /// The old one gets another name.
    Beside,
}

/// While this value lives, no [`AtomicFile`](crate::AtomicFile) of the process replaces a file, or any file below a
/// folder, that is there already with another content: its commit is [`Error::Exists`]. One with the same content
/// counts as written. So a command that is given the same again is done again, and nothing else is lost.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("rows.jsonl");
/// atomic_files::write(&path, "mine\n")?;
/// let kept = atomic_files::Keep::at(&path);
/// atomic_files::write(&path, "mine\n")?;
/// atomic_files::write(&path, "other\n").expect_err("there is something else");
/// drop(kept);
/// atomic_files::write(&path, "other\n")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping it allows replacing again"]
pub struct Keep(Kept);

impl Keep {
    /// Keeps a file, or the files below a folder, whether they are there or not. The path must be the one that is
    /// written to, not another that leads there.
    pub fn at(path: &Path) -> Self {
        Self::in_way(path, Way::Refuse)
    }

    /// Lets a new file take the place of another one, which is [set aside](crate::set_aside) before.
    pub fn beside(path: &Path) -> Self {
        Self::in_way(path, Way::Beside)
    }

    fn in_way(path: &Path, way: Way) -> Self {
        let path = path.to_owned();
        let new = Kept { path, way };
        kept(|all| all.push(new.clone()));
        Self(new)
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        kept(|all| {
            if let Some(at) = all.iter().position(|kept| *kept == self.0) {
                all.swap_remove(at);
            }
        });
    }
}

fn kept<T>(act: impl FnOnce(&mut Vec<Kept>) -> T) -> T {
    act(&mut KEPT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether the target is there already with the content of the new file, and may stay as it is. One that is kept beside
/// the new file has lost its name then.
///
/// # Errors
/// [`Error::Exists`] if it is kept and has another content.
pub(crate) fn is_there(new: &Path, target: &Path) -> Result<bool, Error> {
    let kept = kept(|all| {
        let mut ours = all.iter().filter(|kept| target.starts_with(&kept.path));
        ours.next_back().map(|kept| kept.way)
    });
    let Some(way) = kept.filter(|_| target.symlink_metadata().is_ok()) else {
        return Ok(false);
    };
    // What cannot be read is something else.
    if is_same(new, target).unwrap_or(false) {
        return Ok(true);
    }
    match way {
        Way::Refuse => Err(Error::Exists {
            path: target.to_owned(),
        }),
        Way::Beside => set_aside(target).map(|_| false),
    }
}

fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() || !other.metadata()?.is_file() {
        return Ok(false);
    }
    let (mut a, mut b) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut one, mut other) = (BufReader::new(&mut one), BufReader::new(&mut other));
    loop {
        let read = one.read(&mut a)?;
        if read == 0 {
            return Ok(true);
        }
        other.read_exact(&mut b[..read])?;
        if a[..read] != b[..read] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write;

    #[test]
    fn only_what_is_kept_and_differs_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name);
        write(&path("a"), "old").expect("new");
        {
            let _keep = Keep::at(dir.path());
            write(&path("a"), "old").expect("the same");
            write(&path("b"), "new").expect("a new one");
            let refused = write(&path("a"), "OLD").expect_err("another one");
            let words = refused.to_string();
            assert!(
                words.contains("a is there already") && words.contains("--force"),
                "{words}"
            );
            assert_eq!(
                refused.into_io().kind(),
                io::ErrorKind::AlreadyExists,
                "for callers with errors of their own"
            );
            write(&path("a"), "older").expect_err("a longer one");
            std::fs::create_dir(path("c")).expect("made");
            write(&path("c"), "new").expect_err("a folder");
        }
        assert_eq!(std::fs::read(path("a")).expect("kept"), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 3);
        write(&path("a"), "new").expect("no longer kept");
    }

    #[test]
    fn what_is_kept_beside_gets_another_name_once_it_differs() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name);
        let read = |name: &str| std::fs::read_to_string(path(name)).expect("readable");
        let _keep = Keep::beside(dir.path());
        for content in ["one", "one", "two", "three"] {
            write(&path("a"), content).expect("written");
        }
        assert_eq!(read("a"), "three");
        assert_eq!([read("a.old-1"), read("a.old-2")], ["one", "two"]);
        assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 3);
    }
}

//! The disk of a process that dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use atomic_files::{Disk, RealDisk};

/// Where a process dies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Death {
    /// The number of the call to the disk, from 0.
    pub(super) call: u64,
    /// The share of the call that is done before; nothing of it if there is none.
    pub(super) torn: Option<f64>,
}

/// Counts the calls, and does nothing more from a certain one on: a dead process changes no file, not even to clear up
/// what it has left.
///
/// Nothing is forced to the disk: the machine itself stays on, and the system keeps what was written.
#[derive(Debug)]
pub(super) struct Mortal {
    death: Option<Death>,
    calls: AtomicU64,
}

impl Mortal {
    /// The disk of a process that dies there, or not at all.
    pub(super) fn new(death: Option<Death>) -> Self {
        let calls = AtomicU64::new(0);
        Self { death, calls }
    }

    /// How many calls there were, those of a dead process included.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.death.is_some_and(|death| self.calls() > death.call)
    }

    /// Lets a call through while the process lives; `tear` does a share of it.
    fn call(&self, tear: impl FnOnce(f64) -> io::Result<()>) -> io::Result<()> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let Some(death) = self.death.filter(|death| number >= death.call) else {
            return Ok(());
        };
        if let (true, Some(share)) = (number == death.call, death.torn) {
            tear(share)?;
        }
        Err(io::Error::other("the process is dead"))
    }

    /// A call that is done as a whole or not at all.
    fn whole(&self) -> io::Result<()> {
        self.call(|_| Ok(()))
    }
}

impl Disk for Mortal {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        self.call(|_| RealDisk.open(path, options).map(drop))?;
        RealDisk.open(path, options)
    }

    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.call(|share| RealDisk.append(file, &bytes[..part(bytes.len(), share)]))?;
        RealDisk.append(file, bytes)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        self.whole()?;
        RealDisk.truncate(file, length)
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        self.whole()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.whole()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.whole()?;
        RealDisk.create_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.call(|_| {
            let missing = path.ancestors().take_while(|path| !path.exists());
            missing
                .last()
                .map_or(Ok(()), |first| RealDisk.create_dir(first))
        })?;
        RealDisk.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole()?;
        RealDisk.rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.whole()?;
        RealDisk.exchange(one, other)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.whole()?;
        RealDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.whole()?;
        RealDisk.remove_dir(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.call(|share| remove_part(path, share))?;
        RealDisk.remove_dir_all(path)
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<u64> {
        self.call(|share| {
            let bytes = std::fs::read(from)?;
            std::fs::write(to, &bytes[..part(bytes.len(), share)])
        })?;
        RealDisk.copy(from, to)
    }

    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        self.whole()?;
        RealDisk.symlink(target, link)
    }
}

fn part(length: usize, share: f64) -> usize {
    (length as f64 * share) as usize
}

/// Removes a share of the files of a folder.
fn remove_part(dir: &Path, share: f64) -> io::Result<()> {
    let mut files = Vec::new();
    collect(dir, &mut files)?;
    files.sort();
    let count = part(files.len(), share);
    files[..count].iter().try_for_each(std::fs::remove_file)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_process_changes_nothing_any_more() {
        let dir = tempfile::tempdir().expect("a folder");
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let disk = Mortal::new(Some(Death {
            call: 1,
            torn: Some(0.5),
        }));
        let file = disk.open(&one, File::options().write(true).create(true));
        let file = file.expect("opened");
        assert!(!disk.is_dead());
        disk.append(&file, b"abcd").expect_err("it dies");
        assert!(disk.is_dead());
        disk.append(&file, b"efgh").expect_err("it is dead");
        disk.rename(&one, &two).expect_err("it is dead");
        disk.remove_dir_all(dir.path()).expect_err("it is dead");
        assert_eq!(std::fs::read(&one).expect("read"), b"ab");
        assert_eq!(disk.calls(), 5);
    }

    #[test]
    fn a_removal_is_torn() {
        let dir = tempfile::tempdir().expect("a folder");
        let inner = dir.path().join("a/b");
        std::fs::create_dir_all(&inner).expect("made");
        (0..4).for_each(|n| std::fs::write(inner.join(format!("{n}")), "").expect("written"));
        let disk = Mortal::new(Some(Death {
            call: 0,
            torn: Some(0.5),
        }));
        disk.remove_dir_all(dir.path()).expect_err("it dies");
        assert_eq!(std::fs::read_dir(inner).expect("listed").count(), 2);
    }
}

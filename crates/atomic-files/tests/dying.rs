//! A process that dies at each of its operations on files, and the next one that goes on.
//!
//! A program of its own with one test, as the disk is the whole process's.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atomic_files::{
    AtomicDir, AtomicFile, Disk, Error, Lock, RealDisk, install, remove_dir, write,
};

/// Does so many operations, one by half, and then nothing: what a dead process had still to do is not done.
#[derive(Debug, Default)]
struct Dying {
    lives_for: usize,
    done: AtomicUsize,
}

impl Dying {
    fn next(&self, by_half: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let before = self.done.fetch_add(1, Ordering::Relaxed);
        if before < self.lives_for {
            return Ok(());
        }
        if before == self.lives_for {
            by_half()?;
        }
        Err(io::Error::other("dead"))
    }
}

impl Disk for Dying {
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.next(|| RealDisk.append(file, &bytes[..bytes.len() / 2]))?;
        RealDisk.append(file, bytes)
    }

    fn open(&self, path: &Path, options: &std::fs::OpenOptions) -> io::Result<File> {
        self.next(|| Ok(()))?;
        RealDisk.open(path, options)
    }

    // The machine stays on, so that nothing has to be forced to the disk, which takes its time.
    fn sync(&self, _: &File) -> io::Result<()> {
        self.next(|| Ok(()))
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.next(|| Ok(()))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.next(|| Ok(()))?;
        RealDisk.create_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.next(|| Ok(()))?;
        RealDisk.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.next(|| Ok(()))?;
        RealDisk.rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.next(|| Ok(()))?;
        RealDisk.exchange(one, other)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.next(|| Ok(()))?;
        RealDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.next(|| Ok(()))?;
        RealDisk.remove_dir(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.next(|| {
            let first = std::fs::read_dir(path)?.next();
            first.map_or(Ok(()), |entry| RealDisk.remove_file(&entry?.path()))
        })?;
        RealDisk.remove_dir_all(path)
    }
}

/// Two checkpoints of one name, each of two files, and one that is removed.
fn work(root: &Path) -> Result<(), Error> {
    let _lock = Lock::folder(root)?;
    for content in ["first", "second"] {
        let dir = AtomicDir::create(&root.join("model"))?;
        let mut weights = AtomicFile::create(&dir.path().join("weights"))?;
        io::Write::write_all(&mut weights, content.as_bytes()).expect("it is in the buffer");
        weights.commit()?;
        write(&dir.path().join("state"), content)?;
        dir.commit()?;
    }
    let dir = AtomicDir::create(&root.join("old"))?;
    write(&dir.path().join("state"), "old")?;
    write(&dir.path().join("more"), "old")?;
    dir.commit()?;
    remove_dir(&root.join("old"))
}

/// The content of a folder that must be whole if it is there.
fn content(dir: &Path) -> Option<[String; 2]> {
    dir.exists().then(|| {
        ["weights", "state"].map(|name| std::fs::read_to_string(dir.join(name)).expect("whole"))
    })
}

/// Works with a process that dies after so many operations. Returns whether it came to its end.
fn dies_after(lives_for: usize, root: &Path) -> bool {
    let disk = Arc::new(Dying {
        lives_for,
        ..Dying::default()
    });
    let installed = install(disk);
    let worked = work(root);
    drop(installed);
    worked.is_ok()
}

#[test]
fn a_name_stands_for_something_whole_wherever_a_process_dies() {
    let mut kills = 0;
    for lives_for in 0.. {
        let root = tempfile::tempdir().expect("a folder");
        if dies_after(lives_for, root.path()) {
            break;
        }
        kills += 1;
        // Nor does it give its lock back: the first operations are those that make the file.
        let is_locked = root.path().join(".lock").exists();
        assert_eq!(is_locked, lives_for > 1, "after {lives_for} operations");
        if let Some([weights, state]) = content(&root.path().join("model")) {
            assert_eq!(weights, state, "after {lives_for} operations");
        }
        // The next process dies as well, and the one after it ends well.
        dies_after(lives_for / 2, root.path());
        work(root.path()).expect("goes on");
        let whole = ["second", "second"].map(str::to_owned);
        assert_eq!(content(&root.path().join("model")), Some(whole));
        let names = std::fs::read_dir(root.path()).expect("listed").count();
        assert_eq!(names, 1, "after {lives_for} operations there are leftovers");
    }
    assert!(kills > 40, "{kills} operations");
}

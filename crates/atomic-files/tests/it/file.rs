//! Single files.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use atomic_files::{AtomicFile, Error, rename, sync_dir, write};

use crate::{child, names, task};

/// More than any buffer holds.
const LONG: usize = 1 << 20;

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file")
}

#[test]
fn a_file_appears_whole_and_replaces_the_older_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("f");
    let mut file = AtomicFile::create(&path).expect("created");
    file.write_all(b"one").expect("written");
    assert!(!path.exists());
    assert_eq!(file.target(), path);
    file.commit().expect("committed");
    assert_eq!(read(&path), b"one");
    write(&path, "two").expect("written");
    assert_eq!(read(&path), b"two");
    assert_eq!(names(dir.path()), ["f"]);
}

#[test]
fn a_writer_that_gives_up_leaves_the_old_file_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("f");
    write(&path, "old").expect("written");
    let mut file = AtomicFile::create(&path).expect("created");
    file.write_all(&vec![b'x'; LONG]).expect("written");
    drop(file);
    assert_eq!(read(&path), b"old");
    assert_eq!(names(dir.path()), ["f"]);
}

/// Not a test of its own: the process whose files cannot grow beyond a few hundred bytes.
#[test]
fn writes_too_much() {
    let Some(dir) = task() else { return };
    let path = dir.join("f");
    let error = write(&path, vec![b'x'; LONG]).expect_err("a limit");
    assert!(
        error
            .to_string()
            .starts_with(&format!("{}: cannot write: ", path.display()))
    );
    assert_eq!(error.into_io().kind(), io::ErrorKind::FileTooLarge);
    let mut file = AtomicFile::create(&path).expect("created");
    file.write_all(&vec![b'x'; LONG]).expect_err("a limit");
    let error = file.commit().expect_err("half a file");
    assert!(
        error
            .to_string()
            .ends_with("an earlier write to it has failed")
    );
    // What fits is in the buffer only and fails when the file is committed.
    let mut file = AtomicFile::create(&path).expect("created");
    file.write_all(&vec![b'x'; LONG / 8]).expect("gathered");
    assert!(matches!(
        file.commit(),
        Err(Error::Io {
            action: "write",
            ..
        })
    ));
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    write(&dir.path().join("f"), "old").expect("written");
    // To the program, the system's limit on the size of files is a disk that is full.
    let limits = "trap '' XFSZ; ulimit -f 1;";
    assert!(child("file::writes_too_much", dir.path(), limits));
    assert_eq!(read(&dir.path().join("f")), b"old");
    assert_eq!(names(dir.path()), ["f"]);
}

/// Not a test of its own: the process that dies.
#[test]
fn dies_while_it_writes() {
    let Some(dir) = task() else { return };
    let mut file = AtomicFile::create(&dir.join("f")).expect("created");
    file.write_all(&vec![b'x'; LONG]).expect("written");
    std::process::abort();
}

#[cfg(unix)]
#[test]
fn what_a_killed_writer_left_is_in_nobodys_way() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("f");
    write(&path, "old").expect("written");
    assert!(!child("file::dies_while_it_writes", dir.path(), ""));
    assert_eq!(read(&path), b"old");
    let left = names(dir.path());
    assert!(
        left.len() == 2 && left[0].starts_with(".f.") && left[0].ends_with(".partial"),
        "{left:?}"
    );
    write(&path, "new").expect("written");
    assert_eq!(read(&path), b"new");
}

#[test]
fn a_name_that_another_process_left_is_not_taken() {
    let dir = tempfile::tempdir().expect("a folder");
    // Process numbers return. These are the next names of this process, whatever other tests take of them.
    let left = |n| {
        dir.path()
            .join(format!(".f.{}-{n}.partial", std::process::id()))
    };
    (0..2000).for_each(|n| fs::write(left(n), "left").expect("written"));
    write(&dir.path().join("f"), "new").expect("written");
    assert_eq!(read(&dir.path().join("f")), b"new");
    assert!((0..2000).all(|n| read(&left(n)) == b"left"));
}

#[test]
fn a_reader_never_sees_a_part() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("f");
    write(&path, vec![b'a'; LONG]).expect("written");
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for byte in b"bcdefgh".repeat(4) {
                write(&path, vec![byte; LONG]).expect("written");
            }
            is_done.store(true, Ordering::Relaxed);
        });
        while !is_done.load(Ordering::Relaxed) {
            let found = read(&path);
            assert_eq!(found.len(), LONG);
            assert!(found.iter().all(|byte| *byte == found[0]));
        }
    });
}

#[test]
fn of_several_writers_one_stays_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("f");
    thread::scope(|scope| {
        for byte in b"abcdefgh" {
            let write = || (0..10).try_for_each(|_| write(&path, vec![*byte; LONG / 4]));
            scope.spawn(move || write().expect("written"));
        }
    });
    let found = read(&path);
    assert!(found.len() == LONG / 4 && found.iter().all(|byte| *byte == found[0]));
    assert_eq!(names(dir.path()), ["f"]);
}

#[test]
fn errors_name_the_file_that_was_asked_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let check = |path: &Path, expected: &str| {
        let error = write(path, "").expect_err("impossible").to_string();
        assert!(
            error.starts_with(&format!("{}: {expected}", path.display())),
            "{error}"
        );
    };
    check(&dir.path().join("none/f"), "cannot write: ");
    check(
        &dir.path().join(".."),
        "expected a path that ends in a name",
    );
    // A folder is not replaced by a file, and nothing is left beside it.
    fs::create_dir(dir.path().join("d")).expect("made");
    check(&dir.path().join("d"), "cannot rename to: ");
    assert_eq!(names(dir.path()), ["d"]);
}

#[test]
fn a_file_of_a_name_of_its_own_can_be_renamed() {
    let dir = tempfile::tempdir().expect("a folder");
    let (from, to) = (dir.path().join("f.part"), dir.path().join("d/f"));
    fs::create_dir(dir.path().join("d")).expect("made");
    fs::write(&from, "new").expect("written");
    rename(&from, &to).expect("renamed");
    assert_eq!(read(&to), b"new");
    assert!(!from.exists());
    assert!(sync_dir(&from).is_err());
}

#[cfg(unix)]
#[test]
fn permissions_are_those_of_any_new_file_and_links_are_replaced() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().expect("a folder");
    let (plain, path) = (dir.path().join("plain"), dir.path().join("f"));
    fs::write(&plain, "plain").expect("written");
    symlink(&plain, &path).expect("linked");
    write(&path, "new").expect("written");
    let mode = |path| {
        fs::symlink_metadata(path)
            .expect("a file")
            .permissions()
            .mode()
    };
    assert_eq!(mode(&path), mode(&plain));
    assert_eq!(
        (read(&plain), read(&path)),
        (b"plain".to_vec(), b"new".to_vec())
    );
}

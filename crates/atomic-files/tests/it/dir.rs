//! Folders that appear whole.

use std::fs;
use std::path::Path;
use std::thread;

use atomic_files::AtomicDir;

use crate::{child, names, task};

/// A folder under construction with one file, which is named by its content.
fn begin(target: &Path, file: &str) -> AtomicDir {
    let dir = AtomicDir::create(target).expect("created");
    fs::create_dir(dir.path().join("inner")).expect("made");
    fs::write(dir.path().join("inner").join(file), file).expect("written");
    dir
}

#[test]
fn nothing_is_visible_before_the_commit() {
    let root = tempfile::tempdir().expect("a folder");
    let target = root.path().join("a/step-1");
    let dir = begin(&target, "new");
    assert!(!target.exists());
    assert_eq!(dir.commit().expect("committed"), target);
    assert_eq!(names(&target.join("inner")), ["new"]);
    assert_eq!(names(&root.path().join("a")), ["step-1"]);
}

#[test]
fn a_dropped_folder_leaves_the_old_one() {
    let root = tempfile::tempdir().expect("a folder");
    let target = root.path().join("step-1");
    begin(&target, "old").commit().expect("committed");
    drop(begin(&target, "new"));
    assert_eq!(names(&target.join("inner")), ["old"]);
    assert_eq!(names(root.path()), ["step-1"]);
}

#[test]
fn a_commit_replaces_what_was_there() {
    let root = tempfile::tempdir().expect("a folder");
    let target = root.path().join("step-1");
    for name in ["old", "new"] {
        begin(&target, name).commit().expect("committed");
    }
    assert_eq!(names(&target.join("inner")), ["new"]);
    assert_eq!(names(root.path()), ["step-1"]);
}

/// Not a test of its own: the process that dies.
#[test]
fn dies_while_it_writes() {
    let Some(dir) = task() else { return };
    let _dir = begin(&dir.join("step-1"), "half");
    std::process::abort();
}

#[cfg(unix)]
#[test]
fn what_a_killed_writer_left_is_cleared_and_what_others_write_is_not() {
    let root = tempfile::tempdir().expect("a folder");
    let target = root.path().join("step-1");
    begin(&target, "old").commit().expect("committed");
    assert!(!child("dir::dies_while_it_writes", root.path(), ""));
    assert_eq!(names(&target.join("inner")), ["old"]);
    assert_eq!(names(root.path()).len(), 2, "{:?}", names(root.path()));
    let (first, second) = (begin(&target, "first"), begin(&target, "second"));
    assert_eq!(names(root.path()).len(), 3, "{:?}", names(root.path()));
    for (dir, name) in [(first, "first"), (second, "second")] {
        dir.commit().expect("committed");
        assert_eq!(names(&target.join("inner")), [name]);
    }
    assert_eq!(names(root.path()), ["step-1"]);
}

#[cfg(unix)]
#[test]
fn of_several_writers_one_stays_whole() {
    let root = tempfile::tempdir().expect("a folder");
    let target = root.path().join("best");
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let target = &target;
            scope.spawn(move || {
                for _ in 0..10 {
                    begin(target, name).commit().expect("committed");
                }
            });
        }
    });
    assert_eq!(names(&target.join("inner")).len(), 1);
    assert_eq!(names(root.path()), ["best"]);
}

#[test]
fn a_file_is_not_replaced_by_a_folder() {
    let root = tempfile::tempdir().expect("a folder");
    let target = root.path().join("f");
    fs::write(&target, "old").expect("written");
    let error = begin(&target, "new")
        .commit()
        .expect_err("a file")
        .to_string();
    assert!(
        error.starts_with(&format!("{}: cannot rename to: ", target.display())),
        "{error}"
    );
    assert_eq!(names(root.path()), ["f"]);
    let error = AtomicDir::create(&root.path().join(".."))
        .expect_err("no name")
        .to_string();
    assert!(
        error.ends_with("expected a path that ends in a name"),
        "{error}"
    );
}

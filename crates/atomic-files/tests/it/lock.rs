//! One owner at a time, and what dead ones left.

use std::fs;
use std::path::Path;

use atomic_files::{AtomicFile, Error, Lock};

/// The number of a process that has ended.
fn dead() -> u32 {
    let mut child = std::process::Command::new("true").spawn().expect("started");
    child.wait().expect("ended");
    child.id()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("listed");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_second_owner_is_refused_by_name_and_the_lock_leaves_nothing() {
    let root = tempfile::tempdir().expect("a folder");
    let dir = root.path().join("new/run");
    let file = root.path().join("rows.jsonl");
    let first = [Lock::folder(&dir), Lock::file(&file)].map(|lock| lock.expect("locked"));
    for (refused, path) in [(Lock::folder(&dir), &dir), (Lock::file(&file), &file)] {
        let error = refused.expect_err("in use");
        assert!(matches!(&error, Error::InUse { path: named, .. } if named == path));
        let me = format!("process {}", std::process::id());
        assert!(error.to_string().contains(&me), "{error}");
    }
    drop(first);
    assert_eq!(names(root.path()), ["new"]);
    assert!(!dir.exists(), "nothing was written into it");
    let again = Lock::folder(&dir).expect("free again");
    fs::write(dir.join("model"), "whole").expect("written");
    drop(again);
    assert_eq!(names(&dir), ["model"]);
}

#[test]
fn many_threads_have_it_one_after_the_other() {
    let root = tempfile::tempdir().expect("a folder");
    let dir = root.path().join("run");
    let held = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut times = 0;
                while times < 50 {
                    let Ok(lock) = Lock::folder(&dir) else {
                        continue;
                    };
                    let others = held.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(others, 0, "two owners");
                    held.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    drop(lock);
                    times += 1;
                }
            });
        }
    });
    // One that came while it was locked did not make it, and leaves it.
    assert!(!dir.exists() || names(&dir).is_empty());
}

#[test]
fn leftovers_of_dead_processes_go_and_others_stay() {
    let root = tempfile::tempdir().expect("a folder");
    let (dead, alive) = (dead(), std::process::id());
    let model = root.path().join("model");
    fs::create_dir_all(model.join(format!(".step-1.{dead}-0.partial"))).expect("made");
    fs::create_dir_all(model.join(format!(".step-2.{dead}-7.removed/inside"))).expect("made");
    fs::write(
        model.join(format!(".model.safetensors.{dead}.partial")),
        "half",
    )
    .expect("written");
    let stays = [
        format!(".mine.{alive}-0.partial"),
        "notes.partial".to_owned(),
        ".config".to_owned(),
    ];
    for name in &stays {
        fs::write(model.join(name), "mine").expect("written");
    }
    let mut writing = AtomicFile::create(&model.join("rows")).expect("begun");
    drop(Lock::folder(root.path()).expect("locked"));
    std::io::Write::write_all(&mut writing, b"whole").expect("written");
    writing.commit().expect("committed");
    let mut expected = stays.to_vec();
    expected.push("rows".to_owned());
    expected.sort();
    assert_eq!(names(&model), expected);
}

#[test]
fn beside_a_file_only_its_own_leftovers_go() {
    let root = tempfile::tempdir().expect("a folder");
    let dead = dead();
    for name in ["rows.jsonl", "other.jsonl"] {
        fs::write(
            root.path().join(format!(".{name}.{dead}-0.partial")),
            "half",
        )
        .expect("written");
    }
    drop(Lock::file(&root.path().join("rows.jsonl")).expect("locked"));
    assert_eq!(
        names(root.path()),
        [format!(".other.jsonl.{dead}-0.partial")]
    );
    assert!(matches!(
        Lock::file(Path::new("/")),
        Err(Error::NoName { .. })
    ));
}

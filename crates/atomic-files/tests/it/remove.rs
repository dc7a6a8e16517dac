//! Folders that disappear as a whole.

use std::fs;

use atomic_files::remove_dir;

use crate::names;

#[test]
fn a_folder_is_removed_with_what_an_earlier_kill_left() {
    let root = tempfile::tempdir().expect("a folder");
    // Hidden names as this crate gives them, one of another folder, and one that is not of this crate.
    for path in ["step-1/inner", ".step-0.7-0.removed/inner", ".mine.removed"] {
        fs::create_dir_all(root.path().join(path)).expect("made");
    }
    fs::write(root.path().join("step-1/inner/file"), "").expect("written");
    remove_dir(&root.path().join("step-1")).expect("removed");
    assert_eq!(names(root.path()), [".mine.removed"]);
    remove_dir(&root.path().join("step-1")).expect("nothing to do");
}

#[test]
fn a_file_is_refused_and_stays() {
    let root = tempfile::tempdir().expect("a folder");
    let path = root.path().join("f");
    fs::write(&path, "").expect("written");
    let error = remove_dir(&path).expect_err("a file").to_string();
    assert!(
        error.starts_with(&format!("{}: cannot remove: ", path.display())),
        "{error}"
    );
    assert!(remove_dir(&path.join("below")).is_err());
    assert_eq!(names(root.path()), ["f"]);
}

#[cfg(unix)]
#[test]
fn of_a_link_only_the_link_is_removed() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(root.path().join("kept/inner")).expect("made");
    std::os::unix::fs::symlink("kept", root.path().join("link")).expect("linked");
    remove_dir(&root.path().join("link")).expect("removed");
    assert_eq!(names(root.path()), ["kept"]);
    assert_eq!(names(&root.path().join("kept")), ["inner"]);
}

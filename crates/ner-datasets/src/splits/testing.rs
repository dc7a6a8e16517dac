//! What the tests of several modules set up and read.

use std::fs;

use crate::fault::Policy;
use crate::row::Row;
use crate::splits::dataset::Split;
use crate::splits::on_disk::SetOnDisk;

/// A folder with these files, by name and content.
pub(super) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    dir
}

/// The rows of a split of which none is at fault.
pub(super) fn rows(set: &SetOnDisk, split: Split) -> Vec<Row> {
    let rows = set.rows(split, Policy::default()).expect("opened");
    rows.map(|row| row.expect("a row")).collect()
}

//! The sets below a folder.

use std::path::Path;

use crate::error::Error;
use crate::format::Format;
use crate::splits::dataset::source_name;
use crate::splits::on_disk::{ENDINGS, SetOnDisk, file_names, folder_names};

/// Files that describe a set and have no rows.
const NO_ROWS: [&str; 3] = ["labels.json", "suite.json", "schema.json"];

/// The sets below a folder, in the order of their paths: its folders that have files named after splits, and other
/// files of rows, each a set of its own. A folder of folders gives names such as `news-north`.
///
/// # Errors
///
/// If the folder cannot be listed, or there is none.
pub fn sets_in(dir: &Path) -> Result<Vec<SetOnDisk>, Error> {
    let mut sets = Vec::new();
    search(dir, "", &mut sets)?;
    if sets.is_empty() {
        let expected = "files of rows, or folders with train, dev or test files";
        return Err(Error::missing(dir, expected, "none"));
    }
    Ok(sets)
}

fn search(dir: &Path, name: &str, sets: &mut Vec<SetOnDisk>) -> Result<(), Error> {
    let own = dir.file_name().unwrap_or_default().to_string_lossy();
    let shown = if name.is_empty() {
        source_name(&own)
    } else {
        name.to_owned()
    };
    let divided = SetOnDisk::in_folder(&shown, dir);
    let is_divided = divided.is_some();
    sets.extend(divided);
    for file in file_names(dir)? {
        let ending = file.rsplit_once('.').map(|(_, ending)| ending);
        let is_rows = ending.is_some_and(|ending| ENDINGS.contains(&ending));
        if is_rows && !is_divided && !NO_ROWS.contains(&file.as_str()) {
            let set = SetOnDisk::of_file(&dir.join(&file));
            match Format::detect(&dir.join(&file)) {
                Ok(_) => sets.push(set),
                Err(error) => tracing::warn!("left out: {error}"),
            }
        }
    }
    for folder in folder_names(dir)? {
        let inner = source_name(&folder);
        let inner = if name.is_empty() {
            inner
        } else {
            format!("{name}-{inner}")
        };
        search(&dir.join(&folder), &inner, sets)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splits::dataset::Split;
    use crate::splits::testing::{folder, rows};

    const ROW: &str =
        r#"[{"sentence": "brel at night", "entities": [{"name": "brel", "type": "city"}]}]"#;

    #[test]
    fn sets_of_any_layout_are_found_and_read() {
        let dir = folder(&[
            ("a_sample_9/train.json", ROW),
            ("a_sample_9/labels.json", r#"["city", "river"]"#),
            ("deep/b/train.tsv", "Brel\tB-x\n\nso\tO\n"),
            ("deep/b/devel.tsv", "Osmere\tB-y\n"),
            ("deep/b/notes.md", "no rows"),
            ("c.jsonl", r#"{"text": "Brel", "entities": []}"#),
            ("suite.json", "{}"),
        ]);
        let sets = sets_in(dir.path()).expect("some");
        let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(names, ["c", "a", "deep-b"]);
        assert_eq!(
            rows(&sets[1], Split::Train)[0].example.schema,
            ["city", "river"]
        );
        let b = rows(&sets[2], Split::Train);
        assert_eq!(b[0].example.schema, ["x", "y"], "labels of all splits");
        assert_eq!(b[1].example.guid.as_deref(), Some("deep-b-train-1"));
        assert_eq!(b[1].example.dataset.as_deref(), Some("deep-b"));
        assert!(!sets[2].has(Split::Test) && sets[0].has(Split::Test));
        assert!(sets_in(&dir.path().join("deep/none")).is_err());
        let empty = folder(&[("readme.md", "nothing")]);
        let message = sets_in(empty.path()).expect_err("none").to_string();
        assert!(message.contains("expected files of rows"), "{message}");
    }
}

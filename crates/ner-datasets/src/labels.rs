//! Lists of labels, read from a file.

use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::files::read_text;

/// Reads a list of labels: a JSON array of strings, or one label a line unless the file's name ends in `.json`.
///
/// # Errors
///
/// If the file cannot be read, is neither, or is empty.
pub fn read_labels(path: &Path) -> Result<Vec<String>, Error> {
    let text = read_text(path)?;
    // A damaged first character must not make a line of an array.
    let is_json = path.extension().is_some_and(|end| end == "json");
    if is_json || text.trim_start().starts_with(['[', '{']) {
        return serde_json::from_str::<Value>(&text)
            .and_then(serde_json::from_value)
            .map_err(|error| Error::json(path, 1, "an array of labels", &error));
    }
    let labels = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let labels: Vec<String> = labels.map(String::from).collect();
    if labels.is_empty() {
        return Err(Error::Format {
            path: path.into(),
            line: 1,
            expected: "a list of labels".into(),
            found: "an empty file".into(),
        });
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expected: Option<&[&str]>) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        let found = read_labels(&path);
        let found = found.map_err(|error| assert!(error.to_string().contains(name), "{error}"));
        let expected =
            expected.map(|labels| labels.iter().map(|label| (*label).to_owned()).collect());
        assert_eq!(found.ok(), expected, "{name}: {text:?}");
    }

    #[test]
    fn a_damaged_list_is_not_another_one() {
        check(
            "labels.json",
            "[\"person\", \"city\"]",
            Some(&["person", "city"]),
        );
        check("labels.json", "[]", Some(&[]));
        check("labels.json", "{\"person\", \"city\"]", None);
        check("labels.json", "Z\"person\", \"city\"]", None);
        check("labels.json", "", None);
        check(
            "labels.txt",
            "person\n\n city \n",
            Some(&["person", "city"]),
        );
        check("labels.txt", "[\"person\"]", Some(&["person"]));
        check("labels.txt", " \n", None);
    }
}

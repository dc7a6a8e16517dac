//! Files of examples: NER-CoT as a JSON array, and the same rows as JSON lines.

use std::path::Path;

use ner_types::Example;

use crate::error::Error;
use crate::files::write_atomic;
use crate::format::Format;
use crate::reader::{ReadOptions, open};

/// Reads a file of examples: Parquet if it is named `.parquet`, else a JSON array if its first character is `[`, else
/// JSON lines. Faults that are not fatal, such as a long text under a key that nobody reads, are warnings.
///
/// # Errors
///
/// If the file cannot be read, a row is not an example, or there is none.
pub fn read_examples(path: &Path) -> Result<Vec<Example>, Error> {
    let options = ReadOptions {
        max_row_bytes: usize::MAX,
        ..ReadOptions::default()
    };
    let is_parquet = path
        .extension()
        .is_some_and(|extension| extension == "parquet");
    let format = if is_parquet {
        Format::Parquet
    } else {
        Format::NerCot
    };
    let mut rows = open(path, format, options)?;
    let examples = rows.by_ref().map(|row| row.map(|row| row.example));
    let examples = examples.collect::<Result<Vec<Example>, Error>>()?;
    for (kind, count) in &rows.faults().counts {
        let first = rows.faults().first.iter().find(|fault| fault.kind == *kind);
        let first = first.map(ToString::to_string).unwrap_or_default();
        tracing::warn!("{count} × {kind} ({}), the first: {first}", kind.remedy());
    }
    Ok(examples)
}

/// Reads a JSON array of examples, the format of the published NER-CoT dataset.
///
/// # Errors
///
/// If the file cannot be read, a row is not an example, or there is none.
pub fn read_json(path: &Path) -> Result<Vec<Example>, Error> {
    read_examples(path)
}

/// Reads JSON lines of examples; blank lines are skipped.
///
/// # Errors
///
/// If the file cannot be read, a line is not an example, or there is none.
pub fn read_jsonl(path: &Path) -> Result<Vec<Example>, Error> {
    read_examples(path)
}

/// Writes JSON lines, one example each. The file appears only when complete, see [`write_atomic`].
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_jsonl<'a>(
    path: &Path,
    examples: impl IntoIterator<Item = &'a Example>,
) -> Result<(), Error> {
    write_atomic(path, |out| {
        examples.into_iter().try_for_each(|example| {
            serde_json::to_writer(&mut *out, example)?;
            out.write_all(b"\n")
        })
    })
}

/// Writes a JSON array as in the published NER-CoT dataset, one row a line. The file appears only when complete, see
/// [`write_atomic`].
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_json<'a>(
    path: &Path,
    examples: impl IntoIterator<Item = &'a Example>,
) -> Result<(), Error> {
    write_atomic(path, |out| {
        out.write_all(b"[")?;
        for (i, example) in examples.into_iter().enumerate() {
            out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *out, example)?;
        }
        out.write_all(b"\n]\n")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ner_types::Entity;

    use super::*;

    fn examples() -> Vec<Example> {
        let first = Example {
            guid: Some("osmere-0".into()),
            sentence: "Ardela \"A\" Voss\nleft 小樽 .".into(),
            schema: vec!["person".into(), "city".into()],
            cot: Some("She acts.".into()),
            entities: vec![Entity::new("小樽", "city")],
            ..Example::default()
        };
        vec![
            first,
            Example {
                sentence: "So".into(),
                ..Example::default()
            },
        ]
    }

    #[test]
    fn both_formats_round_trip_and_are_recognised() {
        let dir = tempfile::tempdir().expect("a folder");
        let (array, lines) = (dir.path().join("a.json"), dir.path().join("b.jsonl"));
        write_json(&array, &examples()).expect("written");
        write_jsonl(&lines, &examples()).expect("written");
        assert_eq!(read_examples(&array).expect("an array"), examples());
        assert_eq!(read_examples(&lines).expect("lines"), examples());
        assert_eq!(
            fs::read_to_string(&lines)
                .expect("readable")
                .lines()
                .count(),
            2
        );
        write_json(&array, &[]).expect("written");
        assert_eq!(fs::read_to_string(&array).expect("readable"), "[\n]\n");
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows");
        fs::write(&path, text).expect("written");
        let message = read_examples(&path).expect_err("faulty").to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn faults_are_named_with_their_line() {
        let row = r#"{"sentence":"a","schema":[],"entities":[]}"#;
        check_error(
            &format!("{row}\n\n{row} x\n"),
            "rows:3: expected an example",
        );
        check_error(
            &format!("[\n{row},\n{{\"sentence\":\"b\"}}\n]"),
            "rows:3: expected an example",
        );
        check_error(
            &format!("{row}\n{{\"sentence\":"),
            "rows:2: expected an example",
        );
        check_error("[]", "rows: expected at least one example");
        check_error(" \n", "rows: expected at least one example");
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows");
        for text in [
            "\u{feff}{\"sentence\":\"a\",\"schema\":[],\"entities\":[]}",
            "\u{feff} [{\"sentence\":\"a\",\"schema\":[],\"entities\":[]}]",
        ] {
            fs::write(&path, text).expect("written");
            assert_eq!(read_examples(&path).expect("one row").len(), 1);
        }
    }
}

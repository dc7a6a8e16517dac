//! Files are read back by the reader that fine-tuning uses.

use std::fs;
use std::path::PathBuf;

use ner_types::Span;

#[cfg(feature = "parquet")]
use super::parquet::GROUP_ROWS;
use super::*;

fn row(i: usize) -> CotRow {
    let sentence = format!("Brel “sleeps”\non day {i} in 小樽.");
    let span = Span {
        byte_end: 4,
        char_end: 4,
        ..Span::default()
    };
    let example = Example {
        guid: (!i.is_multiple_of(3)).then(|| format!("row-{i}")),
        dataset: i.is_multiple_of(2).then(|| "fair".into()),
        cot: Some(format!("\"Brel\" is a city, as on day {i}.")),
        schema: (0..=i % 3).map(|k| format!("type{k}")).collect(),
        entities: vec![Entity::new("Brel", "type0").at(span); i % 2],
        sentence,
        ..Example::default()
    };
    let provenance = (!i.is_multiple_of(5)).then(|| RowProvenance {
        teacher: "teacher-1".into(),
        judge: "judge-1".into(),
        attempt: 2,
        score: (!i.is_multiple_of(7)).then_some(9.5),
        prompt_tokens: 500 + i as u64,
        completion_tokens: 300,
        judge_tokens: 900,
    });
    CotRow {
        example,
        provenance,
    }
}

struct Written {
    /// Keeps the folder.
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn write(format: Format, rows: &[CotRow]) -> Written {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(format!("rows.{format}"));
    let mut writer = RowWriter::create(&path, format).expect("a writer");
    rows.iter()
        .for_each(|row| writer.write(row).expect("written"));
    assert_eq!(writer.n_rows(), rows.len());
    assert!(!path.exists(), "no name before the end");
    writer.finish().expect("finished");
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
    Written { _dir: dir, path }
}

#[test]
fn fine_tuning_reads_every_format() {
    let rows: Vec<CotRow> = (0..40).map(row).collect();
    for &format in Format::ALL {
        let written = write(format, &rows);
        let read = ner_datasets::read_examples(&written.path).expect("readable");
        let plain = |row: &CotRow| match format {
            Format::Jsonl => row.example.clone(),
            _ => published(&row.example),
        };
        assert_eq!(read, rows.iter().map(plain).collect::<Vec<_>>(), "{format}");
    }
}

#[test]
fn lines_keep_the_provenance() {
    let rows: Vec<CotRow> = (0..10).map(row).collect();
    let written = write(Format::Jsonl, &rows);
    let text = fs::read_to_string(&written.path).expect("readable");
    let read: Vec<CotRow> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect();
    assert_eq!(read, rows);
    assert!(!text.lines().next().expect("a line").contains("provenance"));
}

#[test]
fn the_array_has_the_fields_of_the_published_dataset() {
    let written = write(Format::Json, &[row(1)]);
    let text = fs::read_to_string(&written.path).expect("readable");
    let expected = r#"[
{"guid":"row-1","dataset":null,"sentence":"Brel “sleeps”\non day 1 in 小樽.","schema":["type0","type1"],"cot":"\"Brel\" is a city, as on day 1.","entities":[{"text":"Brel","label":"type0"}]}
]
"#;
    assert_eq!(text, expected);
    let written = write(Format::Json, &[]);
    assert_eq!(
        fs::read_to_string(&written.path).expect("readable"),
        "[\n]\n"
    );
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_keeps_the_provenance_over_several_groups() {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};

    let rows: Vec<CotRow> = (0..GROUP_ROWS + 10).map(row).collect();
    let written = write(Format::Parquet, &rows);
    let file = fs::File::open(&written.path).expect("readable");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    assert_eq!(reader.metadata().num_row_groups(), 2);
    let read = reader.get_row_iter(None).expect("rows");
    for (row, read) in rows.iter().zip(read) {
        let read = read.expect("a row").to_json_value();
        let expected = serde_json::json!(row.provenance);
        assert_eq!(read["provenance"], expected);
    }
    let read = ner_datasets::read_examples(&written.path).expect("readable");
    assert_eq!(read.len(), rows.len());
    assert_eq!(
        read[GROUP_ROWS + 1],
        published(&rows[GROUP_ROWS + 1].example)
    );
}

#[test]
fn an_unfinished_file_leaves_nothing_and_the_old_one_stays() {
    for &format in Format::ALL {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows");
        fs::write(&path, "old").expect("written");
        let mut writer = RowWriter::create(&path, format).expect("a writer");
        let mut other = RowWriter::create(&path, format).expect("a second writer");
        writer.write(&row(1)).expect("written");
        other.write(&row(2)).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "old");
        drop(writer);
        assert_eq!(fs::read_to_string(&path).expect("readable"), "old");
        other.finish().expect("finished");
        assert_ne!(fs::read(&path).expect("readable"), b"old");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
    }
}

#[test]
fn a_file_with_half_a_row_gets_no_name() {
    for &format in Format::ALL {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows");
        let mut writer = RowWriter::create(&path, format).expect("a writer");
        writer.write(&row(1)).expect("written");
        writer.is_broken = true;
        let error = writer.finish().expect_err("half a row").to_string();
        assert!(error.contains("a row could not be written"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
    }
}

#[test]
fn names_and_folders_that_are_not_there_are_named() {
    for &format in Format::ALL {
        assert_eq!(
            format.to_string().parse::<Format>().expect("a name"),
            format
        );
    }
    let error = "csv".parse::<Format>().expect_err("unknown").to_string();
    let names = if cfg!(feature = "parquet") {
        "jsonl, json, parquet"
    } else {
        "jsonl, json"
    };
    let expected = format!("format: expected one of {names}, found \"csv\"");
    assert_eq!(error, expected);
    let dir = tempfile::tempdir().expect("a folder");
    let error = RowWriter::create(&dir.path().join("no/rows.json"), Format::Json);
    let error = error.expect_err("no folder").to_string();
    assert!(error.contains("rows.json"), "{error}");
}

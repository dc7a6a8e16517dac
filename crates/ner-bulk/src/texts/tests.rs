//! Every kind of file, row by row.

use std::io::Cursor;

use ner_datasets::{Row, write_rows};
use ner_types::{Entity, Example};

use super::*;

fn small() -> TextOptions {
    TextOptions {
        max_bytes: 60,
        ..TextOptions::default()
    }
}

fn field(name: &str) -> TextOptions {
    TextOptions {
        field: Some(name.into()),
        ..TextOptions::default()
    }
}

fn all(mut texts: Texts) -> Vec<Text> {
    let mut found = Vec::new();
    while let Some(text) = texts.next_text().expect("readable") {
        found.push(text);
    }
    found
}

fn lines(text: &[u8], options: &TextOptions) -> Vec<Text> {
    let source = Cursor::new(text.to_vec());
    all(Texts::from_reader("x".as_ref(), source, options).expect("readable"))
}

fn file(name: &str, bytes: impl AsRef<[u8]>, options: &TextOptions) -> Result<Vec<Text>> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    Texts::open(&path, options).map(all)
}

type Expected<'a> = (usize, Option<&'a str>, Result<&'a str, &'a str>);

#[track_caller]
fn check(found: Vec<Text>, expected: &[Expected<'_>]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (text, (line, id, expected)) in found.iter().zip(expected) {
        assert_eq!((text.line, text.id.as_deref()), (*line, *id), "{text:?}");
        match (&text.text, expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected),
            (Err(fault), Err(words)) => assert!(fault.contains(words), "{fault}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_text_has_a_sentence_on_each_line() {
    let long = "x".repeat(200);
    let text = format!("\u{feff}Brel sleeps.\r\n\n{long}\nOsk\u{301}");
    let mut bytes = text.into_bytes();
    bytes.extend(b"\n\xff.\n");
    let expected = [
        (1, None, Ok("Brel sleeps.")),
        (2, None, Err("blank")),
        (3, None, Err("over 60 bytes")),
        (4, None, Ok("Osk\u{301}")),
        (5, None, Err("byte 1 of the line is not UTF-8")),
    ];
    check(lines(&bytes, &small()), &expected);
    check(lines(b"", &small()), &[]);
    check(lines(b"one", &small()), &[(1, None, Ok("one"))]);
    let mut texts = Texts::from_reader("x".as_ref(), Cursor::new(bytes), &small()).expect("lines");
    assert_eq!(texts.skip(3).expect("readable"), 3);
    assert!(!texts.is_at_end().expect("readable"));
    assert_eq!(texts.skip(9).expect("readable"), 2);
    assert!(texts.is_at_end().expect("readable"));
}

#[test]
fn json_lines_have_a_sentence_a_text_or_what_was_named() {
    let rows = b"{\"sentence\": \"Brel\", \"schema\": []}\n{\"text\": \"Osk\", \"id\": \"a-7\"}\n{\"text\": \" \"}\n{\"tex\": \"Osk\"}\nOsk\n\n";
    let expected = [
        (1, None, Ok("Brel")),
        (2, Some("a-7"), Ok("Osk")),
        (3, None, Err("blank")),
        (4, None, Err("expected")),
        (5, None, Err("expected")),
        (6, None, Err("blank")),
    ];
    check(lines(rows, &small()), &expected);
    let rows = b"{\"body\": \"Brel\", \"id\": 7, \"text\": \"no\"}\n{\"body\": 3}\n{\"text\": \"Osk\"}\nno JSON\n";
    let expected = [
        (1, Some("7"), Ok("Brel")),
        (2, None, Err("expected a text under \"body\"")),
        (3, None, Err("expected the key \"body\"")),
        (4, None, Err("expected a JSON object")),
    ];
    check(lines(rows, &field("body")), &expected);
    let plain = Texts::from_reader("x".as_ref(), Cursor::new(b"Osk".to_vec()), &field("body"));
    let said = plain.expect_err("no key").to_string();
    assert!(said.contains("plain lines"), "{said}");
}

#[test]
fn tables_have_a_header_and_quotes() {
    let csv = "\u{feff}id,text,more\n7,\"Brel, \"\"Osk\"\"\nand more\",x\n,Osk,\n8\n9,\u{20}\n";
    let expected = [
        (2, Some("7"), Ok("Brel, \"Osk\"\nand more")),
        (4, None, Ok("Osk")),
        (5, Some("8"), Err("expected 2 columns, found 1")),
        (6, Some("9"), Err("blank")),
    ];
    check(
        file("a.csv", csv, &TextOptions::default()).expect("rows"),
        &expected,
    );
    let tsv = "guid\tbody\nq\tBrel, Osk\n";
    let rows = file("a.tsv", tsv, &field("body")).expect("rows");
    check(rows, &[(2, Some("q"), Ok("Brel, Osk"))]);
    let said = file("a.csv", "a,b\n1,2\n", &TextOptions::default()).expect_err("no text");
    let said = said.to_string();
    assert!(
        said.contains("\"text\" or \"sentence\"") && said.contains("found a, b"),
        "{said}"
    );
    let rows = file("a.csv", b"text\n\xff\n", &TextOptions::default()).expect("rows");
    check(rows, &[(2, None, Err("byte 1 of the text is not UTF-8"))]);
}

/// The rest of a file is no row of any length.
#[test]
fn a_quote_that_is_never_closed_ends_the_file_with_its_line() {
    let csv = format!("text\nBrel\n\"Osk\n{}", "x\n".repeat(200_000));
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.csv");
    std::fs::write(&path, csv).expect("written");
    let mut texts = Texts::open(&path, &small()).expect("a table");
    assert!(texts.next_text().expect("a row").is_some());
    let said = texts.next_text().expect_err("too long").to_string();
    assert!(
        said.contains("a.csv:3: ") && said.contains("is a quote not closed?"),
        "{said}"
    );
}

#[test]
fn a_file_may_be_one_text() {
    let options = TextOptions {
        is_whole: true,
        ..small()
    };
    let rows = file("a.csv", "\u{feff}Brel\n\nOsk\n", &options).expect("a text");
    check(rows, &[(1, None, Ok("Brel\n\nOsk\n"))]);
    let rows = file("a.txt", "x".repeat(64 * 60 + 1), &options).expect("a text");
    check(rows, &[(1, None, Err("over 3840 bytes"))]);
    check(lines(b"a\xff", &options), &[(1, None, Err("byte 2"))]);
}

#[test]
fn datasets_and_parquet_give_their_texts() {
    let bio = "Brel\tB-city\nsleeps\tO\n\nOsk\tB-city\n";
    let rows = file("a.txt", bio, &TextOptions::default()).expect("rows");
    let texts: Vec<_> = rows.into_iter().map(|row| row.text).collect();
    assert_eq!(texts, [Ok("Brel sleeps".to_owned()), Ok("Osk".to_owned())]);
    let said = file("a.json", "[{\"x\": 1}]", &TextOptions::default()).expect_err("no rows");
    assert!(said.to_string().contains("a JSON array"), "{said}");

    let example = |sentence: &str, guid: &str| Example {
        sentence: sentence.into(),
        guid: Some(guid.into()),
        schema: vec!["city".into()],
        entities: vec![Entity::new("Brel", "city")],
        ..Example::default()
    };
    let rows = [example("Brel sleeps.", "a"), example("Brel left.", "b")];
    let rows = rows.into_iter().map(|example| Ok(Row::new(example)));
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("rows.parquet");
    write_rows(&path, Format::Parquet, rows, Policy::strict()).expect("written");
    let columns = parquet_columns(&path).expect("columns");
    assert_eq!(columns, ["guid", "dataset", "sentence", "cot"]);
    let read = |options: &TextOptions| Texts::open(&path, options).map(all);
    let expected = [
        (1, Some("a"), Ok("Brel sleeps.")),
        (2, Some("b"), Ok("Brel left.")),
    ];
    check(read(&TextOptions::default()).expect("rows"), &expected);
    let expected = [(1, None, Ok("a")), (2, None, Ok("b"))];
    check(read(&field("guid")).expect("rows"), &expected);
    let nulls = [
        (1, Some("a"), Err("is null")),
        (2, Some("b"), Err("is null")),
    ];
    check(read(&field("cot")).expect("rows"), &nulls);
    let said = read(&field("body")).expect_err("no column").to_string();
    assert!(
        said.contains("found guid, dataset, sentence, cot"),
        "{said}"
    );
    std::fs::write(&path, "PAR1 no").expect("written");
    let said = read(&TextOptions::default())
        .expect_err("damaged")
        .to_string();
    assert!(said.contains("rows.parquet: cannot read"), "{said}");
}

//! `rner export`: what `rner extract` stored in other forms, and back as rows to train on.

use std::fs;

use serde_json::{Value, json};

use super::support::{TestResult, fails, rner, root, succeeds, text, write};

const TYPES: &str = "country,election,party,politician,treaty";

/// What the tuned toy finds in its notes.
fn found() -> Result<String, Box<dyn std::error::Error>> {
    succeeds(&[
        "extract",
        "--model",
        "fixtures/tiny-ner",
        "--types",
        TYPES,
        "--input",
        "fixtures/toy/notes.txt",
    ])
}

#[test]
fn answers_are_exported_corrected_and_trained_on() -> TestResult {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let found = found()?;
    write(&path("found.jsonl"), &found)?;
    let n_rows = found.lines().count();
    for (format, name) in [
        ("jsonl", "a.jsonl"),
        ("csv", "a.csv"),
        ("parquet", "a.parquet"),
        ("html", "a.html"),
        ("docbin", "a.spacy"),
        ("brat", "brat"),
        ("label-studio", "tasks.json"),
        ("doccano", "doccano.jsonl"),
        ("prodigy", "prodigy.jsonl"),
        ("gliner", "gliner.json"),
        ("conll", "a.conll"),
    ] {
        let (from, to) = (path("found.jsonl"), path(name));
        let said = succeeds(&[
            "export",
            "--input",
            text(&from),
            "--to",
            format,
            "--out",
            text(&to),
            "--json",
        ])?;
        let said: Value = serde_json::from_str(&said)?;
        assert_eq!(
            (&said["rows"], &said["to"]),
            (&json!(n_rows), &json!(format))
        );
    }
    assert_eq!(fs::read_to_string(path("a.jsonl"))?, found, "as they are");
    assert!(fs::read_to_string(path("tasks.labels.xml"))?.contains("<Label value=\"party\""));

    // An annotator accepts each prediction of Label Studio but the first, which is skipped.
    let mut tasks: Vec<Value> = serde_json::from_str(&fs::read_to_string(path("tasks.json"))?)?;
    for (i, task) in tasks.iter_mut().enumerate() {
        let result = task["predictions"][0]["result"].clone();
        task["annotations"] = json!([{"id": i, "was_cancelled": i == 0, "result": result}]);
    }
    write(&path("corrected.json"), json!(tasks).to_string())?;
    // Rows as they are stored, and as they come back.
    for (file, n) in [
        ("found.jsonl", n_rows),
        ("a.parquet", n_rows),
        ("corrected.json", n_rows - 1),
    ] {
        let (from, to) = (path(file), path(&format!("{n}-{file}.jsonl")));
        let convert = [
            "data",
            "convert",
            text(&from),
            text(&to),
            "--to",
            "ner-cot",
            "--json",
        ];
        let said: Value = serde_json::from_str(&succeeds(&convert)?)?;
        assert_eq!(said["rows"], n, "{file}");
        let out = path(&format!("{file}-tuned"));
        succeeds(&[
            "sft",
            "--model",
            "fixtures/tiny-base",
            "--profile",
            "smoke",
            "--data",
            text(&from),
            "--no-cot",
            "--set",
            "sft.train.max_steps=1",
            "--out",
            text(&out),
        ])?;
    }
    let (gold, answers) = (path("8-a.parquet.jsonl"), path("found.jsonl"));
    let score = [
        "score",
        "--gold",
        text(&gold),
        "--predictions",
        text(&answers),
        "--json",
    ];
    let scored: Value = serde_json::from_str(&succeeds(&score)?)?;
    assert_eq!(scored["f1_percent"], 100.0);
    Ok(())
}

#[test]
fn parts_become_one_and_what_is_no_row_is_named() -> TestResult {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let row = |name: &str| {
        format!(
            "{{\"line\":1,\"sentence\":\"{name}.\",\"entities\":[{{\"text\":\"{name}\",\"label\":\"x\",\"start\":0,\"end\":3}}]}}\n"
        )
    };
    write(&path("1.jsonl"), row("Ada"))?;
    write(&path("2.jsonl"), row("Ida"))?;
    let (one, two, out) = (path("1.jsonl"), path("2.jsonl"), path("all.csv"));
    let said = succeeds(&[
        "export",
        "--input",
        text(&one),
        text(&two),
        "--out",
        text(&out),
    ])?;
    assert!(said.contains("2 rows with 2 entities as csv in"), "{said}");
    let table = fs::read_to_string(&out)?;
    assert!(
        table.contains(&format!("{},1,,Ida,x,0,3,", two.display())),
        "{table}"
    );
    // Standard input.
    let mut command = rner(&[
        "export",
        "--input",
        "-",
        "--to",
        "gliner",
        "--out",
        text(&path("g.json")),
    ]);
    let input = fs::File::open(&one)?;
    assert!(command.stdin(input).output()?.status.success());
    assert!(fs::read_to_string(path("g.json"))?.contains("\"ner\":[[0,0,\"x\"]]"));

    write(&path("bad.jsonl"), row("Ada") + "{\"text\": \"a\"}\n")?;
    let bad = path("bad.jsonl");
    let place = path("out");
    let export = |input: &str, more: &[&str]| {
        let args = ["export", "--input", input, "--out", text(&place)];
        args.iter()
            .chain(more)
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let refused = |args: Vec<String>, code, words: &[&str]| {
        fails(
            &args.iter().map(String::as_str).collect::<Vec<_>>(),
            code,
            words,
        )
    };
    refused(
        export(text(&bad), &["--to", "html"]),
        1,
        &["bad.jsonl:2: expected a row of `rner extract`"],
    )?;
    assert!(!place.exists());
    refused(
        export(text(&one), &[]),
        2,
        &["--to FORMAT is missing", "label-studio"],
    )?;
    refused(
        export(text(&one), &["--to", "excel"]),
        2,
        &["excel", "parquet"],
    )?;
    refused(
        export("no/such.jsonl", &["--to", "csv"]),
        1,
        &["no/such.jsonl"],
    )?;
    let notes = root().join("fixtures/toy/notes.txt");
    refused(
        export(text(&notes), &["--to", "csv"]),
        1,
        &["notes.txt:1: expected a row of `rner extract`"],
    )?;
    write(&path("none.jsonl"), "\n")?;
    refused(
        export(text(&path("none.jsonl")), &["--to", "csv"]),
        1,
        &["none.jsonl: expected at least one"],
    )
}

//! Rows as users have them: of any format, without types, with faults, to be divided.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use super::support::{TestResult, fails, rner, stderr, succeeds, text, write};

/// Three sentences with three types, one without mentions.
const BIO: &str = "Ardela\tB-person\nVoss\tI-person\nleft\tO\nBrel\tB-city\nin\tO\nspring\tO\n\n\
                   so\tO\nit\tO\ngoes\tO\nevery\tO\nyear\tO\n\n\
                   Osmere\tB-club\nwon\tO\nthe\tO\ncup\tO\nagain\tO\n";

fn rows(path: &Path) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let text = fs::read_to_string(path)?;
    let rows: Result<_, _> = text.lines().map(serde_json::from_str).collect();
    Ok(rows?)
}

/// A command that must succeed; gives what it says on stderr.
fn says(args: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = rner(args).output()?;
    assert!(output.status.success(), "{args:?}\n{}", stderr(&output));
    Ok(stderr(&output))
}

/// A teacher behind an address, which a folder takes for a paid one.
struct Teacher(Child, String);

impl Teacher {
    fn of(data: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut child = rner(&["cot", "serve-teacher", "--data", text(data)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut url = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut url)?;
        }
        Ok(Self(child, url.trim().to_owned()))
    }
}

impl Drop for Teacher {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_teacher_is_asked_for_the_types_of_the_dataset() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("a.conll"), dir.path().join("out"));
    write(&data, BIO)?;
    let base = ["cot", "generate", "--data", text(&data), "--out"];
    let said = says(&[&base[..], &[text(&out)]].concat())?;
    assert!(said.contains("types: 3 of the dataset\n"), "{said}");
    let accepted = rows(&out.join("ner-cot.jsonl"))?;
    assert_eq!(accepted.len(), 3, "{said}");
    let all = serde_json::json!(["city", "club", "person"]);
    assert!(
        accepted.iter().all(|row| row["schema"] == all),
        "{accepted:?}"
    );
    assert_eq!(accepted[1]["entities"], serde_json::json!([]));
    let status = succeeds(&["cot", "status", text(&out)])?;
    assert!(status.contains("types: 3 of the dataset"), "{status}");

    let few = dir.path().join("few");
    let said = says(&[&base[..], &[text(&few), "--negatives", "1"]].concat())?;
    assert!(
        said.contains("and 1 absent ones, drawn from the 3"),
        "{said}"
    );
    let schemas: Vec<usize> = rows(&few.join("ner-cot.jsonl"))?
        .iter()
        .map(|row| row["schema"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(schemas, [3, 1, 2]);

    let named = dir.path().join("named");
    let said = says(&[&base[..], &[text(&named), "--types", "city,harbour"]].concat())?;
    assert!(said.contains("types: 2 that were named"), "{said}");
    let harbour = serde_json::json!(["city", "harbour"]);
    let accepted = rows(&named.join("ner-cot.jsonl"))?;
    assert!(
        accepted.iter().all(|row| row["schema"] == harbour),
        "{accepted:?}"
    );
    Ok(())
}

/// What was paid for stays in use: the same command goes on as its folder was begun, also by an older program.
#[test]
fn other_types_are_refused_in_a_folder_with_answers() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("a.conll"), dir.path().join("out"));
    write(&data, BIO)?;
    let teacher = Teacher::of(&data)?;
    let base = [
        "cot",
        "generate",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--teacher-url",
        &teacher.1,
    ];
    let with = |more: &[&str]| says(&[&base[..], more].concat());
    with(&["--negatives", "0"])?;
    let answers = fs::read_to_string(out.join("journal.jsonl"))?;
    fails(
        &[&base[..], &["--types", "city"]].concat(),
        2,
        &["other types", "--allow-change"],
    )?;
    let said = with(&[])?;
    assert!(said.contains("mentions and 0 absent ones"), "{said}");
    assert_eq!(fs::read_to_string(out.join("journal.jsonl"))?, answers);

    // As an older program wrote it, which asked for the same.
    let mut job: Value = serde_json::from_slice(&fs::read(out.join("job.json"))?)?;
    job.as_object_mut().and_then(|job| job.remove("types"));
    write(&out.join("job.json"), job.to_string())?;
    let said = with(&[])?;
    assert!(said.contains("as when this folder was begun"), "{said}");
    assert!(said.contains("not asked:     1  empty schema"), "{said}");
    assert_eq!(fs::read_to_string(out.join("journal.jsonl"))?, answers);
    let job: Value = serde_json::from_slice(&fs::read(out.join("job.json"))?)?;
    assert_eq!(job.get("types"), None);

    let said = with(&["--types", "city,club,person", "--allow-change"])?;
    assert!(said.contains("types: 3 that were named"), "{said}");
    assert_ne!(fs::read_to_string(out.join("journal.jsonl"))?, answers);
    Ok(())
}

#[test]
fn sentences_with_types_are_enough_for_a_teacher_and_no_more() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("a.jsonl"), dir.path().join("out"));
    let base = [
        "cot",
        "generate",
        "--dry-run",
        "--out",
        text(&out),
        "--data",
    ];
    for row in [
        r#"{"sentence": "Ardela Voss left Brel.", "schema": ["city"]}"#,
        r#"{"text": "Ardela Voss left Brel.", "labels": ["city"]}"#,
    ] {
        write(&data, row)?;
        let said = succeeds(&[&base[..], &[text(&data)]].concat())?;
        assert!(
            said.contains("1 rows, 0 accepted, 0 rejected, 1 to ask about"),
            "{said}"
        );
        let types = [&base[..], &[text(&data), "--types", "city"]].concat();
        fails(&types, 2, &["no effect"])?;
        let sft = ["sft", "--data", text(&data), "--out", text(&out)];
        fails(&sft, 2, &["none of 1 has a key for them"])?;
    }
    write(&data, r#"{"text": "Ardela Voss left Brel."}"#)?;
    let bare = [&base[..], &[text(&data)]].concat();
    fails(&bare, 2, &["--types a,b"])?;
    let said = succeeds(&[&bare[..], &["--types", "city"]].concat())?;
    assert!(said.contains("1 to ask about"), "{said}");
    Ok(())
}

#[test]
fn every_command_reads_every_format_and_tells_the_faults() -> TestResult {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let (bio, bad) = (path("a.conll"), path("bad.jsonl"));
    write(&bio, BIO)?;
    let sft = |data: &Path, out: &str| {
        let (data, out) = (text(data).to_owned(), path(out));
        let model = "fixtures/tiny-base";
        says(&[
            "sft",
            "--profile",
            "smoke",
            "--model",
            model,
            "--data",
            &data,
            "--out",
            text(&out),
        ])
    };
    let said = sft(&bio, "one")?;
    assert!(said.contains("the 3 of the whole file"), "{said}");
    assert!(said.contains("3 examples (none has reasoning)"), "{said}");

    let row = r#"{"sentence": "Ardela Voss left Brel.", "schema": ["city"], "cot": "It is so.", "entities": [{"text": "Halvek", "label": "city"}, {"text": "Brel", "label": "town"}]}"#;
    write(&bad, row)?;
    let said = sft(&bad, "two")?;
    assert!(said.contains("1 × not-in-sentence"), "{said}");
    assert!(
        said.contains("1 with an entity that is not in the sentence, kept as it stands"),
        "{said}"
    );
    assert!(
        said.contains("1 with an entity of a type that is not asked for, which is left out"),
        "{said}"
    );
    let output = rner(&["data", "validate", text(&bad)]).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    for words in [
        "not valid",
        "1 × not-in-sentence",
        "1 × outside-schema",
        "bad.jsonl:1",
    ] {
        assert!(printed.contains(words), "{words}\n{printed}");
    }
    let skip = ["--skip", "not-in-sentence", "--skip", "outside-schema"];
    succeeds(&[&["data", "validate", text(&bad)][..], &skip].concat())?;

    let predictions = path("p.jsonl");
    let rows = [
        r#"{"entities": [{"text": "Ardela Voss", "label": "person"}, {"text": "Brel", "label": "city"}]}"#,
        r#"{"entities": []}"#,
        r#"{"entities": [{"text": "Osmere", "label": "club"}]}"#,
    ];
    write(&predictions, rows.join("\n"))?;
    let score = [
        "score",
        "--gold",
        text(&bio),
        "--predictions",
        text(&predictions),
        "--json",
    ];
    let scored: Value = serde_json::from_str(&succeeds(&score)?)?;
    assert_eq!(scored["f1_percent"], 100.0, "{scored}");

    write(&bad, r#"{"txt": "Brel sleeps.", "entites": []}"#)?;
    let wrong = [
        "score",
        "--gold",
        text(&bad),
        "--predictions",
        text(&predictions),
    ];
    fails(
        &wrong,
        1,
        &["rner data formats", "the keys", "txt", "did you mean"],
    )
}

#[test]
fn a_file_is_divided_by_its_sentences() -> TestResult {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let (data, out) = (path("a.jsonl"), path("parts"));
    let row = |i: usize, city: &str| {
        format!(
            r#"{{"text": "In {i} Brel slept.", "entities": [{{"text": "{city}", "label": "city"}}]}}"#
        )
    };
    let mut lines: Vec<String> = (0..40)
        .flat_map(|i| [row(i, "Brel"), row(i, "Brel")])
        .collect();
    lines.push(row(7, "slept"));
    write(&data, lines.join("\n"))?;
    let base = [
        "data",
        "split",
        text(&data),
        "--share",
        "0.25",
        "--seed",
        "1",
        "--out",
    ];
    let said = succeeds(&[&base[..], &[text(&out)]].concat())?;
    assert!(said.contains("40 rows are an earlier one again"), "{said}");
    assert!(said.contains("a.jsonl:81, first in line 15"), "{said}");
    let texts = |name: &str| {
        let rows = rows(&out.join(name))?;
        let texts = rows
            .iter()
            .filter_map(|row| row["text"].as_str().map(String::from));
        Ok::<_, Box<dyn std::error::Error>>(texts.collect::<std::collections::BTreeSet<_>>())
    };
    let (train, test) = (texts("train.jsonl")?, texts("test.jsonl")?);
    assert_eq!(
        (train.len() + test.len(), train.intersection(&test).count()),
        (40, 0)
    );
    assert_eq!(
        succeeds(&[&base[..], &[text(&out)]].concat())?,
        said,
        "the same again"
    );
    let mut other = base.to_vec();
    other[6] = "2";
    other.push(text(&out));
    fails(&other, 1, &["train.jsonl"])?;
    succeeds(&[&other[..], &["--overwrite"]].concat())?;

    let (big, small) = (path("big.conll"), path("small.json"));
    let files = [text(&big), text(&small), "--dedupe", "--json"];
    let told: Value = serde_json::from_str(&succeeds(&[&base[..], &files].concat())?)?;
    assert_eq!(
        (&told["dropped"], &told["conflicts"]),
        (&40.into(), &1.into()),
        "{told}"
    );
    assert_eq!(
        (&told["train"]["format"], &told["held_out"]["format"]),
        (&"bio".into(), &"plain".into())
    );
    assert_eq!(told["held_out"]["rows"], 10, "{told}");
    let wrong = [
        "data",
        "split",
        text(&data),
        "--share",
        "1",
        "--out",
        text(&out),
    ];
    fails(&wrong, 2, &["--share"])
}

#[test]
fn the_ending_says_what_is_written() -> TestResult {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    write(&path("a.conll"), BIO)?;
    let convert =
        |to: &str| succeeds(&["data", "convert", text(&path("a.conll")), text(&path(to))]);
    assert!(convert("b.jsonl")?.contains("3 rows from bio to plain"));
    assert!(convert("c.bio")?.contains("3 rows from bio to bio"));
    let b = path("b.jsonl");
    let types = rows(&b)?[1]["labels"].clone();
    assert_eq!(types, serde_json::json!(["city", "club", "person"]));
    fails(
        &["data", "convert", text(&b), text(&path("d.txt"))],
        2,
        &["--to"],
    )
}

#[test]
fn prices_licence_and_language_stay_with_the_folder() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("a.conll"), dir.path().join("out"));
    write(&data, BIO)?;
    let base = [
        "cot",
        "generate",
        "--data",
        text(&data),
        "--out",
        text(&out),
    ];
    let of_source = ["--license", "MIT", "--language", "en"];
    let money = ["--price", "100/200", "--budget-usd", "30"];
    says(&[&base[..], &of_source, &money].concat())?;
    let said = says(&base)?;
    assert!(
        said.contains("budget of this folder holds: $30.00"),
        "{said}"
    );
    let card = fs::read_to_string(out.join("README.md"))?;
    assert!(
        card.contains("license: mit\nlanguage:\n- \"en\"\n"),
        "{card}"
    );
    let status = succeeds(&["cot", "status", text(&out)])?;
    assert!(
        status.contains(", $") && status.contains("budget: $30.00"),
        "{status}"
    );
    succeeds(&["cot", "export", text(&out)])?;
    assert_eq!(fs::read_to_string(out.join("README.md"))?, card);
    let job: Value = serde_json::from_slice(&fs::read(out.join("job.json"))?)?;
    assert_eq!(job["cot"]["price_in"], 100.0);
    let said = says(&[&base[..], &["--budget-usd", "0"]].concat())?;
    assert!(!said.contains("holds"), "{said}");
    fails(
        &[&base[..], &["--language", "English"]].concat(),
        2,
        &["ISO 639"],
    )
}

/// Without a sample, at least as many rows as are to be accepted, and at most twice as many.
#[test]
fn an_estimate_counts_what_the_target_needs() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("a.jsonl"), dir.path().join("out"));
    let row = |i: usize| {
        format!(r#"{{"text": "In {i} Brel slept.", "labels": ["city"], "entities": []}}"#)
    };
    write(&data, (0..700).map(row).collect::<Vec<_>>().join("\n"))?;
    let base = [
        "cot",
        "generate",
        "--data",
        text(&data),
        "--out",
        text(&out),
    ];
    let said = succeeds(&[&base[..], &["--dry-run", "--target", "10"]].concat())?;
    let expected = "700 rows, 0 accepted, 0 rejected, 700 open; 13 (10 to 20) to ask about for 10 accepted ones";
    assert!(said.starts_with(expected), "{said}");
    let said = succeeds(&[&base[..], &["--dry-run"]].concat())?;
    assert!(
        said.starts_with("700 rows, 0 accepted, 0 rejected, 700 to ask about"),
        "{said}"
    );
    Ok(())
}

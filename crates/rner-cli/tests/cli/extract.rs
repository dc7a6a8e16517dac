//! `rner extract`: an answer as it is written, and the flags that say how.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use super::support::{TestResult, fails, rner, root, stderr, succeeds, text};

const SENTENCE: &str = "Mira Dolan lives in Port Halvek.";

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let first = [
        "extract",
        "--model",
        "fixtures/tiny-base",
        "--types",
        "person,city",
        "--max-new-tokens",
        "40",
    ];
    first
        .iter()
        .chain(more)
        .copied()
        .chain([SENTENCE])
        .collect()
}

/// What a command that succeeds prints.
fn prints(more: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = rner(&args(more)).output()?;
    assert!(output.status.success(), "{more:?}: {}", stderr(&output));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn an_answer_repeats_with_its_seed_and_follows_the_flags() -> TestResult {
    let greedy = prints(&["--raw"])?;
    assert!(greedy.trim().len() > 10, "{greedy:?}");
    assert_eq!(
        prints(&["--raw", "--top-k", "1", "--temperature", "1"])?,
        greedy
    );
    assert_eq!(
        prints(&["--raw", "--min-p", "1", "--temperature", "2"])?,
        greedy
    );
    assert_ne!(prints(&["--raw", "--repetition-penalty", "4"])?, greedy);
    let warm = |seed| prints(&["--raw", "--temperature", "3", "--seed", seed]);
    assert_eq!(warm("5")?, warm("5")?);
    assert_ne!(warm("5")?, warm("6")?);
    Ok(())
}

#[test]
fn a_model_in_eight_bits_answers() -> TestResult {
    let narrow = ["--raw", "--set", "eval.quantize=int8"];
    let answer = prints(&narrow)?;
    assert!(answer.trim().len() > 10, "{answer:?}");
    assert_eq!(prints(&narrow)?, answer);
    let other = ["--set", "eval.quantize=int8", "--backend", "cuda"];
    fails(&args(&other), 2, &["eval.quantize", "flex"])?;
    fails(
        &args(&["--set", "eval.quantize=int4"]),
        2,
        &["int4", "int8"],
    )
}

#[test]
fn a_stop_string_ends_the_answer_before_it() -> TestResult {
    let whole = prints(&["--raw"])?;
    let middle: Vec<char> = whole.chars().collect();
    let stop: String = middle[middle.len() / 2..][..3].iter().collect();
    let expected = whole.split(&stop).next().unwrap_or_default();
    let found = prints(&["--raw", "--stop", "never written", "--stop", &stop])?;
    assert_eq!(found.strip_suffix('\n'), Some(expected), "{stop:?}");
    Ok(())
}

#[test]
fn json_has_the_reasoning_and_lines_begin_with_it() -> TestResult {
    let json: serde_json::Value = serde_json::from_str(&prints(&["--json"])?)?;
    assert!(json["entities"].is_array(), "{json:#}");
    let lines = prints(&[])?;
    if let Some(reasoning) = json["reasoning"].as_str() {
        assert!(lines.starts_with(reasoning), "{lines}");
    }
    Ok(())
}

#[test]
fn meaningless_flags_are_wrong_usage() -> TestResult {
    for (flag, value, words) in [
        ("--top-p", "1.5", "--top-p: expected a number in (0, 1]"),
        ("--min-p", "2", "--min-p: expected a number in [0, 1]"),
        (
            "--repetition-penalty",
            "0",
            "--repetition-penalty: expected",
        ),
        ("--top-k", "0", "--top-k: expected at least 1"),
        ("--stop", "", "--stop"),
        ("--temperature", "hot", "--temperature"),
    ] {
        fails(&args(&[flag, value]), 2, &[words])?;
    }
    fails(&args(&["--raw", "--json"]), 2, &["--json"])
}

/// The exit code, the rows and what was said on stderr.
type Told = (Option<i32>, Vec<Value>, String);

/// Runs `rner extract` on many sentences, with `typed` on standard input.
fn many(more: &[&str], typed: &[u8]) -> Result<Told, Box<dyn std::error::Error>> {
    let first = [
        "extract",
        "--model",
        "fixtures/tiny-base",
        "--types",
        "person,city",
    ];
    let limit = ["--set", "eval.batch=2", "--max-new-tokens", "16"];
    let mut command = rner(&[&first[..], &limit, more].concat());
    let piped = [Stdio::piped(), Stdio::piped(), Stdio::piped()];
    let [stdin, stdout, stderr_to] = piped;
    let mut child = command
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr_to)
        .spawn()?;
    child.stdin.take().ok_or("no stdin")?.write_all(typed)?;
    let output = child.wait_with_output()?;
    let said = stderr(&output);
    let lines = String::from_utf8(output.stdout)?;
    let rows = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>();
    Ok((
        output.status.code(),
        rows.map_err(|error| format!("{error}: {lines}"))?,
        said,
    ))
}

#[test]
fn sentences_of_a_file_are_answered_and_faulty_rows_are_named() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("sentences.txt");
    let long = "Brel ".repeat(2_000);
    let mut bytes = format!("{SENTENCE}\n\n{long}\nOsk sleeps.\n").into_bytes();
    bytes.extend(b"\xff\n");
    std::fs::write(&file, bytes)?;
    let (code, rows, said) = many(&["--input", text(&file)], b"")?;
    assert_eq!((code, rows.len()), (Some(1), 5), "{said}");
    let lines: Vec<&Value> = rows.iter().map(|row| &row["line"]).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5]);
    // What is longer than the model takes is read in windows.
    assert!(
        rows[2]["windows"].as_array().is_some_and(|it| it.len() > 1),
        "{}",
        rows[2]
    );
    for (row, fault) in [(1, "blank"), (4, "not UTF-8")] {
        assert!(
            rows[row]["error"].to_string().contains(fault),
            "{}",
            rows[row]
        );
        assert!(
            said.contains(&format!("{}:{}: ", text(&file), row + 1)),
            "{said}"
        );
    }
    assert!(
        said.ends_with("have no answer; their lines are named above\n"),
        "{said}"
    );
    assert!(said.contains("2 of 5 rows"), "{said}");
    for (row, sentence) in [(0, SENTENCE), (3, "Osk sleeps.")] {
        assert_eq!(
            (&rows[row]["sentence"], &rows[row]["offsets"]),
            (&sentence.into(), &"characters".into())
        );
        assert!(rows[row]["entities"].is_array() && rows[row]["error"].is_null());
    }
    fails(&args(&["--input", text(&file)]), 2, &["--input"])
}

#[test]
fn rows_of_json_and_standard_input_are_read() -> TestResult {
    let rows =
        b"{\"sentence\": \"Brel sleeps.\", \"guid\": \"a-7\"}\n{\"text\": \"Osk sleeps.\"}\n";
    let (code, found, said) = many(&["--input", "-"], rows)?;
    assert_eq!((code, found.len()), (Some(0), 2), "{said}");
    assert_eq!(
        (&found[0]["id"], &found[0]["sentence"]),
        (&"a-7".into(), &"Brel sleeps.".into())
    );
    assert_eq!(found[1]["sentence"], "Osk sleeps.");
    assert!(said.ends_with("2 sentences\n"), "{said}");
    let (code, _, said) = many(&["--input", "-"], b"")?;
    assert!(
        code == Some(2) && said.contains("there is no sentence"),
        "{said}"
    );
    let file = root().join("README.md");
    fails(
        &[
            "extract",
            "--model",
            "fixtures/tiny-base",
            "--types",
            "a",
            text(&file),
        ],
        2,
        &["--input"],
    )?;
    fails(
        &[
            "extract",
            "--model",
            "fixtures/tiny-base",
            "--types",
            "a",
            "",
        ],
        2,
        &["blank"],
    )?;
    fails(
        &[
            "extract",
            "--model",
            "fixtures/tiny-base",
            "--types",
            "a",
            "-",
        ],
        2,
        &["--input -"],
    )?;
    fails(
        &[
            "extract",
            "--model",
            "fixtures/tiny-base",
            "--types",
            "a",
            "--input",
            "no.txt",
        ],
        1,
        &["no.txt"],
    )
}

/// A row that the reader of a dataset cannot read is named and counted like any other.
#[test]
fn rows_that_a_reader_passes_over_are_counted() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("rows.json");
    std::fs::write(&file, r#"[{"text": "Osk sleeps."}, {"tex": 7}]"#)?;
    let (code, rows, said) = many(&["--input", text(&file)], b"")?;
    assert_eq!((code, rows.len()), (Some(1), 1), "{said}");
    assert!(said.contains("rows.json:1: expected"), "{said}");
    assert!(said.contains("1 of 2 rows"), "{said}");
    Ok(())
}

#[test]
fn a_sentence_of_many_gets_the_answer_that_it_gets_alone() -> TestResult {
    let more = ["--json", "--set", "eval.max_new_tokens=40"];
    let alone: Value = serde_json::from_str(&prints(&more)?)?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("sentences.txt");
    std::fs::write(&file, format!("Osk sleeps.\n{SENTENCE}\nBrel left.\n"))?;
    let (code, rows, said) = many(
        &["--input", text(&file), "--set", "eval.max_new_tokens=40"],
        b"",
    )?;
    assert_eq!((code, rows.len()), (Some(0), 3), "{said}");
    let mut found = rows[1].clone();
    let line = found.as_object_mut().and_then(|row| row.remove("line"));
    assert_eq!((line, found), (Some(2.into()), alone));
    Ok(())
}

#[test]
fn an_answer_is_held_to_a_form_and_the_same_without_drafts() -> TestResult {
    let sentence = "Members of the party Grifock met in Raisar, a little-known nation.";
    let ask = |more: &[&str]| {
        let model = [
            "extract",
            "--model",
            "fixtures/tiny-ner",
            "--types",
            "country,party",
        ];
        succeeds(&[&model[..], more, &[sentence]].concat())
    };
    let mut ended = 0;
    for form in ["free", "schema", "grounded"] {
        for temperature in ["0", "0.7", "1.3"] {
            let flags = ["--form", form, "--temperature", temperature];
            let raw = [&flags[..], &["--raw"]].concat();
            assert_eq!(ask(&raw)?, ask(&[&raw[..], &["--no-drafts"]].concat())?);
            let answer: Value = serde_json::from_str(&ask(&[&flags[..], &["--json"]].concat())?)?;
            if form == "free" || answer["cut_off"] == true {
                continue;
            }
            ended += 1;
            assert_eq!(answer["problems"], serde_json::json!([]), "{answer}");
            for entity in answer["entities"].as_array().ok_or("entities")? {
                assert!(["country", "party"].contains(&entity["label"].as_str().ok_or("a label")?));
                let text = entity["text"].as_str().ok_or("a text")?;
                assert!(form == "schema" || sentence.contains(text), "{answer}");
            }
        }
    }
    assert!(ended >= 4, "{ended} of 6 answers came to an end");
    Ok(())
}

/// What the toy says about a text, as JSON.
fn toy(more: &[&str], text: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let model = ["extract", "--model", "fixtures/tiny-ner", "--json"];
    Ok(serde_json::from_str(&succeeds(
        &[&model[..], more, &[text]].concat(),
    )?)?)
}

const TYPES: [&str; 2] = ["--types", "country,election,party,politician"];

#[test]
fn a_long_text_is_read_in_windows_with_places_in_all_of_it() -> TestResult {
    let notes = std::fs::read_to_string(root().join("fixtures/toy/notes.txt"))?;
    let text = format!("🦀 {notes}");
    let windows = ["--window", "60", "--overlap", "20"];
    for unit in ["characters", "utf16", "bytes"] {
        let flags = [&TYPES[..], &windows, &["--offsets", unit]].concat();
        let found = toy(&flags, &text)?;
        assert!(
            found["windows"].as_array().ok_or("windows")?.len() > 3,
            "{found:#}"
        );
        assert_eq!(
            (&found["offsets"], &found["sentence"]),
            (&unit.into(), &Value::from(text.as_str()))
        );
        let entities = found["entities"].as_array().ok_or("entities")?;
        assert!(entities.len() > 8, "{found:#}");
        for it in entities.iter().filter(|it| it["grounding"] == "exact") {
            let at = |key: &str| it[key].as_u64().unwrap_or_default() as usize;
            let slice = match unit {
                "bytes" => text[at("start")..at("end")].to_owned(),
                "utf16" => {
                    let units: Vec<u16> = text.encode_utf16().collect();
                    String::from_utf16(&units[at("start")..at("end")])?
                }
                _ => text.chars().take(at("end")).skip(at("start")).collect(),
            };
            assert_eq!(slice, it["text"], "{it}");
            assert_eq!(&text[at("byte_start")..at("byte_end")], slice);
        }
    }
    Ok(())
}

#[test]
fn types_are_asked_in_groups_and_those_that_share_letters_by_choice() -> TestResult {
    let text = "Members of the party Grifock met in Raisar, a little-known nation.";
    let found = toy(&[&TYPES[..], &["--group", "3"]].concat(), text)?;
    let groups: Vec<&Value> = found["windows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| &it["group"])
        .collect();
    assert_eq!(groups, [0, 1]);
    let flat = toy(&[&TYPES[..], &["--group", "1", "--flat"]].concat(), text)?;
    let nested = toy(
        &[&TYPES[..], &["--group", "1", "--flat", "--nested"]].concat(),
        text,
    )?;
    let n = |found: &Value| found["entities"].as_array().map_or(0, Vec::len);
    assert!(n(&flat) <= n(&nested), "{flat:#} {nested:#}");
    let mut ends = 0;
    for it in flat["entities"].as_array().ok_or("entities")? {
        let Some(start) = it["start"].as_u64() else {
            continue;
        };
        assert!(start >= ends, "{flat:#}");
        ends = it["end"].as_u64().ok_or("an end")?;
    }
    Ok(())
}

#[test]
fn descriptions_reach_the_prompt_and_a_faulty_file_is_named() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("types.tsv");
    std::fs::write(&file, "party\ta group of politicians\ncountry\n")?;
    let asked = ["--model", "fixtures/tiny-ner", "--describe", text(&file)];
    let sentence = "Members of the party Grifock met in Raisar.";
    let prompt = succeeds(&[&["prompt"][..], &asked[..], &[sentence]].concat())?;
    assert!(
        prompt.contains(r#"{"country": "", "party": "a group of politicians"}"#),
        "{prompt}"
    );
    let output = rner(&[&["extract"][..], &asked[..], &[sentence]].concat()).output()?;
    assert!(
        stderr(&output).contains("tuned with a list of types and no descriptions"),
        "{}",
        stderr(&output)
    );
    std::fs::write(&file, "{\"party\": 7}")?;
    fails(
        &[&["extract"][..], &asked[..], &[sentence]].concat(),
        2,
        &["types.tsv", "\"party\"", "found 7"],
    )
}

/// Types of any form, however many, and texts with control characters, are answered or refused with a remedy.
#[test]
fn odd_types_and_texts_are_answered_or_refused_with_a_remedy() -> TestResult {
    let sentence = "Members of the party\u{0}\u{1b} Grifock met\u{7f} in Raisar.";
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("types.txt");
    std::fs::write(&file, "\"}], {\nparty\nParty\n[\"a\\\n\u{1}\n")?;
    let found = toy(
        &["--types", text(&file)],
        "Members of the party Grifock met in Raisar.",
    )?;
    assert!(found["entities"].is_array());
    std::fs::write(
        &file,
        (0..10_000)
            .map(|n| format!("type {n}\n"))
            .collect::<String>(),
    )?;
    let many = [
        "extract",
        "--model",
        "fixtures/tiny-ner",
        "--types",
        text(&file),
    ];
    fails(
        &[&many[..], &["Grifock left."]].concat(),
        2,
        &["--group", "fewer types"],
    )?;
    let rows = dir.path().join("rows.jsonl");
    let row = |text: &str| serde_json::json!({"text": text}).to_string() + "\n";
    std::fs::write(
        &rows,
        row(sentence) + &row("") + &row("Grifock met in Raisar."),
    )?;
    let model = [
        "extract",
        "--model",
        "fixtures/tiny-ner",
        "--types",
        "party",
    ];
    let output = rner(&[&model[..], &["--input", text(&rows)]].concat()).output()?;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let lines = String::from_utf8(output.stdout)?;
    let lines: Vec<Value> = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(lines[0]["sentence"], sentence);
    assert!(lines[1]["error"].to_string().contains("blank"));
    assert!(lines[2]["entities"].is_array() && lines.len() == 3);
    Ok(())
}

#[test]
fn windows_that_do_not_fit_are_wrong_usage() -> TestResult {
    for (flags, words) in [
        (&["--window", "5000"][..], "--window 5000"),
        (&["--window", "0"][..], "--window 0"),
        (&["--window", "20", "--overlap", "11"][..], "--overlap 11"),
        (&["--context", "5000"][..], "--context 5000"),
        (&["--group", "0"][..], "--group"),
        (&["--offsets", "utf16"][..], "--offsets needs --json"),
        (&["--raw", "--window", "4"][..], "--raw shows one answer"),
    ] {
        fails(&args(flags), 2, &[words])?;
    }
    Ok(())
}

//! `rner cot`: a folder from its first estimate to its export, and what must not cost anything.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::server::Server;
use super::support::{TestResult, fails, rner, stderr, succeeds, text, write};

/// Rows that the simulated teacher can answer.
fn source(path: &Path, rows: usize) -> TestResult {
    let row = |i: usize| {
        json!({
            "guid": format!("row-{i}"),
            "sentence": format!("In the year {i} the singer Ann Dorel left the town of Brel {i}."),
            "schema": ["person", "city"],
            "entities": [
                {"text": "Ann Dorel", "label": "person"},
                {"text": format!("Brel {i}"), "label": "city"},
            ],
        })
        .to_string()
    };
    let lines: Vec<String> = (0..rows).map(row).collect();
    write(path, lines.join("\n") + "\n")
}

fn lines(path: &Path) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let text = fs::read_to_string(path)?;
    let rows: Result<_, _> = text.lines().map(serde_json::from_str).collect();
    Ok(rows?)
}

#[test]
fn a_folder_from_estimate_to_export() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("data.jsonl"), dir.path().join("out"));
    source(&data, 60)?;
    let base = [
        "cot",
        "generate",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--price",
        "1/2",
    ];
    let with = |more: &[&str]| succeeds(&[&base[..], more].concat());

    let said = with(&["--dry-run"])?;
    assert!(
        said.contains("60 to ask about") && said.contains("nothing was sent"),
        "{said}"
    );
    assert!(!out.exists(), "a dry run leaves nothing behind");

    let said = with(&["--sample", "12"])?;
    assert!(
        said.contains("rows that have their answers") && said.contains("dollars"),
        "{said}"
    );
    let status: Value = serde_json::from_str(&succeeds(&["cot", "status", text(&out), "--json"])?)?;
    let sampled = status["funnel"]["accepted"].as_u64().unwrap_or(0);
    assert!((3..30).contains(&sampled), "{sampled}");

    with(&[
        "--target", "40", "--format", "jsonl", "--format", "json", "--format", "parquet",
    ])?;
    let rows = lines(&out.join("ner-cot.jsonl"))?;
    assert_eq!(rows.len(), 40, "exactly so many");
    assert_eq!(rows[0]["provenance"]["teacher"], "tiny-teacher");
    let card = fs::read_to_string(out.join("README.md"))?;
    assert!(card.contains("licence of the source is unknown"), "{card}");

    for format in ["jsonl", "json", "parquet"] {
        let model = dir.path().join(format);
        let data = out.join("ner-cot").with_extension(format);
        succeeds(&[
            "sft",
            "--profile",
            "smoke",
            "--model",
            "fixtures/tiny-base",
            "--data",
            text(&data),
            "--out",
            text(&model),
        ])?;
        assert!(model.join("model").is_dir(), "{format} trains");
    }

    let whole = with(&[])?;
    assert!(whole.contains("ner-cot.jsonl"), "{whole}");
    let all = lines(&out.join("ner-cot.jsonl"))?;
    assert!(all.len() > 50, "{}", all.len());
    assert_eq!(all[..40], rows[..], "the first rows are the same");

    let strict = dir.path().join("strict");
    succeeds(&[
        "cot",
        "export",
        text(&out),
        "--threshold",
        "10",
        "--license",
        "cc0-1.0",
        "--out",
        text(&strict),
    ])?;
    assert!(lines(&strict.join("ner-cot.jsonl"))?.len() <= all.len());
    assert!(fs::read_to_string(strict.join("README.md"))?.contains("license: cc0-1.0\n"));

    let said = succeeds(&["cot", "status", text(&out), "--price", "1/2"])?;
    assert!(
        said.contains("a threshold of 10 accepts") && said.contains('$'),
        "{said}"
    );
    succeeds(&["cot", "view", text(&out)])?;
    let page = fs::read_to_string(out.join("view.html"))?;
    assert!(page.contains("<mark>Ann Dorel<small>person</small></mark>"));
    let said = succeeds(&["cot", "compact", text(&out)])?;
    assert!(said.contains("bytes before"), "{said}");
    let again = with(&[])?;
    assert_eq!(again, whole);
    assert_eq!(lines(&out.join("ner-cot.jsonl"))?, all);
    Ok(())
}

#[test]
fn shards_are_merged_into_the_run_of_all() -> TestResult {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data.jsonl");
    source(&data, 40)?;
    let out = |name: &str| dir.path().join(name);
    let run = |name: &str, more: &[&str]| {
        let out = out(name);
        let args = [
            "cot",
            "generate",
            "--data",
            text(&data),
            "--out",
            text(&out),
        ];
        succeeds(&[&args[..], more].concat())
    };
    run("whole", &[])?;
    run("one", &["--shard", "1/2"])?;
    run("two", &["--shard", "2/2"])?;
    let (one, two, merged) = (out("one"), out("two"), out("merged"));
    succeeds(&[
        "cot",
        "merge",
        text(&one),
        text(&two),
        "--out",
        text(&merged),
    ])?;
    succeeds(&["cot", "export", text(&merged)])?;
    let read = |name: &str| fs::read_to_string(out(name).join("ner-cot.jsonl"));
    assert_eq!(read("merged")?, read("whole")?);
    run("other", &["--seed", "7"])?;
    fails(
        &[
            "cot",
            "merge",
            text(&one),
            text(&out("other")),
            "--out",
            text(&out("no")),
        ],
        2,
        &["different jobs"],
    )
}

#[test]
fn batch_files_in_place_of_a_server() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("data.jsonl"), dir.path().join("out"));
    let (batch, results) = (dir.path().join("batch"), dir.path().join("results.jsonl"));
    source(&data, 3)?;
    let args = [
        "cot",
        "generate",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--batch",
        text(&batch),
    ];
    for round in 0..2 {
        let said = succeeds(&args)?;
        let file = said.trim();
        assert!(file.contains(["teacher", "judge"][round]), "{said}");
        let answers = lines(Path::new(file))?.into_iter().map(|request| {
            let sentence = request["body"]["messages"][0]["content"].to_string();
            let number = sentence.split("In the year ").nth(1).and_then(|s| s.split(' ').next());
            let city = format!("Brel {}", number.unwrap_or_default());
            let message = match round {
                0 => json!({
                    "reasoning_content": format!("\"Ann Dorel\" is a person. \"{city}\" is a city."),
                    "content": json!({"entities": {"person": ["Ann Dorel"], "city": [city]}}).to_string(),
                }),
                _ => json!({"content": "{\"score\": 9}"}),
            };
            let body = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
            json!({"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}})
                .to_string()
        });
        write(&results, answers.collect::<Vec<_>>().join("\n"))?;
        let said = succeeds(&["cot", "import", text(&out), text(&results)])?;
        assert!(said.contains("3 answers"), "{said}");
    }
    assert_eq!(succeeds(&args)?, "", "nothing waits");
    succeeds(&["cot", "export", text(&out)])?;
    assert_eq!(lines(&out.join("ner-cot.jsonl"))?.len(), 3);
    Ok(())
}

#[test]
fn bad_sources_cost_nothing() -> TestResult {
    let server = Server::start(|_| (200, "{}".into()))?;
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("data.jsonl"), dir.path().join("out"));
    let generate = |code, words: &[&str]| {
        let args = [
            "cot",
            "generate",
            "--data",
            text(&data),
            "--teacher-url",
            &server.url,
        ];
        fails(&[&args[..], &["--out", text(&out)]].concat(), code, words)
    };
    write(&data, "")?;
    generate(1, &["data.jsonl"])?;
    source(&data, 3)?;
    write(
        &data,
        fs::read_to_string(&data)? + "{\"sentence\": \"So\",\n",
    )?;
    generate(1, &["data.jsonl", "4"])?;
    let row = |sentence: &str, schema: &[&str]| {
        json!({"sentence": sentence, "schema": schema, "entities": []}).to_string()
    };
    write(&data, row("Ann sings.", &[]))?;
    generate(1, &["none of the 1 source rows"])?;
    write(&data, row(&"Ann sings. ".repeat(10_000), &["person"]))?;
    generate(1, &["none of the 1 source rows"])?;
    assert_eq!(server.requests(), 0);
    fails(&["cot", "status", text(dir.path())], 2, &["job.json"])?;
    let base = [
        "cot",
        "generate",
        "--data",
        text(&data),
        "--out",
        text(&out),
    ];
    for (flags, words) in [
        (&["--shard", "3/2"][..], "i from 1 to n"),
        (&["--price", "cheap"], "0.55/2.19"),
        (&["--no-rule", "langage"], "language"),
        (&["--structured", "json"], "json-schema"),
        (&["--budget-usd", "3"], "--price"),
        (&["--format", "csv"], "parquet"),
    ] {
        fails(&[&base[..], flags].concat(), 2, &[words])?;
    }
    Ok(())
}

#[test]
fn wrong_servers_and_folders_are_told_apart() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("data.jsonl"), dir.path().join("out"));
    source(&data, 4)?;
    let args = [
        "cot",
        "generate",
        "--data",
        text(&data),
        "--out",
        text(&out),
    ];
    // An answer is one of the protocol, but no body of it.
    let html = Server::start_raw(|_| (200, "<html>busy</html>".into()))?;
    fails(
        &[&args[..], &["--teacher-url", &html.url, "--no-model-check"]].concat(),
        1,
        &["does not answer like", "<html>"],
    )?;
    // Nothing listens there.
    let gone = "http://127.0.0.1:9/v1";
    fails(
        &[&args[..], &["--teacher-url", gone]].concat(),
        1,
        &["127.0.0.1:9"],
    )?;
    // The program's own server knows its models.
    let mut teacher = rner(&["cot", "serve-teacher", "--data", text(&data)])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let mut url = String::new();
    if let Some(stdout) = teacher.stdout.take() {
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut url)?;
    }
    let url = url.trim();
    let named = ["--teacher-url", url, "--teacher-model", "gpt-0"];
    let wrong = fails(&[&args[..], &named].concat(), 1, &["gpt-0", "tiny-teacher"]);
    let run = succeeds(&[&args[..], &["--teacher-url", url]].concat());
    let other = fails(
        &[&args[..], &["--teacher-url", url, "--seed", "7"]].concat(),
        1,
        &["manifest.json", "other settings", "seed"],
    );
    // What was refused has left no trace.
    let status = succeeds(&["cot", "status", text(&out), "--json"]);
    teacher.kill()?;
    teacher.wait()?;
    let status: Value = serde_json::from_str(&status?)?;
    assert_eq!(status["funnel"]["unfinished"], 0, "{status}");
    wrong.and(run.map(|_| ())).and(other)?;
    // A newer journal is left alone. One whose first line is damaged would not be.
    let journal = out.join("journal.jsonl");
    let check = &blake3::hash(b"ner-cot9").to_hex()[..16];
    let header = serde_json::json!({"journal": "ner-cot", "version": 9, "check": check});
    let old = fs::read_to_string(&journal)?;
    let newer = format!(
        "{header}\n{}",
        old.split_once('\n').map_or("", |(_, rest)| rest)
    );
    write(&journal, &newer)?;
    fails(&args, 1, &["version 9"])?;
    assert_eq!(fs::read_to_string(&journal)?, newer);
    Ok(())
}

#[test]
fn a_budget_stops_and_a_larger_one_goes_on() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, out) = (dir.path().join("data.jsonl"), dir.path().join("out"));
    source(&data, 50)?;
    let run = |tokens: &str| {
        rner(&[
            "cot",
            "generate",
            "--data",
            text(&data),
            "--out",
            text(&out),
            "--concurrency",
            "2",
            // Every request may cost that much beside its prompt.
            "--set",
            "cot.max_tokens=2048",
        ])
        .args(["--budget-tokens", tokens])
        .output()
    };
    let poor = run("9000")?;
    assert_eq!(poor.status.code(), Some(1), "{}", stderr(&poor));
    assert!(stderr(&poor).contains("larger budget"), "{}", stderr(&poor));
    let status: Value = serde_json::from_str(&succeeds(&["cot", "status", text(&out), "--json"])?)?;
    let tokens = status["tokens"].as_u64().unwrap_or(u64::MAX);
    assert!((1..=9000).contains(&tokens), "{tokens}");
    assert_eq!(status["unknown"]["requests"], 0, "{status}");
    assert!(status["funnel"]["unfinished"].as_u64() > Some(0));
    let rich = run("10000000")?;
    assert!(!stderr(&rich).contains("budget"), "{}", stderr(&rich));
    let status: Value = serde_json::from_str(&succeeds(&["cot", "status", text(&out), "--json"])?)?;
    assert_eq!(status["funnel"]["unfinished"], 0);
    Ok(())
}

#[test]
fn sources_are_checked_against_evaluation_data() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (data, tests) = (dir.path().join("data.jsonl"), dir.path().join("test.jsonl"));
    source(&data, 5)?;
    source(&tests, 1)?;
    let found: Value = serde_json::from_str(&succeeds(&[
        "cot",
        "check",
        "--data",
        text(&data),
        "--against",
        text(&tests),
        "--json",
    ])?)?;
    assert_eq!(found["rows"], 5);
    assert_eq!(found["leaks"][0]["rows"], 1, "{found}");
    let out = dir.path().join("out");
    succeeds(&[
        "cot",
        "generate",
        "--data",
        text(&data),
        "--exclude",
        text(&tests),
        "--out",
        text(&out),
    ])?;
    let status: Value = serde_json::from_str(&succeeds(&["cot", "status", text(&out), "--json"])?)?;
    assert_eq!(
        status["funnel"]["rejected_rows"]["in_evaluation_data"], 1,
        "{status}"
    );
    Ok(())
}

#[test]
fn an_audit_counts_what_the_rules_get_wrong() -> TestResult {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data.jsonl");
    source(&data, 30)?;
    let found = succeeds(&["cot", "audit", "--json", "--data", text(&data)])?;
    let found: Value = serde_json::from_str(&found)?;
    assert_eq!(found["rows"], 30);
    let groups = found["groups"].as_array().ok_or("groups")?;
    let right = |group: &&Value| group["right"]["any"]["of"].as_u64() > Some(0);
    assert_eq!(
        groups.iter().filter(right).count(),
        9,
        "four by hand, five made"
    );
    let table = succeeds(&["cot", "audit", "--manner", "terse", "--show", "1"])?;
    assert!(table.contains("hand-written chains, terse"), "{table}");
    assert!(!table.contains("markdown"), "{table}");
    fails(
        &["cot", "audit", "--manner", "loud"],
        2,
        &["second_thoughts"],
    )
}

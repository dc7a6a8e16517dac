//! Wrong flags, data, models and servers: a clear error and the right code.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use super::support::{TestResult, fails, rner, root, stderr, text};

#[test]
fn wrong_usage_says_what_is_known() -> TestResult {
    fails(
        &["reproduce", "--profile", "tini"],
        2,
        &["tini", "tiny", "paper-8b"],
    )?;
    fails(
        &["reproduce", "--set", "sft.lrr=1"],
        2,
        &["sft.lrr", "sft.train.optim.lr"],
    )?;
    fails(
        &["reproduce", "--set", "sft.train.optim.lr=fast"],
        2,
        &["sft.train.optim.lr", "fast"],
    )?;
    fails(
        &["reproduce", "--smoke", "--profile", "tiny"],
        2,
        &["--smoke"],
    )?;
    fails(&["reproduce", "--data", "no/such/dir"], 2, &["no/such/dir"])?;
    fails(&["reproduce", "--bckend", "flex"], 2, &["--backend"])?;
    fails(&["evl"], 2, &["eval"])
}

#[test]
fn a_backend_that_is_not_built_in_says_how_to_get_it() -> TestResult {
    if cfg!(feature = "cuda") {
        eprintln!("this build has the CUDA backend: nothing to refuse");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("run");
    fails(
        &[
            "reproduce",
            "--smoke",
            "--backend",
            "cuda",
            "--out",
            text(&out),
        ],
        2,
        &["cuda", "--features cuda"],
    )
}

#[test]
fn missing_and_empty_data_are_named() -> TestResult {
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("out");
    let empty = dir.path().join("empty.jsonl");
    fs::write(&empty, "")?;
    let broken = dir.path().join("broken.jsonl");
    fs::write(
        &broken,
        "{\"sentence\": \"x\", \"schema\": [\"a\"], \"entities\": []}\nnot json\n",
    )?;
    let missing = dir.path().join("missing.jsonl");
    for (data, words) in [
        (&empty, ["empty.jsonl", "an empty one"]),
        (&broken, ["broken.jsonl", "2"]),
        (&missing, ["missing.jsonl", ""]),
    ] {
        fails(
            &["sft", "--data", text(data), "--out", text(&out)],
            1,
            &words,
        )?;
    }
    let folder = dir.path().join("folder");
    fs::create_dir(&folder)?;
    fails(
        &["reproduce", "--data", text(&folder), "--out", text(&out)],
        2,
        &["folder"],
    )
}

#[test]
fn a_damaged_checkpoint_is_named() -> TestResult {
    let dir = tempfile::tempdir()?;
    let model = dir.path().join("model");
    fs::create_dir(&model)?;
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(
            root().join("fixtures/tiny-base").join(file),
            model.join(file),
        )?;
    }
    let good = fs::read(root().join("fixtures/tiny-base/model.safetensors"))?;
    let weights = model.join("model.safetensors");
    let out = dir.path().join("out");
    let eval = [
        "eval",
        "--model",
        text(&model),
        "--limit",
        "1",
        "--out",
        text(&out),
    ];

    fs::write(&weights, &good[..good.len() / 2])?;
    fails(&eval, 1, &["model.safetensors"])?;
    fs::write(&weights, b"PK\x03\x04 this is no safetensors file")?;
    fails(&eval, 1, &["model.safetensors"])?;

    fs::write(&weights, &good)?;
    let config = fs::read_to_string(model.join("config.json"))?;
    let wider = config.replace("\"num_hidden_layers\": ", "\"num_hidden_layers\": 1");
    assert_ne!(
        config, wider,
        "the test no longer changes the configuration"
    );
    fs::write(model.join("config.json"), wider)?;
    fails(&eval, 1, &["model.safetensors", "layers"])?;
    fails(
        &["eval", "--model", "no/model", "--out", text(&out)],
        1,
        &["no/model"],
    )
}

#[test]
fn a_place_that_cannot_be_written_is_named() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("file");
    fs::write(&file, "")?;
    let below = file.join("run");
    fails(
        &["reproduce", "--smoke", "--out", text(&below)],
        1,
        &["file"],
    )
}

#[test]
fn a_teacher_that_is_none_is_named() -> TestResult {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data.jsonl");
    fs::write(
        &data,
        "{\"sentence\": \"Brel sleeps.\", \"schema\": [\"city\"], \"entities\": []}\n",
    )?;
    let out = dir.path().join("out");
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        format!("http://{}/v1", listener.local_addr()?)
    };
    let args = |url| {
        [
            "cot",
            "generate",
            "--data",
            text(&data),
            "--out",
            text(&out),
            "--teacher-url",
            url,
        ]
    };
    fails(&args(&closed), 1, &[closed.trim_end_matches("/v1")])?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let html = format!("http://{}/v1", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().take(16).flatten() {
            let mut stream = stream;
            let mut buffer = [0; 8192];
            let page = "<html><body>Welcome</body></html>";
            if stream.read(&mut buffer).is_ok() {
                // A client that has gone away is no failure of the test.
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                    page.len()
                );
            }
        }
    });
    fails(&args(&html), 1, &["html"])
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() -> TestResult {
    for profile in ["paper-8b", "qwen3-1.7b", "qwen3-0.6b-lora", "tiny"] {
        let dir = tempfile::tempdir()?;
        let out = dir.path().join("run");
        let args = [
            "reproduce",
            "--profile",
            profile,
            "--dry-run",
            "--offline",
            "--out",
            text(&out),
        ];
        let output = rner(&args).output()?;
        // Whether something stands against it depends on the machine; it is said after the plan.
        assert!(matches!(output.status.code(), Some(0 | 2)), "{profile}");
        let plan = String::from_utf8(output.stdout)?;
        assert!(
            plan.contains("GRPO") && plan.contains("Preflight"),
            "{plan}"
        );
        assert!(!out.exists(), "{profile}");
    }
    Ok(())
}

/// For one release.
#[test]
fn the_old_names_of_keys_work_and_stderr_says_the_new_ones() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("old.toml");
    fs::write(&file, "[sft]\nbatch_size = 8\nlr = 1e-3\n")?;
    let set = ["--set", "grpo.steps=25", "--set", "sft.layout=packed"];
    let args = ["reproduce", "--dry-run", "--profile", text(&file)];
    let output = rner(&[args, set].concat()).output()?;
    let (plan, said) = (String::from_utf8(output.stdout.clone())?, stderr(&output));
    assert!(
        plan.contains("batch    8 sequences") && plan.contains("100 in all"),
        "{plan}"
    );
    for note in [
        "note: sft.batch_size is called sft.train.batch_size now",
        "note: sft.lr is called sft.train.optim.lr now",
        "note: grpo.steps is called grpo.train.max_steps now",
        "note: sft.layout is no key any more",
    ] {
        assert!(said.contains(note), "{said}");
    }
    let padded = ["--set", "sft.layout=padded", "--dry-run", "--smoke"];
    fails(
        &[&["reproduce"], &padded[..]].concat(),
        2,
        &["sft.layout", "padded"],
    )
}

#[test]
fn a_server_needs_the_data_of_a_benchmark() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (url, out) = ("http://127.0.0.1:9", dir.path().join("out"));
    let base = [
        "eval",
        "--url",
        url,
        "--url-model",
        "m",
        "--out",
        text(&out),
    ];
    fails(&base, 2, &["--url needs --data", "toy corpus"])
}

/// Runs a command whose plan or error must say these words, and that must end with the code of wrong usage.
fn refused(args: &[&str], words: &[&str]) -> TestResult {
    let output = rner(args).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}\n{said}");
    for word in words {
        assert!(
            said.contains(word),
            "{args:?} should say {word:?}, said:\n{said}"
        );
    }
    Ok(())
}

#[test]
fn the_folder_of_somebody_else_is_left_alone() -> TestResult {
    let dir = tempfile::tempdir()?;
    let own = dir.path().join("report.html");
    fs::write(&own, "mine")?;
    let out = ["--out", text(dir.path())];
    let args = [&["reproduce", "--smoke"], &out[..]].concat();
    refused(&args, &["report.html", "--out"])?;
    refused(
        &[&args[..], &["--dry-run"]].concat(),
        &["report.html", "--out"],
    )?;
    assert_eq!(fs::read_to_string(&own)?, "mine");
    Ok(())
}

#[test]
fn a_dry_run_refuses_what_a_run_would_refuse() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (empty, bare) = (dir.path().join("empty.jsonl"), dir.path().join("bare"));
    fs::write(&empty, "")?;
    fs::create_dir(&bare)?;
    let out = dir.path().join("run");
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--accept-licence", "cc-by"], &["cc-by", "cc-by-nc-4.0"]),
        (
            &["--eval", "crossner-mit", "--hold-out", "CrossNER_xx"],
            &["CrossNER_xx", "CrossNER_AI"],
        ),
        (&["--cot", text(&empty)], &["data.cot", "is empty"]),
        (&["--cot", text(&bare)], &["data.cot", "is empty"]),
        (&["--data", text(&bare)], &["data.train", "is empty"]),
        (
            &["--cot", "published", "--set", "run.rows=[\"source\"]"],
            &["run.rows"],
        ),
    ];
    for (more, expected) in cases {
        let args = ["reproduce", "--smoke", "--dry-run", "--out", text(&out)];
        refused(&[&args, more].concat(), expected)?;
    }
    assert!(!out.exists(), "a dry run writes nothing");
    Ok(())
}

//! `rner eval`: over a server, from files, one run against another, and the parts of a few-shot suite.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::server::Server;
use super::support::{TestResult, fails, rner, stderr, succeeds, text, write};

const SUITE: &str = "name = \"two\"\ntitle = \"Two harbours\"\n\
    [[set]]\nname = \"north\"\n[[set]]\nname = \"south\"\n\
    [few_shot]\npercent = [10.0, 50.0]\nseed = 1\n";

/// Two sets of ten sentences, one as examples and one as BIO, with a training split.
fn benchmark(dir: &Path) -> TestResult {
    write(&dir.join("suite.toml"), SUITE)?;
    let row = |i| {
        format!(
            "{{\"sentence\": \"Brel met {i}\", \"schema\": [\"city\"], \"entities\": [{{\"text\": \"Brel\", \"label\": \"city\"}}]}}\n"
        )
    };
    write(
        &dir.join("data/north.jsonl"),
        (0..10).map(row).collect::<String>(),
    )?;
    let bio: String = (0..10)
        .map(|i| format!("# id {i}\nBrel _ _ B-city\n{i} _ _ O\n\n"))
        .collect();
    write(&dir.join("data/south/test.conll"), &bio)?;
    write(&dir.join("data/south/train.conll"), &bio)
}

/// Predictions for both sets; the north is right but for its first sentences.
fn predictions(path: &Path, n_wrong: usize) -> TestResult {
    let mut lines = String::new();
    for set in ["north", "south"] {
        for index in 0..10 {
            let is_wrong = set == "north" && index < n_wrong;
            let completion = answer(if is_wrong { "Osk" } else { "Brel" });
            let row = serde_json::json!({"dataset": set, "index": index, "completion": completion});
            lines += &format!("{row}\n");
        }
    }
    write(path, lines)
}

fn answer(name: &str) -> String {
    format!("<think>\nA city.\n</think>\n{{\"entities\": {{\"city\": [\"{name}\"]}}}}")
}

fn results(dir: &Path) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(serde_json::from_str(&fs::read_to_string(
        dir.join("results.json"),
    )?)?)
}

/// The flags that name the benchmark.
fn of<'a>(suite: &'a str, data: &'a str) -> [&'a str; 4] {
    ["--suite", suite, "--data", data]
}

#[test]
fn a_server_is_asked_and_its_answers_are_scored() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path())?;
    let [suite, data, out] = ["suite.toml", "data", "out"].map(|name| dir.path().join(name));
    // What is asked for as step by step is said so in the prompt.
    let server = Server::start(|body| {
        let is_seven = body.contains("Brel met 7");
        (200, answer(if is_seven { "Osk" } else { "Brel" }))
    })?;
    let mut args = vec![
        "eval",
        "--url",
        &server.url,
        "--url-model",
        "m",
        "--out",
        text(&out),
    ];
    args.extend(of(text(&suite), text(&data)));
    args.extend(["--prompting", "step-by-step"]);
    let printed = succeeds(&args)?;
    assert!(
        printed.contains("north") && printed.contains("results.html"),
        "{printed}"
    );
    let results = results(&out)?;
    assert_eq!(
        (&results["f1"]["north"], &results["f1"]["south"]),
        (&90.0.into(), &100.0.into())
    );
    assert_eq!(
        (&results["prompting"], &results["complete"]),
        (&"step-by-step".into(), &true.into())
    );
    assert_eq!(server.requests(), 20);
    for file in ["predictions.jsonl", "scores.json", "results.html"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    assert!(!out.join("predictions.partial.jsonl").exists());
    Ok(())
}

/// The files of a folder with their contents.
fn files(dir: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, Box<dyn std::error::Error>> {
    let paths = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
    let read = paths.map(|path| path.and_then(|path| Ok((path.clone(), fs::read(path)?))));
    Ok(read.collect::<Result<_, _>>()?)
}

#[test]
fn a_finished_evaluation_is_neither_paid_nor_made_again() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path())?;
    let [suite, data, out] = ["suite.toml", "data", "out"].map(|name| dir.path().join(name));
    let server = Server::start(|_| (200, answer("Brel")))?;
    let mut args = vec!["eval", "--url", &server.url, "--url-model", "m"];
    args.extend(of(text(&suite), text(&data)));
    args.extend(["--out", text(&out)]);
    let first = succeeds(&args)?;
    let made = files(&out)?;
    assert_eq!(server.requests(), 20);

    // Other ways to ask for the same answers are the same evaluation.
    let again = rner(&[&args[..], &["--concurrency", "2"]].concat()).output()?;
    assert!(stderr(&again).contains("done before, unchanged"));
    assert_eq!(String::from_utf8(again.stdout)?, first);
    assert_eq!(files(&out)?, made);

    for (more, words) in [
        (
            ["--scorer", "strict"],
            "another scorer: expected \"strict\", found \"reasoningie\"",
        ),
        (["--prompting", "step-by-step"], "another prompt"),
        (["--url-model", "other"], "another source"),
        (
            ["--set", "eval.bootstrap_resamples=9"],
            "another number of resamples",
        ),
    ] {
        let mut args = args.clone();
        args.retain(|arg| more[0] != "--url-model" || !["--url-model", "m"].contains(arg));
        fails(
            &[&args[..], &more].concat(),
            1,
            &[text(&out), words, "--out"],
        )?;
    }
    let model = ["eval", "--model", "fixtures/tiny-base", "--out", text(&out)];
    fails(
        &[&model[..], &["--limit", "1"]].concat(),
        1,
        &[text(&out), "another"],
    )?;
    assert_eq!(files(&out)?, made);
    assert_eq!(server.requests(), 20);

    // What can be made from the answers needs no server either.
    write(&out.join("results.json"), "{")?;
    fs::remove_file(out.join("results.html"))?;
    assert_eq!(succeeds(&args)?, first);
    assert_eq!((files(&out)?, server.requests()), (made.clone(), 20));
    write(&out.join("predictions.jsonl"), "")?;
    fails(&args, 1, &["predictions.jsonl", "put them back"])?;
    assert_eq!(server.requests(), 20);

    // A program before this one left no word about what its results were made from.
    fs::remove_file(out.join("evaluation.json"))?;
    fails(
        &args,
        1,
        &["predictions.jsonl", "nothing says what this result"],
    )
}

#[test]
fn a_finished_evaluation_of_a_model_is_shown_again() -> TestResult {
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("out");
    let args = "eval --model fixtures/tiny-base --limit 1 --set eval.max_new_tokens=4 --out";
    let mut args: Vec<&str> = args.split_whitespace().collect();
    args.push(text(&out));
    let first = succeeds(&args)?;
    let made = files(&out)?;
    let again = rner(&args).output()?;
    assert!(stderr(&again).contains("done before, unchanged"));
    assert_eq!(String::from_utf8(again.stdout)?, first);
    args.extend(["--set", "eval.max_new_tokens=5"]);
    fails(
        &args,
        1,
        &["another max_new_tokens: expected \"5\", found \"4\""],
    )?;
    assert_eq!(files(&out)?, made);
    Ok(())
}

#[test]
fn a_failed_request_is_named_and_asked_again() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path())?;
    let [suite, data, out] = ["suite.toml", "data", "out"].map(|name| dir.path().join(name));
    let server = Server::start(|body| {
        if body.contains("Brel met 3") {
            // A request that the server says is wrong is not tried again.
            (400, String::new())
        } else {
            (200, answer("Brel"))
        }
    })?;
    let run = |url: &str, code| {
        let mut args = vec![
            "eval",
            "--url",
            url,
            "--url-model",
            "m",
            "--out",
            text(&out),
        ];
        args.extend(of(text(&suite), text(&data)));
        fails(&args, code, &["1 sentences have no answer"])
    };
    run(&server.url, 1)?;
    assert_eq!(results(&out)?["complete"], false);
    let failure = &results(&out)?["failures"][0];
    assert_eq!(
        (&failure["dataset"], &failure["index"]),
        (&"north".into(), &3.into())
    );
    let asked = server.requests();
    run(&server.url, 1)?;
    assert_eq!(
        server.requests(),
        asked + 1,
        "only the sentence without an answer is asked again"
    );
    Ok(())
}

#[test]
fn the_answers_of_another_run_are_neither_used_nor_deleted() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path())?;
    // A set without a JSONL file, so that a server and a model are asked about the same suite.
    let suite = dir.path().join("south.toml");
    write(
        &suite,
        "name = \"one\"\ntitle = \"One harbour\"\n[[set]]\nname = \"south\"\n",
    )?;
    fs::remove_file(dir.path().join("data/north.jsonl"))?;
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    let partial = out.join("predictions.partial.jsonl");
    let server = Server::start(|body| {
        if body.contains("Brel 3") {
            (400, String::new())
        } else {
            (200, answer("Brel"))
        }
    })?;
    let run = |source: &[&str], words: &[&str]| {
        let mut args = vec!["eval", "--out", text(&out)];
        args.extend(source);
        args.extend(of(text(&suite), text(&data)));
        fails(&args, 1, words)
    };
    let url = ["--url", &server.url, "--url-model", "m"];
    run(&url, &["1 sentences have no answer"])?;

    // Right answers that the toy model could not have given.
    let model = ["--model", "fixtures/tiny-base"];
    run(
        &model,
        &[
            "predictions.partial.run.json",
            "another source",
            "tiny-base (files",
        ],
    )?;
    assert_eq!(fs::read_to_string(&partial)?.lines().count(), 9);

    // As a program left them that did not write whose answers they are.
    fs::remove_file(out.join("predictions.partial.run.json"))?;
    run(&model, &["do not say which run made them"])?;
    assert_eq!(fs::read_to_string(&partial)?.lines().count(), 9);
    Ok(())
}

#[test]
fn a_limit_keeps_to_the_suite() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path())?;
    let suite = dir.path().join("south.toml");
    write(
        &suite,
        "name = \"one\"\ntitle = \"One harbour\"\n[[set]]\nname = \"south\"\n",
    )?;
    fs::remove_file(dir.path().join("data/north.jsonl"))?;
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    let model = ["eval", "--model", "fixtures/tiny-base", "--limit", "2"];
    let short = ["--out", text(&out), "--set", "eval.max_new_tokens=4"];
    let unknown = [&model[..], &of("zzz", text(&data)), &short].concat();
    fails(&unknown, 2, &["zzz"])?;
    succeeds(&[&model[..], &of(text(&suite), text(&data)), &short].concat())?;
    let results: Value = serde_json::from_str(&fs::read_to_string(out.join("results.json"))?)?;
    let set = &results["sets"][0];
    assert_eq!(
        (&set["name"], &set["sentences"]),
        (&"south".into(), &2.into())
    );
    assert_eq!(results["sets"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn servers_that_cannot_be_asked_are_named() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path())?;
    let [suite, data, out] = ["suite.toml", "data", "out"].map(|name| dir.path().join(name));
    let eval = |more: &[&str], code, words: &[&str]| {
        let mut args = vec!["eval", "--out", text(&out)];
        args.extend(of(text(&suite), text(&data)));
        args.extend(more);
        fails(&args, code, words)
    };
    eval(
        &["--url", "127.0.0.1:9", "--url-model", "m"],
        2,
        &["127.0.0.1:9", "http://"],
    )?;
    eval(&["--url", "http://127.0.0.1:9"], 2, &["--url-model"])?;
    eval(
        &["--url", "http://127.0.0.1:9", "--predictions", "x"],
        2,
        &["--predictions"],
    )?;
    eval(&[], 2, &["--model, --predictions and --url"])
}

#[test]
fn predictions_that_do_not_fit_are_named_with_their_line() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path())?;
    let [suite, data, out] = ["suite.toml", "data", "out"].map(|name| dir.path().join(name));
    let file = dir.path().join("predictions.jsonl");
    predictions(&file, 2)?;
    let mut args = vec!["eval", "--predictions", text(&file), "--out", text(&out)];
    args.extend(of(text(&suite), text(&data)));
    let train = dir.path().join("data/south/train.conll");
    succeeds(&[&args[..], &["--train", text(&train)]].concat())?;
    let scored = results(&out)?;
    assert_eq!(scored["f1"]["north"], 80.0);
    assert_eq!(scored["trained_on"]["sentences"], 10);
    assert!(fs::read_to_string(out.join("results.html"))?.contains("Entities seen in training"));

    let mut lines = fs::read_to_string(&file)?;
    lines += "{\"dataset\": \"north\", \"index\": 0, \"completion\": \"\"}\n";
    lines += "{\"dataset\": \"north\", \"index\": 10, \"completion\": \"\"}\n";
    lines += "{\"dataset\": \"nroth\", \"index\": 0, \"completion\": \"\"}\nnot json\n";
    write(&file, &lines)?;
    let words = [
        "jsonl:21: ",
        "first is on line 1",
        "jsonl:22: ",
        "below 10",
        "jsonl:23: ",
        "nroth",
        "jsonl:24: ",
    ];
    fails(&args, 1, &words)?;
    let other = dir.path().join("other");
    args[4] = text(&other);
    let left_out = succeeds(&[&args[..], &["--faults", "skip"]].concat())?;
    assert!(
        left_out.contains("left out") && left_out.contains("1 given twice"),
        "{left_out}"
    );
    let few: String = lines
        .lines()
        .skip(1)
        .take(19)
        .map(|line| format!("{line}\n"))
        .collect();
    write(&file, few)?;
    fails(&args, 1, &["found none for 1", "index 0"])?;
    fails(
        &[&args[..], &["--scorer", "seqval"]].concat(),
        2,
        &["seqval", "seqeval-strict"],
    )
}

#[test]
fn runs_are_compared_as_a_table_as_json_and_as_a_page() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path())?;
    let path = |name: &str| dir.path().join(name);
    let (suite, data) = (path("suite.toml"), path("data"));
    for (name, wrong) in [("a", 4), ("b", 1)] {
        predictions(&path(&format!("{name}.jsonl")), wrong)?;
        let (file, out) = (path(&format!("{name}.jsonl")), path(name));
        let mut args = vec!["eval", "--predictions", text(&file), "--out", text(&out)];
        args.extend(of(text(&suite), text(&data)));
        succeeds(&args)?;
    }
    let [a, b, gains, page] = ["a", "b", "gains.json", "gains.html"].map(path);
    let compare = ["eval", "compare", text(&a), text(&b), "--resamples", "99"];
    let printed = succeeds(
        &[
            &compare[..],
            &["--json", text(&gains), "--html", text(&page)],
        ]
        .concat(),
    )?;
    assert!(
        printed.contains("+30.00") && printed.contains("north"),
        "{printed}"
    );
    let gains: Value = serde_json::from_str(&fs::read_to_string(gains)?)?;
    let close =
        |value: &Value, expected: f64| value.as_f64().is_some_and(|v| (v - expected).abs() < 1e-9);
    assert!(
        close(&gains["sets"][0]["gain"], 30.0) && close(&gains["mean"]["gain"], 15.0),
        "{gains}"
    );
    assert!(fs::read_to_string(&page)?.contains(">+30.00<"));
    // Files of predictions are compared too, if the data are named.
    let files = ["a.jsonl", "b.jsonl"].map(path);
    let compare = [
        "eval",
        "compare",
        text(&files[0]),
        text(&files[1]),
        "--resamples",
        "99",
    ];
    fails(&compare, 2, &["--data"])?;
    let flags = of(text(&suite), text(&data));
    assert!(succeeds(&[&compare[..], &flags[..]].concat())?.contains("+30.00"));
    fails(
        &["eval", "compare", text(&a), text(&path("c"))],
        2,
        &["expected a folder that `rner eval` wrote"],
    )
}

#[test]
fn the_parts_of_a_few_shot_suite_lie_inside_each_other() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path())?;
    let [suite, data, out] = ["suite.toml", "data", "out"].map(|name| dir.path().join(name));
    fs::remove_file(data.join("north.jsonl"))?;
    let mut args = vec!["eval", "few-shot", "--out", text(&out)];
    args.extend(of(text(&suite), text(&data)));
    fails(&args, 1, &["north", "train"])?;
    write(&suite, SUITE.replace("[[set]]\nname = \"north\"\n", ""))?;
    let printed = succeeds(&args)?;
    assert!(printed.contains("5 of 10 sentences"), "{printed}");
    let lines = |name: &str| fs::read_to_string(out.join(name));
    let (one, five) = (lines("south-10pct.jsonl")?, lines("south-50pct.jsonl")?);
    assert_eq!((one.lines().count(), five.lines().count()), (1, 5));
    assert!(five.contains(one.trim_end()));
    assert_eq!(succeeds(&args)?, printed);
    let other = [&args[..], &["--seed", "9"]].concat();
    fails(&other, 1, &["is there already", "--force"])?;
    assert_eq!(lines("south-50pct.jsonl")?, five);
    succeeds(&[&other[..], &["--force"]].concat())?;
    assert_ne!(lines("south-50pct.jsonl")?, five);
    fails(
        &[
            "eval",
            "few-shot",
            "--suite",
            "few-shots",
            "--data",
            "x",
            "--out",
            "y",
        ],
        2,
        &["few-shots", "few-shot"],
    )
}

/// A folder of SET.jsonl is a benchmark of its own for a server and for answers in a file, as it is for a model.
#[test]
fn a_folder_of_sets_needs_no_suite() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path())?;
    fs::remove_dir_all(dir.path().join("data/south"))?;
    let [data, answers, out] = ["data", "answers.jsonl", "out"].map(|name| dir.path().join(name));
    let server = Server::start(|_| (200, answer("Brel")))?;
    let url = ["eval", "--url", &server.url, "--url-model", "m"];
    let rest = ["--data", text(&data), "--out", text(&out)];
    let printed = succeeds(&[&url[..], &rest[..]].concat())?;
    assert!(printed.contains("north"), "{printed}");
    assert_eq!(results(&out)?["f1"]["north"], 100.0);

    predictions(&answers, 1)?;
    let of_north = |line: &&str| line.contains("north");
    let lines = fs::read_to_string(&answers)?;
    let lines: Vec<&str> = lines.lines().filter(of_north).collect();
    fs::write(&answers, lines.join("\n"))?;
    let out = dir.path().join("out-2");
    let args = [
        "eval",
        "--predictions",
        text(&answers),
        "--data",
        text(&data),
        "--out",
        text(&out),
    ];
    succeeds(&args)?;
    assert_eq!(results(&out)?["f1"]["north"], 90.0);
    // A suite that is named is meant.
    let named = [&args[..], &["--suite", "in-domain"]].concat();
    fails(&named, 1, &["ACE 2005"])
}

/// The reader of answers is chosen: what a faulty answer says counts, or not.
#[test]
fn a_tolerant_reader_scores_what_a_faulty_answer_says() -> TestResult {
    let dir = tempfile::tempdir()?;
    let [gold, answers] = ["gold.jsonl", "answers.jsonl"].map(|name| dir.path().join(name));
    write(
        &gold,
        "{\"sentence\": \"Brel\", \"schema\": [\"city\"], \"entities\": [{\"text\": \"Brel\", \"label\": \"city\"}]}\n",
    )?;
    let cut = serde_json::json!({"completion": "<think>\nA city.\n</think>\n{\"entities\": {\"city\": [\"Brel\""});
    write(&answers, format!("{cut}\n"))?;
    for (reader, expected) in [("reference", 0.0), ("tolerant", 100.0)] {
        let args = [
            "score",
            "--gold",
            text(&gold),
            "--predictions",
            text(&answers),
            "--reader",
            reader,
            "--json",
        ];
        let output: Value = serde_json::from_str(&succeeds(&args)?)?;
        assert_eq!(output["f1_percent"], expected, "{reader}");
    }
    Ok(())
}

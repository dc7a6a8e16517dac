//! `rner eval` in all its ways, on data of one's own: a model, a server and a file of answers are one path, flags
//! either have an effect or are refused, and what was evaluated can be compared without its data.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::server::Server;
use super::support::{TestResult, fails, succeeds, text, write};

const ROWS: [&str; 4] = [
    "Brel met Oslin.",
    "Vask slept.",
    "Osk left Brel.",
    "Nobody came.",
];

/// A folder with the set `own`, whose sentences have a city where they name Brel or Vask.
fn own_data(dir: &Path) -> TestResult {
    let row = |sentence: &&str| {
        let names = ["Brel", "Vask"]
            .iter()
            .filter(|name| sentence.contains(**name));
        let entities = names.map(|name| json!({"text": name, "label": "city"}));
        let entities: Vec<Value> = entities.collect();
        let row = json!({"sentence": sentence, "schema": ["city"], "entities": entities});
        format!("{row}\n")
    };
    write(
        &dir.join("data/own.jsonl"),
        ROWS.iter().map(row).collect::<String>(),
    )
}

/// Predictions in the order of the positions, by their sentence; the first names no city.
fn predictions(path: &Path, order: [usize; 4]) -> TestResult {
    let row = |at: usize| {
        let found = ["Brel", "Vask"]
            .iter()
            .filter(|name| at > 0 && ROWS[at].contains(**name));
        let found = found.map(|name| json!({"text": name, "type": "city"}));
        let row = json!({"sentence": ROWS[at], "entities": found.collect::<Vec<_>>()});
        format!("{row}\n")
    };
    write(path, order.map(row).concat())
}

fn results(dir: &Path) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(serde_json::from_slice(&fs::read(
        dir.join("results.json"),
    )?)?)
}

const MODEL: [&str; 5] = [
    "eval",
    "--model",
    "fixtures/tiny-base",
    "--set",
    "eval.max_new_tokens=4",
];

#[test]
fn a_models_flags_count_on_own_data_and_its_pages_are_written() -> TestResult {
    let dir = tempfile::tempdir()?;
    own_data(dir.path())?;
    let [data, out] = ["data", "out"].map(|name| dir.path().join(name));
    let args = [&MODEL[..], &["--data", text(&data), "--out", text(&out)]].concat();
    fails(
        &[&args[..], &["--suite", "nonsense"]].concat(),
        2,
        &["nonsense"],
    )?;
    let train = data.join("own.jsonl");
    let more = ["--scorer", "partial", "--train", text(&train)];
    let printed = succeeds(&[&args[..], &more].concat())?;
    assert!(
        printed.contains("types of own") && !printed.contains("ChatGPT"),
        "{printed}"
    );
    let results = results(&out)?;
    assert_eq!(results["analysis"]["scorer"], "partial");
    assert_eq!(results["trained_on"]["sentences"], 4);
    for file in ["predictions.jsonl", "scores.json", "results.html"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    Ok(())
}

#[test]
fn a_limit_holds_for_a_server_too() -> TestResult {
    let dir = tempfile::tempdir()?;
    own_data(dir.path())?;
    let [data, out] = ["data", "out"].map(|name| dir.path().join(name));
    let server = Server::start(|_| (200, r#"{"entities": {"city": ["Brel"]}}"#.into()))?;
    let url = [
        "eval",
        "--url",
        &server.url,
        "--url-model",
        "m",
        "--limit",
        "2",
    ];
    let printed = succeeds(&[&url[..], &["--data", text(&data), "--out", text(&out)]].concat())?;
    assert!(
        printed.contains("the first 2 sentences of each set, 2 of 4"),
        "{printed}"
    );
    assert_eq!(
        (server.requests(), &results(&out)?["limit"]),
        (2, &2.into())
    );
    Ok(())
}

#[test]
fn a_flag_without_effect_says_why() -> TestResult {
    let dir = tempfile::tempdir()?;
    own_data(dir.path())?;
    let [data, out, file] = ["data", "out", "p.jsonl"].map(|name| dir.path().join(name));
    predictions(&file, [0, 1, 2, 3])?;
    let places = ["--data", text(&data), "--out", text(&out)];
    let toy = ["--out", text(&out)];
    let url = ["eval", "--url", "http://127.0.0.1:9", "--url-model", "m"];
    let made = ["eval", "--predictions", text(&file)];
    for (source, places, flag) in [
        (&MODEL[..], &toy[..], &["--suite", "in-domain"][..]),
        (&MODEL, &toy, &["--absent", "skip"]),
        (&MODEL, &places, &["--faults", "skip"]),
        (&MODEL, &places, &["--concurrency", "3"]),
        (&url, &places, &["--backend", "flex"]),
        (&url, &places, &["--faults", "skip"]),
        (&made, &places, &["--limit", "2"]),
        (&made, &places, &["--prompting", "step-by-step"]),
        (&made, &places, &["--backend", "flex"]),
        (&made, &places, &["--timeout", "3"]),
    ] {
        let args = [source, places, flag].concat();
        fails(&args, 2, &[flag[0], "has no effect"])?;
        assert!(!out.join("evaluation.json").exists(), "{args:?}");
    }
    fails(
        &[&made[..], &toy].concat(),
        2,
        &["--predictions needs --data"],
    )
}

#[test]
fn shuffled_predictions_score_as_sorted_ones() -> TestResult {
    let dir = tempfile::tempdir()?;
    own_data(dir.path())?;
    let data = dir.path().join("data");
    for (name, order) in [("sorted", [0, 1, 2, 3]), ("shuffled", [2, 0, 3, 1])] {
        let [file, out] = ["jsonl", "out"].map(|end| dir.path().join(format!("{name}.{end}")));
        predictions(&file, order)?;
        let args = [
            "eval",
            "--predictions",
            text(&file),
            "--data",
            text(&data),
            "--out",
            text(&out),
        ];
        let printed = succeeds(&args)?;
        assert!(
            printed.contains("predictions matched by sentence"),
            "{printed}"
        );
        assert_eq!(results(&out)?["f1"]["own"], 80.0, "{name}");
    }
    Ok(())
}

/// Folders of own data remember what is needed: the counts, and where the data were for another scorer.
#[test]
fn two_evaluations_of_own_data_are_compared_without_naming_it() -> TestResult {
    let dir = tempfile::tempdir()?;
    own_data(dir.path())?;
    let path = |name: &str| dir.path().join(name);
    let (data, file) = (path("data"), path("p.jsonl"));
    predictions(&file, [0, 1, 2, 3])?;
    let [a, b] = ["a", "b"].map(path);
    succeeds(&[&MODEL[..], &["--data", text(&data), "--out", text(&a)]].concat())?;
    let made = ["eval", "--predictions", text(&file), "--data", text(&data)];
    succeeds(&[&made[..], &["--out", text(&b)]].concat())?;
    let compare = ["eval", "compare", text(&a), text(&b), "--resamples", "99"];
    let printed = succeeds(&compare)?;
    assert!(
        printed.contains("own") && printed.contains("+80.00"),
        "{printed}"
    );
    let strict = [&compare[..], &["--scorer", "strict"]].concat();
    assert!(succeeds(&strict)?.contains("Scorer strict."));
    fails(
        &[&compare[..], &["--suite", "in-domain"]].concat(),
        2,
        &["--suite has no effect"],
    )?;
    // Other data than those that were asked about are no longer what the answers are to.
    let rows = fs::read_to_string(data.join("own.jsonl"))?;
    write(&data.join("own.jsonl"), rows.replace("Oslin", "Brel"))?;
    fails(
        &strict,
        1,
        &["not those that this evaluation was made from", "--data"],
    )?;
    succeeds(&compare)?;
    fs::remove_dir_all(&data)?;
    fails(&strict, 2, &[text(&data), "--data"])
}

#[test]
fn a_file_of_annotated_sentences_is_a_benchmark_of_one_set() -> TestResult {
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("out");
    let data = "fixtures/toy/music.conll";
    let args = [
        "eval",
        "--model",
        "fixtures/tiny-base",
        "--data",
        data,
        "--limit",
        "4",
        "--out",
        text(&out),
    ];
    let shown = succeeds(&args)?;
    assert!(shown.contains("types of Music"), "{shown}");
    fails(
        &[&args[..], &["--suite", "in-domain"]].concat(),
        2,
        &["--suite in-domain", "is a file"],
    )
}

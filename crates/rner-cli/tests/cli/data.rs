//! `rner data`: what it prints and writes for good files, and what it says of bad ones.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::{TestResult, fails, succeeds, text, write};

/// Two sentences with three entities, and a third without.
const BIO: &str =
    "Ardela\tB-person\nVoss\tI-person\nleft\tO\nBrel\tB-city\n\nso\tO\n\nBrel\tB-misc\n";

fn json(args: &[&str]) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(serde_json::from_str(&succeeds(args)?)?)
}

#[test]
fn the_catalogue_shows_homes_and_licences() -> TestResult {
    let listed = succeeds(&["data", "list"])?;
    for words in ["crossner", "licence", "home", "CC BY"] {
        assert!(listed.contains(words), "{words}\n{listed}");
    }
    let entries = json(&["data", "list", "--json"])?;
    let entries = entries.as_array().ok_or("a list")?;
    assert!(
        entries
            .iter()
            .all(|entry| entry["licence"].is_string() && entry["name"].is_string())
    );
    let groups = json(&["data", "list", "--groups", "--json"])?;
    assert_eq!(groups[1]["name"], "instructuie-20");
    assert_eq!(groups[1]["member"].as_array().map(Vec::len), Some(20));
    let name = entries[0]["name"].as_str().ok_or("a name")?;
    fails(&["data", "fetch", &name[..name.len() - 1]], 2, &[name])
}

#[test]
fn files_are_counted() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("set/test.txt");
    write(&file, BIO)?;
    let stats = json(&["data", "stats", "--json", text(&file)])?;
    let of = |key: &str| stats[0].get(key).and_then(Value::as_u64);
    let counts = ["sentences", "tokens", "entities", "types", "entity_free"].map(of);
    assert_eq!(counts, [Some(3), Some(6), Some(3), Some(3), Some(1)]);
    // A folder is searched, and what is printed names the types.
    let printed = succeeds(&["data", "stats", text(dir.path())])?;
    for words in ["test.txt", "person", "city"] {
        assert!(printed.contains(words), "{words}\n{printed}");
    }
    fails(&["data", "stats", "no/such.txt"], 1, &["no/such.txt"])?;
    let empty = dir.path().join("empty.txt");
    write(&empty, "\n\n")?;
    fails(
        &["data", "stats", text(&empty)],
        1,
        &["empty.txt", "an empty one"],
    )?;
    write(&dir.path().join("none/readme.md"), "# Nothing")?;
    fails(
        &["data", "stats", text(&dir.path().join("none"))],
        2,
        &["no file of a known format"],
    )
}

/// From format to format and back to the first: every one holds what the BIO file says.
#[test]
fn formats_are_converted_in_a_circle() -> TestResult {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    write(&path("0.txt"), BIO)?;
    let steps = [
        ("instructuie", "1.json"),
        ("plain", "2.jsonl"),
        ("ner-cot", "3.json"),
        ("uniner", "4.json"),
        ("gliner", "5.jsonl"),
        ("mit-bio", "6.bio"),
        ("parquet", "7.parquet"),
        ("bio", "8.txt"),
    ];
    let mut from = path("0.txt");
    for (format, name) in steps {
        let to = path(name);
        let converted = json(&[
            "data",
            "convert",
            text(&from),
            text(&to),
            "--to",
            format,
            "--json",
        ])?;
        assert_eq!(converted["rows"], 3, "{format}");
        assert_eq!(converted["to"], format);
        from = to;
    }
    assert_eq!(fs::read_to_string(from)?.trim_end(), BIO.trim_end());
    Ok(())
}

#[test]
fn impossible_conversions_are_refused() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (input, output) = (dir.path().join("a.txt"), dir.path().join("b.json"));
    write(&input, BIO)?;
    let convert = |to: &'static str| ["data", "convert", text(&input), text(&output), "--to", to];
    fails(&convert("instructui"), 2, &["instructuie", "instructui"])?;
    fails(&convert("slimer"), 2, &["slimer", "not written"])?;
    fails(
        &[
            "data",
            "convert",
            text(&input),
            text(&dir.path().join("b.txt")),
        ],
        2,
        &["--to"],
    )?;
    fails(
        &["data", "convert", text(&input), text(&input), "--to", "bio"],
        2,
        &["same file"],
    )?;
    write(&input, "a\tO\nb\n")?;
    fails(
        &convert("plain"),
        1,
        &["a.txt:2", "expected a word, a tab and a tag"],
    )?;
    assert!(!output.exists(), "a failed conversion leaves no file");
    Ok(())
}

fn training_set(dir: &Path, name: &str, rows: usize) -> TestResult {
    let row = |i| format!("{name}{i}\tB-x\n\n");
    write(
        &dir.join(name).join("train.txt"),
        (0..rows).map(row).collect::<String>(),
    )
}

#[test]
fn the_sample_is_proportional_seeded_and_may_leave_mit_out() -> TestResult {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("sets");
    for (name, rows) in [("AnatEM", 40), ("ncbi", 20), ("mit-movie", 40)] {
        training_set(&data, name, rows)?;
    }
    let sample = |out: &str, more: &[&str]| {
        let out = dir.path().join(out);
        let fixed = [
            "data",
            "sample",
            "--json",
            "--allow-missing",
            "--total",
            "10",
        ];
        let mut args: Vec<&str> = fixed.to_vec();
        args.extend(["--data", text(&data), "--out", text(&out)]);
        args.extend(more);
        let summary = json(&args)?;
        Ok::<_, Box<dyn std::error::Error>>((summary, fs::read_to_string(&out)?))
    };
    let (summary, rows) = sample("a.jsonl", &[])?;
    let drawn = summary["quotas"].as_array().ok_or("quotas")?;
    let drawn: Vec<_> = drawn
        .iter()
        .map(|q| (q["set"].as_str(), q["drawn"].as_u64()))
        .collect();
    let expected = [("AnatEM", 4), ("mit-movie", 4), ("ncbi", 2)];
    assert_eq!(drawn, expected.map(|(set, n)| (Some(set), Some(n))));
    assert_eq!(
        sample("b.jsonl", &[])?.1,
        rows,
        "the same seed draws the same rows"
    );
    assert_ne!(sample("c.jsonl", &["--seed", "7"])?.1, rows);
    let (_, without) = sample("d.jsonl", &["--without-mit"])?;
    assert!(
        rows.contains("mit-movie") && !without.contains("mit-movie"),
        "{without}"
    );

    let out = dir.path().join("e.jsonl");
    let args = ["data", "sample", "--data", text(&data), "--out", text(&out)];
    fails(&args, 2, &["--allow-missing", "CoNLL 2003"])?;
    fails(
        &[&args[..], &["--without", "conll 1999"]].concat(),
        2,
        &["conll 1999", "CoNLL 2003"],
    )
}

/// Names of labels are those of InstructUIE unless another list is asked for, and what is missing says how to get it.
#[test]
fn the_sample_names_labels_and_says_what_is_missing() -> TestResult {
    let dir = tempfile::tempdir()?;
    write(
        &dir.path().join("mit-movie/train.txt"),
        "B-RATINGS_AVERAGE\tgood\n\nO\tso\n",
    )?;
    for part in ["a", "b", "e", "f", "g", "h"] {
        let path = format!("in-domain/BroadTweetCorpus/{part}.conll");
        write(&dir.path().join(path), "Brel\tB-LOC\n")?;
    }
    let out = dir.path().join("a.jsonl");
    let paths = ["--data", text(dir.path()), "--out", text(&out)];
    let sample = [&["data", "sample", "--json", "--allow-missing"][..], &paths].concat();
    let summary = json(&sample)?;
    let quotas = summary["quotas"].as_array().ok_or("quotas")?;
    let rows: Vec<_> = quotas
        .iter()
        .map(|q| (q["set"].as_str(), q["rows"].as_u64()))
        .collect();
    let expected = [("Broad Tweet Corpus", 4), ("mit-movie", 2)];
    assert_eq!(rows, expected.map(|(set, n)| (Some(set), Some(n))));
    let missing = summary["missing"].as_array().ok_or("missing")?;
    assert_eq!(missing.len(), 18);
    assert_eq!(missing[1]["remedy"], "rner data fetch anatem");
    assert!(fs::read_to_string(&out)?.contains("average ratings"));
    json(&[&sample[..], &["--label-map", "none", "--force"]].concat())?;
    assert!(fs::read_to_string(&out)?.contains("RATINGS_AVERAGE"));
    fails(
        &[&sample[..], &["--label-map", "no-such"]].concat(),
        2,
        &["instructuie"],
    )
}

/// All that is missing or not accepted is said at once, and nothing is fetched or written before it.
#[test]
fn a_run_without_its_data_is_refused_at_once() -> TestResult {
    let dir = tempfile::tempdir()?;
    let (cache, out) = (dir.path().join("cache"), dir.path().join("run"));
    let run = [
        "reproduce",
        "--profile",
        "qwen3-1.7b",
        "--cache",
        text(&cache),
        "--out",
        text(&out),
    ];
    let remedies = [
        "--accept-licence cc-by-nc-4.0",
        "--accept-licence cc-by-nc-sa-4.0",
        "data.without",
    ];
    fails(&run, 2, &remedies)?;
    assert!(!cache.exists());
    let unknown = [&run[..], &["--train", "pile-ner-typo"]].concat();
    fails(&unknown, 2, &["--train", "pile-ner-typo", "rner data list"])
}

/// Each fault of a file with its line; the switches decide what is fatal.
#[test]
fn faults_are_named_counted_and_fatal_or_skipped() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("bad.txt");
    let long = "x".repeat(2 << 20);
    let mut bytes =
        format!("\u{feff}a\tB-x\r\n\nb\tI-x\n\nc\n\n{long}\tO\n\nd e\tf\tO\n\n").into_bytes();
    bytes.extend(b"caf\xe9\tO\n");
    write(&file, bytes)?;
    let validate = ["data", "validate", text(&file)];
    fails(&validate, 1, &["1 of 1 files have fatal faults"])?;
    let lenient = succeeds(&[&validate[..], &["--on-fault", "skip"]].concat())?;
    for (kind, line) in [
        ("byte-order-mark", 1),
        ("carriage-return", 1),
        ("orphan-inside", 3),
        ("not-a-row", 5),
        ("too-long", 7),
        ("tab-in-word", 9),
        ("not-utf8", 11),
    ] {
        assert!(
            lenient.contains(&format!("1 × {kind}")),
            "{kind}\n{lenient}"
        );
        assert!(
            lenient.contains(&format!("bad.txt:{line}: expected")),
            "{kind}\n{lenient}"
        );
    }
    let clean = dir.path().join("clean.txt");
    write(&clean, BIO)?;
    assert!(
        succeeds(&["data", "validate", text(&clean)])?.contains("valid, bio, 3 rows, 0 faults")
    );
    let strict = ["data", "validate", text(&clean), "--fatal", "orphan-insid"];
    fails(&strict, 2, &["orphan-inside"])?;
    let both = [
        "data",
        "validate",
        text(&clean),
        "--fatal",
        "empty",
        "--skip",
        "empty",
    ];
    fails(&both, 2, &["contradict"])
}

#[test]
fn labels_outside_the_list_and_repeated_identifiers_are_named() -> TestResult {
    let dir = tempfile::tempdir()?;
    let rows = r#"[{"sentence": "Brel", "entities": [{"name": "Brel", "type": "city", "pos": [0, 4]}]},
{"sentence": "Brel", "entities": [{"name": "Brel", "type": "town", "pos": [1, 9]}]}]"#;
    write(&dir.path().join("test.json"), rows)?;
    write(&dir.path().join("labels.json"), r#"["city"]"#)?;
    let file = dir.path().join("test.json");
    fails(&["data", "validate", text(&file)], 1, &["fatal"])?;
    let said = succeeds(&["data", "validate", text(&file), "--on-fault", "skip"])?;
    for words in [
        "1 × unknown-label",
        "test.json:2: expected a label",
        "1 × wrong-offset",
        "[1, 9]",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    let plain = dir.path().join("plain.jsonl");
    let row = r#"{"id": "7", "text": "a", "entities": []}"#;
    write(&plain, format!("{row}\n{row}\n"))?;
    let said = succeeds(&["data", "validate", text(&plain), "--on-fault", "skip"])?;
    assert!(
        said.contains("duplicate-id") && said.contains("plain.jsonl:2"),
        "{said}"
    );
    Ok(())
}

#[test]
fn reading_is_measured() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("test.txt");
    write(&file, BIO.to_owned() + "\n")?;
    let measured = json(&[
        "data",
        "bench",
        text(&file),
        "--passes",
        "2",
        "--threads",
        "2",
        "--json",
    ])?;
    assert_eq!(
        (&measured["rows"], &measured["threads"]),
        (&3.into(), &1.into())
    );
    assert_eq!(measured["seconds"].as_array().map(Vec::len), Some(2));
    Ok(())
}

#[test]
fn prompts_of_a_benchmark_are_counted_in_tokens() -> TestResult {
    let dir = tempfile::tempdir()?;
    let suite = dir.path().join("own.toml");
    write(
        &suite,
        "name = \"own\"\ntitle = \"Own\"\n[[set]]\nname = \"towns\"\n",
    )?;
    let row = r#"{"sentence": "Ardela left Brel", "entities": [{"name": "Brel", "pos": [12, 16], "type": "city"}]}"#;
    write(
        &dir.path().join("towns/test.json"),
        format!("[{row}, {row}]"),
    )?;
    write(
        &dir.path().join("towns/labels.json"),
        r#"["city", "person"]"#,
    )?;
    let tokenizer = super::support::root().join("fixtures/tiny-base");
    let found = json(&[
        "data",
        "lengths",
        "--json",
        "--suite",
        text(&suite),
        "--data",
        text(dir.path()),
        "--tokenizer",
        text(&tokenizer),
    ])?;
    let [set, all] = found.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err(format!("{found}").into());
    };
    assert_eq!(set["sentences"], 2);
    assert_eq!(set["prompt"], all["prompt"]);
    let prompt = set["prompt"]["max"].as_u64().ok_or("a number")?;
    let answer = set["answer"]["max"].as_u64().ok_or("a number")?;
    assert!(prompt > answer && answer > 5, "{found}");
    Ok(())
}

/// What annotation tools and the Hub write: recognised, counted in their own units, and refused with their keys.
#[test]
fn files_of_other_tools() -> TestResult {
    let listed = succeeds(&["data", "formats"])?;
    for words in [
        "doccano",
        "label-studio",
        "prodigy",
        "spacy",
        "hub",
        "gliner2",
        "GermEval",
    ] {
        assert!(listed.contains(words), "{words}\n{listed}");
    }
    let formats = json(&["data", "formats", "--json"])?;
    assert_eq!(formats.as_array().map(Vec::len), Some(18));
    let validate = |file: &str, flags: &[&str]| -> Result<Value, Box<dyn std::error::Error>> {
        let file = format!("fixtures/cases/{file}");
        let said = json(&[&["data", "validate", "--json", &file][..], flags].concat())?;
        Ok(said[0].clone())
    };
    let emoji = validate("utf16-offsets/in.jsonl", &[])?;
    assert_eq!(emoji["faults"]["counts"]["part-of-word"], 2);
    let emoji = validate("utf16-offsets/in.jsonl", &["--offsets", "utf16"])?;
    assert_eq!(emoji["faults"]["counts"], serde_json::json!({}));
    let hub = validate(
        "parquet/hf.parquet",
        &["--tag-names", "O,B-PER,I-PER,B-ORG,I-ORG,B-LOC,I-LOC"],
    )?;
    assert_eq!(
        (&hub["faults"]["counts"], &hub["is_valid"]),
        (&serde_json::json!({}), &true.into())
    );
    fails(
        &["data", "validate", "fixtures/cases/hub-tokens/in.jsonl"],
        1,
        &["1 of 1 files"],
    )?;
    let dir = tempfile::tempdir()?;
    let slots = dir.path().join("slots.jsonl");
    write(
        &slots,
        "{\"utterance\": \"Mira left\", \"slots\": [[0, 4, \"PER\"]]}\n",
    )?;
    fails(
        &["data", "validate", text(&slots)],
        1,
        &["utterance", "slots", "label-studio", "rner data formats"],
    )?;
    write(
        &slots,
        "{\"text\": \"Mira left\", \"slots\": [[0, 4, \"PER\"]]}\n",
    )?;
    fails(&["data", "validate", text(&slots)], 1, &["1 of 1 files"])
}

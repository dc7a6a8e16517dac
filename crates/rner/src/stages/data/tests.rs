//! Sources of every kind, read from folders that the tests write.

use std::collections::BTreeMap;
use std::fs;

use ner_datasets::read_examples;

use super::gather::limit;
use super::*;
use crate::data::Protocol;
use crate::recipe::Recipe;

type TestResult = std::result::Result<(), Box<dyn std::error::Error>>;

fn data(sets: &[String]) -> Result<Data> {
    Ok(Recipe::resolve("smoke", sets)?.data)
}

fn load(sets: &[String], seed: u64) -> Result<Sources> {
    Sources::load(&data(sets)?, seed, &Session::silent())
}

fn write(root: &Path, path: &str, text: &str) -> std::io::Result<()> {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    fs::write(path, text)
}

/// A BIO file of sentences about invented places, each different.
fn bio(prefix: &str, n: usize) -> String {
    (0..n)
        .map(|i| format!("{prefix}\tO\nBrel{i}\tB-programlang\nsleeps\tO\nquietly\tO\nhere\tO\n\n"))
        .collect()
}

/// The seven sets of the benchmark, with as many sentences of each split.
fn benchmark(root: &Path, train: usize, test: usize) -> std::io::Result<()> {
    let domains = ["ai", "literature", "music", "politics", "science"];
    let crossner = domains.map(|domain| format!("crossner/{domain}"));
    let mit = ["mit-movie", "mit-restaurant"].map(str::to_owned);
    for folder in crossner.iter().chain(&mit) {
        let (train_text, test_text) = (
            bio(&format!("{folder}-a"), train),
            bio(&format!("{folder}-z"), test),
        );
        write(root, &format!("{folder}/train.txt"), &train_text)?;
        write(root, &format!("{folder}/test.txt"), &test_text)?;
    }
    Ok(())
}

fn set(key: &str, path: &Path) -> String {
    format!("data.{key}={:?}", path.display().to_string())
}

#[test]
fn a_benchmark_survives_the_disk() -> TestResult {
    let dir = tempfile::tempdir()?;
    let sources = load(&[], 1)?;
    sources.write(dir.path())?;
    let eval = dir.path().join("eval");
    let read = read_suite(&eval)?;
    assert_eq!(read.name, "tiny");
    assert_eq!(read.sets.len(), 7);
    assert_eq!(read.sets[0].examples, sources.suite.sets[0].examples);
    assert_eq!(
        load_suite(&eval.display().to_string(), 0)?,
        read,
        "as a source of rows"
    );
    assert_eq!(RunProtocol::read(dir.path())?, sources.protocol);
    assert_eq!(ready_cot(dir.path()), None);
    Ok(())
}

#[test]
fn the_toy_is_zero_shot_and_its_benchmark_does_not_depend_on_the_seed() -> TestResult {
    let [a, b] = [load(&[], 1)?, load(&[], 2)?];
    assert_eq!(a.suite.sets[3].examples, b.suite.sets[3].examples);
    assert_ne!(a.train, b.train);
    assert_eq!(a.protocol.protocol, Protocol::ZeroShot);
    Ok(())
}

#[test]
fn training_on_the_scored_sets_is_in_domain_and_holding_one_out_is_not() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path(), 6, 3)?;
    let sets = [set("train", dir.path()), set("eval", dir.path())];
    let both = load(&sets, 1)?;
    let Protocol::InDomain { sets: scored } = &both.protocol.protocol else {
        return Err(format!("{:?}", both.protocol.protocol).into());
    };
    assert_eq!(scored.len(), 7);
    assert!(!both.protocol.is_like_the_paper());
    assert_eq!(both.suite.name, "CrossNER and MIT");

    let hold_out = "data.hold_out=[\"crossner_ai\"]".to_owned();
    let held = load(&[&sets[..], &[hold_out]].concat(), 1)?;
    assert_eq!(
        held.protocol.protocol.to_string(),
        "held-out domain (CrossNER_AI)"
    );
    assert_eq!(held.suite.sets.len(), 1);
    let trained = held.train.iter().chain(&held.rl);
    let mut of: BTreeMap<&str, usize> = BTreeMap::new();
    for row in trained {
        *of.entry(row.dataset.as_deref().unwrap_or_default())
            .or_default() += 1;
    }
    assert_eq!(of.len(), 6);
    assert!(!of.contains_key("CrossNER_AI"), "{of:?}");

    let unknown = "data.hold_out=[\"CrossNER_law\"]".to_owned();
    let message = load(&[&sets[..], &[unknown]].concat(), 1)
        .err()
        .ok_or("unknown set")?;
    assert!(
        message.is_usage() && message.to_string().contains("CrossNER_science"),
        "{message}"
    );
    Ok(())
}

#[test]
fn a_repeated_evaluation_sentence_is_counted_and_held_out() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path(), 4, 3)?;
    let own = dir.path().join("own.jsonl");
    let rows = [
        "crossner/ai-z Brel1 sleeps quietly here",
        "nobody knows this one yet at all",
        "nor this other one there",
    ];
    let rows = rows.map(|text| format!("{{\"text\": {text:?}, \"entities\": []}}\n"));
    fs::write(&own, rows.concat())?;
    let sets = [
        set("train", &own),
        set("eval", dir.path()),
        set("grpo", &own),
    ];
    let sources = load(&sets, 1)?;
    assert_eq!(sources.protocol.protocol, Protocol::ZeroShot);
    assert_eq!(
        (sources.train.len(), sources.rl.len()),
        (3, 3),
        "GRPO has a source of its own"
    );
    let overlap: usize = sources.protocol.overlap.iter().map(|o| o.exact).sum();
    assert_eq!(
        overlap, 2,
        "once among the sentences to annotate, once among the prompts"
    );
    let held = load(
        &[&sets[..], &["data.hold_out=[\"CrossNER_AI\"]".to_owned()]].concat(),
        1,
    )?;
    assert_eq!((held.train.len(), held.rl.len()), (2, 2));
    Ok(())
}

#[test]
fn ready_chains_of_thought_take_the_place_of_the_teacher() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("cot.json");
    let row = |i: usize, cot: &str| {
        format!(
            r#"{{"sentence": "Ada {i} left Brel", "schema": ["City"], "cot": {cot}, "entities": [{{"text": "Brel", "label": "City"}}]}}"#
        )
    };
    let rows: Vec<String> = (0..10)
        .map(|i| row(i, if i == 3 { "null" } else { "\"It is a city.\"" }))
        .collect();
    fs::write(&file, format!("[{}]", rows.join(",\n")))?;
    let out = dir.path().join("out");
    fs::create_dir(&out)?;
    let sets = [set("cot", &file), "data.train=\"pile-ner-type\"".to_owned()];
    let sources = load(&sets, 1)?;
    sources.write(&out)?;
    let ready = read_examples(&ready_cot(&out).ok_or("rows with reasoning")?)?;
    assert_eq!(ready.len() + sources.rl.len(), 9, "one has no reasoning");
    assert!(
        ready
            .iter()
            .all(|row| row.cot.is_some() && row.schema == ["city"])
    );
    assert!(sources.train.iter().all(|row| row.cot.is_none()));
    let note = sources
        .protocol
        .notes
        .iter()
        .find(|note| note.contains("1 without reasoning"));
    assert!(note.is_some(), "{:?}", sources.protocol.notes);
    assert_eq!(sources.protocol.training[0].stage, "cot");

    fs::write(&file, format!("[{}]", row(3, "null")))?;
    let message = load(&sets, 1).err().ok_or("no reasoning")?;
    assert!(
        message
            .to_string()
            .contains("none of its 1 rows has reasoning"),
        "{message}"
    );
    Ok(())
}

#[test]
fn a_group_is_sampled_by_quotas_with_its_own_label_names_and_without_what_is_left_out() -> TestResult
{
    let dir = tempfile::tempdir()?;
    let labels = "[\"RATINGS_AVERAGE\", \"ACTOR\"]";
    for (name, n) in [("ACE 2005", 40), ("mit-movie_sample_9", 40), ("ncbi", 20)] {
        let row = |i| {
            format!(
                r#"{{"sentence": "row {i} of {name}", "entities": [{{"name": "row", "type": "ACTOR"}}]}}"#
            )
        };
        let rows: Vec<String> = (0..n).map(row).collect();
        write(
            dir.path(),
            &format!("{name}/train.json"),
            &format!("[{}]", rows.join(",")),
        )?;
        write(dir.path(), &format!("{name}/labels.json"), labels)?;
    }
    let members = ner_datasets::IN_DOMAIN_SETS;
    let absent: Vec<&str> = { members }
        .into_iter()
        .filter(|set| !["ACE 2005", "mit-movie", "ncbi", "Ontonotes"].contains(set))
        .collect();
    let without = |more: &[&str]| format!("data.without={:?}", [&absent[..], more].concat());
    let sets = |more: &[&str]| {
        let grpo = "data.grpo=instructuie-20".to_owned();
        [
            grpo,
            set("folder", dir.path()),
            without(more),
            "data.grpo_samples=10".to_owned(),
        ]
    };
    let sources = load(&sets(&[]), 1)?;
    let drawn: Vec<(&str, usize)> = sources
        .protocol
        .sample
        .iter()
        .map(|s| (s.set.as_str(), s.drawn))
        .collect();
    assert_eq!(drawn, [("ACE 2005", 4), ("mit-movie", 4), ("ncbi", 2)]);
    assert_eq!(sources.rl.len(), 10);
    let missing = &sources.protocol.missing;
    assert!(
        missing.len() == 1 && missing[0].starts_with("Ontonotes: needs a licence"),
        "{missing:?}"
    );
    for row in &sources.rl {
        let is_movie = row.dataset.as_deref() == Some("mit-movie");
        assert_eq!(
            row.schema.contains(&"average ratings".to_owned()),
            is_movie,
            "{row:?}"
        );
    }
    let without_mit = load(&sets(&["mit-movie"]), 1)?;
    assert_eq!(without_mit.protocol.sample.len(), 2);
    let unknown = load(&sets(&["conll 1999"]), 1).err().ok_or("unknown set")?;
    assert!(unknown.to_string().contains("CoNLL 2003"), "{unknown}");
    Ok(())
}

#[test]
fn label_names_of_the_benchmark_are_a_key() -> TestResult {
    let dir = tempfile::tempdir()?;
    benchmark(dir.path(), 4, 2)?;
    let sets = [
        set("train", dir.path()),
        set("eval", dir.path()),
        "data.label_map=b2ner".to_owned(),
    ];
    let sources = load(&sets, 1)?;
    assert_eq!(
        sources.suite.sets[2].examples[0].schema,
        ["programming language"]
    );
    assert_eq!(sources.train[0].schema, ["programming language"]);
    assert!(
        sources
            .protocol
            .notes
            .iter()
            .any(|note| note.contains("label names b2ner: "))
    );
    let message = load(&["data.label_map=b3ner".to_owned()], 1)
        .err()
        .ok_or("no such names")?;
    assert!(
        format!("{message:?}").contains("none, instructuie, uniner, b2ner"),
        "{message:?}"
    );
    Ok(())
}

#[test]
fn what_is_missing_is_said_at_once_before_anything_is_fetched() -> TestResult {
    let dir = tempfile::tempdir()?;
    let sets = [
        "data.train=pile-ner-typ",
        "data.eval=./no-such-folder",
        "data.grpo=pile-ner-type",
        "data.accept_licences=[\"cc-by-4.0\"]",
    ];
    let mut sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    sets.push(set("cache", dir.path()));
    let message = load(&sets, 1).err().ok_or("missing")?;
    assert!(message.is_usage());
    let message = message.to_string();
    for expected in [
        "did you mean pile-ner-type?",
        "no-such-folder",
        "--accept-licence cc-by-nc-4.0",
    ] {
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(fs::read_dir(dir.path())?.count(), 0);
    Ok(())
}

#[test]
fn the_smaller_limit_counts_and_nought_is_none() {
    assert_eq!(
        [limit(0, 5), limit(5, 0), limit(3, 5), limit(0, 0)],
        [5, 5, 3, 0]
    );
}

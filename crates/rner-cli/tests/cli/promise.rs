//! Confidences, what is held back, and whether promises are kept.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ner_eval::Suite;
use ner_eval::prediction::read_predictions;
use ner_score::EntitySet;
use ner_types::{Entity, Example, parse};
use serde_json::{Value, json};

use super::support::{TestResult, fails, rner, stderr, succeeds, text};

const MODEL: [&str; 2] = ["--model", "fixtures/tiny-ner"];
const TYPES: [&str; 2] = ["--types", "album,band,festival,singer,song"];

/// Calibrates the toy on these rows.
fn calibrate(data: &str, out: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let args = [
        "calibrate",
        "--data",
        data,
        "--out",
        text(out),
        "--risk",
        "0.1",
    ];
    succeeds(&[&args[..], &MODEL].concat())
}

/// The rows and what was said of an extraction.
fn extract(more: &[&str]) -> Result<(Vec<Value>, String), Box<dyn std::error::Error>> {
    let output = rner(&[&["extract"][..], &MODEL, more].concat()).output()?;
    let said = stderr(&output);
    assert!(output.status.success(), "{more:?}: {said}");
    let lines = String::from_utf8(output.stdout)?;
    let rows: Result<Vec<Value>, _> = lines.lines().map(serde_json::from_str).collect();
    Ok((rows?, said))
}

/// The sentences of the first rows of a file in columns.
fn sentences(rows: usize) -> Result<String, Box<dyn std::error::Error>> {
    let columns = std::fs::read_to_string(super::support::root().join("fixtures/toy/music.conll"))?;
    let rows = columns.split("\n\n").take(rows);
    let words = |row: &str| {
        let words = row
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        words.collect::<Vec<_>>().join(" ")
    };
    Ok(rows.map(words).collect::<Vec<_>>().join("\n"))
}

#[test]
fn what_is_not_sure_enough_is_withheld_and_other_rows_are_warned_about() -> TestResult {
    let dir = tempfile::tempdir()?;
    let [file, input] = ["calibration.json", "input.txt"].map(|name| dir.path().join(name));
    let table = calibrate("fixtures/toy/music.conll", &file)?;
    assert!(
        table.contains("300 rows") && table.contains("of 299"),
        "{table}"
    );
    let risk = [
        "--risk",
        "0.1",
        "--calibration",
        text(&file),
        "--input",
        text(&input),
    ];

    std::fs::write(&input, sentences(40)?)?;
    let (rows, said) = extract(&[&TYPES[..], &risk].concat())?;
    let count = |name: &str| -> usize {
        let lists = rows.iter().filter_map(|row| row[name].as_array());
        lists.map(Vec::len).sum()
    };
    assert!(count("entities") > 40 && count("withheld") > 0, "{said}");
    assert!(said.contains("promised: at most 10 % false"), "{said}");
    assert!(
        said.contains(" withheld\n") && !said.contains("warning"),
        "{said}"
    );
    let lowest = rows
        .iter()
        .flat_map(|row| row["entities"].as_array())
        .flatten();
    let lowest = lowest
        .filter_map(|it| it["confidence"].as_f64())
        .fold(1.0, f64::min);
    let highest = rows
        .iter()
        .flat_map(|row| row["withheld"].as_array())
        .flatten();
    let highest = highest
        .filter_map(|it| it["confidence"].as_f64())
        .fold(0.0, f64::max);
    assert!(highest < lowest, "{highest} is withheld, {lowest} is shown");

    // Sentences about politics, and types that calibration never saw.
    let notes = std::fs::read_to_string(super::support::root().join("fixtures/toy/notes.txt"))?;
    std::fs::write(&input, notes.repeat(6))?;
    let (_, said) = extract(&[&["--types", "country,party"][..], &risk].concat())?;
    for words in [
        "knows nothing of country, party",
        "not like those of calibration",
    ] {
        assert!(said.contains(words), "{said}");
    }
    Ok(())
}

#[test]
fn a_calibration_that_promises_nothing_says_so_and_another_way_to_ask_is_refused() -> TestResult {
    let dir = tempfile::tempdir()?;
    let [rows, file, input] = ["ten.conll", "ten.json", "input.txt"].map(|it| dir.path().join(it));
    let columns = std::fs::read_to_string(super::support::root().join("fixtures/toy/music.conll"))?;
    let ten: Vec<&str> = columns.split("\n\n").take(10).collect();
    std::fs::write(&rows, ten.join("\n\n") + "\n")?;
    std::fs::write(&input, sentences(2)?)?;
    let table = calibrate(text(&rows), &file)?;
    assert!(
        table.contains("cannot promise: 10 calibration rows"),
        "{table}"
    );
    let risk = [
        "--risk",
        "0.1",
        "--calibration",
        text(&file),
        "--input",
        text(&input),
    ];
    let (found, said) = extract(&[&TYPES[..], &risk].concat())?;
    assert!(
        said.contains("at least 29 are needed; all entities are withheld"),
        "{said}"
    );
    assert!(
        found.iter().all(|row| row["entities"] == json!([])),
        "{found:?}"
    );

    let all = [&["extract"][..], &MODEL, &TYPES, &risk].concat();
    for (more, words) in [
        (
            &["--reader", "tolerant"][..],
            "reader: reference there, tolerant here",
        ),
        (
            &["--samples", "2"][..],
            "samples: none there, 2 at temperature 0.7 here",
        ),
        (&["--temperature", "1"][..], "leave --temperature out"),
        (
            &["--promise", "mean", "--delta", "0.1"][..],
            "only --promise sure has one",
        ),
        (&["--min-confidence", "0.5"][..], "cannot be used with"),
    ] {
        fails(&[&all[..], more].concat(), 2, &[words])?;
    }
    let plain = [&["extract"][..], &MODEL, &TYPES, &["Osk sleeps."]].concat();
    fails(
        &[&plain[..], &["--per-label"]].concat(),
        2,
        &["no effect without --risk"],
    )?;
    fails(
        &[&plain[..], &["--min-confidence", "7"]].concat(),
        2,
        &["between 0 and 1"],
    )?;
    let other = [
        &all[..5],
        &["--calibration", text(&input), "--risk", "0.1", "Osk."],
    ]
    .concat();
    fails(&other, 2, &["expected what rner calibrate writes"])
}

#[test]
fn samples_agree_or_not_and_leave_the_answer_as_it_is() -> TestResult {
    let sentence = "Members of the party Grifock met in Raisar, a little-known nation.";
    let ask = |more: &[&str]| -> Result<Value, Box<dyn std::error::Error>> {
        let args = ["extract", "--types", "country,party", "--json", sentence];
        let found = succeeds(&[&args[..], &MODEL, more].concat())?;
        Ok(serde_json::from_str(&found)?)
    };
    let (alone, voted) = (ask(&[])?, ask(&["--samples", "3", "--temperature", "1.5"])?);
    assert_eq!(alone["reasoning"], voted["reasoning"]);
    let entities = |of: &Value| of["entities"].as_array().cloned().unwrap_or_default();
    assert_eq!(entities(&alone).len(), 2, "{alone}");
    for (one, other) in entities(&alone).iter().zip(entities(&voted)) {
        assert_eq!(
            (&one["text"], &one["start"]),
            (&other["text"], &other["start"])
        );
        let agreement = other["agreement"].as_f64().ok_or("an agreement")?;
        let value = one["confidence"].as_f64().ok_or("a confidence")? * agreement;
        let found = other["confidence"].as_f64().ok_or("a confidence")?;
        assert!((found - value).abs() < 2e-6, "{one} {other}");
    }
    assert_eq!(
        voted,
        ask(&["--samples", "3", "--temperature", "1.5", "--no-drafts"])?
    );
    assert_eq!(
        ask(&["--min-confidence", "0.999999"])?["withheld"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    Ok(())
}

/// The promises over 200 random halves: what the report says of all and of each type.
fn splits(args: &[&str]) -> Result<Value, Box<dyn std::error::Error>> {
    let printed = succeeds(&[&["calibrate", "--splits", "200", "--per-label"][..], args].concat())?;
    Ok(serde_json::from_str(&printed)?)
}

/// Holds for the share that a promise is about, in all and in each type. A split that refuses shows nothing, which
/// breaks no promise: the few that promise what most refuse were lucky with their half, and count as the few they are.
fn check_kept(report: &Value, share: &str) {
    let number = |one: &Value, name: &str| one[name].as_f64().expect("a number");
    for one in report["kept"].as_array().expect("a list") {
        let promised = 1.0 - number(one, "refused") / number(one, "splits");
        assert!(
            promised * number(one, share) <= number(one, "risk"),
            "{one:#}"
        );
        let beyond = promised * (1.0 - number(one, "within_slack"));
        assert!(beyond <= 0.05, "{one:#}");
    }
}

#[test]
fn over_200_splits_of_the_toy_the_share_of_false_entities_is_below_the_risk() -> TestResult {
    let dir = tempfile::tempdir()?;
    let predictions = dir.path().join("found.jsonl");
    let input = dir.path().join("input.txt");
    std::fs::write(&input, sentences(300)?)?;
    let output = [&["extract"][..], &MODEL, &TYPES, &["--input", text(&input)]].concat();
    std::fs::write(&predictions, succeeds(&output)?)?;
    // Stored predictions give what the model gives.
    let stored = [
        "--gold",
        "fixtures/toy/music.conll",
        "--predictions",
        text(&predictions),
    ];
    let asked = [&MODEL[..], &["--data", "fixtures/toy/music.conll"]].concat();
    let report = splits(&[&asked[..], &["--risk", "0.1,0.2"]].concat())?;
    assert_eq!(
        splits(&[&stored[..], &["--risk", "0.1,0.2"]].concat())?,
        report
    );
    check_kept(&report, "mean_share");
    assert_eq!(
        (
            report["kept"][0]["refused"].as_u64(),
            report["rows"].as_u64()
        ),
        (Some(0), Some(300))
    );
    let mean = splits(&[&stored[..], &["--risk", "0.1", "--promise", "mean"]].concat())?;
    let kept = mean["kept"].as_array().ok_or("a list")?;
    for one in kept {
        assert!(one["mean_share_of_rows"].as_f64() <= Some(0.1), "{one:#}");
    }
    Ok(())
}

/// The folder of data and reference values: `RNER_SHARED`, or `../shared` seen from the repository's root.
fn shared() -> Option<PathBuf> {
    let beside = super::support::root().join("../shared");
    let root = std::env::var_os("RNER_SHARED").map_or(beside, PathBuf::from);
    let is_there = root.join("datasets").exists() && root.join("parity/benchmark").exists();
    if !is_there {
        println!(
            "skipped: {} lacks datasets or parity/benchmark",
            root.display()
        );
    }
    is_there.then_some(root)
}

/// The rows of the seven sets with the entities of the reference predictions.
fn reference(shared: &Path) -> Vec<(Example, Vec<Entity>)> {
    let suite = Suite::benchmark(&shared.join("datasets")).expect("the seven sets");
    let predictions = read_predictions(&shared.join("parity/benchmark/predictions.jsonl"));
    let row = |one: ner_eval::prediction::Prediction| {
        let set = suite.sets.iter().find(|set| set.name == one.dataset);
        let example = set
            .and_then(|set| set.examples.get(one.index))
            .expect("a row");
        (example.clone(), parse(&one.completion).entities)
    };
    predictions
        .expect("readable")
        .into_iter()
        .map(row)
        .collect()
}

/// Writes gold and predictions with a confidence, and looks at the promises.
fn look(
    rows: &[(Example, Vec<Entity>)],
    confidence: impl Fn(usize, &Entity, bool) -> f64,
) -> Result<Value, Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let [gold, predictions] = ["gold.jsonl", "predictions.jsonl"].map(|it| dir.path().join(it));
    let (mut golds, mut named) = (String::new(), String::new());
    for (at, (example, entities)) in rows.iter().enumerate() {
        let truth = EntitySet::new(&example.entities);
        let entity = |it: &Entity| {
            let is_true = truth.compare(&EntitySet::new(std::slice::from_ref(it))).tp > 0;
            json!({"text": it.text, "label": it.label, "confidence": confidence(at, it, is_true)})
        };
        // Sentences that come twice are told apart by their number.
        let sentence = format!("{} {at}", example.sentence);
        let entities: Vec<Value> = entities.iter().map(entity).collect();
        let golds_of: Vec<Value> = example
            .entities
            .iter()
            .map(|it| json!({"text": it.text, "label": it.label}))
            .collect();
        writeln!(
            golds,
            "{}",
            json!({"sentence": sentence, "schema": example.schema, "entities": golds_of})
        )?;
        writeln!(
            named,
            "{}",
            json!({"sentence": sentence, "entities": entities})
        )?;
    }
    std::fs::write(&gold, golds)?;
    std::fs::write(&predictions, named)?;
    splits(&[
        "--gold",
        text(&gold),
        "--predictions",
        text(&predictions),
        "--risk",
        "0.1,0.2",
    ])
}

/// The reference predictions state no confidence, so two stand in for one: how often the same entity is named in other
/// rows, which is a weak hint; and a number drawn with knowledge of the truth, as a model might have that is right more
/// often where it is surer.
#[test]
fn over_200_splits_of_crossner_and_mit_the_share_of_false_entities_is_below_the_risk() -> TestResult
{
    let Some(shared) = shared() else {
        return Ok(());
    };
    let rows = reference(&shared);
    let mut often: HashMap<(String, String), f64> = HashMap::new();
    for entity in rows.iter().flat_map(|row| &row.1) {
        *often
            .entry((entity.label.clone(), entity.text.to_lowercase()))
            .or_default() += 1.0;
    }
    let hint = |_: usize, it: &Entity, _: bool| {
        1.0 - 1.0 / often[&(it.label.clone(), it.text.to_lowercase())]
    };
    let drawn = |at: usize, it: &Entity, is_true: bool| {
        let hash = it.text.bytes().fold(at as u64 + 1, |hash, byte| {
            (hash ^ u64::from(byte))
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(29)
        });
        let uniform = (hash % 1_000_003) as f64 / 1_000_003.0;
        if is_true {
            uniform.cbrt()
        } else {
            uniform.sqrt() * 0.9
        }
    };
    for (name, report) in [
        ("how often", look(&rows, hint)?),
        ("drawn", look(&rows, drawn)?),
    ] {
        println!("{name}: {}", report["kept"][0]);
        check_kept(&report, "mean_share");
    }
    Ok(())
}

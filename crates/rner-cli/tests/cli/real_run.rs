//! The real path against the mock homes of `ner-rehearsal`: from empty caches to the table of the seven sets by one
//! command, over bad connections, and killed on the way.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ner_rehearsal::{Faults, Manner, Rehearsal, Setting, Size, findings, moments};

use super::support::{TestResult, rner, root, stderr, text};

/// A rehearsal with the toy model under an id of the Hub.
pub(crate) fn setting(dir: &Path) -> Setting {
    Setting::new(dir, &root().join("fixtures/tiny-base"))
}

/// The program with the caches `cache` of a rehearsal.
pub(crate) fn rehearsed(rehearsal: &Rehearsal, cache: &str, args: &[&str]) -> Command {
    let mut command = rner(args);
    rehearsal.prepare(&mut command, cache);
    command
}

/// The profile `rehearsal` at the size of a test.
pub(crate) const SMALLEST: [&str; 9] = [
    "data.train_sentences=24",
    "data.eval_sentences=1",
    "data.grpo_samples=40",
    "sft.train.max_steps=2",
    "sft.train.max_length=1024",
    "grpo.train.max_steps=1",
    "grpo.train.max_completion_length=24",
    "eval.max_new_tokens=24",
    "eval.bootstrap_resamples=50",
];

/// How often a run is killed; `rner-lab rehearse --kills 10` does it more often.
const KILLS: usize = 4;

/// The one command of a whole run, in the folder `out` of the rehearsal.
fn reproduce(rehearsal: &Rehearsal, out: &Path) -> Command {
    let own = toml_string(&rehearsal.own_sets());
    let own = format!("data.folder={own}");
    let mut args = vec!["reproduce", "--profile", "rehearsal", "--out", text(out)];
    args.extend(["--teacher-url", &rehearsal.teacher.url, "--set", &own]);
    args.extend(SMALLEST.iter().flat_map(|set| ["--set", set]));
    rehearsed(rehearsal, "caches", &args)
}

fn toml_string(path: &Path) -> String {
    serde_json::Value::from(text(path)).to_string()
}

/// Everything at once, because each run takes its time: the run that is left alone is what the killed one is compared
/// with.
#[test]
fn one_command_goes_from_empty_caches_to_the_table_and_kills_change_nothing() -> TestResult {
    let dir = tempfile::tempdir()?;
    let size = Size {
        train: 24,
        rows: 12,
    };
    // Slow enough for a kill to meet downloads and requests.
    let small = |name: &str| Setting {
        size,
        faults: Faults {
            bytes_per_second: Some(3_000_000),
            ..Faults::default()
        },
        manner: Manner {
            pause: Duration::from_millis(50),
            ..Manner::default()
        },
        ..setting(&dir.path().join(name))
    };
    let calm = Rehearsal::start(small("calm"))?;
    let out = dir.path().join("calm/run");
    let begun = Instant::now();
    let output = reproduce(&calm, &out).output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    let span = begun.elapsed();
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    for word in [
        "Movie",
        "Science",
        "base",
        "SFT with CoT",
        "+ GRPO",
        "report.html",
    ] {
        assert!(table.contains(word), "{word} is missing in\n{table}");
    }
    assert_eq!(calm.homes.traffic().twice(), 0, "nothing was fetched twice");
    assert!(calm.teacher.asked().values().all(|times| *times == 1));

    // The same command once more has nothing to do.
    let before = (calm.homes.traffic().bytes(), calm.teacher.requests());
    let output = reproduce(&calm, &out).output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        (calm.homes.traffic().bytes(), calm.teacher.requests()),
        before
    );

    let killed = Rehearsal::start(small("killed"))?;
    let again = dir.path().join("killed/run");
    let moments = moments(&out, span, KILLS, 7)?;
    let (output, toll) = killed.run_with_kills(|| reproduce(&killed, &again), &again, &moments)?;
    assert!(output.status.success(), "{}", stderr(&output));
    eprintln!("{toll:#?}");
    assert_eq!(toll.paid_twice, [""; 0]);
    assert_eq!(toll.fetched_again, [""; 0]);
    assert!(
        findings(&out)? == findings(&again)?,
        "another table: {toll:?}"
    );
    Ok(())
}

#[test]
fn a_model_arrives_whole_over_bad_connections_and_only_once() -> TestResult {
    let dir = tempfile::tempdir()?;
    // More than one process has the patience for: the second one goes on where the first gave up.
    let rehearsal = Rehearsal::start(Setting {
        faults: Faults {
            seed: 7,
            refusals: 2,
            breaks: 6,
            only: vec!["model.safetensors".into()],
            ..Faults::default()
        },
        ..setting(dir.path())
    })?;
    let model = ner_rehearsal::BASE_MODEL;
    let extract = [
        "extract",
        "--model",
        model,
        "--types",
        "city",
        "Brel sleeps.",
    ];
    let extract = [&extract[..], &["--set", "eval.max_new_tokens=4"]].concat();
    for expected in [1, 0, 0] {
        let output = rehearsed(&rehearsal, "cache", &extract).output()?;
        assert_eq!(output.status.code(), Some(expected), "{}", stderr(&output));
    }
    let traffic = rehearsal.homes.traffic();
    let weights = &traffic.files[&format!("models/{model}/model.safetensors")];
    assert_eq!(weights.refused, 2);
    assert_eq!(weights.sent.len(), 7, "broken off six times: {weights:?}");
    let sizes = (weights.bytes(), traffic.twice());
    assert_eq!(sizes, (weights.size, 0), "nothing was sent twice");
    let snapshot = snapshot(&dir.path().join("cache/huggingface/hub"));
    let fixture = root().join("fixtures/tiny-base/model.safetensors");
    assert!(std::fs::read(snapshot.join("model.safetensors"))? == std::fs::read(fixture)?);
    Ok(())
}

/// The folder of the model in the Hub's cache.
fn snapshot(cache: &Path) -> PathBuf {
    let folder = format!("models--{}", ner_rehearsal::BASE_MODEL.replace('/', "--"));
    let snapshots = cache.join(folder).join("snapshots");
    snapshots.join(ner_rehearsal::COMMIT)
}

#[test]
fn datasets_arrive_whole_from_homes_that_refuse_break_off_and_change() -> TestResult {
    let dir = tempfile::tempdir()?;
    let rehearsal = Rehearsal::start(Setting {
        faults: Faults {
            refusals: 1,
            breaks: 1,
            changes: 1,
            only: vec!["ner_data/ai/test.txt".into(), "Pile-NER-type".into()],
            ..Faults::default()
        },
        ..setting(dir.path())
    })?;
    let into = dir.path().join("data");
    let names = [
        "crossner",
        "pile-ner-type",
        "ner-cot",
        "genia",
        "wikiann-en",
    ];
    let fetch = [&["data", "fetch", "--into", text(&into)], &names[..]].concat();
    for _ in 0..2 {
        let output = rehearsed(&rehearsal, "cache", &fetch).output()?;
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let traffic = rehearsal.homes.traffic();
    for (name, served) in &traffic.files {
        assert!(!served.is_fetched_again(), "{name}: {served:?}");
    }
    let pile = traffic
        .files
        .iter()
        .find(|(name, _)| name.contains("Pile-NER-type"));
    let (_, pile) = pile.ok_or("Pile-NER-type was not asked for")?;
    assert_eq!(
        (pile.refused, pile.sent.len(), pile.twice()),
        (1, 2, 0),
        "{pile:?}"
    );
    for file in [
        "crossner/ai/test.txt",
        "genia/train.jsonl",
        "wikiann-en/train.conllu",
    ] {
        let output = rner(&["data", "stats", text(&into.join(file))]).output()?;
        assert!(output.status.success(), "{file}: {}", stderr(&output));
    }
    Ok(())
}

#[test]
fn content_with_another_hash_than_the_pinned_one_is_refused() -> TestResult {
    let dir = tempfile::tempdir()?;
    let rehearsal = Rehearsal::start(Setting {
        faults: Faults {
            damages: 1,
            only: vec!["MIT/movie/test.txt".into()],
            ..Faults::default()
        },
        ..setting(dir.path())
    })?;
    let into = dir.path().join("data");
    let fetch = ["data", "fetch", "--into", text(&into), "mit-movie"];
    let output = rehearsed(&rehearsal, "cache", &fetch).output()?;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("test.txt"), "{}", stderr(&output));
    assert!(!into.join("mit-movie/test.txt").exists());
    let output = rehearsed(&rehearsal, "cache", &fetch).output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    Ok(())
}

#[test]
fn a_teacher_that_is_cut_off_again_and_again_ends_the_run_early() -> TestResult {
    let dir = tempfile::tempdir()?;
    let rehearsal = Rehearsal::start(setting(dir.path()))?;
    let out = dir.path().join("run");
    let mut command = reproduce(&rehearsal, &out);
    command.args([
        "--set",
        "cot.max_tokens=1024",
        "--set",
        "data.train_sentences=200",
    ]);
    let output = command.output()?;
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("max_tokens"), "{said}");
    let paid = rehearsal.teacher.requests();
    assert!(
        paid <= 64,
        "{paid} answers for 200 rows were paid before the end"
    );
    Ok(())
}

//! Markers, locks, hashes and files that must survive a crash.

use super::*;
use serde_json::json;
use std::fs::File;

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn open() -> Result<(tempfile::TempDir, RunDir), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let run = RunDir::open(&dir.path().join("runs/a"))?;
    Ok((dir, run))
}

fn finished(run: &RunDir) -> Result<(Stage, Inputs), RunDirError> {
    let stage = Stage::at(run.root(), 2, "sft");
    let inputs = Inputs::from([("data".to_owned(), "hash of rows".to_owned())]);
    stage.begin()?;
    write_atomic(&stage.path("model/weights"), b"abc")?;
    stage.finish(&inputs, "recipe", &["model"], 1.5, "one model")?;
    Ok((stage, inputs))
}

#[test]
fn a_finished_stage_is_skipped() -> TestResult {
    let (_dir, run) = open()?;
    let (stage, inputs) = finished(&run)?;
    assert!(stage.dir().ends_with("stage-2-sft"));
    let done = stage.is_done(&inputs, "recipe").ok_or("not done")?;
    assert_eq!((done.seconds, done.summary.as_str()), (1.5, "one model"));
    Ok(())
}

#[test]
fn a_change_of_anything_repeats_the_stage() -> TestResult {
    let (_dir, run) = open()?;
    let (stage, inputs) = finished(&run)?;
    assert!(stage.is_done(&inputs, "other recipe").is_none());
    assert!(stage.is_done(&Inputs::new(), "recipe").is_none());
    std::fs::write(stage.path("model/weights"), b"abd")?;
    assert!(stage.is_done(&inputs, "recipe").is_none());
    std::fs::remove_dir_all(stage.path("model"))?;
    assert!(stage.is_done(&inputs, "recipe").is_none());
    Ok(())
}

#[test]
fn a_begun_or_damaged_marker_is_none() -> TestResult {
    let (_dir, run) = open()?;
    let (stage, inputs) = finished(&run)?;
    let text = std::fs::read_to_string(stage.path("done.json"))?;
    std::fs::write(stage.path("done.json"), &text[..text.len() / 2])?;
    assert!(stage.is_done(&inputs, "recipe").is_none());
    std::fs::write(
        stage.path("done.json"),
        text.replace(env!("CARGO_PKG_VERSION"), "0.0.0-x"),
    )?;
    assert!(stage.is_done(&inputs, "recipe").is_none());
    std::fs::write(stage.path("done.json"), &text)?;
    assert!(stage.is_done(&inputs, "recipe").is_some());
    stage.begin()?;
    assert!(stage.is_done(&inputs, "recipe").is_none());
    assert!(stage.path("model/weights").is_file());
    Ok(())
}

#[test]
fn a_folder_of_other_work_is_refused_by_what_is_not_the_same() -> TestResult {
    let dir = tempfile::tempdir()?;
    let stage = Stage::alone(&dir.path().join("out"), "sft");
    let inputs = Inputs::from([("data".to_owned(), "hash of rows".to_owned())]);
    let other = Inputs::from([("data".to_owned(), "hash of others".to_owned())]);
    stage.claim(&inputs, "recipe")?;
    stage.claim(&inputs, "recipe")?;
    for (inputs, recipe, what) in [
        (&other, "recipe", "not the same: data)"),
        (&inputs, "other", "not the same: settings)"),
        (&other, "other", "not the same: data, settings)"),
    ] {
        let error = stage.claim(inputs, recipe).expect_err("other work");
        assert!(error.to_string().contains(what), "{error}");
    }
    let named = |key: &str, n| {
        let keys = (0..n).map(|i| (format!("sft.{key}{i}"), format!("{i}")));
        stage.clone().with_settings(keys.collect())
    };
    let error = named("a", 1).claim(&inputs, "other").expect_err("other");
    assert!(error.to_string().contains("not the same: settings)"));
    std::fs::remove_file(stage.path("work.json"))?;
    named("a", 3).claim(&inputs, "recipe")?;
    let error = named("a", 2).claim(&inputs, "other").expect_err("other");
    let words = "not the same: sft.a2: 2 there, none here)";
    assert!(error.to_string().contains(words), "{error}");
    let error = named("b", 2).claim(&inputs, "other").expect_err("other");
    let words = "sft.a2: 2 there, none here, 2 more settings)";
    assert!(error.to_string().contains(words), "{error}");
    write_atomic(&stage.path("work.json"), b"{")?;
    let error = stage.claim(&inputs, "recipe").expect_err("damaged");
    assert!(error.to_string().contains("work.json cannot be read"));
    std::fs::remove_file(stage.path("work.json"))?;
    write_atomic(&stage.path("thesis.tex"), b"mine")?;
    let error = stage.claim(&inputs, "recipe").expect_err("foreign");
    assert!(error.to_string().contains("thesis.tex"), "{error}");
    assert_eq!(std::fs::read_dir(stage.dir())?.count(), 1);
    Ok(())
}

#[test]
fn finishing_without_an_output_fails() -> TestResult {
    let (_dir, run) = open()?;
    let stage = Stage::at(run.root(), 1, "cot");
    stage.begin()?;
    let error = stage
        .finish(&Inputs::new(), "r", &["missing.jsonl"], 0.0, "")
        .map(|_| ());
    assert!(error.unwrap_err().to_string().contains("missing.jsonl"));
    assert!(!stage.path("done.json").exists());
    Ok(())
}

#[test]
fn a_second_holder_is_refused_until_the_first_ends() -> TestResult {
    let (_dir, run) = open()?;
    let error = RunDir::open(run.root()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("in use by another process"));
    let root = run.root().to_owned();
    drop(run);
    RunDir::open(&root)?;
    Ok(())
}

#[test]
fn a_directory_hash_sees_names_contents_and_depth() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = |name: &str, text: &str| write_atomic(&dir.path().join(name), text.as_bytes());
    file("a/x", "1")?;
    file("b", "2")?;
    let first = hash_path(dir.path())?;
    file(".hidden", "3")?;
    assert_eq!(hash_path(dir.path())?, first);
    file("b", "3")?;
    let second = hash_path(dir.path())?;
    std::fs::rename(dir.path().join("b"), dir.path().join("a/b"))?;
    let third = hash_path(dir.path())?;
    assert!(first != second && second != third);
    assert!(hash_path(&dir.path().join("none")).is_err());
    Ok(())
}

#[test]
fn an_atomic_write_replaces_and_leaves_nothing_beside() -> TestResult {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("f");
    write_atomic(&path, b"one")?;
    write_atomic(&path, b"two")?;
    assert_eq!(std::fs::read(&path)?, b"two");
    assert_eq!(std::fs::read_dir(dir.path())?.count(), 1);
    // A name that is taken by a directory cannot be replaced, and nothing is left beside it.
    std::fs::create_dir(dir.path().join("d"))?;
    assert!(write_atomic(&dir.path().join("d"), b"x").is_err());
    assert_eq!(std::fs::read_dir(dir.path())?.count(), 2);
    Ok(())
}

#[test]
fn a_path_below_a_file_says_where_and_what_to_do() -> TestResult {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("file"), "")?;
    let path = dir.path().join("file/below");
    let message = write_atomic(&path, b"")
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(message.contains("file/below"), "{message}");
    assert!(RunDir::open(&path).is_err());
    Ok(())
}

#[test]
fn a_full_disk_says_how_to_go_on() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let message = RunDirError::write(Path::new("runs/a/x"), full).to_string();
    assert!(message.contains("runs/a/x: the disk is full") && message.contains("same command"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernels_full_device_is_recognised() -> TestResult {
    use std::io::Write;
    let path = Path::new("/dev/full");
    let Ok(mut file) = File::options().write(true).open(path) else {
        println!("skipped: this system has no /dev/full");
        return Ok(());
    };
    let error = file
        .write_all(b"x")
        .map_err(|e| RunDirError::write(path, e))
        .unwrap_err();
    assert!(matches!(error, RunDirError::Full { .. }), "{error}");
    Ok(())
}

#[test]
fn a_torn_metrics_line_is_cut_and_repeats_are_read_once() -> TestResult {
    let (_dir, run) = open()?;
    run.metrics()?
        .log(&json!({"stage": "sft", "step": 1, "loss": 2.0}))?;
    let path = run.path("metrics.jsonl");
    let whole = std::fs::read_to_string(&path)?;
    std::fs::write(&path, format!("{whole}{{\"stage\": \"s"))?;
    assert_eq!(read_metrics(&path)?.len(), 1);
    let mut log = run.metrics()?;
    log.log(&json!({"stage": "sft", "step": 1, "loss": 1.0}))?;
    log.log(&json!({"stage": "grpo", "step": 1, "reward": 3.0}))?;
    let lines = read_metrics(&path)?;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["loss"], 1.0);
    assert!(read_metrics(&run.path("none.jsonl"))?.is_empty());
    Ok(())
}

#[test]
fn a_broken_metrics_line_names_its_line() -> TestResult {
    let (_dir, run) = open()?;
    std::fs::write(run.path("m"), "{}\nnot json\n")?;
    let message = read_metrics(&run.path("m"))
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("m:2: expected one JSON object"),
        "{message}"
    );
    Ok(())
}

/// What a resumed run has logged behind its checkpoint, and a training that is made anew.
#[test]
fn no_log_has_two_trainings() -> TestResult {
    let (_dir, run) = open()?;
    let mut log = run.metrics()?;
    let line = |stage: &str, seed, step| json!({"stage": stage, "seed": seed, "step": step});
    for step in 1..=4 {
        log.log(&line("sft", 1, step))?;
        log.log(&line("sft", 2, step))?;
    }
    log.log(&line("grpo", 1, 3))?;
    log.forget_from("sft", 1, 3)?;
    log.log(&line("sft", 1, 3))?;
    let count = |stage: &str, seed: u64| -> std::result::Result<Vec<u64>, RunDirError> {
        let lines = read_metrics(&run.path("metrics.jsonl"))?;
        let ours = lines
            .iter()
            .filter(|line| line["stage"] == stage && line["seed"] == seed);
        Ok(ours.filter_map(|line| line["step"].as_u64()).collect())
    };
    assert_eq!(count("sft", 1)?, [1, 2, 3]);
    assert_eq!(count("sft", 2)?, [1, 2, 3, 4]);
    assert_eq!(count("grpo", 1)?, [3]);
    log.forget_from("sft", 2, 1)?;
    assert_eq!(count("sft", 2)?, Vec::<u64>::new());
    assert_eq!(
        std::fs::read_to_string(run.path("metrics.jsonl"))?
            .lines()
            .count(),
        4
    );
    Ok(())
}

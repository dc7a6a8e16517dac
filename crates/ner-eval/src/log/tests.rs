//! Tests of the log.

use ner_types::PromptTemplate;

use super::*;
use crate::prediction::read_predictions;
use crate::suite::{EvalSet, Suite};

fn prediction(index: usize) -> Prediction {
    Prediction {
        dataset: "north".into(),
        index,
        completion: "{}".into(),
        truncated: false,
        tokens: Some(1),
        thought: None,
    }
}

fn identity(source: &str) -> RunIdentity {
    let suite = Suite {
        name: "made up".into(),
        sets: Vec::new(),
    };
    RunIdentity::new(&suite, source, &PromptTemplate::paper())
}

#[test]
fn a_log_is_taken_up_again_without_its_torn_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.jsonl");
    let mut log = PredictionLog::open(&path, &identity("m")).expect("new");
    assert!(log.read().expect("empty").is_empty());
    log.append(&[prediction(0), prediction(1)])
        .expect("written");
    log.file
        .write_all(b"\0\0\0\n{\"dataset\": \"no")
        .expect("torn");
    let mut log = PredictionLog::open(&path, &identity("m")).expect("again");
    assert_eq!(log.read().expect("whole"), [prediction(0), prediction(1)]);
    log.append(&[prediction(2)]).expect("written");
    assert_eq!(read_predictions(&path).expect("readable").len(), 3);
    log.remove().expect("removed");
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
}

#[test]
fn every_flipped_bit_costs_an_answer_and_never_changes_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.jsonl");
    let made: Vec<Prediction> = (0..3).map(prediction).collect();
    let mut log = PredictionLog::open(&path, &identity("m")).expect("new");
    log.append(&made).expect("written");
    let sound = fs::read(&path).expect("readable");
    for bit in 0..sound.len() * 8 {
        let mut damaged = sound.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, damaged).expect("written");
        let log = PredictionLog::open(&path, &identity("m")).expect("it is a log");
        let found = log.read().expect("readable");
        assert!(!found.is_empty(), "bit {bit}");
        assert!(
            found.iter().all(|one| made.contains(one)),
            "bit {bit}: {found:?}"
        );
    }
}

#[test]
fn a_line_that_is_there_twice_is_one_answer_and_an_older_program_wrote_no_hashes() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.jsonl");
    let mut log = PredictionLog::open(&path, &identity("m")).expect("new");
    log.append(&[prediction(0), prediction(0)])
        .expect("written");
    let old = serde_json::to_string(&prediction(1)).expect("written");
    let text = fs::read_to_string(&path).expect("readable");
    fs::write(&path, format!("{text}\nno answer\n{old}\n")).expect("written");
    let log = PredictionLog::open(&path, &identity("m")).expect("it is a log");
    assert_eq!(
        log.read().expect("readable"),
        [prediction(0), prediction(1)]
    );
}

#[test]
fn a_failed_sync_is_not_tried_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.jsonl");
    let mut log = PredictionLog::open(&path, &identity("m")).expect("new");
    log.append(&[prediction(0)]).expect("written");
    log.sync = |_| Err(io::Error::other("pages are gone"));
    log.keep(&prediction(1)).expect("not forced yet");
    let first = log.sync().expect_err("forced").to_string();
    assert!(
        first.contains("pages are gone; the last answers, up to 1"),
        "{first}"
    );
    log.sync = File::sync_data;
    let length = path.metadata().expect("there").len();
    assert_eq!(
        log.keep(&prediction(2)).expect_err("no more").to_string(),
        first
    );
    assert_eq!(log.sync().expect_err("no more").to_string(), first);
    assert_eq!(path.metadata().expect("there").len(), length);
    let log = PredictionLog::open(&path, &identity("m")).expect("again");
    assert_eq!(log.read().expect("whole"), [prediction(0), prediction(1)]);
}

#[test]
fn many_predictions_share_a_sync() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.jsonl");
    let mut log = PredictionLog::open(&path, &identity("m")).expect("new");
    log.sync = |_| Err(io::Error::other("now"));
    // Long after the last one only in a test that is stopped for a second, so the clock is set ahead.
    log.synced = Instant::now() + Duration::from_secs(3600);
    for index in 1..SYNC_EVERY {
        log.keep(&prediction(index)).expect("not yet");
    }
    log.keep(&prediction(SYNC_EVERY)).expect_err("now");
    assert_eq!(read_predictions(&path).expect("all").len(), SYNC_EVERY);
}

#[track_caller]
fn check_refused(first: &RunIdentity, second: &RunIdentity, expected: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.jsonl");
    let mut log = PredictionLog::open(&path, first).expect("new");
    log.append(&[prediction(0)]).expect("written");
    let message = PredictionLog::open(&path, second)
        .expect_err("another run")
        .to_string();
    assert!(message.contains("log.run.json"), "{message}");
    assert!(message.contains(expected), "{message}");
    assert_eq!(read_predictions(&path).expect("kept"), [prediction(0)]);
    PredictionLog::open(&path, first).expect("the first goes on");
}

#[test]
fn the_log_of_another_run_is_refused() {
    check_refused(
        &identity("small"),
        &identity("large"),
        "another source: expected \"large\", found \"small\"",
    );
}

#[test]
fn a_log_without_an_answer_is_nobodys() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.jsonl");
    PredictionLog::open(&path, &identity("small")).expect("new");
    let mut log = PredictionLog::open(&path, &identity("large")).expect("nobody's");
    log.append(&[prediction(0)]).expect("written");
    let refused = PredictionLog::open(&path, &identity("small"));
    assert!(refused.is_err(), "it is the second one's now");
}

#[test]
fn a_model_is_known_by_its_files_and_not_by_its_folder() {
    let [one, two] = ["1111", "2222"].map(|hash| identity("model").with_files(hash));
    check_refused(&one, &two, "model (files 2222)");
    check_refused(&one, &identity("model"), "found \"model (files 1111)\"");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.jsonl");
    let mut log = PredictionLog::open(&path, &one).expect("new");
    log.append(&[prediction(0)]).expect("written");
    let moved = identity("elsewhere/model").with_files("1111");
    PredictionLog::open(&path, &moved).expect("the same files");
}

#[test]
fn limits_and_sentences_are_part_of_a_run() {
    let run = identity("m").with("max_new_tokens", 64);
    let longer = identity("m").with("max_new_tokens", 128);
    check_refused(
        &run,
        &longer,
        "another max_new_tokens: expected \"128\", found \"64\"",
    );
    check_refused(&run, &identity("m"), "expected \"none\", found \"64\"");
    let of = |sentence: &str| {
        let example = ner_types::Example {
            sentence: sentence.into(),
            ..Default::default()
        };
        let set = EvalSet {
            name: "north".into(),
            examples: vec![example],
        };
        let suite = Suite {
            name: "made up".into(),
            sets: vec![set],
        };
        RunIdentity::new(&suite, "m", &PromptTemplate::paper())
    };
    check_refused(
        &of("Brel sleeps"),
        &of("Brel wakes"),
        "text of the sentences",
    );
}

#[test]
fn a_log_without_a_name_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log.jsonl");
    crate::prediction::write_predictions(&path, &[prediction(0)]).expect("written");
    let message = PredictionLog::open(&path, &identity("m"))
        .expect_err("whose is it")
        .to_string();
    assert!(
        message.contains("do not say which run made them"),
        "{message}"
    );
    assert!(path.exists());
}

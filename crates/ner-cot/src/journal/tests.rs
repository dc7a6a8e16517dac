//! Crashes, damage, full disks and second owners.

use super::*;
use chat_client::{Message, Sampling};

fn request(text: &str) -> ChatRequest {
    ChatRequest {
        model: "m".into(),
        messages: vec![Message::user(text)],
        sampling: Sampling::default(),
        stream: false,
        format: None,
    }
}

fn key(text: &str) -> Key {
    Key::new(Part::Teacher, "p", &request(text), 0)
}

fn append(journal: &Journal, text: &str, body: &str) -> Result<(), Error> {
    journal.append(&key(text), Part::Teacher, &request(text), "p", 0, body)
}

fn get(journal: &Journal, text: &str) -> Option<String> {
    journal.get(&key(text)).expect("readable")
}

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn answers_survive_reopening() {
    let dir = dir();
    let journal = Journal::open(dir.path()).expect("opens");
    append(&journal, "a", "line\nbreak").expect("written");
    append(&journal, "b", "older").expect("written");
    append(&journal, "b", "newer").expect("written");
    assert_eq!(get(&journal, "a").as_deref(), Some("line\nbreak"));
    drop(journal);
    let journal = Journal::open(dir.path()).expect("opens again");
    assert_eq!(journal.len(), 2);
    assert_eq!(get(&journal, "a").as_deref(), Some("line\nbreak"));
    assert_eq!(get(&journal, "b").as_deref(), Some("newer"));
    assert_eq!(get(&journal, "c"), None);
}

#[test]
fn every_field_of_a_request_is_in_its_key() {
    let base = request("a");
    let mut sampled = base.clone();
    sampled.sampling.temperature = Some(0.5);
    let mut renamed = base.clone();
    renamed.model = "n".into();
    let keys = [
        Key::new(Part::Teacher, "p", &base, 0),
        Key::new(Part::Judge, "p", &base, 0),
        Key::new(Part::Teacher, "q", &base, 0),
        Key::new(Part::Teacher, "p", &base, 1),
        Key::new(Part::Teacher, "p", &sampled, 0),
        Key::new(Part::Teacher, "p", &renamed, 0),
        Key::new(Part::Teacher, "p", &request("b"), 0),
    ];
    let different: std::collections::HashSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len());
}

#[test]
fn a_file_cut_at_any_byte_opens_and_goes_on() {
    let whole = dir();
    let journal = Journal::open(whole.path()).expect("opens");
    append(&journal, "a", "first").expect("written");
    append(&journal, "b", "zweite ü").expect("written");
    drop(journal);
    let bytes = std::fs::read(whole.path().join(FILE)).expect("readable");
    for cut in 0..=bytes.len() {
        let dir = dir();
        std::fs::write(dir.path().join(FILE), &bytes[..cut]).expect("writable");
        let journal = Journal::open(dir.path()).expect("opens");
        let lines = bytes[..cut].iter().filter(|&&b| b == b'\n').count();
        assert_eq!(journal.len(), lines.saturating_sub(1), "cut at {cut}");
        assert_eq!(journal.damaged(), 0);
        append(&journal, "c", "third").expect("written");
        drop(journal);
        let journal = Journal::open(dir.path()).expect("opens again");
        assert_eq!(get(&journal, "c").as_deref(), Some("third"), "cut at {cut}");
    }
}

#[test]
fn a_changed_byte_costs_only_its_line() {
    let dir = dir();
    let journal = Journal::open(dir.path()).expect("opens");
    append(&journal, "a", "first").expect("written");
    append(&journal, "b", "second").expect("written");
    drop(journal);
    let path = dir.path().join(FILE);
    let text = std::fs::read_to_string(&path).expect("readable");
    std::fs::write(&path, text.replace("first", "fir5t")).expect("writable");
    let journal = Journal::open(dir.path()).expect("opens");
    assert_eq!((journal.len(), journal.damaged()), (1, 1));
    assert_eq!(get(&journal, "b").as_deref(), Some("second"));
}

#[test]
fn foreign_and_newer_files_are_refused_and_left_alone() {
    for (content, word) in [
        ("my notes", "my notes"),
        ("{\"journal\":\"ner-cot\",\"version\":99}\n", "version 99"),
    ] {
        let dir = dir();
        let path = dir.path().join(FILE);
        std::fs::write(&path, content).expect("writable");
        let error = Journal::open(dir.path())
            .err()
            .expect("refused")
            .to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), content);
    }
}

#[test]
fn a_second_owner_is_refused() {
    let dir = dir();
    let first = Journal::open(dir.path()).expect("opens");
    let error = Journal::open(dir.path()).err().expect("locked").to_string();
    assert!(error.contains("journal.lock"), "{error}");
    drop(first);
    assert!(Journal::open(dir.path()).is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn answers_that_a_full_disk_refused_are_written_later() {
    let dir = dir();
    let journal = Journal::open(dir.path()).expect("opens");
    let full = OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let good = std::mem::replace(&mut journal.state().file, full);
    for text in ["a", "b"] {
        let error = append(&journal, text, text).expect_err("full").to_string();
        assert!(error.contains("free some space"), "{error}");
    }
    let error = journal.finish().expect_err("still full").to_string();
    assert!(
        error.contains("2 answers of this run are not on disk"),
        "{error}"
    );
    journal.state().file = good;
    journal.finish().expect("there is space again");
    drop(journal);
    let journal = Journal::open(dir.path()).expect("opens");
    assert_eq!(get(&journal, "a").as_deref(), Some("a"));
    assert_eq!(get(&journal, "b").as_deref(), Some("b"));
}

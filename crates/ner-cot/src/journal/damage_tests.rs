//! A damaged head, lost line feeds, a disk that fails once, and what a kill leaves in flight.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::header::header_line;
use super::tests::{append, dir, get, key, open_on};
use super::*;

/// A journal with two answers, as bytes.
fn two_answers() -> Vec<u8> {
    let dir = dir();
    let journal = Journal::open(dir.path()).expect("opens");
    append(&journal, "a", "first").expect("written");
    append(&journal, "b", "zweite ü").expect("written");
    drop(journal);
    std::fs::read(dir.path().join(FILE)).expect("readable")
}

/// The journal with these bytes goes on with both answers.
fn check_bridged(bytes: &[u8], what: &str) {
    let dir = dir();
    let path = dir.path().join(FILE);
    std::fs::write(&path, bytes).expect("writable");
    let journal = Journal::open(dir.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(get(&journal, "a").as_deref(), Some("first"), "{what}");
    assert_eq!(get(&journal, "b").as_deref(), Some("zweite ü"), "{what}");
    assert_eq!(journal.damaged(), 0, "{what}");
    append(&journal, "c", "third").expect("written");
    drop(journal);
    let done = compact(dir.path(), &RealDisk).expect("compacts");
    assert_eq!(done.answers, 3, "{what}");
    let mended = std::fs::read(&path).expect("readable");
    assert!(mended.starts_with(header_line().as_bytes()), "{what}");
    let lines = mended.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(lines, 4, "{what}");
    let journal = Journal::open(dir.path()).expect("opens");
    assert_eq!(get(&journal, "c").as_deref(), Some("third"), "{what}");
}

/// What was answered and all that its cost depends on.
fn told(record: &Record<'_>) -> String {
    let sum = None;
    format!(
        "{:?}",
        Record {
            sum,
            ..record.clone()
        }
    )
}

#[test]
fn a_flipped_bit_in_an_answer_costs_it_and_never_changes_it() {
    let record = Record::new(&key("a"), Part::Teacher, "large", "v1", 3, "zweite ü");
    let line = record.line();
    for bit in 0..line.len() * 8 {
        let mut damaged = line.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Some((found, read)) = Record::read(&damaged) {
            assert_eq!((found, told(&read)), (key("a"), told(&record)), "bit {bit}");
        }
    }
    let old = Record {
        sum: None,
        ..record
    };
    assert!(Record::read(&old.line()).is_some(), "of an older program");
}

#[test]
fn every_bit_of_the_first_line_may_be_wrong() {
    let bytes = two_answers();
    let head = header_line().len();
    for bit in 0..head * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        check_bridged(&damaged, &format!("bit {bit}"));
    }
}

#[test]
fn the_head_may_be_that_of_an_older_program_or_missing() {
    let bytes = two_answers();
    let records = &bytes[header_line().len()..];
    let old: &[u8] = b"{\"journal\":\"ner-cot\",\"version\":1}\n";
    check_bridged(&[old, records].concat(), "an older program's");
    for bit in 0..old.len() * 8 {
        let mut damaged = [old, records].concat();
        damaged[bit / 8] ^= 1 << (bit % 8);
        check_bridged(&damaged, &format!("bit {bit} of an older program's"));
    }
    check_bridged(records, "none");
    check_bridged(&[&[0; 40], &b"\n"[..], records].concat(), "zeros");
    check_bridged(&[&bytes[..], old].concat(), "one at the end, too");
}

#[test]
fn an_intact_head_of_another_kind_is_refused_whatever_is_behind_it() {
    let bytes = two_answers();
    let records = &bytes[header_line().len()..];
    for (journal, version, word) in [("ner-cot", 2_u32, "version 2"), ("other", 1, "other")] {
        let check = record::checksum(journal, &version.to_string());
        let head = serde_json::json!({"journal": journal, "version": version, "check": check});
        let dir = dir();
        let path = dir.path().join(FILE);
        let content = [head.to_string().as_bytes(), b"\n", records].concat();
        std::fs::write(&path, &content).expect("writable");
        let error = Journal::open(dir.path()).err().expect("refused");
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(std::fs::read(&path).expect("readable"), content);
    }
}

#[test]
fn a_line_feed_between_answers_may_be_wrong() {
    let bytes = two_answers();
    let feeds = (0..bytes.len()).filter(|&at| bytes[at] == b'\n');
    let feeds: Vec<usize> = feeds.collect();
    for at in &feeds[..2] {
        for wrong in [b' ', b'x', b'{', 0, 0xff] {
            let mut damaged = bytes.clone();
            damaged[*at] = wrong;
            check_bridged(&damaged, &format!("{wrong} at {at}"));
        }
    }
}

/// A disk whose third sync fails; all others succeed.
#[derive(Debug, Default)]
struct FailsOnce {
    syncs: AtomicUsize,
}

impl Disk for FailsOnce {
    fn sync(&self, file: &File) -> std::io::Result<()> {
        match self.syncs.fetch_add(1, Ordering::SeqCst) {
            2 => Err(std::io::Error::other("pages are gone")),
            _ => file.sync_data(),
        }
    }
}

#[test]
fn a_failed_sync_is_not_tried_again() {
    let (dir, disk) = (dir(), Arc::new(FailsOnce::default()));
    let journal = open_on(disk.clone(), dir.path());
    append(&journal, "a", "first").expect("the second sync");
    let first = append(&journal, "b", "second")
        .expect_err("the third")
        .to_string();
    assert!(first.contains("pages are gone"), "{first}");
    assert!(first.contains("up to 1, may not be on it"), "{first}");
    let length = std::fs::metadata(dir.path().join(FILE))
        .expect("there")
        .len();
    for _ in 0..3 {
        let later = append(&journal, "c", "third").expect_err("no more");
        assert_eq!(later.to_string(), first);
        assert_eq!(journal.finish().expect_err("no more").to_string(), first);
    }
    drop(journal);
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 3, "tried again");
    let after = std::fs::metadata(dir.path().join(FILE))
        .expect("there")
        .len();
    assert_eq!(after, length, "nothing was written afterwards");
    // The next start has what is really there, and works.
    let journal = Journal::open(dir.path()).expect("opens");
    assert_eq!(get(&journal, "a").as_deref(), Some("first"));
    append(&journal, "c", "third").expect("written");
    assert_eq!(get(&journal, "c").as_deref(), Some("third"));
}

fn begin(journal: &Journal, bound: &Bound) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let begun = journal.begin(Part::Teacher, "m", bound);
    runtime
        .expect("a runtime")
        .block_on(begun)
        .expect("written");
}

/// Requests that may be in flight according to a journal.
fn in_flight(dir: &Path) -> u64 {
    let journal = Journal::open_to_read(dir).expect("opens");
    assert_eq!(journal.damaged(), 0);
    let mut words = LastWords::default();
    let each = |line: Line<'_>| {
        if let Line::InFlight(line) = line {
            words.hear(&line);
        }
    };
    journal.for_each_line(each).expect("readable");
    words.iter().map(|(_, _, most)| most.requests).sum()
}

#[test]
fn what_a_kill_leaves_in_flight_is_remembered_compacted_and_merged_once() {
    let bound = Bound {
        prompt_tokens: 100,
        completion_tokens: Some(40),
    };
    let [living, killed, whole] = [dir(), dir(), dir()];
    let kill = || {
        let (from, to) = (living.path().join(FILE), killed.path().join(FILE));
        std::fs::copy(from, to).expect("copied");
    };
    let journal = Journal::open(living.path()).expect("opens");
    for _ in 0..3 {
        begin(&journal, &bound);
    }
    kill();
    assert_eq!(in_flight(killed.path()), 3);
    for _ in 0..3 {
        journal.end(Part::Teacher, "m", &bound);
    }
    journal.finish().expect("written");
    assert_eq!(in_flight(living.path()), 0);
    // A second process is killed in the same folder.
    let second = Journal::open(killed.path()).expect("opens");
    begin(&second, &bound);
    append(&second, "a", "first").expect("written");
    let path = killed.path().join(FILE);
    let snapshot = std::fs::read(&path).expect("readable");
    drop(second);
    assert_eq!(in_flight(killed.path()), 4, "the request never ended");
    std::fs::write(&path, snapshot).expect("written");
    assert_eq!(in_flight(killed.path()), 4);
    assert_eq!(
        compact(killed.path(), &RealDisk).expect("compacts").answers,
        1
    );
    assert_eq!(in_flight(killed.path()), 4);
    for _ in 0..2 {
        merge(&[killed.path().to_owned()], whole.path()).expect("merges");
        assert_eq!(in_flight(whole.path()), 4);
    }
    // The first process was not killed after all; its own journal knows better.
    merge(&[living.path().to_owned()], whole.path()).expect("merges");
    assert_eq!(in_flight(whole.path()), 1);
    assert_eq!(key("a").hex().len(), 64);
}

//! Crashes, damage, full disks and second owners.

use super::*;
use chat_client::money::Bound;
use chat_client::{ChatRequest, Message, Sampling};

fn request(text: &str) -> ChatRequest {
    ChatRequest {
        model: "m".into(),
        messages: vec![Message::user(text)],
        sampling: Sampling::default(),
        stream: false,
        format: None,
    }
}

pub(super) fn key(text: &str) -> Key {
    Key::new(Part::Teacher, "p", &request(text), 0)
}

pub(super) fn append(journal: &Journal, text: &str, body: &str) -> Result<(), Error> {
    let record = Record::new(&key(text), Part::Teacher, "m", "p", 0, body);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime
        .expect("a runtime")
        .block_on(journal.append(&key(text), &record))
}

pub(super) fn get(journal: &Journal, text: &str) -> Option<String> {
    journal.get(&key(text)).expect("readable")
}

pub(super) fn dir() -> tempfile::TempDir {
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

/// A disk of which `room` bytes are left; a write that does not fit is done in part, as real disks do.
#[derive(Debug)]
struct SmallDisk {
    room: Mutex<usize>,
}

impl Disk for SmallDisk {
    fn append(&self, file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
        let mut room = self.room.lock().expect("no thread panics with it");
        let fits = bytes.len().min(*room);
        std::io::Write::write_all(file, &bytes[..fits])?;
        *room -= fits;
        if fits < bytes.len() {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn truncate(&self, file: &File, length: u64) -> std::io::Result<()> {
        let freed = file.metadata()?.len().saturating_sub(length) as usize;
        *self.room.lock().expect("no thread panics with it") += freed;
        file.set_len(length)
    }
}

pub(super) fn open_on(disk: Arc<dyn Disk>, dir: &Path) -> Journal {
    let options = JournalOptions {
        disk,
        ..JournalOptions::default()
    };
    Journal::open_with(dir, &options).expect("opens")
}

#[test]
fn answers_that_a_full_disk_refused_are_written_later() {
    let dir = dir();
    let disk = Arc::new(SmallDisk {
        room: Mutex::new(400),
    });
    let journal = open_on(disk.clone(), dir.path());
    append(&journal, "a", "fits").expect("there is room for one");
    for text in ["b", "c"] {
        let error = append(&journal, text, text).expect_err("full").to_string();
        assert!(error.contains("free some space"), "{error}");
    }
    let error = journal.finish().expect_err("still full").to_string();
    assert!(
        error.contains("2 answers of this run are not on disk"),
        "{error}"
    );
    assert_eq!(Journal::open_to_read(dir.path()).expect("whole").len(), 1);
    *disk.room.lock().expect("no thread panics with it") = 4000;
    journal.finish().expect("there is space again");
    drop(journal);
    let journal = Journal::open(dir.path()).expect("opens");
    assert_eq!((journal.len(), journal.damaged()), (3, 0));
    assert_eq!(get(&journal, "c").as_deref(), Some("c"));
}

#[test]
fn many_tasks_share_a_write() {
    #[derive(Debug, Default)]
    struct Counting(std::sync::atomic::AtomicUsize);
    impl Disk for Counting {
        fn sync(&self, file: &File) -> std::io::Result<()> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(5));
            file.sync_data()
        }
    }
    let (dir, disk) = (dir(), Arc::new(Counting::default()));
    let journal = Arc::new(open_on(disk.clone(), dir.path()));
    let runtime = tokio::runtime::Builder::new_multi_thread().build();
    runtime.expect("a runtime").block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..200 {
            let journal = journal.clone();
            tasks.spawn(async move {
                let text = i.to_string();
                let record = Record::new(&key(&text), Part::Teacher, "m", "p", 0, &text);
                journal.append(&key(&text), &record).await.expect("written");
                assert!(journal.contains(&key(&text)), "known when it is safe");
            });
        }
        tasks.join_all().await;
    });
    let syncs = disk.0.load(std::sync::atomic::Ordering::Relaxed);
    assert!(syncs < 100, "{syncs} syncs for 200 answers");
    assert_eq!(get(&journal, "77").as_deref(), Some("77"));
}

#[test]
fn a_journal_in_use_can_be_looked_at() {
    let dir = dir();
    let writing = Journal::open(dir.path()).expect("opens");
    append(&writing, "a", "first").expect("written");
    let reading = Journal::open_to_read(dir.path()).expect("opens beside it");
    assert_eq!(get(&reading, "a").as_deref(), Some("first"));
    assert!(append(&reading, "b", "no").is_err());
    append(&writing, "b", "second").expect("written");
    let mut bodies = Vec::new();
    let each = |record: &Record<'_>| bodies.push(record.body.to_string());
    reading.for_each(each).expect("readable");
    assert_eq!(bodies, ["first", "second"]);
}

#[test]
fn compaction_keeps_the_last_answers_only() {
    let dir = dir();
    let journal = Journal::open(dir.path()).expect("opens");
    append(&journal, "a", "older").expect("written");
    append(&journal, "b", "other").expect("written");
    append(&journal, "a", "newer").expect("written");
    let in_use = compact(dir.path(), &RealDisk).expect_err("in use");
    assert!(in_use.to_string().contains("journal.lock"), "{in_use}");
    drop(journal);
    let done = compact(dir.path(), &RealDisk).expect("compacts");
    assert_eq!(done.answers, 2);
    assert!(done.bytes_after < done.bytes_before, "{done:?}");
    let length = std::fs::metadata(dir.path().join(FILE))
        .expect("there")
        .len();
    assert_eq!(length, done.bytes_after);
    let journal = Journal::open(dir.path()).expect("opens");
    assert_eq!(get(&journal, "a").as_deref(), Some("newer"));
    assert_eq!(get(&journal, "b").as_deref(), Some("other"));
}

#[test]
fn a_compaction_without_room_changes_nothing() {
    let dir = dir();
    let journal = Journal::open(dir.path()).expect("opens");
    append(&journal, "a", "first").expect("written");
    drop(journal);
    let before = std::fs::read(dir.path().join(FILE)).expect("readable");
    let full = SmallDisk {
        room: Mutex::new(10),
    };
    compact(dir.path(), &full).expect_err("no room");
    assert_eq!(std::fs::read(dir.path().join(FILE)).expect("there"), before);
    assert!(!dir.path().join("journal.jsonl.partial").exists());
}

#[test]
fn merging_takes_each_answer_once() {
    let dirs = [dir(), dir(), dir()];
    for (dir, texts) in dirs.iter().zip([&["a", "b"][..], &["b", "c"]]) {
        let journal = Journal::open(dir.path()).expect("opens");
        for text in texts {
            append(&journal, text, text).expect("written");
        }
    }
    let from = [dirs[0].path().to_owned(), dirs[1].path().to_owned()];
    let merged = merge(&from, dirs[2].path()).expect("merges");
    assert_eq!(merged, Merged { added: 3, known: 1 });
    let journal = Journal::open(dirs[2].path()).expect("opens");
    assert_eq!(journal.len(), 3);
    assert_eq!(get(&journal, "c").as_deref(), Some("c"));
    assert!(merge(&[dirs[2].path().join("none")], dirs[0].path()).is_err());
}

/// What is lost in a journal: the texts of the requests, and the tokens in all.
fn losses(dir: &Path) -> (Vec<String>, u64) {
    let journal = Journal::open_to_read(dir).expect("opens");
    assert_eq!(journal.damaged(), 0);
    let (mut keys, mut tokens) = (Vec::new(), 0);
    let each = |line: Line<'_>| {
        if let Line::Lost(lost) = line {
            keys.push(lost.lost.to_string());
            tokens += lost.bound().tokens();
        }
    };
    journal.for_each_line(each).expect("readable");
    (keys, tokens)
}

#[test]
fn lost_requests_are_remembered_compacted_and_merged_once() {
    let [dir, whole] = [dir(), dir()];
    let journal = Journal::open(dir.path()).expect("opens");
    append(&journal, "a", "older").expect("written");
    let limits = [Some(40), None];
    for completion_tokens in limits {
        let bound = Bound {
            prompt_tokens: 100,
            completion_tokens,
        };
        let lost = Lost::new(&key("a"), Part::Teacher, "m", 0, &bound);
        journal.append_lost(&lost).expect("written");
    }
    append(&journal, "a", "newer").expect("written");
    drop(journal);
    let expected = (vec![key("a").hex(); 2], 240);
    assert_eq!(losses(dir.path()), expected);
    assert_eq!(compact(dir.path(), &RealDisk).expect("compacts").answers, 1);
    assert_eq!(losses(dir.path()), expected);
    for _ in 0..2 {
        merge(&[dir.path().to_owned()], whole.path()).expect("merges");
        assert_eq!(losses(whole.path()), expected);
    }
    let journal = Journal::open(whole.path()).expect("opens");
    assert_eq!(get(&journal, "a").as_deref(), Some("newer"));
    drop(journal);
    // A changed count is damage.
    let path = whole.path().join(FILE);
    let text = std::fs::read_to_string(&path).expect("readable");
    std::fs::write(&path, text.replace(":40,", ":41,")).expect("written");
    assert_eq!(Journal::open(whole.path()).expect("opens").damaged(), 1);
}

/// Journals are paid for, so what is in them must be found by later versions too.
#[test]
fn keys_are_those_of_the_first_version() {
    let identity = serde_json::json!(["teacher", "p", request("a"), 0]);
    let expected = blake3::hash(identity.to_string().as_bytes());
    assert_eq!(key("a").hex(), expected.to_hex().to_string());
    let mut sampled = request("ü \"x\"");
    sampled.sampling.temperature = Some(0.6);
    sampled.sampling.max_tokens = Some(4096);
    let identity = serde_json::json!([Part::Judge, "q", sampled, 3]);
    let expected = blake3::hash(identity.to_string().as_bytes());
    let key = Key::new(Part::Judge, "q", &sampled, 3);
    assert_eq!(key.hex(), expected.to_hex().to_string());
    let line = r#"{"key":"K","part":"teacher","model":"m","prompt":"p","attempt":0,"check":"C","body":"b"}"#;
    let hex = key.hex();
    let check = Record::new(&key, Part::Teacher, "m", "p", 0, "b").check;
    let line = line.replace('K', &hex).replace('C', &check);
    assert!(Record::read(line.as_bytes()).is_some(), "no time is fine");
}

//! The journal of paid answers.

use std::fs;

use chat_client::ChatRequest;
use ner_cot::Journal;
use ner_cot::journal::{Key, Line, Part, Record};

use crate::scratch::{self, Scratch};

const HEADER: &str = "{\"journal\":\"ner-cot\",\"version\":1}\n";

/// A damaged journal gives its sound lines or an error, is never made longer by opening it, and keeps what is appended.
pub(crate) fn journal(data: &[u8]) {
    scratch::with(|scratch| {
        // An input without a header is the lines after one: most changes are to go there.
        let has_head = data.starts_with(b"{\"journal\"");
        let head = if has_head { "" } else { HEADER };
        let path = scratch.write("journal.jsonl", &[head.as_bytes(), data].concat());
        let Ok(seen) = Journal::open_to_read(scratch.path()) else {
            return;
        };
        let n_sound = sound_lines(&seen);
        assert!(seen.len() <= n_sound);
        let before = fs::read(&path).expect("the journal is there");
        let body = String::from_utf8_lossy(data);
        let key = append(scratch, &body);
        let after = fs::read(&path).expect("the journal is there");
        assert!(after.len() >= HEADER.len() && is_kept(&before, &after));
        let again = Journal::open_to_read(scratch.path()).expect("it is a journal");
        assert_eq!(
            again.get(&key).expect("it is read").as_deref(),
            Some(&*body)
        );
        assert_eq!(sound_lines(&again), n_sound + 1);
    });
}

/// Opens for writing, which cuts a torn last line off, and appends an answer.
fn append(scratch: &Scratch, body: &str) -> Key {
    let journal = Journal::open(scratch.path()).expect("what can be read can be written");
    let request = ChatRequest::user("model", "a question that no stored input asks");
    let key = Key::new(Part::Teacher, "v1", &request, 0);
    let hex = key.hex();
    let mut hasher = blake3::Hasher::new();
    hasher.update(hex.as_bytes()).update(body.as_bytes());
    let record = Record {
        check: hasher.finalize().to_hex()[..16].to_owned().into(),
        key: hex.into(),
        part: Part::Teacher,
        model: "model".into(),
        prompt: "v1".into(),
        attempt: 0,
        at: Some(0),
        sum: None,
        body: body.into(),
    };
    journal.append_later(&key, &record).expect("it is open");
    journal.finish().expect("the disk takes it");
    key
}

/// Everything up to the last line feed is left as it was.
fn is_kept(before: &[u8], after: &[u8]) -> bool {
    let whole = before.iter().rposition(|byte| *byte == b'\n');
    let kept = whole.map_or(&[][..], |end| &before[..=end]);
    after.starts_with(kept)
}

/// Counts the lines that are read; each is the same when it is written and read again.
fn sound_lines(journal: &Journal) -> usize {
    let mut n_lines = 0;
    let each = |line: Line<'_>| {
        n_lines += 1;
        if let Line::Answer(key, record) = line {
            assert_eq!(key.hex(), record.key);
            let written = serde_json::to_string(&record).expect("a record is written");
            let again: Record<'_> = serde_json::from_str(&written).expect("and read");
            assert_eq!(again.body, record.body);
            assert_eq!((again.at, again.attempt), (record.at, record.attempt));
        }
    };
    journal.for_each_line(each).expect("it is read twice");
    n_lines
}

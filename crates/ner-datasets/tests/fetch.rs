//! Downloads from a server inside the test: complete, broken off and resumed, changed in between, wrong, refused.
#![cfg(feature = "fetch")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ner_datasets::{
    CatalogueFile, Checked, Endpoints, Error, FetchOptions, Fetched, fetch, hash_file,
};

const CONTENT: &[u8] = b"Ardela\tB-person\nVoss\tI-person\n\nOsmere\tB-city\n";

/// How the server behaves, one entry for each request; the last one stays.
#[derive(Clone, Copy)]
enum Behaviour {
    /// Knows ranges and sends all that is asked for.
    Whole,
    /// Announces everything and hangs up after these bytes.
    BreakAfter(usize),
    /// Does not know ranges.
    NoRanges,
    Status(&'static str),
}

struct Server {
    url: String,
    /// The `Range` of each request.
    ranges: Arc<Mutex<Vec<Option<String>>>>,
}

fn serve(behaviours: &'static [Behaviour], tag: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/file", listener.local_addr().expect("bound"));
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ranges);
    std::thread::spawn(move || {
        for (i, stream) in listener.incoming().enumerate() {
            let behaviour = behaviours[i.min(behaviours.len() - 1)];
            answer(stream.expect("a connection"), behaviour, tag, &seen);
        }
    });
    Server { url, ranges }
}

fn answer(
    mut stream: TcpStream,
    behaviour: Behaviour,
    tag: &str,
    ranges: &Mutex<Vec<Option<String>>>,
) {
    let (mut range, mut condition) = (None, None);
    let reader = BufReader::new(stream.try_clone().expect("a second handle"));
    for line in reader
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
    {
        let line = line.to_lowercase();
        if let Some(value) = line.strip_prefix("range: ") {
            range = Some(value.to_string());
        } else if let Some(value) = line.strip_prefix("if-range: ") {
            condition = Some(value.to_string());
        }
    }
    ranges.lock().expect("not poisoned").push(range.clone());
    let is_same = condition.is_none_or(|condition| condition == tag);
    let start = match behaviour {
        Behaviour::Whole | Behaviour::BreakAfter(_) if is_same => range
            .and_then(|range| {
                range
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')?
                    .parse()
                    .ok()
            })
            .unwrap_or(0_usize),
        _ => 0,
    };
    let (status, length) = match behaviour {
        Behaviour::Status(status) => (status, 0),
        _ if start > 0 => ("206 Partial Content", CONTENT.len() - start),
        _ => ("200 OK", CONTENT.len()),
    };
    let range = format!(
        "Content-Range: bytes {start}-{}/{}\r\n",
        CONTENT.len() - 1,
        CONTENT.len()
    );
    let range = if start > 0 { &range } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: {tag}\r\n{range}Connection: close\r\n\r\n"
    );
    let end = match behaviour {
        Behaviour::BreakAfter(bytes) => (start + bytes).min(CONTENT.len()),
        Behaviour::Status(_) => start,
        _ => CONTENT.len(),
    };
    // The client may have hung up, which is its right.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&CONTENT[start..end]);
}

fn hash_of(content: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), content).expect("written");
    hash_file(file.path()).expect("readable").0
}

fn get(root: &Path, url: &str, sha256: Option<String>, attempts: usize) -> Result<Fetched, Error> {
    let file = CatalogueFile {
        path: "set/train.txt".into(),
        url: url.into(),
        sha256,
        bytes: None,
        split: None,
    };
    let options = FetchOptions {
        attempts,
        pause: Duration::from_millis(1),
        timeout: Duration::from_secs(20),
        endpoints: Endpoints::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(fetch(root, &file, &options, |_| {}))
}

fn folder_names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("listed");
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into()
        })
        .collect()
}

#[track_caller]
fn check(behaviours: &'static [Behaviour], ranges: &[Option<&str>]) {
    let server = serve(behaviours, "\"v1\"");
    let dir = tempfile::tempdir().expect("a folder");
    let fetched = get(dir.path(), &server.url, Some(hash_of(CONTENT)), 3).expect("fetched");
    assert!(fetched.checked == Checked::Catalogue && !fetched.was_here);
    assert_eq!(fs::read(&fetched.path).expect("there"), CONTENT);
    assert_eq!(
        folder_names(&dir.path().join("set")),
        ["train.txt"],
        "nothing else is left"
    );
    let seen = server.ranges.lock().expect("not poisoned").clone();
    assert_eq!(
        seen.iter().map(Option::as_deref).collect::<Vec<_>>(),
        ranges
    );
    let again = get(dir.path(), &server.url, Some(hash_of(CONTENT)), 1).expect("here");
    assert!(again.was_here);
    assert_eq!(
        server.ranges.lock().expect("not poisoned").len(),
        ranges.len()
    );
}

#[test]
fn the_hash_is_sha_256() {
    // The test vector of FIPS 180-2.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hash_of(b"abc"), expected);
}

#[test]
fn whole_broken_and_rangeless_downloads() {
    check(&[Behaviour::Whole], &[None]);
    check(
        &[Behaviour::BreakAfter(10), Behaviour::Whole],
        &[None, Some("bytes=10-")],
    );
    check(
        &[
            Behaviour::BreakAfter(10),
            Behaviour::BreakAfter(5),
            Behaviour::Whole,
        ],
        &[None, Some("bytes=10-"), Some("bytes=15-")],
    );
    check(
        &[Behaviour::BreakAfter(10), Behaviour::NoRanges],
        &[None, Some("bytes=10-")],
    );
    check(
        &[
            Behaviour::Status("503 Service Unavailable"),
            Behaviour::Whole,
        ],
        &[None, None],
    );
}

#[test]
fn a_later_call_goes_on_unless_the_content_has_changed() {
    let dir = tempfile::tempdir().expect("a folder");
    let broken = serve(&[Behaviour::BreakAfter(10)], "\"v1\"");
    get(dir.path(), &broken.url, None, 1).expect_err("broken off");
    assert!(folder_names(&dir.path().join("set")).contains(&"train.txt.part".to_string()));
    let same = serve(&[Behaviour::Whole], "\"v1\"");
    let fetched = get(dir.path(), &same.url, None, 1).expect("the rest");
    assert_eq!(fs::read(&fetched.path).expect("there"), CONTENT);
    assert_eq!(
        same.ranges.lock().expect("not poisoned")[0].as_deref(),
        Some("bytes=10-")
    );

    let dir = tempfile::tempdir().expect("a folder");
    get(dir.path(), &broken.url, None, 1).expect_err("broken off");
    let other = serve(&[Behaviour::Whole], "\"v2\"");
    let fetched = get(dir.path(), &other.url, None, 1).expect("everything again");
    assert_eq!(fs::read(&fetched.path).expect("there"), CONTENT);
    assert_ne!(fetched.checked, Checked::Catalogue);
}

#[test]
fn a_wrong_hash_and_a_refusal_are_errors_and_leave_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = serve(&[Behaviour::Whole], "\"v1\"");
    let error = get(dir.path(), &server.url, Some(hash_of(b"other")), 2).expect_err("wrong");
    let message = error.to_string();
    assert!(
        message.contains(&hash_of(CONTENT)) && message.contains("expected SHA-256"),
        "{message}"
    );
    assert!(folder_names(&dir.path().join("set")).is_empty());

    let server = serve(&[Behaviour::Status("404 Not Found")], "\"v1\"");
    let message = get(dir.path(), &server.url, None, 3)
        .expect_err("refused")
        .to_string();
    assert!(message.contains("404 Not Found"), "{message}");
    assert_eq!(
        server.ranges.lock().expect("not poisoned").len(),
        1,
        "no second attempt"
    );
    assert!(folder_names(&dir.path().join("set")).is_empty());
}

/// Whatever it is: a file of somebody's, or a download that was damaged since.
#[test]
fn a_file_with_another_hash_is_kept_beside_the_right_one() {
    let server = serve(&[Behaviour::Whole], "\"v1\"");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("set/train.txt");
    fs::create_dir_all(dir.path().join("set")).expect("made");
    fs::write(&path, "mine").expect("written");
    let refused = get(dir.path(), &server.url, Some(hash_of(b"other")), 1);
    refused.expect_err("not what was pinned");
    assert_eq!(fs::read(&path).expect("untouched"), b"mine");
    let fetched = get(dir.path(), &server.url, Some(hash_of(CONTENT)), 1).expect("fetched");
    assert_eq!(fs::read(&fetched.path).expect("there"), CONTENT);
    let kept = dir.path().join("set/train.txt.old-1");
    assert_eq!(fs::read(kept).expect("kept"), b"mine");
    assert_eq!(folder_names(&dir.path().join("set")).len(), 2);
}

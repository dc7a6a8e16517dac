//! Downloads from servers that send too much, lead elsewhere or name another commit, and two downloads at once.
#![cfg(feature = "fetch")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ner_datasets::{CatalogueFile, Checked, Endpoints, Error, FetchOptions, Fetched, fetch};

const CONTENT: &[u8] = b"Ardela\tB-person\n";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const HUB: &str = "https://huggingface.co/datasets/a/b/resolve/refs%2Fconvert%2Fparquet/0.parquet";

/// What a server answers to every request, but for the first line of the head.
#[derive(Clone, Copy)]
enum Answer {
    /// The content and its length.
    Content,
    /// So many bytes, with or without their number in the head.
    Bytes(usize, bool),
    /// A redirect to this address.
    Moved(&'static str),
}

struct Server {
    address: String,
    /// Method and path of each request.
    requests: Arc<Mutex<Vec<String>>>,
    /// Bytes of bodies that a client has taken.
    sent: Arc<Mutex<usize>>,
}

fn serve(answer: Answer) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = Server {
        address: format!("http://{}", listener.local_addr().expect("bound")),
        requests: Arc::default(),
        sent: Arc::default(),
    };
    let (requests, sent) = (Arc::clone(&server.requests), Arc::clone(&server.sent));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (requests, sent) = (Arc::clone(&requests), Arc::clone(&sent));
            std::thread::spawn(move || reply(stream, answer, &requests, &sent));
        }
    });
    server
}

fn reply(
    mut stream: TcpStream,
    answer: Answer,
    requests: &Mutex<Vec<String>>,
    sent: &Mutex<usize>,
) -> Option<()> {
    let lines = BufReader::new(stream.try_clone().ok()?).lines();
    let head: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let request = head.first()?.trim_end_matches(" HTTP/1.1").to_owned();
    let is_head = request.starts_with("HEAD");
    requests.lock().ok()?.push(request);
    let (status, headers, n_bytes) = match answer {
        Answer::Content => (
            "200 OK",
            format!("Content-Length: {}\r\n", CONTENT.len()),
            CONTENT.len(),
        ),
        Answer::Bytes(n, true) => ("200 OK", format!("Content-Length: {n}\r\n"), n),
        Answer::Bytes(n, false) => ("200 OK", String::new(), n),
        Answer::Moved(to) => (
            "302 Found",
            format!("Location: {to}\r\nContent-Length: 0\r\n"),
            0,
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}X-Repo-Commit: {COMMIT}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    if is_head {
        return Some(());
    }
    let mut left = n_bytes;
    while left > 0 {
        let piece = left.min(CONTENT.len());
        stream.write_all(&CONTENT[..piece]).ok()?;
        left -= piece;
        *sent.lock().ok()? += piece;
    }
    Some(())
}

fn file(url: &str, bytes: Option<u64>) -> CatalogueFile {
    CatalogueFile {
        path: "set/train.txt".into(),
        url: url.into(),
        sha256: bytes.map(|_| "00".repeat(32)),
        bytes,
        split: None,
    }
}

fn options(hub: Option<&str>) -> FetchOptions {
    FetchOptions {
        attempts: 2,
        pause: Duration::from_millis(1),
        timeout: Duration::from_secs(20),
        endpoints: Endpoints {
            hub: hub.map(str::to_owned),
            ..Endpoints::default()
        },
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work)
}

fn get(root: &Path, file: &CatalogueFile) -> Result<Fetched, Error> {
    block_on(fetch(root, file, &options(None), |_| {}))
}

#[test]
fn a_download_ends_at_the_pinned_size() {
    for is_announced in [true, false] {
        let server = serve(Answer::Bytes(300_000_000, is_announced));
        let dir = tempfile::tempdir().expect("a folder");
        let mut most = 0;
        let wanted = file(&server.address, Some(40_000));
        let found = block_on(fetch(dir.path(), &wanted, &options(None), |progress| {
            most = most.max(progress.bytes);
        }));
        let error = found.expect_err("too long").to_string();
        assert!(error.contains("more than the 40000 bytes"), "{error}");
        assert!(most <= 40_000, "{most} bytes were written");
        let sent = *server.sent.lock().expect("not poisoned");
        assert!(sent < 100_000_000, "{sent} bytes were sent");
        let left = fs::read_dir(dir.path().join("set"))
            .expect("listed")
            .count();
        assert_eq!(left, 0);
    }
}

#[test]
fn a_short_body_is_asked_for_again() {
    let server = serve(Answer::Bytes(100, false));
    let dir = tempfile::tempdir().expect("a folder");
    let error = get(dir.path(), &file(&server.address, Some(40_000))).expect_err("short");
    assert!(error.to_string().contains("100 of 40000 bytes"), "{error}");
    assert_eq!(server.requests.lock().expect("not poisoned").len(), 2);
}

#[test]
fn no_redirect_leads_to_plain_http() {
    let server = serve(Answer::Moved("http://data.example/file"));
    let dir = tempfile::tempdir().expect("a folder");
    for bytes in [None, Some(40_000)] {
        let error = get(dir.path(), &file(&server.address, bytes)).expect_err("refused");
        assert!(error.to_string().contains("plain http"), "{error}");
    }
    let error = get(dir.path(), &file("http://data.example/file", None)).expect_err("refused");
    assert!(error.to_string().contains("comes over https"), "{error}");
}

#[test]
fn two_downloads_at_once_are_one() {
    let server = serve(Answer::Content);
    let dir = tempfile::tempdir().expect("a folder");
    let (wanted, options) = (file(&server.address, None), options(None));
    let one = || fetch(dir.path(), &wanted, &options, |_| {});
    let (first, second) = block_on(async { tokio::join!(one(), one()) });
    let (first, second) = (first.expect("fetched"), second.expect("fetched"));
    assert_eq!(fs::read(&first.path).expect("there"), CONTENT);
    assert_eq!(first.sha256, second.sha256);
    assert!(first.was_here != second.was_here);
    assert_eq!(server.requests.lock().expect("not poisoned").len(), 1);
}

#[test]
fn a_moving_reference_is_pinned_and_named() {
    let server = serve(Answer::Content);
    let dir = tempfile::tempdir().expect("a folder");
    let work = file(HUB, None);
    let options = options(Some(&server.address));
    let found = block_on(fetch(dir.path(), &work, &options, |_| {})).expect("fetched");
    assert_eq!(found.revision.as_deref(), Some(COMMIT));
    assert_eq!(found.checked, Checked::Nothing);
    let requests = server.requests.lock().expect("not poisoned");
    let asked = format!("GET /datasets/a/b/resolve/{COMMIT}/0.parquet");
    assert!(requests.contains(&asked), "{requests:?}");
}

#[test]
fn hostile_paths_are_refused_before_anything_is_asked() {
    let server = serve(Answer::Content);
    let dir = tempfile::tempdir().expect("a folder");
    for path in [
        "../train.txt",
        "/abs/train.txt",
        "a//b",
        "a\\..\\b",
        "nul",
        "C:x",
        "",
    ] {
        let mut wanted = file(&server.address, None);
        wanted.path = path.into();
        let error = get(dir.path(), &wanted).expect_err("refused").to_string();
        assert!(error.contains("no file is made of it"), "{path}: {error}");
    }
    assert!(server.requests.lock().expect("not poisoned").is_empty());
}

//! Who is asked for a file and what its hash is compared with: mirrors, the Hub, and the first use of a file.
#![cfg(feature = "fetch")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ner_datasets::{
    CatalogueFile, Checked, Endpoints, Error, FetchOptions, Fetched, Receipt, fetch, hash_file,
};

const CONTENT: &str = "Ardela\tB-person\n";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Status, headers and body of an answer.
type Answer = (&'static str, String, &'static str);

struct Server {
    url: String,
    /// Method and path of each request.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let reader = BufReader::new(stream.try_clone().expect("a second handle"));
                let lines = reader.lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let asked = head[0].trim_end_matches(" HTTP/1.1").to_owned();
                let (status, headers, body) = answer(&asked);
                seen.lock().expect("not poisoned").push(asked.clone());
                let length = body.len();
                let body = if asked.starts_with("HEAD") { "" } else { body };
                // The client may have hung up, which is its right.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
                );
            }
        });
        Server { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

fn get(root: &Path, url: &str, endpoints: Endpoints) -> Result<Fetched, Error> {
    let file = CatalogueFile {
        path: "set/train.txt".into(),
        url: url.into(),
        sha256: None,
        bytes: None,
        split: None,
    };
    let options = FetchOptions {
        attempts: 1,
        pause: Duration::from_millis(1),
        timeout: Duration::from_secs(20),
        endpoints,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(fetch(root, &file, &options, |_| {}))
}

fn hash_of(content: &str) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), content).expect("written");
    hash_file(file.path()).expect("readable").0
}

fn mirror(server: &Server) -> Endpoints {
    Endpoints {
        mirror: Some(server.url.clone()),
        ..Endpoints::default()
    }
}

fn hub(server: &Server) -> Endpoints {
    Endpoints {
        hub: Some(server.url.clone()),
        ..Endpoints::default()
    }
}

#[test]
fn a_mirror_is_asked_once_and_the_first_use_is_kept() {
    let server = Server::start(|_| ("200 OK", String::new(), CONTENT));
    let dir = tempfile::tempdir().expect("a folder");
    let url = "https://data.example.org/a/train.txt";
    let first = get(dir.path(), url, mirror(&server)).expect("fetched");
    assert_eq!((first.checked, first.was_here), (Checked::Nothing, false));
    assert_eq!(server.asked(), ["GET /data.example.org/a/train.txt"]);

    let again = get(dir.path(), url, mirror(&server)).expect("here");
    assert_eq!((again.checked, again.was_here), (Checked::FirstUse, true));
    assert_eq!(server.asked().len(), 1, "no file is fetched twice");
    let receipt = Receipt::read(dir.path(), "set/train.txt").expect("a receipt");
    assert_eq!((receipt.sha256, receipt.url.as_str()), (first.sha256, url));

    fs::write(dir.path().join("set/train.txt"), "damaged").expect("written");
    let repaired = get(dir.path(), url, mirror(&server)).expect("fetched");
    assert_eq!(
        (repaired.checked, repaired.was_here),
        (Checked::FirstUse, false)
    );
    assert_eq!(fs::read_to_string(&repaired.path).expect("there"), CONTENT);
}

#[test]
fn content_that_changed_since_its_first_use_is_refused() {
    let before = Server::start(|_| ("200 OK", String::new(), CONTENT));
    let after = Server::start(|_| ("200 OK", String::new(), "something else\n"));
    let dir = tempfile::tempdir().expect("a folder");
    let url = "https://data.example.org/a/train.txt";
    get(dir.path(), url, mirror(&before)).expect("fetched");
    fs::remove_file(dir.path().join("set/train.txt")).expect("removed");
    let message = get(dir.path(), url, mirror(&after))
        .expect_err("changed")
        .to_string();
    assert!(
        message.contains(&hash_of(CONTENT)) && message.contains("expected SHA-256"),
        "{message}"
    );
}

/// The Hub's answers for one file in LFS: the hash in the headers, the bytes behind a redirection.
fn lfs(stated: &str) -> impl Fn(&str) -> Answer + Send + 'static {
    let headers = format!(
        "X-Linked-Etag: \"{stated}\"\r\nX-Linked-Size: {}\r\nX-Repo-Commit: {COMMIT}\r\nLocation: /cdn/1\r\n",
        CONTENT.len()
    );
    move |asked| match asked {
        "GET /cdn/1" => ("200 OK", String::new(), CONTENT),
        _ if asked.contains("/resolve/") => ("302 Found", headers.clone(), ""),
        _ => ("404 Not Found", String::new(), ""),
    }
}

const ON_HUB: &str =
    "https://huggingface.co/datasets/a/b/resolve/refs%2Fconvert%2Fparquet/train.txt";

#[test]
fn the_hub_states_the_hash_and_what_a_moving_reference_stood_for() {
    let server = Server::start(lfs(&hash_of(CONTENT)));
    let dir = tempfile::tempdir().expect("a folder");
    let fetched = get(dir.path(), ON_HUB, hub(&server)).expect("fetched");
    assert_eq!((fetched.checked, fetched.was_here), (Checked::Hub, false));
    assert_eq!(fetched.revision.as_deref(), Some(COMMIT));
    let commit = format!("GET /datasets/a/b/resolve/{COMMIT}/train.txt");
    assert!(server.asked().contains(&commit), "{:?}", server.asked());
    let n = server.asked().len();

    let again = get(dir.path(), ON_HUB, hub(&server)).expect("here");
    assert_eq!((again.checked, again.was_here), (Checked::Hub, true));
    assert_eq!(again.revision.as_deref(), Some(COMMIT));
    assert_eq!(server.asked().len(), n, "the Hub is not asked again");
}

#[test]
fn a_file_that_lies_there_is_compared_and_not_fetched() {
    let server = Server::start(lfs(&hash_of(CONTENT)));
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("set")).expect("made");
    fs::write(dir.path().join("set/train.txt"), CONTENT).expect("written");
    let found = get(dir.path(), ON_HUB, hub(&server)).expect("here");
    assert_eq!((found.checked, found.was_here), (Checked::Hub, true));
    assert!(
        server.asked().iter().all(|asked| asked.starts_with("HEAD")),
        "{:?}",
        server.asked()
    );
}

#[test]
fn content_other_than_the_hub_states_is_refused() {
    let server = Server::start(lfs(&hash_of("another file")));
    let dir = tempfile::tempdir().expect("a folder");
    let message = get(dir.path(), ON_HUB, hub(&server))
        .expect_err("wrong")
        .to_string();
    assert!(message.contains(&hash_of("another file")), "{message}");
    assert!(!dir.path().join("set/train.txt").exists());
}

#[test]
fn two_calls_at_once_fetch_a_file_once() {
    let server = Server::start(|_| ("200 OK", String::new(), CONTENT));
    let dir = tempfile::tempdir().expect("a folder");
    let url = "https://data.example.org/a/train.txt";
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| get(dir.path(), url, mirror(&server)).expect("fetched"));
        }
    });
    assert_eq!(server.asked().len(), 1, "{:?}", server.asked());
}

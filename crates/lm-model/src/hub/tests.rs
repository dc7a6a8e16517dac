//! Downloads from a server on this machine that answers as the Hub does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A Hub with one model.
struct Server {
    files: BTreeMap<&'static str, Vec<u8>>,
    /// Closes the connection in the middle of the body of this file.
    breaks: Option<&'static str>,
    broken: AtomicBool,
    /// The paths of all bodies that were sent.
    sent: Mutex<Vec<String>>,
}

impl Server {
    fn start(breaks: Option<&'static str>) -> (Arc<Self>, String) {
        let files = [
            ("config.json", b"{}".to_vec()),
            ("tokenizer.json", vec![b' '; 5_000]),
            ("model-00001-of-00002.safetensors", vec![1; 300_000]),
            ("model-00002-of-00002.safetensors", vec![2; 200_000]),
            ("pytorch_model.bin", vec![3; 1_000]),
        ];
        let server = Arc::new(Self {
            files: files.into(),
            breaks,
            broken: AtomicBool::new(false),
            sent: Mutex::new(Vec::new()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answering = Arc::clone(&server);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let server = Arc::clone(&answering);
                std::thread::spawn(move || server.answer(&connection));
            }
        });
        (server, address)
    }

    fn answer(&self, mut connection: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(connection).lines();
        let request = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let mut words = request.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let path = path.split('?').next()?;
        let (status, headers, body) = self.content(path);
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).ok()?;
        if method == "HEAD" {
            return Some(());
        }
        self.sent.lock().unwrap().push(path.to_owned());
        let breaks = self.breaks.is_some_and(|file| path.ends_with(file));
        let half = breaks && !self.broken.load(Ordering::SeqCst);
        let length = if half { body.len() / 2 } else { body.len() };
        connection.write_all(&body[..length]).ok()
    }

    fn content(&self, path: &str) -> (&'static str, String, Vec<u8>) {
        let api = "/api/models/some/model";
        if path == format!("{api}/revision/main") {
            let info = json!({"id": "some/model", "sha": COMMIT});
            return (
                "200 OK",
                "content-type: application/json\r\n".into(),
                info.to_string().into(),
            );
        }
        if path == format!("{api}/tree/{COMMIT}") {
            let list = self.files.iter().map(|(name, data)| {
                json!({"type": "file", "oid": "0", "size": data.len(), "path": name})
            });
            let list = serde_json::Value::from(list.collect::<Vec<serde_json::Value>>());
            return (
                "200 OK",
                "content-type: application/json\r\n".into(),
                list.to_string().into(),
            );
        }
        let file = path.strip_prefix(&format!("/some/model/resolve/{COMMIT}/"));
        match file.and_then(|file| Some((file, self.files.get(file)?))) {
            Some((file, data)) => {
                let headers = format!("etag: \"{file}\"\r\nx-repo-commit: {COMMIT}\r\n");
                ("200 OK", headers, data.clone())
            }
            None => (
                "404 Not Found",
                "x-error-code: RepoNotFound\r\n".into(),
                Vec::new(),
            ),
        }
    }
}

fn settings(address: &str, cache: &Path, retries: u32) -> Settings {
    Settings {
        endpoint: address.to_owned(),
        token: Some("none".to_owned()),
        cache: cache.to_owned(),
        retries,
    }
}

fn fetch(id: &str, address: &str, cache: &Path, offline: bool) -> Result<PathBuf> {
    let model = HubModel::parse(id).unwrap();
    model.fetch_with(settings(address, cache, 0), offline, |_, _| {})
}

#[test]
fn ids() {
    let parse = |text: &str| HubModel::parse(text).map(|model| model.to_string());
    for id in [
        "Qwen/Qwen3-0.6B-Base",
        "a/b@main",
        "a/b@0123abcd",
        "a/b@refs/pr/1",
    ] {
        assert_eq!(parse(id).as_deref(), Some(id));
    }
    for other in [
        "model",
        "/a/b",
        "./a",
        "../a",
        "a/b/c",
        "a/",
        "a b/c",
        "a/b@",
        "a/b@../../c",
        "a/b@/c",
        "fixtures/tiny base",
    ] {
        assert_eq!(parse(other), None, "{other}");
    }
}

#[test]
fn a_model_is_fetched_once_without_the_files_that_are_not_read() {
    let (server, address) = Server::start(None);
    let cache = tempfile::tempdir().unwrap();
    let seen = Arc::new(AtomicU64::new(0));
    let model = HubModel::parse("some/model").unwrap();
    let report = Arc::clone(&seen);
    let dir = model
        .fetch_with(settings(&address, cache.path(), 5), false, move |done, _| {
            report.store(done, Ordering::SeqCst)
        })
        .unwrap();
    for (name, data) in &server.files {
        let wanted = *name != "pytorch_model.bin";
        assert_eq!(dir.join(name).exists(), wanted, "{name}");
        assert!(!wanted || std::fs::read(dir.join(name)).unwrap() == *data);
    }
    assert_eq!(seen.load(Ordering::SeqCst), 505_002);

    let bodies = |server: &Server| {
        let sent = server.sent.lock().unwrap();
        sent.iter()
            .filter(|path| path.contains("/resolve/"))
            .count()
    };
    assert_eq!(bodies(&server), 4);
    assert_eq!(
        fetch("some/model", &address, cache.path(), false).unwrap(),
        dir
    );
    assert_eq!(bodies(&server), 4);
    // Nothing listens here.
    assert_eq!(
        fetch("some/model", "http://127.0.0.1:9", cache.path(), true).unwrap(),
        dir
    );
}

#[test]
fn an_interrupted_download_goes_on_and_leaves_no_half_file() {
    let broken = "model-00002-of-00002.safetensors";
    let (server, address) = Server::start(Some(broken));
    let cache = tempfile::tempdir().unwrap();
    let error = fetch("some/model", &address, cache.path(), false).unwrap_err();
    assert!(error.to_string().contains("some/model"), "{error}");
    server.broken.store(true, Ordering::SeqCst);
    let dir = fetch("some/model", &address, cache.path(), false).unwrap();
    assert_eq!(
        std::fs::read(dir.join(broken)).unwrap(),
        server.files[broken]
    );
}

#[test]
fn failures_name_the_model_and_what_to_do() {
    let (_server, address) = Server::start(None);
    let cache = tempfile::tempdir().unwrap();
    let message = |id: &str, address: &str, offline: bool| {
        fetch(id, address, cache.path(), offline)
            .unwrap_err()
            .to_string()
    };
    let absent = message("some/other", &address, false);
    assert!(
        absent.contains("some/other") && absent.contains("not found"),
        "{absent}"
    );
    let offline = message("some/model", &address, true);
    assert!(offline.contains("HF_HUB_OFFLINE"), "{offline}");
    let refused = message("some/model", "http://127.0.0.1:9", false);
    assert!(refused.contains("connection"), "{refused}");
}

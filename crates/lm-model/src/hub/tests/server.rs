//! A server on this machine that answers as the Hub does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The file that a [`Twist`] is about.
pub(super) const TWISTED: &str = "model-00002-of-00002.safetensors";

/// In which way a Hub misbehaves about [`TWISTED`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Twist {
    #[default]
    None,
    /// GET is answered with this status and a page, so many times.
    Status(&'static str, usize),
    /// A bit of the body is another one, so many times.
    Flipped(usize),
    /// The body has no length and ends early, so many times.
    Early(usize),
    /// The body is longer than stated, without a length.
    Long,
    /// The body stops in the middle, and the connection stays.
    Stalls,
    /// The list does not state its size.
    NoSize,
    /// The list says that it is empty.
    Empty,
    /// Its entry in the list, and nothing else, has another path.
    Path(&'static str),
    /// Its ETag, where the list states no hash.
    Tag(&'static str),
    /// Its bytes lie at another address.
    Moved(&'static str),
    /// The commit of the main branch.
    Commit(&'static str),
}

/// The name that the Hub gives to bytes.
pub(super) fn hash(file: &str, data: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if file.ends_with(".safetensors") {
        hex(&Sha256::digest(data))
    } else {
        let head = format!("blob {}\0", data.len());
        hex(&Sha1::new_with_prefix(head).chain_update(data).finalize())
    }
}

/// A Hub with one model.
pub(super) struct Server {
    pub(super) files: BTreeMap<&'static str, Vec<u8>>,
    /// Closes the connection in the middle of the body of this file.
    breaks: Option<&'static str>,
    pub(super) broken: AtomicBool,
    /// Where the bytes of weights are, if not here.
    elsewhere: Option<String>,
    twist: Twist,
    /// How often it has happened.
    twisted: AtomicUsize,
    /// The paths of all bodies that were sent.
    pub(super) sent: Mutex<Vec<String>>,
    /// `Range` and `Authorization` of all requests for a body, in small letters.
    pub(super) headers: Mutex<Vec<String>>,
}

impl Server {
    pub(super) fn start(breaks: Option<&'static str>) -> (Arc<Self>, String) {
        Self::start_with(breaks, None)
    }

    pub(super) fn start_with(
        breaks: Option<&'static str>,
        elsewhere: Option<String>,
    ) -> (Arc<Self>, String) {
        Self::start_twisted(breaks, elsewhere, Twist::None)
    }

    pub(super) fn start_twisted(
        breaks: Option<&'static str>,
        elsewhere: Option<String>,
        twist: Twist,
    ) -> (Arc<Self>, String) {
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
            elsewhere,
            twist,
            twisted: AtomicUsize::new(0),
            headers: Mutex::new(Vec::new()),
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
        let mut asked = Vec::new();
        loop {
            let line = lines.next()?.ok()?.to_lowercase();
            if line.is_empty() {
                break;
            }
            asked.push(line);
        }
        let mut words = request.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (mut status, mut headers, mut body) = if path.contains("/tree/") {
            self.list(path, query)
        } else {
            self.content(path)
        };
        let start = asked
            .iter()
            .find_map(|line| line.strip_prefix("range: bytes="));
        if let Some(start) = start.filter(|_| status == "200 OK") {
            let start: usize = start.strip_suffix('-')?.parse().ok()?;
            status = "206 Partial Content";
            headers += &format!(
                "content-range: bytes {start}-{}/{}\r\n",
                body.len() - 1,
                body.len()
            );
            body.drain(..start);
        }
        let is_twisted = method == "GET" && path.contains("/resolve/") && path.ends_with(TWISTED);
        let times = self.twisted.load(Ordering::SeqCst);
        let mut length = format!("content-length: {}\r\n", body.len());
        match self.twist {
            Twist::Status(other, n) if is_twisted && times < n => {
                (status, body) = (other, b"<html>come again</html>".to_vec());
                length = "retry-after: 0\r\n".into();
            }
            Twist::Flipped(n) if is_twisted && times < n => body[7] ^= 1,
            Twist::Early(n) if is_twisted && times < n => {
                body.truncate(1000);
                length.clear();
            }
            Twist::Long if is_twisted => {
                body.resize(50_000_000, 2);
                length.clear();
            }
            _ => {}
        }
        if is_twisted {
            self.twisted.fetch_add(1, Ordering::SeqCst);
        }
        let head = format!("HTTP/1.1 {status}\r\n{length}connection: close\r\n{headers}\r\n");
        connection.write_all(head.as_bytes()).ok()?;
        if method == "HEAD" {
            return Some(());
        }
        self.sent.lock().unwrap().push(path.to_owned());
        asked.retain(|line| line.starts_with("range") || line.starts_with("authorization"));
        self.headers.lock().unwrap().extend(asked);
        let breaks = self.breaks.is_some_and(|file| path.ends_with(file));
        let half = breaks && !self.broken.load(Ordering::SeqCst);
        if is_twisted && self.twist == Twist::Stalls {
            connection.write_all(&body[..1000]).ok()?;
            std::thread::sleep(Duration::from_secs(600));
        }
        let length = if half { body.len() / 2 } else { body.len() };
        connection.write_all(&body[..length]).ok()
    }

    /// The files in pages of three. The address of the next page names another host, as those of mirrors may.
    fn list(&self, path: &str, query: &str) -> (&'static str, String, Vec<u8>) {
        assert_eq!(path, format!("/api/models/some/model/tree/{COMMIT}"));
        let start = query
            .strip_prefix("cursor=")
            .map_or(0, |at| at.parse().unwrap());
        let page = self.files.iter().skip(start).take(3);
        let page: serde_json::Value = page.map(|(name, data)| self.entry(name, data)).collect();
        let mut headers = "content-type: application/json\r\n".to_owned();
        if start + 3 < self.files.len() {
            let next = format!("http://another.invalid/{path}?cursor={}", start + 3);
            headers += &format!("link: <{next}>; rel=\"next\"\r\n");
        }
        ("200 OK", headers, page.to_string().into())
    }

    fn entry(&self, name: &str, data: &[u8]) -> serde_json::Value {
        let hash = hash(name, data);
        let mut entry = json!({"type": "file", "oid": hash, "size": data.len(), "path": name});
        if name.ends_with(".safetensors") {
            entry["lfs"] = json!({"oid": hash, "size": data.len()});
        }
        if name != TWISTED {
            return entry;
        }
        match self.twist {
            Twist::Path(other) => entry["path"] = other.into(),
            Twist::NoSize => entry = json!({"type": "file", "path": name}),
            Twist::Empty => entry = json!({"type": "file", "path": name, "size": 0}),
            Twist::Tag(_) => entry = json!({"type": "file", "path": name, "size": data.len()}),
            _ => {}
        }
        entry
    }

    fn content(&self, path: &str) -> (&'static str, String, Vec<u8>) {
        let api = "/api/models/some/model";
        if path == format!("{api}/revision/main") {
            let sha = match self.twist {
                Twist::Commit(other) => other,
                _ => COMMIT,
            };
            let info = json!({"id": "some/model", "sha": sha});
            return (
                "200 OK",
                "content-type: application/json\r\n".into(),
                info.to_string().into(),
            );
        }
        if path.contains("/gated/") {
            let said = "x-error-message: Access is restricted\r\n";
            return ("403 Forbidden", said.into(), Vec::new());
        }
        let file = path.strip_prefix(&format!("/some/model/resolve/{COMMIT}/"));
        let there = self
            .elsewhere
            .as_ref()
            .filter(|_| path.ends_with("safetensors"));
        if let (Some(file), Some(there)) = (file, there) {
            let tag = hash(file, &self.files[file]);
            let headers = format!("location: {there}{path}\r\nx-linked-etag: \"{tag}\"\r\n");
            return ("302 Found", headers, Vec::new());
        }
        match file.and_then(|file| Some((file, self.files.get(file)?))) {
            Some((file, data)) => {
                let tag = match self.twist {
                    Twist::Tag(tag) if file == TWISTED => tag.to_owned(),
                    Twist::Moved(to) if file == TWISTED => {
                        let tag = hash(file, data);
                        let headers = format!("location: {to}\r\nx-linked-etag: \"{tag}\"\r\n");
                        return ("302 Found", headers, Vec::new());
                    }
                    _ => hash(file, data),
                };
                let headers = format!("etag: \"{tag}\"\r\nx-repo-commit: {COMMIT}\r\n");
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

//! The mock of the Hub and of the other homes of datasets: paths, redirects, tags and bytes.
//!
//! | address | what it is |
//! |---|---|
//! | `/api/{models,datasets}/ID/revision/REV` | the commit, and the names of the files |
//! | `/api/{models,datasets}/ID/tree/REV` | the files with sizes, git's ids and, in LFS, SHA-256 |
//! | `/ID/resolve/REV/PATH`, `/datasets/ID/resolve/REV/PATH` | a file of LFS is a redirect to the second server, another host, with `X-Linked-Etag` and `X-Linked-Size`; any other file one to `/api/resolve-cache` of this host |
//! | `/mirror/HOST/PATH` | the file of another home |
//!
//! Every revision is the same commit, [`crate::COMMIT`].

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Error;
use crate::faults::{Fate, FaultBook, Faults};
use crate::http::{Request, Server, Then, decoded, write_head, write_json, write_refusal};
use crate::log::{Log, Traffic};
use crate::store::{COMMIT, File, Kind, Store, is_large};

/// Bytes written at once.
const BLOCK: usize = 16 << 10;

/// The mock homes, which serve until they are dropped.
#[derive(Debug)]
pub struct Homes {
    /// The address of the Hub, for `HF_ENDPOINT`.
    pub hub: String,
    /// The address of the mirror of all other homes, for `RNER_MIRROR`.
    pub mirror: String,
    shared: Arc<Shared>,
    _servers: [Server; 2],
}

#[derive(Debug)]
struct Shared {
    store: Store,
    faults: FaultBook,
    log: Log,
    /// Where the bytes of LFS are.
    storage: OnceLock<String>,
}

impl Homes {
    /// Serves a store on a port of this machine; 0 takes a free one.
    ///
    /// # Errors
    ///
    /// If no port can be opened.
    pub fn serve(store: Store, faults: Faults, port: u16) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            store,
            faults: FaultBook::new(faults),
            log: Log::default(),
            storage: OnceLock::new(),
        });
        let failed = |source| Error::Port { port, source };
        let of_storage = Arc::clone(&shared);
        let storage = Server::start(
            0,
            Arc::new(move |request: &Request, out: &mut TcpStream| of_storage.stored(request, out)),
        );
        let storage = storage.map_err(failed)?;
        // It is set once, here.
        let _ = shared.storage.set(format!("http://{}", storage.address));
        let of_hub = Arc::clone(&shared);
        let hub = Server::start(
            port,
            Arc::new(move |request: &Request, out: &mut TcpStream| of_hub.answer(request, out)),
        );
        let hub = hub.map_err(failed)?;
        let address = format!("http://{}", hub.address);
        Ok(Self {
            mirror: format!("{address}/mirror"),
            hub: address,
            shared,
            _servers: [hub, storage],
        })
    }

    /// What was asked for so far.
    pub fn traffic(&self) -> Traffic {
        self.shared.log.read()
    }
}

/// A file with the name under which it is counted.
struct Named<'a> {
    name: String,
    file: &'a File,
    kind: Kind,
    /// Whether its home may put another version in its place.
    may_change: bool,
}

impl Shared {
    fn answer(&self, request: &Request, out: &mut TcpStream) -> io::Result<Then> {
        let path = decoded(&request.path);
        if let Some(address) = path.strip_prefix("/mirror/") {
            return match self.store.plain.get(address) {
                Some(file) => self.plain(address, file, request, out),
                None => self.absent(&path, out),
            };
        }
        if let Some(rest) = path.strip_prefix("/api/resolve-cache/") {
            return match self.named(rest.strip_prefix("models/").unwrap_or(rest)) {
                Some(named) => self.body(&named, &named.file.git_id, request, out),
                None => self.absent(&path, out),
            };
        }
        if let Some(rest) = path.strip_prefix("/api/") {
            self.log.other(&path);
            return match self.described(rest) {
                Some(value) => write_json(out, 200, &value),
                None => self.absent(&path, out),
            };
        }
        match self.named(&path[1..]) {
            Some(named) => self.resolve(&named, &path, request, out),
            None => self.absent(&path, out),
        }
    }

    fn absent(&self, path: &str, out: &mut TcpStream) -> io::Result<Then> {
        self.log.other(path);
        write_refusal(out, 404, "Entry not found")
    }

    /// The file of `[datasets/]OWNER/NAME/resolve/REVISION/PATH`. The slashes of a revision are behind percent signs
    /// there, so the one of the hub's own conversion to Parquet is the only one that has some.
    fn named(&self, path: &str) -> Option<Named<'_>> {
        let (kind, rest) = kind_of(path);
        let (repo, rest) = rest.split_once("/resolve/")?;
        let rest = rest.strip_prefix("refs/convert/").unwrap_or(rest);
        let (_, path) = rest.split_once('/')?;
        let file = self.store.repos.get(&(kind, repo.to_owned()))?.get(path)?;
        Some(Named {
            name: format!("{}/{repo}/{path}", folder(kind)),
            file,
            kind,
            may_change: false,
        })
    }

    /// What the Hub's interface says of a repository.
    fn described(&self, rest: &str) -> Option<Value> {
        let rest = rest.strip_prefix("models/").unwrap_or(rest);
        let (kind, rest) = kind_of(rest);
        let mut parts = rest.splitn(3, '/');
        let repo = format!("{}/{}", parts.next()?, parts.next()?);
        let what = parts.next().unwrap_or("revision/main");
        let files = self.store.repos.get(&(kind, repo.clone()))?;
        if what.starts_with("tree/") {
            let entries = files
                .iter()
                .map(|(path, file)| tree_entry(kind, path, file));
            return Some(entries.collect());
        }
        let siblings: Vec<Value> = files
            .keys()
            .map(|path| json!({"rfilename": path}))
            .collect();
        let info = json!({"id": repo, "sha": COMMIT, "private": false, "gated": false, "siblings": siblings});
        what.starts_with("revision/").then_some(info)
    }

    /// The Hub's own answer for a file: where its bytes are.
    fn resolve(
        &self,
        named: &Named<'_>,
        path: &str,
        request: &Request,
        out: &mut TcpStream,
    ) -> io::Result<Then> {
        let size = named.file.bytes.len();
        if request.method == "HEAD" {
            self.log.file(&named.name, size, |served| served.heads += 1);
        }
        let size = size.to_string();
        let (location, etag) = if is_large(named.kind, path, named.file) {
            let storage = self.storage.get().map_or("", String::as_str);
            let location = format!("{storage}/{}?name={}", named.file.sha256, named.name);
            (location, quoted(&named.file.sha256))
        } else {
            let models = if path.starts_with("/datasets/") {
                ""
            } else {
                "models/"
            };
            let location = format!("/api/resolve-cache/{models}{}", &path[1..]);
            (location, quoted(&named.file.git_id))
        };
        let headers = [
            ("location", location.as_str()),
            ("x-repo-commit", COMMIT),
            ("x-linked-etag", &etag),
            ("x-linked-size", &size),
        ];
        write_head(out, 302, &headers, 0)?;
        Ok(Then::KeepOpen)
    }

    /// The storage of LFS: a file by its SHA-256.
    fn stored(&self, request: &Request, out: &mut TcpStream) -> io::Result<Then> {
        let wanted = request.path.trim_start_matches('/');
        let all = self.store.repos.iter().flat_map(|((kind, repo), files)| {
            files.iter().map(move |(path, file)| Named {
                name: format!("{}/{repo}/{path}", folder(*kind)),
                file,
                kind: *kind,
                may_change: false,
            })
        });
        let mut all = all.filter(|named| named.file.sha256 == wanted);
        match all.next() {
            Some(named) => self.body(&named, &named.file.sha256, request, out),
            None => self.absent(&request.path, out),
        }
    }

    fn plain(
        &self,
        address: &str,
        file: &File,
        request: &Request,
        out: &mut TcpStream,
    ) -> io::Result<Then> {
        let named = Named {
            name: address.to_owned(),
            file,
            kind: Kind::Dataset,
            may_change: true,
        };
        self.body(&named, &file.sha256, request, out)
    }

    /// The bytes of a file, or what becomes of them.
    fn body(
        &self,
        named: &Named<'_>,
        tag: &str,
        request: &Request,
        out: &mut TcpStream,
    ) -> io::Result<Then> {
        let (bytes, size) = (&named.file.bytes, named.file.bytes.len());
        let tag = quoted(tag);
        if request.method == "HEAD" {
            self.log.file(&named.name, size, |served| served.heads += 1);
            write_head(
                out,
                200,
                &[("etag", &tag), ("accept-ranges", "bytes")],
                size,
            )?;
            return Ok(Then::KeepOpen);
        }
        let answer = |tag, until| Answer {
            tag,
            until,
            named,
            request,
        };
        match self.faults.next(&named.name, named.may_change) {
            Fate::Refused(status) => {
                self.log
                    .file(&named.name, size, |served| served.refused += 1);
                write_head(out, status, &[("retry-after", "0")], 0)?;
                Ok(Then::KeepOpen)
            }
            Fate::Served => self.send(answer(&tag, size), bytes, out),
            Fate::Broken(share) => self.send(answer(&tag, size * share / 1000), bytes, out),
            Fate::Changed(share) => {
                let other: Vec<u8> = bytes.iter().rev().copied().collect();
                self.send(answer("\"another\"", size * share / 1000), &other, out)
            }
            Fate::Damaged => {
                let mut wrong = bytes.clone();
                if let Some(byte) = wrong.last_mut() {
                    *byte ^= 1;
                }
                self.send(answer(&tag, size), &wrong, out)
            }
        }
    }

    /// Sends what a request asks for, up to the byte at which the connection breaks.
    fn send(&self, answer: Answer<'_>, bytes: &[u8], out: &mut TcpStream) -> io::Result<Then> {
        let size = bytes.len();
        let is_same = answer
            .request
            .header("if-range")
            .is_none_or(|tag| tag == answer.tag);
        let start = answer.request.range_start().filter(|_| is_same);
        if start.is_some_and(|start| start >= size) {
            write_head(
                out,
                416,
                &[("content-range", &format!("bytes */{size}"))],
                0,
            )?;
            return Ok(Then::KeepOpen);
        }
        let range = start.map(|start| format!("bytes {start}-{}/{size}", size - 1));
        let mut headers = vec![("etag", answer.tag), ("accept-ranges", "bytes")];
        headers.extend(range.as_deref().map(|range| ("content-range", range)));
        let first = start.unwrap_or(0);
        write_head(
            out,
            if start.is_some() { 206 } else { 200 },
            &headers,
            size - first,
        )?;
        let sent = &bytes[first..answer.until.clamp(first, size)];
        let is_whole = first + sent.len() == size;
        let written = self.write_slowly(sent, out);
        let count = *written.as_ref().unwrap_or_else(|(count, _)| count);
        self.log.file(&answer.named.name, size, |served| {
            served.sent.push(crate::log::Sent {
                start: first as u64,
                bytes: count as u64,
            });
        });
        written.map_err(|(_, error)| error)?;
        Ok(if is_whole {
            Then::KeepOpen
        } else {
            Then::Close
        })
    }

    /// Writes no faster than the faults allow; an error comes with what was written before it.
    fn write_slowly(&self, bytes: &[u8], out: &mut TcpStream) -> Result<usize, (usize, io::Error)> {
        let mut written = 0;
        for block in bytes.chunks(BLOCK) {
            if let Some(speed) = self.faults.bytes_per_second() {
                std::thread::sleep(Duration::from_secs_f64(block.len() as f64 / speed as f64));
            }
            out.write_all(block).map_err(|error| (written, error))?;
            written += block.len();
        }
        Ok(written)
    }
}

/// A body on its way.
struct Answer<'a> {
    tag: &'a str,
    /// The byte at which it breaks off.
    until: usize,
    named: &'a Named<'a>,
    request: &'a Request,
}

fn kind_of(path: &str) -> (Kind, &str) {
    match path.strip_prefix("datasets/") {
        Some(rest) => (Kind::Dataset, rest),
        None => (Kind::Model, path),
    }
}

fn folder(kind: Kind) -> &'static str {
    match kind {
        Kind::Model => "models",
        Kind::Dataset => "datasets",
    }
}

fn tree_entry(kind: Kind, path: &str, file: &File) -> Value {
    let size = file.bytes.len();
    let mut entry = json!({"type": "file", "path": path, "size": size, "oid": file.git_id});
    if is_large(kind, path, file) {
        entry["lfs"] = json!({"oid": file.sha256, "size": size, "pointerSize": 134});
    }
    entry
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

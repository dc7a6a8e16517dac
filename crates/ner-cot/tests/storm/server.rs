//! A chat server with connections that stay open, and a log of what it was asked.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::answers;
use super::faults::{End, Fault, Reply, faulty, whole};

/// Pause between two pieces of an answer.
const PAUSE: Duration = Duration::from_millis(1);

/// What a server has seen and done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) requests: usize,
    /// 200 answers that were delivered whole, of use or not.
    pub(crate) delivered: usize,
    pub(crate) faults: BTreeMap<Fault, usize>,
    /// Hashes of requests that came again after their answer.
    pub(crate) answered_again: Vec<u64>,
    /// How often each request came, and whether it has its answer.
    known: HashMap<u64, (u64, bool)>,
}

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) url: String,
    log: Arc<Mutex<Log>>,
}

impl Server {
    /// Starts one, with or without faults of the wire.
    pub(crate) async fn start(is_stormy: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let log: Arc<Mutex<Log>> = Arc::default();
        let shared = log.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let log = shared.clone();
                tokio::spawn(async move {
                    // The client may close a connection whenever it likes.
                    let _ = converse(stream, is_stormy, &log).await;
                });
            }
        });
        Self { url, log }
    }

    /// What happened so far.
    pub(crate) fn log(&self) -> Log {
        lock(&self.log).clone()
    }
}

fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn converse(mut stream: TcpStream, is_stormy: bool, log: &Mutex<Log>) -> io::Result<()> {
    let mut read = Vec::new();
    loop {
        let Some(body) = next(&mut stream, &mut read).await? else {
            return Ok(());
        };
        let hash = hash(&body);
        let reply = reply(&body, hash, is_stormy, log);
        for (number, piece) in reply.pieces.iter().enumerate() {
            if number > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            stream.write_all(piece).await?;
        }
        match reply.end {
            End::Keep => {}
            End::Close => return Ok(()),
            End::Reset => return stream.set_zero_linger(),
        }
    }
}

/// What a request with this hash gets this time.
fn reply(body: &[u8], hash: u64, is_stormy: bool, log: &Mutex<Log>) -> Reply {
    let is_judge = body.starts_with(b"{\"model\":\"judge\"");
    let answer = answers::completion(is_judge, hash);
    let mut log = lock(log);
    log.requests += 1;
    let (times, is_answered) = log.known.get(&hash).copied().unwrap_or_default();
    if is_answered {
        log.answered_again.push(hash);
    }
    let drawn = mix(hash ^ mix(times + 1));
    let fault = (is_stormy && drawn.is_multiple_of(5)).then(|| fault(drawn / 5));
    log.known.insert(hash, (times + 1, fault.is_none()));
    let reply = match fault {
        Some(fault) => {
            *log.faults.entry(fault).or_default() += 1;
            faulty(fault, &answer)
        }
        None => whole(&answer, drawn / 64),
    };
    log.delivered += usize::from(reply.is_delivered);
    reply
}

fn fault(drawn: u64) -> Fault {
    let at = drawn % Fault::ALL.len() as u64;
    Fault::ALL[usize::try_from(at).expect("a small number")]
}

/// The body of the next request; `None` when the connection is closed.
async fn next(stream: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some((head, end)) = bounds(read) {
            let body = read[head..end].to_vec();
            read.drain(..end);
            return Ok(Some(body));
        }
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

/// Where body and request end, once all of it is there.
fn bounds(read: &[u8]) -> Option<(usize, usize)> {
    let head = read.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let value = text.split_once("content-length:")?.1.lines().next()?;
    let end = head + value.trim().parse::<usize>().ok()?;
    (read.len() >= end).then_some((head, end))
}

fn hash(body: &[u8]) -> u64 {
    let mut half = [0; 8];
    half.copy_from_slice(&blake3::hash(body).as_bytes()[..8]);
    u64::from_le_bytes(half)
}

/// The finaliser of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

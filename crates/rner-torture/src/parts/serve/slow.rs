//! Clients that are slow: half a request, a byte a second, and answers that are never read.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::wire::{connect, get, post};

/// Connections with half a head, more than the server may open files.
const HALF: usize = 1100;

/// Connections with a byte a second.
const TRICKLES: usize = 32;

/// Connections that ask and never read, and how often each asks.
const DEAF: usize = 8;
const QUESTIONS: usize = 40_000;

/// Time after which the server has left all of them once they are open: ten seconds for a body, and some for a busy
/// machine.
const LEFT: Duration = Duration::from_secs(12);

/// Time that those who never read may get besides: theirs begins when the system takes no more of their answers.
const LATE: Duration = Duration::from_secs(8);

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) clients: u64,
    pub(super) faults: Vec<String>,
}

/// Holds them until the server has left them or `LEFT` is over; sets `open` as soon as all are there.
pub(super) fn attack(address: SocketAddr, open: &AtomicBool) -> Found {
    let mut found = Found::default();
    let halves = many(address, HALF, b"POST /v1/completions HTTP/1.1\r\nHost: loc");
    let whole = post("/v1/completions", &[b' '; 1000]);
    let head_end = whole.len() - 1000;
    let (heads, bodies) = (&whole[..10], &whole[..head_end]);
    let trickles = [
        many(address, TRICKLES / 2, heads),
        many(address, TRICKLES / 2, bodies),
    ];
    let deaf = many(address, DEAF, &[]);
    deaf.iter().for_each(ask_often);
    open.store(true, Ordering::Relaxed);
    // Opening so many takes seconds on a busy machine, so the time begins with the last of them.
    let start = Instant::now();
    let mut trickles: Vec<TcpStream> = trickles.into_iter().flatten().collect();
    found.clients = (halves.len() + trickles.len() + deaf.len()) as u64;
    while start.elapsed() < LEFT {
        std::thread::sleep(Duration::from_secs(1));
        for stream in &mut trickles {
            let _ = stream.write(b"a");
        }
    }
    let open = |streams: &[TcpStream]| streams.iter().filter(|one| !is_closed(one)).count();
    found.enter("half a head", open(&halves));
    found.enter("a byte a second", open(&trickles));
    found.enter("answers that are never read", hears_nothing(&deaf));
    found
}

impl Found {
    fn enter(&mut self, what: &str, open: usize) {
        if open > 0 {
            let seconds = LEFT.as_secs();
            self.faults.push(format!(
                "{what}: {open} connections still open after {seconds} s"
            ));
        }
    }
}

/// Connections that have sent the same; those that the server does not take are none.
fn many(address: SocketAddr, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let one = || -> Result<TcpStream> {
        let mut stream = connect(address)?;
        stream.set_nonblocking(true)?;
        let _ = stream.write(bytes);
        Ok(stream)
    };
    (0..count).filter_map(|_| one().ok()).collect()
}

/// Sends as many questions as the connection takes.
fn ask_often(mut stream: &TcpStream) {
    let questions = get("/v1/models").repeat(QUESTIONS);
    let mut left = &questions[..];
    for _ in 0..200 {
        match stream.write(left) {
            Ok(n) => left = &left[n..],
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Whether the server has closed it; what it said before is read.
fn is_closed(mut stream: &TcpStream) -> bool {
    let mut buffer = [0; 1 << 12];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

/// How many of those that never read have still not been left. They are not read from here either, because the server
/// would go on then; it answers what they send with a reset.
fn hears_nothing(deaf: &[TcpStream]) -> usize {
    let start = Instant::now();
    let is_open = |mut stream: &TcpStream| match stream.write(b"G") {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    loop {
        let open = deaf.iter().filter(|one| is_open(one)).count();
        if open == 0 || start.elapsed() > LATE {
            return open;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

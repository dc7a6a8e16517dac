//! Requests as raw bytes, and what must hold for every answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How long an answer may take before the server counts as hung.
const PATIENCE: Duration = Duration::from_secs(40);

/// An answer of the server.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

/// Opens a connection on which nothing lasts for ever.
pub(super) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends bytes over a new connection and reads the first answer that is final.
pub(super) fn exchange(address: SocketAddr, bytes: &[u8], half_close: bool) -> Result<Answer> {
    let mut stream = connect(address)?;
    // A server that has refused reads no more.
    let _ = stream.write_all(bytes);
    if half_close {
        let _ = stream.shutdown(Shutdown::Write);
    }
    read(&mut stream)
}

/// Sends a request over a connection that stays open.
pub(super) fn ask(stream: &mut TcpStream, bytes: &[u8]) -> Result<Answer> {
    stream.write_all(bytes).context("cannot send")?;
    read(stream)
}

/// Reads an answer, without those that only announce it.
pub(super) fn read(stream: &mut TcpStream) -> Result<Answer> {
    let mut bytes = Vec::new();
    loop {
        let answer = read_one(stream, &mut bytes)?;
        if answer.status >= 200 {
            return Ok(answer);
        }
    }
}

fn read_one(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<Answer> {
    let head_end = loop {
        if let Some(end) = find(bytes, b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(more(stream, bytes)?, "closed before the head of an answer");
    };
    let head: Vec<u8> = bytes.drain(..head_end).collect();
    let head = String::from_utf8(head).context("a head that is no text")?;
    let status = status(&head)?;
    let mut answer = Answer {
        status,
        head,
        body: Vec::new(),
    };
    let length = match (status, answer.header("content-length")) {
        (100..200 | 204 | 304, None) => 0,
        (_, Some(length)) => length.parse().context("Content-Length")?,
        (_, None) => bail!("an answer without a length: {}", answer.head),
    };
    while bytes.len() < length {
        let read = more(stream, bytes)?;
        ensure!(read, "closed in the body of an answer: {}", answer.head);
    }
    answer.body = bytes.drain(..length).collect();
    Ok(answer)
}

/// Reads some bytes; whether there were any.
fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<bool> {
    let mut buffer = [0; 1 << 14];
    match stream.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(n) => {
            bytes.extend_from_slice(&buffer[..n]);
            Ok(true)
        }
        // What the client had not yet sent when it was refused.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            bail!("no answer within {} s", PATIENCE.as_secs())
        }
        Err(error) => Err(error).context("cannot read"),
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn status(head: &str) -> Result<u16> {
    let line = head.lines().next().unwrap_or_default();
    let mut words = line.splitn(3, ' ');
    let version = words.next().unwrap_or_default();
    let is_known = ["HTTP/1.1", "HTTP/1.0"].contains(&version);
    let status = words.next().and_then(|word| word.parse().ok());
    match status {
        Some(status) if is_known && (100..600).contains(&status) => Ok(status),
        _ => bail!("no status line of HTTP: {line:?}"),
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The words of an error; nothing where the answer has no body.
    pub(super) fn message(&self) -> String {
        let body = serde_json::from_slice::<Value>(&self.body).unwrap_or(Value::Null);
        let message = body["error"]["message"].as_str();
        message.unwrap_or_default().to_owned()
    }

    /// What holds for every answer: success is JSON, refusals have words, and who is to come again is told when.
    pub(super) fn check(&self) -> Result<()> {
        let is_load = [429, 503].contains(&self.status);
        ensure!(
            self.status < 500 || is_load,
            "{} {}",
            self.status,
            self.message()
        );
        if is_load {
            let wait = self.header("retry-after");
            let is_number = wait.is_some_and(|wait| wait.parse::<u32>().is_ok());
            ensure!(is_number, "{} without Retry-After", self.status);
        }
        if self.status >= 400 {
            ensure!(!self.message().is_empty(), "{} without words", self.status);
        }
        Ok(())
    }
}

/// A request with a body of JSON.
pub(super) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A request without a body.
pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

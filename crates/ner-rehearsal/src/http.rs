//! A small HTTP/1.1 server on the loopback interface, with a thread for each connection.
//!
//! A handler writes its answer itself, byte by byte, so that it can be slow, wrong or broken off in the middle: that
//! is what this server is for. It knows no TLS, no chunked requests and no compression.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Longest body of a request that is read.
const LONGEST_BODY: usize = 64 << 20;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// As written, with its percent signs and without the query.
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// The value of a header; its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The first byte asked for by `Range: bytes=5-`.
    pub(crate) fn range_start(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.split_once('-')?.0.parse().ok()
    }
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    KeepOpen,
    Close,
}

/// What answers requests: it writes to the connection and says what becomes of it.
pub(crate) type Handler = dyn Fn(&Request, &mut TcpStream) -> io::Result<Then> + Send + Sync;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    is_stopped: Arc<AtomicBool>,
}

impl Server {
    /// Starts on a port of this machine; 0 takes a free one.
    pub(crate) fn start(port: u16, handler: Arc<Handler>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&is_stopped);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let handler = Arc::clone(&handler);
                // A client that goes away, or is killed, is no fault of the server.
                std::thread::spawn(move || converse(stream, handler.as_ref()));
            }
        });
        Ok(Self {
            address,
            is_stopped,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection; if it cannot be woken it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

fn converse(stream: TcpStream, handler: &Handler) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        if handler(&request, &mut writer)? == Then::Close {
            return writer.shutdown(std::net::Shutdown::Both);
        }
    }
    Ok(())
}

/// The next request of a connection; none if the client has closed it.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let headers = read_headers(reader)?;
    let mut request = Request {
        method,
        path,
        headers,
        body: String::new(),
    };
    let length = request.header("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap_or(0));
    let mut body = vec![0; length.min(LONGEST_BODY)];
    reader.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(request))
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            return Ok(headers);
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

/// Writes the head of an answer: status, headers, and the length of the body that follows.
pub(crate) fn write_head(
    out: &mut impl Write,
    status: u16,
    headers: &[(&str, &str)],
    length: usize,
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    out.write_all(head.as_bytes())
}

/// Writes a whole answer in JSON.
pub(crate) fn write_json(
    out: &mut impl Write,
    status: u16,
    value: &serde_json::Value,
) -> io::Result<Then> {
    let body = value.to_string();
    let headers = [("content-type", "application/json")];
    write_head(out, status, &headers, body.len())?;
    out.write_all(body.as_bytes())?;
    Ok(Then::KeepOpen)
}

/// A refusal in words.
pub(crate) fn write_refusal(out: &mut impl Write, status: u16, why: &str) -> io::Result<Then> {
    write_json(out, status, &serde_json::json!({"error": {"message": why}}))
}

/// A path without its percent signs; what is no escape stays.
pub(crate) fn decoded(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let [first, tail @ ..] = rest {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten();
        let escape =
            escape.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(escape.unwrap_or(*first));
        rest = if escape.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_with_its_body_and_its_range() -> io::Result<()> {
        let text = "POST /a%2Fb?x=1 HTTP/1.1\r\nRange: bytes=5-\r\nContent-Length: 2\r\n\r\n{}rest";
        let request = read_request(&mut text.as_bytes())?;
        let request = request.expect("a request");
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/a%2Fb")
        );
        assert_eq!(
            (request.range_start(), request.body.as_str()),
            (Some(5), "{}")
        );
        assert!(read_request(&mut "".as_bytes())?.is_none());
        Ok(())
    }

    #[test]
    fn escapes_are_read_and_other_percent_signs_stay() {
        assert_eq!(decoded("/a%2Fb%zz%4"), "/a/b%zz%4");
    }
}

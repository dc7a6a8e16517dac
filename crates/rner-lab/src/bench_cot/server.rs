//! The server of `rner-lab bench cot`: a process of its own, with as little work per request as HTTP allows.
//!
//! It looks for the end of the head, `content-length` and the model's name, and sends bytes that it has ready. A web
//! framework would take the processor time that is to be measured.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::talk;

/// The process; it ends with this value, and with the program that started it.
pub(super) struct Server {
    /// Its address.
    pub(super) url: String,
    child: Child,
}

impl Server {
    /// Starts the program itself once more.
    pub(super) fn start(latency_ms: u64) -> Result<Self> {
        let program = std::env::current_exe().context("where is this program?")?;
        let mut child = Command::new(program)
            .args(["bench", "cot", "--serve", "--latency-ms"])
            .arg(latency_ms.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server of the measurement")?;
        let mut url = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut url)?;
        }
        let url = url.trim().to_owned();
        Ok(Self { url, child })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers until the other end of standard input is closed.
pub(super) fn serve(latency: Duration) -> Result<()> {
    std::thread::spawn(|| {
        // The parent writes nothing: the end comes when it is gone, in whatever way.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the network runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("http://{}", listener.local_addr()?);
        let answers = Arc::new([response(&talk::taught()), response(&talk::judged())]);
        loop {
            let (stream, _) = listener.accept().await?;
            let answers = answers.clone();
            tokio::spawn(async move {
                // A client that goes away needs no answer.
                let _ = converse(stream, &answers, latency).await;
            });
        }
    })
}

fn response(body: &str) -> Vec<u8> {
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
    format!("{head}{length}\r\n\r\n{body}").into_bytes()
}

/// Serves one connection until the client closes it.
async fn converse(
    mut stream: TcpStream,
    [taught, judged]: &[Vec<u8>; 2],
    latency: Duration,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(16 << 10);
    loop {
        let length = loop {
            if let Some(length) = whole(&read) {
                break length;
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let is_judge = contains(&read[..length], talk::JUDGE.as_bytes());
        read.drain(..length);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let answer = if is_judge { judged } else { taught };
        stream.write_all(answer).await?;
    }
}

/// Bytes of the first request, if all of it is there.
fn whole(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let value = text.split_once("content-length:").map(|(_, rest)| rest);
    let value = value.and_then(|rest| rest.lines().next());
    let body = value.map_or(Ok(0), |value| value.trim().parse::<usize>());
    let length = head + body.ok()?;
    (read.len() >= length).then_some(length)
}

/// Whether the beginning of a request, where the model's name stands, has a word.
fn contains(request: &[u8], word: &[u8]) -> bool {
    let start = &request[..request.len().min(512)];
    start.windows(word.len()).any(|window| window == word)
}

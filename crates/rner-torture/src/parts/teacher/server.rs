//! A chat server on the runtime of the case, which bills what its model writes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::manner::{Asked, Manner, Reply, Step, good, refusal, reply};

/// What a server has billed and delivered.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) requests: u64,
    /// Tokens of prompts and answers for which the model has worked.
    pub(super) billed: u64,
    /// Requests whose answers were delivered whole, and how often they came again.
    delivered: BTreeMap<String, u64>,
}

impl Log {
    /// How many requests came again after their answers were delivered.
    pub(super) fn paid_twice(&self) -> u64 {
        self.delivered.values().sum()
    }
}

/// A server that listens until the runtime ends.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) log: Rc<RefCell<Log>>,
}

impl Server {
    /// Starts one with this manner, or a good one, which goes on with the log of an earlier server.
    pub(super) async fn start(
        manner: Option<Manner>,
        seed: u64,
        log: Rc<RefCell<Log>>,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no free port")?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Rc::clone(&log);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let log = Rc::clone(&shared);
                // A client may close its connection whenever it likes.
                tokio::task::spawn_local(async move { converse(stream, manner, seed, &log).await });
            }
        });
        Ok(Self { url, log })
    }
}

/// Answers one request and closes the connection.
async fn converse(
    stream: TcpStream,
    manner: Option<Manner>,
    seed: u64,
    log: &RefCell<Log>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = read(&mut stream).await? else {
        return Ok(());
    };
    let reply = enter(&request, manner, seed, &mut log.borrow_mut());
    // A model thinks for some seconds.
    tokio::time::sleep(Duration::from_millis(1000 + request.drawn(seed) % 20_000)).await;
    for step in reply.steps {
        match step {
            Step::Write(bytes) => stream.write_all(&bytes).await?,
            Step::Wait(time) => tokio::time::sleep(time).await,
        }
    }
    stream.shutdown().await?;
    if reply.is_delivered {
        log.borrow_mut()
            .delivered
            .entry(request.identity())
            .or_default();
    }
    Ok(())
}

/// Enters a request into the log, bills it, and decides about the reply.
fn enter(request: &Request, manner: Option<Manner>, seed: u64, log: &mut Log) -> Reply {
    if let Some(again) = log.delivered.get_mut(&request.identity()) {
        *again += 1;
    }
    let asked = request.asked(log.requests, seed);
    log.requests += 1;
    let Some(manner) = manner else {
        return good(&asked);
    };
    match manner.writes(asked.number) {
        None => refusal(manner, &asked),
        Some(tokens) => {
            log.billed += asked.prompt_tokens + u64::from(tokens);
            reply(manner, &asked, tokens)
        }
    }
}

/// A request as it came.
struct Request {
    key: String,
    body: Value,
}

impl Request {
    fn asked(&self, number: u64, seed: u64) -> Asked<'_> {
        let text = self.body["messages"].to_string();
        Asked {
            number,
            stream: self.body["stream"] == true,
            key: &self.key,
            is_judge: self.body["model"] == "judge",
            // One token of each five bytes, and those of the chat template.
            prompt_tokens: text.len() as u64 / 5 + 20,
            drawn: self.drawn(seed),
        }
    }

    /// What tells it from other requests: attempts differ in their seeds.
    fn identity(&self) -> String {
        let body = &self.body;
        format!("{} {} {}", body["model"], body["seed"], body["messages"])
    }

    /// A number that depends on the request and the seed of the case alone.
    fn drawn(&self, seed: u64) -> u64 {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        self.identity()
            .bytes()
            .fold(seed ^ 0xcbf2_9ce4_8422_2325, mix)
            >> 7
    }
}

/// Reads a request; nothing if the client says nothing.
async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let (mut length, mut key) = (0, String::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line == "\r\n" {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "authorization" => value.trim_start_matches("Bearer ").clone_into(&mut key),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = serde_json::from_slice(&body)?;
    Ok(Some(Request { key, body }))
}

//! A small server of the OpenAI chat-completions protocol, for one test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the server says to a request's body: a status and the text of the answer.
pub(crate) type Rule = fn(&str) -> (u16, String);

/// A server that answers until the test's process ends.
pub(crate) struct Server {
    /// Its address.
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// Starts it on a free port.
    pub(crate) fn start(rule: Rule) -> std::io::Result<Server> {
        Self::serve(rule, completion)
    }

    /// Starts one whose rule gives the whole body.
    pub(crate) fn start_raw(rule: Rule) -> std::io::Result<Server> {
        Self::serve(rule, |body| body)
    }

    fn serve(rule: Rule, wrap: fn(String) -> String) -> std::io::Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || {
                    counter.fetch_add(1, Ordering::SeqCst);
                    // A client that has gone away is no failure of the test.
                    let _ = answer(stream, rule, wrap);
                });
            }
        });
        Ok(Server { url, requests })
    }

    /// How many requests it got.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// The body of a chat completion.
fn completion(content: String) -> String {
    serde_json::json!({
        "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"completion_tokens": 5},
    })
    .to_string()
}

fn answer(stream: TcpStream, rule: Rule, wrap: fn(String) -> String) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, content) = rule(&String::from_utf8_lossy(&body));
    let reply = wrap(content);
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{reply}",
        reply.len()
    )
}

//! A chat server on a raw socket that misbehaves as told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Value of the `Authorization` header, empty without one.
    pub(crate) authorization: String,
    /// The body.
    pub(crate) body: Value,
    /// How often an equal body came before.
    pub(crate) repeat: usize,
}

impl Seen {
    /// The text of the only message.
    pub(crate) fn prompt(&self) -> &str {
        self.body["messages"][0]["content"]
            .as_str()
            .unwrap_or_default()
    }

    /// Whether the judge is asked.
    pub(crate) fn is_judge(&self) -> bool {
        self.body["model"] == "judge"
    }
}

/// What the server does with a request.
pub(crate) enum Act {
    /// Status line after the version, extra header lines, body.
    Send(&'static str, String, String),
    /// A 200 answer of which only the first half arrives.
    CutBody(String),
    /// Closes the connection without a byte.
    Hangup,
    /// Never answers.
    Stall,
}

impl Act {
    /// A chat completion.
    pub(crate) fn answer(reasoning: &str, content: &str) -> Self {
        Self::Send("200 OK", String::new(), completion(reasoning, content))
    }

    /// An error status with an OpenAI error body.
    pub(crate) fn error(status: &'static str, message: &str) -> Self {
        let body = json!({"error": {"message": message}}).to_string();
        Self::Send(status, String::new(), body)
    }
}

/// The body of a chat completion.
pub(crate) fn completion(reasoning: &str, content: &str) -> String {
    json!({
        "choices": [{
            "message": {"reasoning_content": reasoning, "content": content},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    })
    .to_string()
}

/// A server whose threads live as long as the test process.
pub(crate) struct FaultServer {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl FaultServer {
    /// Starts a server that does with each request what `act` says.
    pub(crate) fn start(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, act) = (seen.clone(), Arc::new(act));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, act) = (log.clone(), act.clone());
                std::thread::spawn(move || serve(stream, &log, &*act));
            }
        });
        Self { url, seen }
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no thread panics with it").clone()
    }
}

/// Answers one request and closes the connection.
fn serve(mut stream: TcpStream, log: &Mutex<Vec<Seen>>, act: &dyn Fn(&Seen) -> Act) {
    let Some((authorization, body)) = read_request(&stream) else {
        return;
    };
    let seen = {
        let mut log = log.lock().expect("no thread panics with it");
        let repeat = log.iter().filter(|seen| seen.body == body).count();
        log.push(Seen {
            authorization,
            body,
            repeat,
        });
        log[log.len() - 1].clone()
    };
    let (status, headers, body, sent) = match act(&seen) {
        Act::Hangup => return,
        Act::Stall => loop {
            std::thread::park();
        },
        Act::CutBody(body) => {
            let half = body.len() / 2;
            ("200 OK", String::new(), body, half)
        }
        Act::Send(status, headers, body) => {
            let length = body.len();
            (status, headers, body, length)
        }
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body.as_bytes()[..sent]);
    let _ = stream.shutdown(Shutdown::Both);
}

fn read_request(stream: &TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => authorization = value.trim().into(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((authorization, serde_json::from_slice(&body).ok()?))
}

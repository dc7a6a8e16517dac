//! A chat server on a raw socket that misbehaves as told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and path.
    pub(crate) call: String,
    /// Value of the `Authorization` header, empty without one.
    pub(crate) authorization: String,
    /// The body; null without one.
    pub(crate) body: Value,
    /// The number of the request, from 0.
    pub(crate) number: usize,
    /// Requests that were being answered when it came, this one included.
    pub(crate) in_flight: usize,
    /// When it came.
    pub(crate) at: Instant,
}

impl Seen {
    /// The text of the only message.
    pub(crate) fn prompt(&self) -> &str {
        self.body["messages"][0]["content"]
            .as_str()
            .unwrap_or_default()
    }
}

/// What the server does with a request, step by step.
pub(crate) enum Step {
    /// Writes bytes as they are.
    Write(Vec<u8>),
    /// Waits.
    Wait(Duration),
    /// Keeps the connection open and says nothing more.
    Stall,
}

pub(crate) type Act = Vec<Step>;

/// Status line after the version, extra header lines with `\r\n`, body.
pub(crate) fn send(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Act {
    send_part(status, headers, body.as_ref(), body.as_ref().len())
}

/// A response of which only the first bytes arrive, although its head names all.
pub(crate) fn send_part(status: &str, headers: &str, body: &[u8], sent: usize) -> Act {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
    );
    vec![Step::Write([head.as_bytes(), &body[..sent]].concat())]
}

/// The head of a response that ends with its connection.
pub(crate) fn open_head() -> Step {
    Step::Write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec())
}

/// A 200 answer.
pub(crate) fn answer(content: &str) -> Act {
    send("200 OK", "", completion(content))
}

/// An error status with an OpenAI error body.
pub(crate) fn error(status: &str, message: &str) -> Act {
    let body = json!({"error": {"message": message}}).to_string();
    send(status, "", body)
}

/// The body of a chat completion of 10 and 5 tokens.
pub(crate) fn completion(content: &str) -> String {
    json!({
        "choices": [{
            "message": {"reasoning_content": "why", "content": content},
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

type Script = dyn Fn(&Seen) -> Act + Send + Sync;

impl FaultServer {
    /// Starts a server that does with each request what `act` says.
    pub(crate) fn start(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self::resetting(0, act)
    }

    /// The same, but the first connections are closed with RST.
    pub(crate) fn resetting(
        resets: usize,
        act: impl Fn(&Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, act) = (seen.clone(), Arc::new(act));
        let in_flight = Arc::new(AtomicUsize::new(0));
        thread::spawn(move || {
            for (number, mut stream) in listener.incoming().flatten().enumerate() {
                if number < resets {
                    // A socket that is closed with unread bytes sends RST.
                    let _ = stream.read(&mut [0]);
                    continue;
                }
                let (log, act, in_flight) = (log.clone(), act.clone(), in_flight.clone());
                thread::spawn(move || {
                    serve(stream, &log, &*act, &in_flight);
                });
            }
        });
        Self { url, seen }
    }

    /// A server that answers the n-th request with the n-th act, and with "done" afterwards.
    pub(crate) fn scripted(acts: Vec<Act>) -> Self {
        let acts: Mutex<Vec<Option<Act>>> = Mutex::new(acts.into_iter().map(Some).collect());
        Self::start(move |seen| {
            let mut acts = acts.lock().expect("no thread panics with it");
            let act = acts.get_mut(seen.number).and_then(Option::take);
            act.unwrap_or_else(|| answer("done"))
        })
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no thread panics with it").clone()
    }
}

/// Answers one request and closes the connection.
fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    act: &Script,
    in_flight: &AtomicUsize,
) -> Option<()> {
    let mut seen = read_request(&stream)?;
    seen.in_flight = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    {
        let mut log = log.lock().expect("no thread panics with it");
        seen.number = log.len();
        log.push(seen.clone());
    }
    let mut steps = act(&seen);
    // The client may send its next request as soon as it has read the last bytes, so the request ends before them.
    let last = match steps.pop() {
        Some(Step::Write(bytes)) => bytes,
        other => {
            steps.extend(other);
            Vec::new()
        }
    };
    for step in steps {
        match step {
            Step::Write(bytes) => {
                let _ = stream.write_all(&bytes);
            }
            Step::Wait(time) => thread::sleep(time),
            Step::Stall => loop {
                thread::park();
            },
        }
    }
    in_flight.fetch_sub(1, Ordering::SeqCst);
    let _ = stream.write_all(&last);
    let _ = stream.shutdown(Shutdown::Both);
    None
}

fn read_request(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut seen = Seen {
        call: String::new(),
        authorization: String::new(),
        body: Value::Null,
        number: 0,
        in_flight: 0,
        at: Instant::now(),
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if seen.call.is_empty() {
            seen.call = line.rsplit_once(' ')?.0.into();
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => seen.authorization = value.trim().into(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if length > 0 {
        seen.body = serde_json::from_slice(&body).ok()?;
    }
    Some(seen)
}

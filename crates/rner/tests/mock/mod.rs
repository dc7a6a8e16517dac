//! A teacher and judge of the OpenAI protocol for one test, which remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// It finds no entity in any sentence; as the model `judge` it gives 9 of 10.
pub(crate) struct Teacher {
    /// Its address.
    pub(crate) url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Teacher {
    /// Starts it on a free port; it answers until the test's process ends.
    pub(crate) fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let bodies = Arc::<Mutex<Vec<String>>>::default();
        let log = bodies.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = log.clone();
                // A client that has gone away is no failure of the test.
                std::thread::spawn(move || answer(stream, &log).ok());
            }
        });
        Ok(Self { url, bodies })
    }

    /// Questions so far, with equal ones counted apart.
    pub(crate) fn asked(&self) -> usize {
        self.bodies().len()
    }

    /// The bodies of the questions.
    pub(crate) fn bodies(&self) -> Vec<String> {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.clone()
    }
}

fn answer(stream: TcpStream, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
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
    let body = String::from_utf8_lossy(&body).into_owned();
    let reply = if first.starts_with("GET") {
        serde_json::json!({"data": [{"id": "thinker"}, {"id": "other"}, {"id": "judge"}]})
    } else {
        completion(&body)
    };
    if !body.is_empty() {
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(body);
    }
    let reply = reply.to_string();
    write!(
        reader.into_inner(),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{reply}",
        reply.len()
    )
}

fn completion(body: &str) -> serde_json::Value {
    let message = if body.contains("\"model\":\"judge\"") {
        serde_json::json!({"content": "{\"score\": 9}"})
    } else {
        serde_json::json!({
            "reasoning_content": "No phrase of the sentence has one of the types asked for.",
            "content": "{\"entities\": {}}",
        })
    };
    serde_json::json!({
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 10},
    })
}

//! A server in a thread, and requests of raw bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use burn::backend::Flex;
use lm_model::{ChatTokenizer, checkpoint};
use lm_serve::Server;
use tokio_util::sync::CancellationToken;

pub type TestResult = Result<(), Box<dyn std::error::Error>>;

pub fn model_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny-base")
}

/// A server that ends with the test.
pub struct Serving {
    pub address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
        self.thread.take().map(JoinHandle::join);
    }
}

impl Serving {
    /// The toy model under the name `tiny`, served with these changes.
    pub fn start(
        change: impl FnOnce(Server<Flex>) -> Server<Flex>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let dir = model_dir();
        let model = checkpoint::load::<Flex>(&dir, &Default::default())?;
        let server = Server::new(model, ChatTokenizer::load(&dir)?).name("tiny");
        let server = change(server).bind(([127, 0, 0, 1], 0))?;
        let (address, stop) = (server.address(), CancellationToken::new());
        let until = stop.clone();
        let thread = std::thread::spawn(move || server.run(&until).expect("the server runs"));
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    pub fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        // A test that waits for ever says nothing.
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(stream)
    }

    /// What the server says until it closes the connection.
    pub fn raw(&self, request: &[u8]) -> std::io::Result<String> {
        let mut stream = self.connect()?;
        // A server that has refused reads no more.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// The answer to a body, with more lines of the head.
    pub fn post(&self, path: &str, head: &str, body: &str) -> std::io::Result<String> {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             {head}Content-Length: {length}\r\n\r\n{body}"
        );
        self.raw(request.as_bytes())
    }

    pub fn get(&self, path: &str) -> std::io::Result<String> {
        let head = "HTTP/1.1\r\nHost: localhost\r\nConnection: close";
        self.raw(format!("GET {path} {head}\r\n\r\n").as_bytes())
    }
}

/// The status of an answer; 0 if there is none.
pub fn status(answer: &str) -> u16 {
    let word = answer.split(' ').nth(1).unwrap_or_default();
    word.parse().unwrap_or(0)
}

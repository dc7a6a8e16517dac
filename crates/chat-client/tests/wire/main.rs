//! The client against a server that fails in every way a server was seen to fail.

#[allow(dead_code, reason = "its main reads the command line")]
#[path = "../../examples/ask.rs"]
mod ask;
mod bodies;
mod budget;
mod faults;
mod limits;
mod money;
mod refusals;
mod server;
mod streams;

use std::sync::Mutex;
use std::time::Duration;

use chat_client::{
    Archive, CancellationToken, ChatAnswer, ChatClient, ChatRequest, Endpoint, Error, Message,
    Sampling,
};

/// Retries within milliseconds.
fn endpoint(url: &str) -> Endpoint {
    let mut endpoint = Endpoint::new(url, "m");
    endpoint.retry.first_delay = Duration::from_millis(2);
    endpoint.retry.max_delay = Duration::from_millis(10);
    endpoint.retry.max_retry_after = Duration::from_millis(50);
    endpoint
}

fn client(url: &str) -> ChatClient {
    ChatClient::new(endpoint(url)).expect("a client")
}

fn request(prompt: &str) -> ChatRequest {
    ChatRequest {
        model: "m".into(),
        messages: vec![Message::user(prompt)],
        sampling: Sampling::default(),
        stream: false,
        format: None,
    }
}

/// Keeps all bodies.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Kept {
    fn bodies(&self) -> Vec<String> {
        self.0.lock().expect("no thread panics with it").clone()
    }
}

impl Archive for Kept {
    type Error = Error;

    async fn store(&self, body: &str) -> Result<(), Error> {
        let mut bodies = self.0.lock().expect("no thread panics with it");
        bodies.push(body.into());
        Ok(())
    }
}

async fn ask(client: &ChatClient) -> Result<ChatAnswer, Error> {
    ask_kept(client, &Kept::default()).await
}

async fn ask_kept(client: &ChatClient, kept: &Kept) -> Result<ChatAnswer, Error> {
    client
        .chat(&request("hi"), &CancellationToken::new(), kept)
        .await
}

#[tokio::test]
async fn the_example_keeps_the_answer_that_it_reads() {
    let server = server::FaultServer::start(|_| server::answer("nobody"));
    let dir = tempfile::tempdir().expect("a folder");
    let kept = dir.path().join("answer.json");
    let asked = ask::ask(endpoint(&server.url), "Who is there?", kept.clone()).await;
    let answer = asked.map_err(|failed| failed.0).expect("an answer");
    assert_eq!(answer.content, "nobody");
    let body = std::fs::read_to_string(kept).expect("kept");
    assert!(body.contains("nobody"), "{body}");
}

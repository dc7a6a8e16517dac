//! The client against a server that fails in every way a server was seen to fail.

mod bodies;
mod faults;
mod limits;
mod money;
mod refusals;
mod server;
mod streams;

use std::sync::Mutex;
use std::time::Duration;

use chat_client::{
    Archive, ChatAnswer, ChatClient, ChatRequest, Endpoint, Error, Message, Sampling, Stop,
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
    client.chat(&request("hi"), &Stop::new(), kept).await
}

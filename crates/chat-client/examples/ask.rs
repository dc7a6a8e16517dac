//! Asks a server one question, and keeps the raw answer before it is read:
//! `cargo run -p chat-client --example ask -- http://localhost:8000/v1 MODEL "Who is there?"`.
//! The key is that of the environment variable OPENAI_API_KEY, if it is set.

use std::path::PathBuf;

use chat_client::{
    Archive, CancellationToken, ChatAnswer, ChatClient, ChatRequest, Endpoint, Error, KeySource,
};

/// A file for the body of the answer.
struct File(PathBuf);

/// What ends a call: the client, or the disk.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error of either.
pub(crate) struct Failed(pub(crate) BoxError);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed(error.into())
    }
}

impl Archive for File {
    type Error = Failed;

    async fn store(&self, body: &str) -> Result<(), Failed> {
        std::fs::write(&self.0, body).map_err(|error| Failed(error.into()))
    }
}

pub(crate) async fn ask(
    endpoint: Endpoint,
    question: &str,
    kept: PathBuf,
) -> Result<ChatAnswer, Failed> {
    let client = ChatClient::new(endpoint)?;
    let request = ChatRequest::user(client.model(), question);
    // Whoever cancels the token ends the waiting and the retries.
    let stop = CancellationToken::new();
    client.chat(&request, &stop, &File(kept)).await
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, model, question] = args.as_slice() else {
        return Err("expected URL MODEL QUESTION".into());
    };
    let mut endpoint = Endpoint::new(url, model);
    if std::env::var_os("OPENAI_API_KEY").is_some() {
        endpoint.key = KeySource::Env("OPENAI_API_KEY".into());
    }
    let asked = ask(endpoint, question, "answer.json".into()).await;
    println!("{}", asked.map_err(|Failed(error)| error)?.content);
    Ok(())
}

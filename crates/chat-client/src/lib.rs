//! A client for OpenAI-compatible chat completions.
//!
//! Every 200 body goes to a caller's [`Archive`] before anything looks into
//! it, so that an answer that was paid for is on disk even if it cannot be read.
//! Waiting between tries never holds one of the client's slots, and the number
//! of slots follows what the server can take.
//!
//! ```no_run
//! use chat_client::{CancellationToken, ChatClient, ChatRequest, Endpoint, NoArchive};
//!
//! # async fn example() -> Result<(), chat_client::Error> {
//! let client = ChatClient::new(Endpoint::new("http://localhost:8000/v1", "Qwen/Qwen3-8B"))?;
//! let request = ChatRequest::user(client.model(), "Who is there?");
//! let answer = client.chat(&request, &CancellationToken::new(), &NoArchive).await?;
//! println!("{} ({} tokens)", answer.content, answer.usage.total());
//! # Ok(())
//! # }
//! ```

mod address;
mod aimd;
mod archive;
mod backoff;
pub mod body;
mod check;
mod client;
mod endpoint;
mod error;
mod failure;
mod format;
mod gate;
mod http;
mod key;
mod mask;
mod meaning;
mod message;
pub mod money;
mod open;
mod rate;
mod rejection;
mod stats;
mod unknown_words;

pub use archive::{Archive, NoArchive};
pub use backoff::Retry;
pub use check::ModelCheck;
pub use client::ChatClient;
pub use endpoint::{Endpoint, Timeouts};
pub use error::{Error, Shortfall, excerpt};
pub use format::{ResponseFormat, Structured};
pub use key::KeySource;
pub use message::{ChatAnswer, ChatRequest, Finish, Message, Role, Sampling, Usage};
pub use rejection::Rejection;
pub use stats::Stats;
pub use tokio_util::sync::CancellationToken;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

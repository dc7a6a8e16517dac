//! A client for OpenAI-compatible chat completions.
//!
//! Every 200 body goes to a caller's `keep` function before anything looks into
//! it, so that an answer that was paid for is on disk even if it cannot be read.
//! Waiting between tries never holds one of the client's slots.

mod address;
mod backoff;
mod body;
mod client;
mod error;
mod message;
mod stop;

pub use backoff::Retry;
pub use body::{BodyProblem, parse_body};
pub use client::{Archive, ChatClient, Endpoint, NoArchive};
pub use error::{Error, excerpt};
pub use message::{ChatAnswer, ChatRequest, Finish, Message, Role, Sampling, Usage};
pub use stop::Stop;

//! A client for OpenAI-compatible chat completions.
//!
//! Every 200 body goes to a caller's [`Archive`] before anything looks into
//! it, so that an answer that was paid for is on disk even if it cannot be read.
//! Waiting between tries never holds one of the client's slots, and the number
//! of slots follows what the server can take.

mod address;
mod aimd;
mod backoff;
mod body;
mod check;
mod client;
mod endpoint;
mod error;
mod failure;
mod format;
mod gate;
mod http;
mod key;
mod message;
mod money;
mod rate;
mod stats;
mod stop;

pub use backoff::Retry;
pub use body::{BodyProblem, parse_body};
pub use check::ModelCheck;
pub use client::{Archive, ChatClient, NoArchive};
pub use endpoint::{Endpoint, Timeouts};
pub use error::{Error, excerpt};
pub use format::{ResponseFormat, Structured};
pub use key::KeySource;
pub use message::{ChatAnswer, ChatRequest, Finish, Message, Role, Sampling, Usage};
pub use money::{Budget, Ledger, Peak, Price};
pub use stats::Stats;
pub use stop::Stop;

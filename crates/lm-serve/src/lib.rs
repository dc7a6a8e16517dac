//! A Qwen3 model behind the OpenAI protocol: completions, chat, and adapters that are loaded while it runs.
//!
//! ```no_run
//! use lm_model::{ChatTokenizer, checkpoint};
//! use tokio_util::sync::CancellationToken;
//!
//! let dir = std::path::Path::new("fixtures/tiny-base");
//! let model = checkpoint::load::<burn::backend::Flex>(dir, &Default::default())?;
//! let server = lm_serve::Server::new(model, ChatTokenizer::load(dir)?);
//! server.bind(([127, 0, 0, 1], 8000))?.run(&CancellationToken::new())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod access;
mod adapters;
mod brief;
mod connections;
mod content;
mod crowd;
mod desk;
mod error;
mod failure;
mod fields;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod intake;
mod job;
mod limits;
mod parameters;
mod patient;
mod prompts;
mod protocol;
mod pulse;
mod request;
mod server;
mod worker;

pub use access::Access;
pub use error::Error;
pub use limits::Limits;
pub use server::{BoundServer, Server};

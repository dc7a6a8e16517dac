//! Batched sampling with a KV cache and per-token log-probabilities.
//!
//! [`Generator`] is the principal type. It takes a list of [`Request`]s and returns, for each, `n` [`Generated`]
//! completions. Four choices shape it:
//!
//! - **Continuous batching.** The cache has a fixed number of slots. A finished sequence leaves its slot at once and
//!   the next waiting one enters it, so that one long completion does not keep a whole batch waiting.
//! - **One prefill per prompt.** The `n` completions of a request share the prefill of their prompt; its keys and
//!   values are copied from slot to slot, not computed again.
//! - **A cache that grows.** Its capacity doubles as sequences grow, under a limit if its [`CachePool`] has one; where
//!   the limit is reached, the youngest sequence leaves and is computed again later.
//! - **No influence of neighbours.** Each sample draws from its own random stream, named by the request's seed and the
//!   sample's index. Which other requests run beside it, and in which slot, changes nothing but the rounding of the
//!   backend's matrix products.
//!
//! The log-probability reported for a token is the one at the sampling temperature over the full vocabulary, before the
//! repetition penalty, top-k, top-p and min-p: this is what a policy-gradient trainer compares with its own forward
//! pass.
//!
//! A [`Session`] takes requests while others are generated, as a server does.
//!
//! An [`Observer`] is told of every token as it is drawn, may end its completion, and may say of which tokens the next
//! one is drawn ([`Observer::allowed`]), as a grammar does. This crate knows token ids only;
//! text and chat templates belong to [`lm_model::ChatTokenizer`], and an observer finds stop strings with a
//! [`lm_model::TextStream`] for each sample. [`ThoughtLimit`] is the observer that closes reasoning at a budget.
//!
//! ```
//! use burn::backend::Flex;
//! use lm_generate::{CancellationToken, Generator, Request, Sampling};
//! use lm_model::Qwen3Config;
//!
//! let config = Qwen3Config { vocab_size: 32, hidden_size: 16, num_hidden_layers: 1, ..Default::default() };
//! let model = config.init::<Flex>(&Default::default(), 0);
//! let sampling = Sampling { max_new_tokens: 4, temperature: 0.8, stop: vec![0], seed: 1, ..Default::default() };
//! let request = Request { prompt: vec![5, 6, 7], n: 3, sampling };
//! let groups = Generator::new(&model, 8).generate(&[request], &CancellationToken::new(), &mut ())?;
//! assert_eq!(groups[0].len(), 3);
//! # Ok::<(), lm_generate::Error>(())
//! ```

mod batch;
mod entering;
mod error;
mod generator;
mod lookup;
mod mask;
mod observer;
mod pool;
mod request;
mod reshape;
mod room;
mod run;
mod sequence;
mod session;
mod slots;
mod thought;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use generator::Generator;
pub use lookup::{DraftCounts, History, Lookup};
pub use mask::TokenMask;
pub use observer::{NewToken, Observer};
pub use pool::CachePool;
pub use request::{Finish, Generated, Outcome, Progress, Request, Sampling};
pub use session::Session;
pub use thought::{Thought, ThoughtEnd, ThoughtLimit};
pub use tokio_util::sync::CancellationToken;

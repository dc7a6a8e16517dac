//! What can go wrong while generating.

/// An error of [`Generator::generate`](crate::Generator::generate). Requests are counted from 0 in the order given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A generator without slots can never finish.
    #[error("max_batch is 0; expected at least one slot")]
    NoSlots,
    /// A prompt holds no token, so there is nothing to condition on.
    #[error("request {request}: the prompt is empty; expected at least one token")]
    EmptyPrompt {
        /// Index of the request.
        request: usize,
    },
    /// A token id lies outside the model's vocabulary.
    #[error(
        "request {request}: token id {id} at position {position}; expected less than the vocabulary size {vocab_size}"
    )]
    TokenOutOfRange {
        /// Index of the request.
        request: usize,
        /// Position in the prompt.
        position: usize,
        /// The id found.
        id: u32,
        /// The model's vocabulary size.
        vocab_size: usize,
    },
    /// A sampling parameter has no meaning.
    #[error("request {request}: {parameter} = {found}; expected {expected}")]
    InvalidSampling {
        /// Index of the request.
        request: usize,
        /// Name of the field of [`Sampling`](crate::Sampling).
        parameter: &'static str,
        /// Its value.
        found: String,
        /// The values it may take.
        expected: &'static str,
    },
    /// The observer allows no token of the model.
    #[error(
        "request {request}, sample {sample}: no token is allowed at position {token} of the completion"
    )]
    NothingAllowed {
        /// Index of the request.
        request: usize,
        /// Index of the sample in its request.
        sample: usize,
        /// Index of the token in the completion.
        token: usize,
    },
    /// Prompt and completion together exceed the positions that the model was built for.
    #[error(
        "request {request}: {prompt} prompt tokens and up to {max_new_tokens} new ones; expected at most {limit} in all \
         (the longest sequence of the model)"
    )]
    TooLong {
        /// Index of the request.
        request: usize,
        /// Length of the prompt.
        prompt: usize,
        /// The request's budget of new tokens.
        max_new_tokens: usize,
        /// The model's limit.
        limit: usize,
    },
    /// Prompt and completion together exceed the memory of the cache.
    #[error(
        "request {request}: {wanted} tokens with its prompt; expected at most {room} in all, which is what the memory of \
         the key-value cache holds: allow it more, or ask for fewer tokens"
    )]
    NoRoom {
        /// Index of the request.
        request: usize,
        /// Tokens of the prompt and the completion.
        wanted: usize,
        /// Tokens that fit.
        room: usize,
    },
    /// The model returned NaN or infinite logits, usually after a training step that diverged.
    #[error(
        "request {request}, sample {sample}, token {token}: the logits are not finite; expected a probability distribution"
    )]
    NonFiniteLogits {
        /// Index of the request.
        request: usize,
        /// Index of the sample in its request.
        sample: usize,
        /// Index of the token in the completion.
        token: usize,
    },
    /// The backend could not hand the drawn tokens over.
    #[error(
        "reading the drawn tokens from the device: {0}; expected {1} tokens and log-probabilities"
    )]
    ReadTokens(String, usize),
    /// The token that the call was given was cancelled.
    #[error("stopped on request after {finished} of {total} completions")]
    Stopped {
        /// Completions that were finished.
        finished: usize,
        /// Completions asked for.
        total: usize,
    },
}

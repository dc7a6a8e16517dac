//! Requests, results and progress reports: plain data.

use lm_kernels::sampling::SamplingParams;

use crate::error::Error;

/// How the next token is chosen.
///
/// The steps have the order of `transformers`: repetition penalty, temperature, top-k, top-p, min-p. Each of the last
/// three looks at what the one before it has left. At temperature 0 only the penalty acts, because the most probable
/// token survives every cut.
///
/// The default is the model's own distribution, with nothing cut off:
///
/// ```
/// use lm_generate::Sampling;
/// let warm = Sampling { temperature: 0.8, min_p: Some(0.05), max_new_tokens: 40, ..Sampling::default() };
/// let greedy = Sampling { max_new_tokens: 40, ..Sampling::greedy() };
/// assert_eq!(warm.top_k, greedy.top_k);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// At most this many new tokens per completion, the stop token included.
    pub max_new_tokens: usize,
    /// Divides the logits; 0 takes the most probable token (the first of equals).
    pub temperature: f64,
    /// Keeps the `k` most probable tokens, and those tied with the last of them; `None` keeps all.
    pub top_k: Option<usize>,
    /// Keeps the smallest set of most probable tokens whose mass reaches this, in (0, 1]; `None` keeps all.
    pub top_p: Option<f64>,
    /// Keeps the tokens that are at least this times as probable as the most probable one, in [0, 1]; `None` keeps all
    /// (Nguyen et al., *Turning Up the Heat: Min-p Sampling*, 2024).
    pub min_p: Option<f64>,
    /// Divides positive logits of tokens that the prompt or the completion holds already, and multiplies negative ones:
    /// above 1 against repetitions, below 1 for them; `None` leaves them alone (Keskar et al., *CTRL*, 2019).
    pub repetition_penalty: Option<f64>,
    /// Tokens that end a completion.
    pub stop: Vec<u32>,
    /// Names the random stream; sample `i` of a request uses stream `i` of this seed.
    pub seed: u64,
}

impl Default for Sampling {
    /// At most 256 tokens at temperature 1, nothing cut off, no penalty, no stop token, seed 0.
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            repetition_penalty: None,
            stop: Vec::new(),
            seed: 0,
        }
    }
}

impl Sampling {
    /// The default at temperature 0: always the most probable token.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            ..Self::default()
        }
    }

    /// The distribution alone.
    pub fn params(&self) -> SamplingParams {
        SamplingParams {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
        }
    }
}

/// One prompt and how many completions of it are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Token ids of the prompt; at least one.
    pub prompt: Vec<u32>,
    /// Number of completions; the prompt is prefilled once for all of them.
    pub n: usize,
    /// How to sample them.
    pub sampling: Sampling,
}

/// Why a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finish {
    /// A stop token was drawn.
    Stop,
    /// The budget of new tokens was used up.
    Length,
    /// An [`Observer`](crate::Observer) ended it, such as one that found a stop string in the text.
    Observer,
}

/// One completion.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The new tokens, with the stop token if there was one.
    pub ids: Vec<u32>,
    /// For each new token, its natural-log probability at the sampling temperature (at temperature 1 when greedy) over
    /// the full vocabulary, before the repetition penalty, top-k, top-p and min-p. It is the model's own, which a
    /// trainer computes again, and not that of the distribution from which the token was drawn.
    pub log_probs: Vec<f32>,
    /// Why it ended.
    pub finish: Finish,
}

/// A request that has ended: its number, and its completions or why there are none.
pub type Outcome = (usize, Result<Vec<Generated>, Error>);

/// Where a call of [`Generator::generate`](crate::Generator::generate) stands; reported after every decode step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Completions finished.
    pub finished: usize,
    /// Completions asked for.
    pub total: usize,
    /// Sequences in the cache that are still growing.
    pub active: usize,
    /// New tokens so far, over all completions.
    pub tokens: usize,
}

/// What a model accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) vocab_size: usize,
    /// Of the model.
    pub(crate) positions: usize,
    /// Of the cache.
    pub(crate) room: usize,
}

impl Request {
    /// Positions of the cache that one completion of this request may fill.
    pub(crate) fn capacity(&self) -> usize {
        self.prompt
            .len()
            .saturating_add(self.sampling.max_new_tokens)
    }

    /// Refuses what the generator could not carry out; `request` is the index to name in the error.
    pub(crate) fn check(&self, request: usize, limits: Limits) -> Result<(), Error> {
        self.check_prompt(request, limits)?;
        self.sampling.check(request)
    }

    fn check_prompt(&self, request: usize, limits: Limits) -> Result<(), Error> {
        if self.prompt.is_empty() {
            return Err(Error::EmptyPrompt { request });
        }
        let vocab_size = limits.vocab_size;
        if let Some((position, &id)) = self
            .prompt
            .iter()
            .enumerate()
            .find(|(_, id)| **id as usize >= vocab_size)
        {
            return Err(Error::TokenOutOfRange {
                request,
                position,
                id,
                vocab_size,
            });
        }
        let (prompt, max_new_tokens, limit) = (
            self.prompt.len(),
            self.sampling.max_new_tokens,
            limits.positions,
        );
        if prompt.saturating_add(max_new_tokens) > limit {
            return Err(Error::TooLong {
                request,
                prompt,
                max_new_tokens,
                limit,
            });
        }
        if prompt + max_new_tokens > limits.room {
            return Err(Error::NoRoom {
                request,
                wanted: prompt + max_new_tokens,
                room: limits.room,
            });
        }
        Ok(())
    }
}

impl Sampling {
    fn check(&self, request: usize) -> Result<(), Error> {
        let invalid = |parameter, found: String, expected| {
            Err(Error::InvalidSampling {
                request,
                parameter,
                found,
                expected,
            })
        };
        if self.max_new_tokens == 0 {
            return invalid("max_new_tokens", "0".into(), "at least 1");
        }
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return invalid(
                "temperature",
                self.temperature.to_string(),
                "a finite number of at least 0",
            );
        }
        if self.top_k == Some(0) {
            return invalid("top_k", "0".into(), "at least 1");
        }
        let fractions = [
            ("top_p", self.top_p, f64::MIN_POSITIVE, "a number in (0, 1]"),
            ("min_p", self.min_p, 0.0, "a number in [0, 1]"),
        ];
        for (parameter, value, least, expected) in fractions {
            if let Some(p) = value.filter(|p| !(least..=1.0).contains(p)) {
                return invalid(parameter, p.to_string(), expected);
            }
        }
        match self.repetition_penalty {
            Some(penalty) if !(penalty.is_finite() && penalty > 0.0) => invalid(
                "repetition_penalty",
                penalty.to_string(),
                "a finite number above 0",
            ),
            _ => Ok(()),
        }
    }
}

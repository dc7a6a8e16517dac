//! A completion while it grows, and how its tokens are drawn.

use std::ops::ControlFlow;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, DType, Tensor, TensorData, Transaction};
use lm_kernels::LmOps;
use lm_kernels::ops::{self, Drawn};
use lm_kernels::sampling::{SampleRow, SamplingParams};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::Error;
use crate::mask::TokenMask;
use crate::observer::NewToken;
use crate::request::{Finish, Request, Sampling};

/// A completion that is growing in a slot, or has left it for a while.
#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) request: usize,
    pub(crate) sample: usize,
    pub(crate) slot: usize,
    /// Tokens of the prompt and the completion whose keys and values are in the slot.
    pub(crate) cached: usize,
    /// When it entered first, as a number that grows.
    pub(crate) entered: u64,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) ids: Vec<u32>,
    pub(crate) log_probs: Vec<f32>,
}

impl Sequence {
    /// How the next token is drawn, and each one after a token of the draft, if the draft is right.
    pub(crate) fn sample_rows(&self, request: &Request, draft: &[u32]) -> Vec<SampleRow> {
        let params = request.sampling.params();
        let mut rng = self.rng.clone();
        let row = |drafted: usize| SampleRow {
            params,
            uniform: uniform(&params, &mut rng),
            seen: match params.repetition_penalty {
                Some(_) => {
                    let seen = request.prompt.iter().chain(&self.ids);
                    seen.chain(&draft[..drafted]).copied().collect()
                }
                None => Vec::new(),
            },
        };
        (0..=draft.len()).map(row).collect()
    }

    /// Leaves the number behind that a token was drawn with.
    pub(crate) fn advance(&mut self, how: &SampleRow) {
        uniform(&how.params, &mut self.rng);
    }
}

/// The next number of a stream, if the choice depends on one.
fn uniform(params: &SamplingParams, rng: &mut ChaCha8Rng) -> f64 {
    if params.is_greedy() {
        0.0
    } else {
        rng.random()
    }
}

/// Whether a completion ends with this token, after the observer has said what it wants.
pub(crate) fn finish_after(
    token: NewToken,
    wanted: ControlFlow<()>,
    sampling: &Sampling,
) -> Option<Finish> {
    if sampling.stop.contains(&token.id) {
        Some(Finish::Stop)
    } else if wanted.is_break() {
        Some(Finish::Observer)
    } else if token.index + 1 >= sampling.max_new_tokens {
        Some(Finish::Length)
    } else {
        None
    }
}

/// The random stream of one sample.
pub(crate) fn stream(seed: u64, sample: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(sample as u64);
    rng
}

/// The rows `from` of logits; the tensor itself if that is every row in order.
pub(crate) fn rows_of<B: LmOps>(logits: Tensor<B, 2>, from: &[usize]) -> Tensor<B, 2> {
    if from.iter().copied().eq(0..logits.dims()[0]) {
        return logits;
    }
    let from: Vec<i32> = from.iter().map(|&row| row as i32).collect();
    let from = Tensor::from_data(TensorData::from(from.as_slice()), &logits.device());
    logits.select(0, from)
}

/// Draws each token of those that its mask allows. The log-probabilities are those over all tokens.
pub(crate) fn draw_allowed<B: LmOps>(
    logits: Tensor<B, 2>,
    rows: &[SampleRow],
    masks: &[Option<TokenMask>],
) -> Result<Vec<(u32, f32)>, Error> {
    let logits = logits.cast(DType::F32);
    let forbidden = forbidden(logits.dims(), masks, &logits.device());
    let Drawn { ids, .. } =
        ops::sample(logits.clone().mask_fill(forbidden, f32::NEG_INFINITY), rows);
    let temperature = |row: &SampleRow| {
        if row.params.is_greedy() {
            1.0
        } else {
            row.params.temperature as f32
        }
    };
    let temperatures: Vec<f32> = rows.iter().map(temperature).collect();
    let temperatures = TensorData::new(temperatures, [rows.len(), 1]);
    let temperatures = Tensor::from_data(temperatures, &logits.device());
    let log_probs = log_softmax(logits / temperatures, 1);
    let log_probs = log_probs
        .gather(1, ids.clone().unsqueeze_dim(1))
        .squeeze_dim(1);
    read(Drawn { ids, log_probs }, rows.len())
}

/// The tokens that must not be drawn, `[rows, vocabulary]`.
fn forbidden<B: LmOps>(
    [rows, vocab]: [usize; 2],
    masks: &[Option<TokenMask>],
    device: &B::Device,
) -> Tensor<B, 2, Bool> {
    let mut forbidden = Vec::with_capacity(rows * vocab);
    for mask in masks {
        match mask {
            Some(mask) => forbidden.extend((0..vocab as u32).map(|id| !mask.allows(id))),
            None => forbidden.resize(forbidden.len() + vocab, false),
        }
    }
    Tensor::from_data(TensorData::new(forbidden, [rows, vocab]), device)
}

/// Draws where the logits lie, and brings tokens and log-probabilities to the host.
pub(crate) fn draw<B: LmOps>(
    logits: Tensor<B, 2>,
    rows: &[SampleRow],
) -> Result<Vec<(u32, f32)>, Error> {
    read(ops::sample(logits, rows), rows.len())
}

fn read<B: LmOps>(drawn: Drawn<B>, rows: usize) -> Result<Vec<(u32, f32)>, Error> {
    let Drawn { ids, log_probs } = drawn;
    let read = Transaction::default().register(ids).register(log_probs);
    let failed = |e| Error::ReadTokens(e, rows);
    let read = read.try_execute().map_err(|e| failed(e.to_string()))?;
    let [ids, log_probs]: [TensorData; 2] = read
        .try_into()
        .map_err(|read: Vec<_>| failed(format!("{} tensors instead of 2", read.len())))?;
    let log_probs: Vec<f32> = log_probs.into_vec().map_err(|e| failed(format!("{e:?}")))?;
    Ok(ids.iter::<u32>().zip(log_probs).collect())
}

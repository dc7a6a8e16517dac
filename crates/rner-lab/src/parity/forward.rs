//! One forward and backward pass of the reference: logits, log-probabilities, loss, gradients.

use std::path::Path;

use anyhow::{Result, ensure};
use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;
use lm_train::GradientAccumulator;
use serde::Deserialize;

use super::batch::Batch;
use super::board::Board;
use super::compare::{Comparison, Tolerance};
use super::files::{TensorFile, read_back};
use super::rotary::Models;

/// Of logits, log-probabilities and losses in single precision.
const ABSOLUTE: Tolerance = Tolerance::Absolute(1e-4);
/// Of gradients.
const GRADIENTS: Tolerance = Tolerance::OfLargest(1e-3);

/// What `expected.json` says about the pass.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ExpectedLoss {
    loss: Option<f64>,
    trained_tokens: Option<usize>,
}

/// `forward.safetensors`.
pub(super) struct Forward {
    batch: Batch,
    /// Logits of every real token.
    logits: Vec<f64>,
    /// Log-probability of every trained token, if the file has them.
    log_probs: Option<Vec<f64>>,
}

impl Forward {
    /// Reads the pass in `dir`.
    ///
    /// # Errors
    /// When the file is absent, damaged, or made by a model with another vocabulary.
    pub(super) fn read(dir: &Path, vocab_size: usize) -> Result<Self> {
        let file = TensorFile::read(&dir.join("forward.safetensors"))?;
        let batch = Batch::read(&file, "", vocab_size)?;
        let ([rows, columns], _) = file.get::<2>("input_ids")?;
        let (shape, logits) = file.get::<3>("logits")?;
        let expected = [rows, columns, vocab_size];
        ensure!(
            shape == expected,
            "{}: `logits`: expected the shape {expected:?}, found {shape:?}",
            file.path()
        );
        let log_probs = if file.has("token_logprobs") {
            Some(log_probs(&file, &batch, [rows, columns])?)
        } else {
            None
        };
        Ok(Self {
            logits: batch.at_tokens(logits, vocab_size),
            batch,
            log_probs,
        })
    }

    /// One line for each thing that the reference has, of the part with this name.
    pub(super) fn lines<B: LmOps>(
        &self,
        part: &str,
        expected: &ExpectedLoss,
        models: &Models<B>,
        board: &mut Board,
    ) {
        board.run(format!("{part}: logits"), || {
            models.compare(|model| self.logits(model))
        });
        if let Some(expected) = &self.log_probs {
            board.run(
                format!("{part}: log-probabilities of the trained tokens"),
                || models.compare(|model| self.log_probs(model, expected)),
            );
        }
        if let Some(loss) = expected.loss {
            board.run(format!("{part}: loss"), || {
                models.compare(|model| self.loss(model, loss, expected.trained_tokens))
            });
        }
    }

    /// The logits of a model for the batch.
    fn logits_of<B: LmOps>(&self, model: &Qwen3<B>) -> Result<Vec<f32>> {
        read_back(model.logits(&self.batch.pack(model)))
    }

    /// Compares the logits of every real token.
    pub(super) fn logits<B: LmOps>(&self, model: &Qwen3<B>) -> Result<Comparison> {
        let mut comparison = Comparison::new(ABSOLUTE);
        comparison.numbers("logits", &self.logits_of(model)?, &self.logits)?;
        Ok(comparison)
    }

    /// Compares the log-probability of every trained token.
    fn log_probs<B: LmOps>(&self, model: &Qwen3<B>, expected: &[f64]) -> Result<Comparison> {
        let found = read_back(self.batch.log_probs(model)?)?;
        let mut comparison = Comparison::new(ABSOLUTE);
        comparison.numbers("trained tokens", &found, expected)?;
        Ok(comparison)
    }

    /// Compares the mean loss of the trained tokens, and their number if the reference tells it.
    fn loss<B: LmOps>(
        &self,
        model: &Qwen3<B>,
        expected: f64,
        trained: Option<usize>,
    ) -> Result<Comparison> {
        let log_probs = read_back(self.batch.log_probs(model)?)?;
        let found = log_probs.len();
        let wanted = trained.unwrap_or(found);
        ensure!(
            wanted == found,
            "expected {wanted} trained tokens, found {found}"
        );
        let total: f64 = log_probs.iter().map(|&log_prob| -f64::from(log_prob)).sum();
        let mut comparison = Comparison::new(ABSOLUTE);
        comparison.number(|| "loss".into(), total / found as f64, expected);
        Ok(comparison)
    }

    /// Compares the logits of two models that must be the same function.
    pub(super) fn identical<B: LmOps>(
        &self,
        one: &Qwen3<B>,
        other: &Qwen3<B>,
    ) -> Result<Comparison> {
        let mut comparison = Comparison::new(Tolerance::Identical);
        self.same_logits(&mut comparison, "logits", one, other)?;
        Ok(comparison)
    }

    /// Adds the logits of `found` against those of another model.
    pub(super) fn same_logits<B: LmOps>(
        &self,
        comparison: &mut Comparison,
        place: &str,
        expected: &Qwen3<B>,
        found: &Qwen3<B>,
    ) -> Result<()> {
        let expected = self.logits_of(expected)?.into_iter().map(f64::from);
        let expected: Vec<f64> = expected.collect();
        comparison.numbers(place, &self.logits_of(found)?, &expected)
    }

    /// Compares the gradient of the loss for every parameter that has one with `file`, where the
    /// parameters have the names that `rename` gives them.
    pub(super) fn gradients<B>(
        &self,
        model: &Qwen3<B>,
        file: &Path,
        rename: impl Fn(&str) -> String,
    ) -> Result<Comparison>
    where
        B: TrainBackend,
    {
        let mut expected = TensorFile::read(file)?;
        let loss = self.batch.log_probs(model)?.mean().neg();
        let mut gradients = GradientAccumulator::<B>::new();
        gradients.add(model, loss.backward());
        let gradients = gradients.finish();
        let mut comparison = Comparison::new(GRADIENTS);
        for (path, id) in model.named_parameters() {
            let Some(found) = gradients.get(id) else {
                continue;
            };
            let name = rename(&path);
            let found = read_back(found.clone())?;
            comparison.numbers(&name, &found, &expected.take(&name)?.numbers)?;
        }
        let left = expected.names();
        ensure!(
            left.is_empty(),
            "no gradient was found for {}",
            left.join(", ")
        );
        Ok(comparison)
    }
}

fn log_probs(file: &TensorFile, batch: &Batch, [rows, columns]: [usize; 2]) -> Result<Vec<f64>> {
    let (shape, values) = file.get::<2>("token_logprobs")?;
    let expected = [rows, columns.saturating_sub(1)];
    ensure!(
        shape == expected,
        "{}: `token_logprobs`: expected the shape {expected:?}, found {shape:?}",
        file.path()
    );
    Ok(batch.at_trained(values))
}

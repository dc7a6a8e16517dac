//! A checkpoint against transformers: logits, log-probabilities, loss, gradients, continuations, and
//! what is left of it after saving and loading.

use std::path::Path;

use anyhow::{Context, Result};
use burn::module::AutodiffModule;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::checkpoint::{self, SaveDtype};
use lm_model::{Qwen3, WeightDtype};
use rner::backend::Device;
use serde::Deserialize;

use super::board::Board;
use super::compare::Comparison;
use super::files::read_json_if_there;
use super::forward::{ExpectedLoss, Forward};
use super::greedy::Greedy;
use super::layout::Part;
use super::rotary::Models;

/// `expected.json` beside a checkpoint.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Expected {
    #[serde(flatten)]
    loss: ExpectedLoss,
    #[serde(flatten)]
    greedy: Greedy,
}

/// Compares one checkpoint.
pub(super) fn check<B: TrainBackend>(
    part: &Part,
    device: &Device<B>,
    board: &mut Board,
) -> Result<()> {
    let dir = &part.path;
    let name = |what: &str| format!("{}: {what}", part.name);
    let expected: Expected = read_json_if_there(&dir.join("expected.json"))?;
    let model = checkpoint::load::<B>(dir, device)?;
    let forward = Forward::read(dir, model.config().vocab_size)?;
    let plain = Models::new(model.valid());
    forward.lines(&part.name, &expected.loss, &plain, board);
    let gradients = dir.join("gradients.safetensors");
    if gradients.is_file() {
        let models = Models::new(model);
        board.run(name("gradients"), || {
            models.compare(|model| forward.gradients(model, &gradients, str::to_owned))
        });
    }
    for (what, comparison) in expected.greedy.compare(&plain)? {
        board.run(name(what), || comparison);
    }
    board.run(name("saved and loaded, logits"), || {
        round_trip(plain.exact(), &forward)
    });
    Ok(())
}

/// The logits before and after the model went through files.
fn round_trip<B: LmOps>(model: &Qwen3<B>, forward: &Forward) -> Result<Comparison> {
    let dir = tempfile::tempdir().context("cannot create a temporary folder")?;
    let again = save_and_load(model, dir.path())?;
    forward.identical(model, &again)
}

/// In the format of the original, in which its values are exact.
fn save_and_load<B: LmOps>(model: &Qwen3<B>, dir: &Path) -> Result<Qwen3<B>> {
    let dtype = match model.config().dtype {
        Some(WeightDtype::Bfloat16) => SaveDtype::Bf16,
        _ => SaveDtype::F32,
    };
    checkpoint::save(model, model.config(), dir, dtype)?;
    Ok(checkpoint::load(dir, &model.device())?)
}

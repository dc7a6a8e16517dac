//! An adapter against PEFT: logits, loss, gradients, the merged model, and the way back to the base.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::module::AutodiffModule;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::{Qwen3, checkpoint};
use rner::backend::{Device, Inner};
use serde::Deserialize;

use super::board::Board;
use super::compare::{Comparison, Tolerance};
use super::files::read_json_if_there;
use super::forward::{ExpectedLoss, Forward};
use super::layout::{Layout, Part};
use super::rotary::Models;

/// Of the merged model against the adapter on its base.
const MERGED: Tolerance = Tolerance::Absolute(1e-4);

/// `expected.json` beside an adapter.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Expected {
    #[serde(flatten)]
    loss: ExpectedLoss,
    /// Folder of the base, for an adapter whose own file does not lead to it.
    base: Option<String>,
    /// Folder of the model that PEFT merged.
    merged: Option<String>,
}

/// Compares one adapter.
pub(super) fn check<B: TrainBackend>(
    layout: &Layout,
    part: &Part,
    device: &Device<B>,
    board: &mut Board,
) -> Result<()> {
    let dir = &part.path;
    let expected: Expected = read_json_if_there(&dir.join("expected.json"))?;
    let base = checkpoint::load::<B>(&base_dir(layout, dir, &expected)?, device)?;
    // The reference values are those of evaluation.
    let adapted = checkpoint::load_adapter(base.clone(), dir)?.without_dropout();
    let forward = Forward::read(dir, base.config().vocab_size)?;
    let plain = Models::new(adapted.valid());
    forward.lines(&part.name, &expected.loss, &plain, board);
    let gradients = dir.join("gradients.safetensors");
    if gradients.is_file() {
        let models = Models::new(adapted);
        board.run(format!("{}: gradients", part.name), || {
            models.compare(|model| forward.gradients(model, &gradients, peft_name))
        });
    }
    board.run(format!("{}: merged here, logits", part.name), || {
        plain.compare(|model| merged_here(model, &forward))
    });
    if let Some(dir) = merged_dir(layout, dir, &expected)? {
        board.run(format!("{}: merged by PEFT, logits", part.name), || {
            let merged = Models::new(checkpoint::load::<Inner<B>>(&dir, device)?);
            merged.compare(|model| forward.logits(model))
        });
    }
    with_base(part, &forward, &base.valid(), plain.exact(), board);
    Ok(())
}

/// The adapter taken off its base, and put on it again from files.
fn with_base<B: LmOps>(
    part: &Part,
    forward: &Forward,
    base: &Qwen3<B>,
    adapted: &Qwen3<B>,
    board: &mut Board,
) {
    board.run(
        format!("{}: taken off, logits of the base", part.name),
        || forward.identical(base, &adapted.without_adapter()),
    );
    board.run(format!("{}: saved and loaded, logits", part.name), || {
        let dir = tempfile::tempdir().context("cannot create a temporary folder")?;
        checkpoint::save_adapter(adapted, dir.path())?;
        let again = checkpoint::load_adapter(base.clone(), dir.path())?;
        forward.identical(adapted, &again)
    });
}

/// The base by the adapter's own file, else by `expected.json`.
fn base_dir(layout: &Layout, dir: &Path, expected: &Expected) -> Result<PathBuf> {
    let own = checkpoint::adapter_base(dir).ok();
    let names: Vec<String> = own.into_iter().chain(expected.base.clone()).collect();
    layout
        .checkpoint(dir, &names)
        .context("the base of the adapter")
}

/// The folder that `expected.json` names, else the only one that can be meant.
fn merged_dir(layout: &Layout, dir: &Path, expected: &Expected) -> Result<Option<PathBuf>> {
    match &expected.merged {
        Some(name) => layout
            .checkpoint(dir, std::slice::from_ref(name))
            .context("the merged model")
            .map(Some),
        None => layout.merged(),
    }
}

/// A parameter of an adapted model by PEFT's name; those of the base keep theirs.
fn peft_name(path: &str) -> String {
    for (here, there) in [(".adapter.lora_a", "lora_A"), (".adapter.lora_b", "lora_B")] {
        if let Some(module) = path.strip_suffix(here) {
            return format!("base_model.model.{module}.{there}.weight");
        }
    }
    path.to_owned()
}

/// The merged model against the adapter that it was made of, and against PEFT.
fn merged_here<B: LmOps>(model: &Qwen3<B>, forward: &Forward) -> Result<Comparison> {
    let merged = model.merged();
    let mut comparison = Comparison::new(MERGED);
    forward.same_logits(&mut comparison, "against the adapter", model, &merged)?;
    comparison.merge(forward.logits(&merged)?);
    Ok(comparison)
}

#[cfg(test)]
mod tests {
    use super::peft_name;

    #[test]
    fn parameters_of_the_adapter_have_the_names_of_peft() {
        assert_eq!(
            peft_name("model.layers.0.mlp.up_proj.adapter.lora_b"),
            "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"
        );
        assert_eq!(peft_name("lm_head.weight"), "lm_head.weight");
    }
}

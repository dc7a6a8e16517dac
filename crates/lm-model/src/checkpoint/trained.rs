//! What training changes: the adapter of a model that has one, else the whole model.

use std::path::Path;

use burn::tensor::DType;
use lm_kernels::LmOps;

use super::adapter::{load_adapter, save_adapter};
use super::read::load_as;
use super::write::save;
use crate::error::{Error, Result};
use crate::lora::LoraConfig;
use crate::model::Qwen3;
use crate::precision::Precision;

/// Writes what training changes: the adapter if `model` has one, else the whole model exactly.
///
/// # Errors
/// Those of [`save_adapter`] and [`save`].
pub fn save_trained<B: LmOps>(model: &Qwen3<B>, dir: &Path) -> Result<()> {
    match model.lora() {
        Some(_) => save_adapter(model, dir),
        None => save(model, model.config(), dir, model.precision().into()),
    }
}

/// Reads what [`save_trained`] wrote: for a `model` with adapter another adapter of the same
/// configuration, else all weights. Weights that are replaced are freed first.
///
/// # Errors
/// Those of [`load_adapter`] and [`load`](super::load), and [`Error::OtherAdapter`].
pub fn load_trained<B: LmOps>(model: Qwen3<B>, dir: &Path) -> Result<Qwen3<B>> {
    Blank::of(model).load(dir)
}

/// What is left of a model when the part that training changes is taken off: all that is needed to read that part
/// from one folder, and from another one if the first is damaged.
#[derive(Clone, Debug)]
pub struct Blank<B: LmOps>(Rest<B>);

#[derive(Clone, Debug)]
enum Rest<B: LmOps> {
    /// Of a model that is trained as a whole, nothing but where its weights go and how they are kept.
    Nothing {
        device: B::Device,
        precision: Precision,
        activations: DType,
    },
    /// The weights below an adapter of this configuration.
    Base {
        model: Box<Qwen3<B>>,
        adapter: Box<LoraConfig>,
    },
}

impl<B: LmOps> Blank<B> {
    /// Takes off what training changes, which is freed.
    pub fn of(model: Qwen3<B>) -> Self {
        Self(match model.lora().cloned() {
            None => Rest::Nothing {
                device: model.device(),
                precision: model.precision(),
                activations: model.activations,
            },
            Some(adapter) => Rest::Base {
                model: Box::new(model.without_adapter()),
                adapter: Box::new(adapter),
            },
        })
    }

    /// The model with what [`save_trained`] has written to `dir`.
    ///
    /// # Errors
    /// Those of [`load_trained`].
    pub fn load(&self, dir: &Path) -> Result<Qwen3<B>> {
        match &self.0 {
            Rest::Nothing {
                device,
                precision,
                activations,
            } => Ok(load_as(dir, device, *precision)?.with_activations(*activations)),
            Rest::Base { model, adapter } => load_onto(model, adapter, dir),
        }
    }
}

fn load_onto<B: LmOps>(base: &Qwen3<B>, expected: &LoraConfig, dir: &Path) -> Result<Qwen3<B>> {
    let model = load_adapter(base.clone(), dir)?;
    if model.lora() == Some(expected) {
        Ok(model)
    } else {
        Err(Error::OtherAdapter {
            path: dir.to_owned(),
            expected: Box::new(expected.clone()),
            found: model.lora().cloned().map(Box::new),
        })
    }
}

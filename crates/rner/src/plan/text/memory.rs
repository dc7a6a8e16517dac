//! What is said of the memory of each device.

use std::fmt::{Result, Write};

use crate::plan::dims::Dims;
use crate::plan::fit::remedies;
use crate::plan::memory::{self, LOGIT_ROWS, Memory};
use crate::plan::words::gib;
use crate::recipe::Recipe;

pub(super) fn memory(out: &mut String, recipe: &Recipe, dims: Option<&Dims>) -> Result {
    let hardware = &recipe.hardware;
    writeln!(
        out,
        "\nMemory of each device, estimated ({} of {} GiB)",
        hardware.gpus, hardware.gpu_memory_gib
    )?;
    let Some(dims) = dims else {
        return writeln!(out, "  not known: no config.json at {}", recipe.model.base);
    };
    let stages = memory::stages(recipe, dims);
    for (name, memory) in &stages {
        line(out, name, memory, hardware.gpu_memory_gib)?;
    }
    if stages.iter().any(|(_, m)| !m.fits(hardware.gpu_memory_gib)) {
        for (i, remedy) in remedies(recipe).iter().enumerate() {
            let head = if i == 0 { "fits with" } else { "or" };
            writeln!(out, "  {head:<11} {remedy}")?;
        }
    }
    assumptions(out)
}

fn assumptions(out: &mut String) -> Result {
    for text in [
        "every device holds the whole model and its optimizer: nothing is divided among devices"
            .to_owned(),
        "a trained parameter: bf16 2 + gradient 2 (4 on several devices) + AdamW 12, f32 4 + 4 + 8"
            .to_owned(),
        "activations: micro-batches of mean length, layers computed again as the recipe says,"
            .to_owned(),
        format!(
            "  logits {LOGIT_ROWS} rows at a time; the KV cache has room for the longest prompt and completion"
        ),
        "without what the backend's allocator and its libraries keep for themselves".to_owned(),
    ] {
        writeln!(out, "              {text}")?;
    }
    Ok(())
}

fn line(out: &mut String, name: &str, m: &Memory, device: f64) -> Result {
    let sum: Vec<String> = m
        .parts()
        .iter()
        .filter(|(_, bytes)| *bytes > 0)
        .map(|(what, bytes)| format!("{what} {}", gib(*bytes)))
        .collect();
    let verdict = if m.fits(device) { "" } else { "  DOES NOT FIT" };
    writeln!(
        out,
        "  {name:<12} {} = {}{verdict}",
        gib(m.total()),
        sum.join(" + ")
    )
}

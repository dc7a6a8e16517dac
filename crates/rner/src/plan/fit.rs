//! Whether a recipe fits its devices, and what would make it fit.

use super::dims::{Dims, dims_of};
use super::memory::{self, Memory};
use super::words::gib;
use crate::recipe::{Dtype, Method, PROFILES, Recipe, trainings};

/// What a stage takes of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct StageMemory {
    /// Name of the stage.
    pub stage: &'static str,
    /// Bytes, estimated.
    pub bytes: u64,
    /// Whether a device as the recipe describes it has room for them.
    pub fits: bool,
}

/// What each stage takes of one device of `[hardware]`; none if the size of the model is not known.
pub fn memory_of(recipe: &Recipe) -> Option<Vec<StageMemory>> {
    let dims = dims_of(&recipe.model.base)?;
    let of = |(stage, memory): (&'static str, Memory)| StageMemory {
        stage,
        bytes: memory.total(),
        fits: memory.fits(recipe.hardware.gpu_memory_gib),
    };
    Some(memory::stages(recipe, &dims).into_iter().map(of).collect())
}

/// Bytes that a run downloads and writes, beside datasets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// The base model, in bf16, as the Hub has it.
    pub base: u64,
    /// Models and checkpoints below the folder of the run, all seeds, at their most.
    pub run: u64,
}

/// What a run needs of the disk; none if the size of the model is not known.
pub fn disk_of(recipe: &Recipe) -> Option<DiskUse> {
    let dims = dims_of(&recipe.model.base)?;
    let weights = dims.parameters() * recipe.model.dtype.bytes();
    let of_stage = |method, kept: Option<usize>| {
        let optimizer = memory::optimizer_on_disk(recipe, method, &dims);
        // One more than are kept, while the newest is written.
        (weights + optimizer) * (kept.unwrap_or(2) as u64 + 1)
    };
    let sft = of_stage(recipe.sft.method, recipe.sft.train.save_total_limit);
    let grpo = of_stage(recipe.grpo.method, recipe.grpo.train.save_total_limit);
    let models = trainings(&recipe.rows()).len() as u64;
    Some(DiskUse {
        base: dims.parameters() * 2,
        // The checkpoints of a stage go when it is done.
        run: models * weights * recipe.run.seeds as u64 + sft.max(grpo),
    })
}

/// Owners on the Hub of models that somebody trained.
const PUBLISHED: [&str; 2] = ["Qwen/", "meta-llama/"];

/// Changes of the recipe after which every stage fits, each as it is typed; the built-in profiles among them.
pub fn remedies(recipe: &Recipe) -> Vec<String> {
    let Some(dims) = dims_of(&recipe.model.base) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (words, change) in CHANGES {
        let mut other = recipe.clone();
        change(&mut other);
        if other != *recipe && fits(&other, &dims) {
            found.push(words.to_owned());
        }
    }
    found.extend(
        PROFILES
            .iter()
            .filter_map(|(name, _)| profile_that_fits(recipe, name)),
    );
    found
}

type Change = fn(&mut Recipe);

/// Each keeps the method of the paper as far as it can.
const CHANGES: [(&str, Change); 4] = [
    (
        "--set grpo.train.micro_batch_tokens=8192 --set grpo.rollout_batch=8",
        |r| {
            r.grpo.train.micro_batch_tokens = 8192;
            r.grpo.rollout_batch = 8;
        },
    ),
    (
        "--set model.dtype=bf16-pure (an update below half the distance to the next number is lost)",
        |r| {
            r.model.dtype = Dtype::Bf16Pure;
        },
    ),
    (
        "--set sft.method=lora --set grpo.method=lora, with learning rates for adapters",
        |r| {
            (r.sft.method, r.grpo.method) = (Method::Lora, Method::Lora);
        },
    ),
    (
        "adapters, --set eval.batch=8, --set grpo.rollout_batch=4 and --set grpo.train.micro_batch_tokens=4096",
        |r| {
            (r.sft.method, r.grpo.method) = (Method::Lora, Method::Lora);
            (r.eval.batch, r.grpo.rollout_batch) = (8, 4);
            r.grpo.train.micro_batch_tokens = 4096;
        },
    ),
];

fn fits(recipe: &Recipe, dims: &Dims) -> bool {
    let mut stages = memory::stages(recipe, dims).into_iter();
    stages.all(|(_, memory)| memory.fits(recipe.hardware.gpu_memory_gib))
}

/// A built-in profile on the devices of `recipe`.
fn profile_that_fits(recipe: &Recipe, name: &str) -> Option<String> {
    let mut other = Recipe::resolve(name, &[]).ok()?;
    other.hardware = recipe.hardware.clone();
    // A toy is no smaller way to what was asked for, and neither is a rehearsal.
    if !PUBLISHED
        .iter()
        .any(|owner| other.model.base.starts_with(owner))
    {
        return None;
    }
    let dims = dims_of(&other.model.base)?;
    let same = other.model == recipe.model && other.sft == recipe.sft && other.grpo == recipe.grpo;
    (!same && fits(&other, &dims)).then(|| format!("--profile {name}"))
}

/// The built-in profiles with what each takes of a device, as a table.
pub fn profile_table() -> String {
    let mut text = format!(
        "{:<18} {:<22} {:<6} {:<12} {:>10} {:>10} {:>10}  {}\n",
        "profile", "model", "method", "devices", "sft", "grpo", "eval", "fits"
    );
    for (name, _) in PROFILES {
        if let Ok(recipe) = Recipe::resolve(name, &[]) {
            text.push_str(&profile_row(name, &recipe));
        }
    }
    text
}

fn profile_row(name: &str, recipe: &Recipe) -> String {
    let method = match recipe.sft.method {
        Method::Full => "full",
        Method::Lora => "LoRA",
    };
    let (gpus, each) = (recipe.hardware.gpus, recipe.hardware.gpu_memory_gib);
    let devices = format!("{gpus} x {each} GiB");
    let stages = memory_of(recipe).unwrap_or_default();
    let of = |name: &str| {
        let stage = stages.iter().find(|stage| stage.stage == name);
        stage.map_or("?".to_owned(), |stage| gib(stage.bytes))
    };
    let fits = if stages.is_empty() {
        "unknown"
    } else if stages.iter().all(|stage| stage.fits) {
        "yes"
    } else {
        "DOES NOT FIT"
    };
    format!(
        "{name:<18} {:<22} {method:<6} {devices:<12} {:>10} {:>10} {:>10}  {fits}\n",
        recipe.model.base,
        of("sft"),
        of("grpo"),
        of("eval")
    )
}

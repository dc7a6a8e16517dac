//! The keys of a recipe: dotted names of values in nested tables, those that a run derives, and those that had another
//! name.

use toml::{Table, Value};

/// Fields of the trainers' configurations that are no keys of a recipe, and what decides them.
const DERIVED: [(&str, &str); 6] = [
    ("sft.train.seed", "run.seed decides it"),
    ("sft.train.peak_flops", "hardware.peak_tflops decides it"),
    ("sft.train.layout", "sequences are always packed"),
    ("sft.train.optim.master_weights", "model.dtype decides it"),
    ("grpo.train.seed", "run.seed decides it"),
    ("grpo.train.optim.master_weights", "model.dtype decides it"),
];

/// Why this is no key of a recipe, if it is a field that the run derives.
pub(super) fn decided_by(key: &str) -> Option<&'static str> {
    let found = DERIVED.iter().find(|(name, _)| *name == key);
    found.map(|(_, reason)| *reason)
}

/// Leaves out what the run derives.
pub(super) fn without_derived(mut table: Table) -> Table {
    for (key, _) in DERIVED {
        if let Some((parent, name)) = key.rsplit_once('.')
            && let Some(Value::Table(parent)) = value_mut(&mut table, parent)
        {
            parent.remove(name);
        }
    }
    table
}

/// The value of a key such as `sft.train.optim.lr`; numbers are places in a list, from 0.
pub(super) fn value_mut<'t>(table: &'t mut Table, key: &str) -> Option<&'t mut Value> {
    let mut names = key.split('.');
    let first = table.get_mut(names.next()?)?;
    names.try_fold(first, |value, name| match value {
        Value::Table(table) => table.get_mut(name),
        Value::Array(list) => list.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    })
}

/// All keys with their values, in order.
pub(super) fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                let inner = leaves(inner).into_iter();
                found.extend(inner.map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            leaf => found.push((name.clone(), leaf.clone())),
        }
    }
    found
}

/// Keys of `[sft]` and `[grpo]` that are in their `train.optim` now.
const OPTIM: [&str; 8] = [
    "lr",
    "schedule",
    "warmup_ratio",
    "min_lr_ratio",
    "freeze_embeddings",
    "weight_decay",
    "eps",
    "max_grad_norm",
];

/// Keys of `[sft]` or `[grpo]` that are in their `train` now.
const TRAIN: [&str; 35] = [
    "epochs",
    "max_steps",
    "batch_size",
    "grad_accumulation",
    "max_length",
    "over_length",
    "log_every",
    "save_every",
    "save_total_limit",
    "recompute_layers",
    "eval_every",
    "early_stopping_patience",
    "early_stopping_threshold",
    "load_best",
    "group_size",
    "prompts_per_step",
    "iterations",
    "epsilon",
    "epsilon_high",
    "delta",
    "importance_sampling_level",
    "beta",
    "kl_estimator",
    "entropy_coef",
    "loss_type",
    "scale_rewards",
    "engine_correction",
    "engine_correction_cap",
    "dynamic_sampling",
    "one_step_off_policy",
    "temperature",
    "max_completion_length",
    "mask_truncated",
    "mask_uniform",
    "micro_batch_tokens",
];

/// What a key of a recipe of version 0.1 is called since. To be removed after one release.
pub(super) fn renamed(key: &str) -> Option<String> {
    let (section, name) = key.split_once('.')?;
    let place = match (section, name) {
        ("sft" | "grpo", "beta1") => "train.optim.betas.0".to_owned(),
        ("sft" | "grpo", "beta2") => "train.optim.betas.1".to_owned(),
        ("sft" | "grpo", name) if OPTIM.contains(&name) => format!("train.optim.{name}"),
        ("sft" | "grpo", name) if TRAIN.contains(&name) => format!("train.{name}"),
        ("grpo", "steps") => "train.max_steps".to_owned(),
        ("grpo", name) => format!("reward.{}", name.strip_prefix("reward_")?),
        _ => return None,
    };
    Some(format!("{section}.{place}"))
}

//! Backend, devices and memory.

use std::process::Command;

use super::Finding;
use crate::backend;
use crate::plan::{memory_of, remedies};
use crate::recipe::{Backend, Recipe};
use crate::report::Machine;

/// How far an estimate of memory may be off before it is taken for certain.
const MARGIN: f64 = 1.25;

const GIB: f64 = (1_u64 << 30) as f64;

pub(super) fn check(recipe: &Recipe) -> Vec<Finding> {
    let mut found: Vec<Finding> = built(recipe).into_iter().collect();
    found.extend(devices(recipe));
    found.extend(memory(recipe));
    found
}

fn built(recipe: &Recipe) -> Option<Finding> {
    let error = backend::check_built(recipe.run.backend).err()?.to_string();
    let (what, remedy) = error.split_once("; ").unwrap_or((&error, ""));
    Some(Finding::stops("backend", what).remedy(remedy).usage())
}

/// Stages that take more of a device than it has.
fn memory(recipe: &Recipe) -> Option<Finding> {
    let hardware = &recipe.hardware;
    let (each, whence) = match recipe.run.backend {
        // Workers on a CPU share its memory.
        Backend::Flex => match Machine::here("").memory_gib {
            0.0 => return None,
            all => (all / hardware.gpus as f64, "this machine has"),
        },
        _ => (hardware.gpu_memory_gib, "hardware.gpu_memory_gib is"),
    };
    let stages = memory_of(recipe).unwrap_or_default();
    let gib = |bytes: u64| bytes as f64 / GIB;
    let too_much = stages.iter().filter(|stage| gib(stage.bytes) > each);
    let words: Vec<String> = too_much
        .map(|stage| format!("{} about {:.0}", stage.stage, gib(stage.bytes)))
        .collect();
    let most = stages.iter().map(|stage| gib(stage.bytes));
    let most = most.fold(0.0, f64::max);
    if words.is_empty() {
        return None;
    }
    let what = format!(
        "{whence} {each:.1} GiB, and of each device {} GiB are taken",
        words.join(", ")
    );
    let finding = if most > each * MARGIN {
        Finding::stops("memory", what).usage()
    } else {
        Finding::warning("memory", what)
    };
    Some(finding.remedy(match remedies(recipe) {
        none if none.is_empty() => "larger devices, or a smaller model".to_owned(),
        some => some.join(", or "),
    }))
}

/// The devices that the driver shows, for the backends that have one to ask.
fn devices(recipe: &Recipe) -> Vec<Finding> {
    if recipe.run.backend != Backend::Cuda {
        return Vec::new();
    }
    let Some(there) = nvidia() else {
        return vec![
            Finding::warning(
                "backend",
                "nvidia-smi does not answer: no device was looked at",
            )
            .remedy("install the driver, or run where the GPUs are"),
        ];
    };
    compared(recipe, &there)
}

/// Memory in GiB of every device.
fn nvidia() -> Option<Vec<f64>> {
    let query = ["--query-gpu=memory.total", "--format=csv,noheader,nounits"];
    let output = Command::new("nvidia-smi").args(query).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mib = text.lines().map(|line| line.trim().parse::<f64>().ok());
    let mib: Option<Vec<f64>> = mib.collect();
    Some(mib?.into_iter().map(|mib| mib / 1024.0).collect()).filter(|_| output.status.success())
}

fn compared(recipe: &Recipe, there: &[f64]) -> Vec<Finding> {
    let (wanted, each) = (recipe.hardware.gpus, recipe.hardware.gpu_memory_gib);
    let mut found = Vec::new();
    if there.len() < wanted {
        let what = format!("hardware.gpus is {wanted}, but there are {}", there.len());
        let remedy = format!("--set hardware.gpus={}", there.len().max(1));
        found.push(Finding::stops("backend", what).remedy(remedy).usage());
    }
    let least = there
        .iter()
        .take(wanted)
        .copied()
        .fold(f64::INFINITY, f64::min);
    // What a card is sold with is a little more than what it has.
    if least.is_finite() && least < 0.93 * each {
        let what = format!("hardware.gpu_memory_gib is {each}, but a device has {least:.0}");
        let remedy = format!("--set hardware.gpu_memory_gib={least:.0}");
        found.push(Finding::stops("memory", what).remedy(remedy).usage());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_compared_with_what_the_recipe_says() {
        let recipe = Recipe::resolve("paper-8b", &[]).expect("a recipe");
        assert!(compared(&recipe, &[79.6; 8]).is_empty());
        let few = compared(&recipe, &[39.6; 2]);
        assert!(
            few[0].what.contains("there are 2") && few[1].remedy.ends_with("=40"),
            "{few:?}"
        );
    }
}

//! Datasets, their licences, and the base model.

use std::collections::BTreeMap;
use std::path::Path;

use lm_model::checkpoint;
use lm_model::hub::HubModel;
use tokio_util::sync::CancellationToken;

use super::Finding;
use crate::data::{Requirement, State, requirements, unknown_names};
use crate::recipe::{CotSource, DataSource, Recipe};

pub(super) fn check(recipe: &Recipe, done: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    if !done {
        match requirements(&recipe.data, &recipe.data.cache_dir()) {
            Ok(needed) => found.extend(datasets(&needed)),
            Err(error) => found.push(Finding::stops("data", error.to_string()).usage()),
        }
        found.extend(names(recipe));
        found.extend(leakage(recipe));
    }
    found.extend(base(recipe));
    found
}

/// Names that nothing has.
fn names(recipe: &Recipe) -> Vec<Finding> {
    match unknown_names(&recipe.data) {
        Ok(unknown) => (unknown.into_iter())
            .map(|what| Finding::stops("data", what).usage())
            .collect(),
        Err(error) => vec![Finding::stops("data", error.to_string())],
    }
}

fn datasets(needed: &[Requirement]) -> Vec<Finding> {
    let mut found: Vec<Finding> = needed.iter().filter_map(missing).collect();
    found.extend(licences(needed));
    found.extend(left_out(needed));
    found.extend(to_fetch(needed));
    found
}

fn missing(one: &Requirement) -> Option<Finding> {
    let State::Missing { remedy } = &one.state else {
        return None;
    };
    let what = format!("{} ({}) is missing or empty", one.dataset, one.key);
    let finding = Finding::stops("data", what).usage().remedy(remedy);
    (!one.is_optional).then_some(finding)
}

/// One finding for each licence that has to be accepted.
fn licences(needed: &[Requirement]) -> Vec<Finding> {
    let mut asked: BTreeMap<&str, (&str, Vec<&str>)> = BTreeMap::new();
    for one in needed.iter().filter(|one| one.needs_acceptance) {
        let licence = one.licence.as_deref().unwrap_or_default();
        let id = one.accept.as_deref().unwrap_or_default();
        let (_, datasets) = asked.entry(id).or_insert((licence, Vec::new()));
        datasets.push(&one.dataset);
    }
    let of = |(id, (licence, datasets)): (&str, (&str, Vec<&str>))| {
        let what = format!("{licence} has to be accepted for {}", datasets.join(", "));
        let remedy =
            format!("read it, then --accept-licence {id}; sets of a sample: or data.without");
        Finding::stops("data", what).usage().remedy(remedy)
    };
    asked.into_iter().map(of).collect()
}

/// Sets of a sample that no program can get.
fn left_out(needed: &[Requirement]) -> Option<Finding> {
    let absent = needed
        .iter()
        .filter(|one| one.is_optional && matches!(one.state, State::Missing { .. }));
    let absent: Vec<&str> = absent.map(|one| one.dataset.as_str()).collect();
    if absent.is_empty() {
        return None;
    }
    let what = format!(
        "{} sets cannot be fetched by any program, and the sample is drawn without them: {}",
        absent.len(),
        absent.join(", ")
    );
    let remedy = "put them into folders of their own and name the folder above: data.folder";
    Some(Finding::warning("data", what).remedy(remedy))
}

fn to_fetch(needed: &[Requirement]) -> Option<Finding> {
    let (mut names, mut size, mut unknown) = (Vec::new(), 0, false);
    for one in needed {
        if let State::Fetchable { bytes, .. } = one.state
            && !names.contains(&one.dataset.as_str())
        {
            names.push(one.dataset.as_str());
            size += bytes.unwrap_or(0);
            unknown |= bytes.is_none();
        }
    }
    let least = if unknown { "at least " } else { "" };
    let size = format!("{least}{:.0} MB", size as f64 / 1e6);
    (!names.is_empty()).then(|| {
        Finding::note(
            "data",
            format!("fetched first, {size}: {}", names.join(", ")),
        )
    })
}

/// Bytes of datasets that are fetched before they are read.
pub(super) fn bytes_to_fetch(recipe: &Recipe) -> u64 {
    let needed = requirements(&recipe.data, &recipe.data.cache_dir()).unwrap_or_default();
    let bytes = needed.iter().map(|one| match one.state {
        State::Fetchable { bytes, .. } => bytes.unwrap_or(0),
        _ => 0,
    });
    bytes.sum()
}

/// Sentences of the evaluation that the teacher would be asked about, and the model trained on.
fn leakage(recipe: &Recipe) -> Option<Finding> {
    let generated = recipe.data.cot_source() == CotSource::Generate;
    let toy = DataSource::parse(&recipe.data.train) == DataSource::Tiny;
    (generated && !toy && !recipe.cot.exclude_eval).then(|| {
        let what =
            "sentences of data.eval stay in the training data, where they are found there too";
        Finding::warning("data", what).remedy("--set cot.exclude_eval=true")
    })
}

/// Where the toy's models are, below the repository.
const TOYS: &str = "fixtures/";

/// Whether the base model is on this machine.
pub(super) fn base_is_here(recipe: &Recipe) -> bool {
    let base = Path::new(&recipe.model.base);
    let is_folder = base.join("config.json").is_file() || checkpoint::is_adapter(base);
    is_folder
        || hub_model(recipe)
            .is_some_and(|id| id.fetch(true, &CancellationToken::new(), |_, _| ()).is_ok())
}

fn hub_model(recipe: &Recipe) -> Option<HubModel> {
    let base = &recipe.model.base;
    HubModel::parse(base).filter(|_| !Path::new(base).exists())
}

fn base(recipe: &Recipe) -> Option<Finding> {
    if base_is_here(recipe) {
        return None;
    }
    let name = &recipe.model.base;
    if name.starts_with(TOYS) {
        let what = format!(
            "{name}, the toy's base model, lies in the repository, and this folder is another one"
        );
        let remedy = "start the program in the repository, or --set model.base=REPOSITORY/fixtures/tiny-base";
        return Some(Finding::stops("model", what).usage().remedy(remedy));
    }
    let Some(id) = hub_model(recipe) else {
        let what = format!(
            "model.base = {name:?}: no folder with config.json, and no id of the Hugging Face Hub"
        );
        let remedy = "--set model.base=FOLDER, or the id of a model such as Qwen/Qwen3-1.7B-Base";
        return Some(Finding::stops("model", what).usage().remedy(remedy));
    };
    let offline =
        std::env::var("HF_HUB_OFFLINE").is_ok_and(|value| value != "0" && !value.is_empty());
    if offline {
        let what = format!("{name} is not in the cache, and HF_HUB_OFFLINE forbids fetching it");
        return Some(
            Finding::stops("model", what).remedy("unset HF_HUB_OFFLINE, or model.base = a folder"),
        );
    }
    let what =
        format!("{id} is fetched from the Hugging Face Hub first (a gated model needs HF_TOKEN)");
    Some(Finding::note("model", what))
}

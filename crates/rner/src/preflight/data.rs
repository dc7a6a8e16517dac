//! Datasets, their licences, and the base model.

use std::path::Path;

use lm_model::checkpoint;
use lm_model::hub::HubModel;

use super::Finding;
use crate::data::{Requirement, State, requirements};
use crate::recipe::{CotSource, DataSource, Recipe};

pub(super) fn check(recipe: &Recipe, done: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    if !done {
        match requirements(&recipe.data, &recipe.data.cache_dir()) {
            Ok(needed) => found.extend(datasets(&needed)),
            Err(error) => found.push(Finding::stops("data", error.to_string()).usage()),
        }
        found.extend(leakage(recipe));
    }
    found.extend(base(recipe));
    found
}

fn datasets(needed: &[Requirement]) -> Vec<Finding> {
    let mut found: Vec<Finding> = needed.iter().filter_map(of_one).collect();
    let absent = needed
        .iter()
        .filter(|one| one.is_optional && matches!(one.state, State::Missing { .. }));
    let absent: Vec<&str> = absent.map(|one| one.dataset.as_str()).collect();
    if !absent.is_empty() {
        let what = format!(
            "{} sets cannot be fetched by any program, and the sample is drawn without them: {}",
            absent.len(),
            absent.join(", ")
        );
        let remedy = "put them into folders of their own and name the folder above: data.folder";
        found.push(Finding::warning("data", what).remedy(remedy));
    }
    found
}

fn of_one(one: &Requirement) -> Option<Finding> {
    let name = format!("{} ({})", one.dataset, one.key);
    if let State::Missing { remedy } = &one.state {
        let finding = Finding::stops("data", format!("{name} is not there")).usage();
        return (!one.is_optional).then(|| finding.remedy(remedy));
    }
    if one.needs_acceptance {
        let licence = one.licence.as_deref().unwrap_or_default();
        let accept = one.accept.as_deref().unwrap_or_default();
        let what = format!("{name} is under a licence that has to be accepted: {licence}");
        let finding = Finding::stops("data", what).usage();
        return Some(finding.remedy(format!("read it, then --accept-licence {accept}")));
    }
    match one.state {
        State::Fetchable { bytes, files } => {
            let size = bytes.map_or("of unknown size".to_owned(), |bytes| {
                format!("{:.1} MB", bytes as f64 / 1e6)
            });
            Some(Finding::note(
                "data",
                format!("{name}: {files} files to fetch, {size}"),
            ))
        }
        _ => None,
    }
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

/// Whether the base model is on this machine.
pub(super) fn base_is_here(recipe: &Recipe) -> bool {
    let base = Path::new(&recipe.model.base);
    let is_folder = base.join("config.json").is_file() || checkpoint::is_adapter(base);
    is_folder || hub_model(recipe).is_some_and(|id| id.fetch(true, |_, _| ()).is_ok())
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
    let Some(id) = hub_model(recipe) else {
        let what = format!(
            "model.base = {name:?}: no folder with config.json, and no id of the Hugging Face Hub"
        );
        return Some(Finding::stops("model", what).usage());
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

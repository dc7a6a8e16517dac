//! Stored predictions that have a confidence.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use anyhow::{Context, Result};
use ner_promise::{Calibration, Row, score};
use ner_types::Entity;
use rner_cli::exit::usage;
use serde::Deserialize;

use super::CalibrateArgs;

/// A line of predictions.
#[derive(Deserialize)]
struct Predicted {
    #[serde(alias = "text")]
    sentence: String,
    #[serde(default)]
    entities: Vec<Named>,
    /// What a threshold held back was named too.
    #[serde(default)]
    withheld: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    text: String,
    #[serde(alias = "type")]
    label: String,
    #[serde(default, alias = "score")]
    confidence: Option<f64>,
}

/// Compares predictions with gold.
pub(super) fn rate(args: &CalibrateArgs, gold: &Path, predictions: &Path) -> Result<Calibration> {
    let examples = args.input.read(gold)?;
    let mut predicted = read(predictions)?;
    let mut rows = Vec::new();
    for example in &examples {
        let found = predicted.get_mut(&example.sentence);
        let Some(found) = found.and_then(VecDeque::pop_front) else {
            return Err(usage(format!(
                "{}: no prediction for {:?}",
                predictions.display(),
                example.sentence
            )));
        };
        rows.push(row(&found, &example.entities));
    }
    let unused: usize = predicted.values().map(VecDeque::len).sum();
    if unused > 0 {
        rner_cli::say!("{unused} predictions are of no row of {}", gold.display());
    }
    Ok(Calibration::new(&gold.display().to_string(), rows))
}

/// The predictions by their sentence, those of one sentence in their order.
fn read(path: &Path) -> Result<HashMap<String, VecDeque<Predicted>>> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let mut all: HashMap<String, VecDeque<Predicted>> = HashMap::new();
    for (number, line) in text
        .lines()
        .enumerate()
        .filter(|it| !it.1.trim().is_empty())
    {
        let at = || format!("{name}:{}", number + 1);
        let one: Predicted = serde_json::from_str(line)
            .map_err(|error| usage(format!("{}: expected sentence and entities: {error}", at())))?;
        let named = || one.entities.iter().chain(&one.withheld);
        if let Some(blind) = named().find(|it| it.confidence.is_none()) {
            return Err(usage(format!(
                "{}: {:?} has no confidence",
                at(),
                blind.text
            )));
        }
        all.entry(one.sentence.clone()).or_default().push_back(one);
    }
    Ok(all)
}

fn row(found: &Predicted, gold: &[Entity]) -> Row {
    let named = || found.entities.iter().chain(&found.withheld);
    let entity = |it: &Named| Entity::new(&it.text, &it.label);
    let entities: Vec<Entity> = named().map(entity).collect();
    score(&entities, gold, |entity| {
        let same = named().filter(|it| it.text == entity.text && it.label == entity.label);
        same.filter_map(|it| it.confidence).reduce(f64::max)
    })
}

//! The rows of the ablation: which models are trained for them, and how they are evaluated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ner_datasets::{read_examples, write_jsonl};
use ner_eval::Prompting;
use ner_toy::teacher::{MistakeRates, noisy_annotation};

use super::{SeedRun, input};
use crate::error::{Error, Result};
use crate::recipe::{DataSource, Row, trainings};
use crate::stages::{ModelDir, read_suite, ready_cot};

/// The trained models by their rows.
pub(super) type Models = BTreeMap<Row, ModelDir>;

impl SeedRun<'_, '_> {
    /// Trains what the rows of the recipe need.
    pub(super) fn train(&mut self, data: &Path) -> Result<Models> {
        let rows = self.run.recipe.rows();
        if rows.len() < self.run.recipe.run.rows.len() {
            let row = Row::Source.title();
            self.run.session.line(&format!(
                "{row}: left out, since data.cot is not \"generate\" and the source is not read"
            ));
        }
        let mut models = Models::new();
        let cot = match ready_cot(data) {
            None if rows.iter().any(|row| row.needs_cot()) => Some(self.cot(data)?),
            ready => ready,
        };
        for name in trainings(&rows) {
            let (row, model) = match (name, &cot) {
                ("sft-source", _) => {
                    let source = self.source(data)?;
                    (Row::Source, self.sft(name, &source, false)?)
                }
                ("sft-plain", Some(cot)) => (Row::WithoutCot, self.sft(name, cot, false)?),
                ("sft-cot", Some(cot)) => (Row::Cot, self.sft(name, cot, true)?),
                _ => {
                    let tuned = models.get(&Row::Cot).cloned();
                    let tuned = tuned.ok_or_else(|| missing(Row::Cot))?;
                    (Row::Grpo, self.grpo(data, &tuned)?)
                }
            };
            models.insert(row, model);
        }
        Ok(models)
    }

    /// The training sentences as their source annotates them. Real data bring their own annotation; that of the toy is
    /// gold, so one with the mistakes of the simulated teacher, which nothing filters, takes its place.
    fn source(&mut self, data: &Path) -> Result<PathBuf> {
        let train = data.join("train.jsonl");
        if DataSource::parse(&self.run.recipe.data.train) != DataSource::Tiny {
            return Ok(train);
        }
        let pending = self.pending("source", input("train", &train)?, &[]);
        let seed = self.seed;
        self.stage(&pending, &["source.jsonl"], |stage| {
            let gold = read_examples(&train)?;
            let noisy = noisy_annotation(&gold, seed, &MistakeRates::default())
                .map_err(|error| Error::Invalid(error.to_string()))?;
            write_jsonl(&stage.path("source.jsonl"), &noisy.examples)?;
            let (wrong, all) = (noisy.wrong, gold.len());
            let share = 100.0 * wrong as f64 / all.max(1) as f64;
            Ok(format!(
                "{wrong} of {all} annotations are wrong, on purpose ({share:.1} %)"
            ))
        })?;
        Ok(pending.stage.path("source.jsonl"))
    }

    /// Evaluates every row. What is not trained answers alike with every seed and is asked with the first only.
    pub(super) fn evaluate(&mut self, data: &Path, models: &Models) -> Result<()> {
        let recipe = self.run.recipe;
        let suite = read_suite(&data.join("eval"))?;
        let base = self.base.clone();
        for row in recipe.rows() {
            let is_trained = row.training().is_some();
            if !is_trained && self.seed != recipe.run.seed {
                continue;
            }
            let model = if is_trained {
                models.get(&row)
            } else {
                Some(&base)
            };
            let model = model.ok_or_else(|| missing(row))?;
            let prompting = if row == Row::BaseStep {
                Prompting::StepByStep
            } else {
                Prompting::Direct
            };
            self.eval(row, model, &suite, prompting)?;
        }
        Ok(())
    }
}

/// Cannot happen: the stages follow the rows.
fn missing(row: Row) -> Error {
    Error::Invalid(format!(
        "no model was trained for the row {:?}",
        row.title()
    ))
}

//! The stage of teacher and judge: its journal outlives it.

use std::path::{Path, PathBuf};

use ner_datasets::read_examples;

use super::step::Pending;
use super::{SeedRun, input, read_json};
use crate::cot::{journal_dir, mark_free, move_out};
use crate::error::Result;
use crate::run_dir::{Inputs, hash_path};
use crate::stages::CotJob;

impl SeedRun<'_, '_> {
    pub(super) fn cot(&mut self, data: &Path) -> Result<PathBuf> {
        let (recipe, session, seed) = (self.run.recipe, self.run.session, self.seed);
        let run = self.run.dir.root().to_owned();
        let pending = self.pending_cot(data)?;
        move_out(&recipe.cot, &run, pending.stage.dir(), session)?;
        self.stage(&pending, &["ner-cot.jsonl", "funnel.json"], |stage| {
            if recipe.cot.is_simulated() {
                mark_free(stage.dir())?;
            }
            let exclude = recipe.cot.exclude_eval.then(|| data.join("eval"));
            let job = CotJob {
                source: &read_examples(&data.join("train.jsonl"))?,
                config: &recipe.cot,
                seed,
                sampling_seed: recipe.sampling_seed(seed),
                exclude: exclude.into_iter().collect(),
                journal: journal_dir(&recipe.cot, &run, stage.dir()),
                out: stage.dir().to_owned(),
                session,
            };
            let funnel = job.run()?;
            Ok(format!(
                "{} of {} sentences accepted",
                funnel.accepted, funnel.rows
            ))
        })?;
        if self.run.report.funnel.is_none() {
            self.run.report.funnel = Some(read_json(&pending.stage.path("funnel.json"))?);
        }
        Ok(pending.stage.path("ner-cot.jsonl"))
    }

    /// What the dataset is made from. Servers, speed and money are not part of it, nor is the backend.
    fn pending_cot(&self, data: &Path) -> Result<Pending<'static>> {
        let cot = &self.run.recipe.cot;
        let mut inputs = input("train", &data.join("train.jsonl"))?;
        if cot.exclude_eval {
            inputs.extend(input("exclude", &data.join("eval"))?);
        }
        if !cot.prompts.is_empty() {
            let prompts = Path::new(&cot.prompts);
            inputs.extend(Inputs::from([("prompts".into(), hash_path(prompts)?)]));
        }
        let sampling = self.run.recipe.sampling_seed(self.seed);
        Ok(self.pending_anywhere("cot", inputs, &["cot"], &format!("sampling-{sampling}")))
    }
}

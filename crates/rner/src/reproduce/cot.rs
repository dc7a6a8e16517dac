//! The stage of teacher and judge: its journal outlives it.

use std::path::{Path, PathBuf};

use ner_cot::Plan;
use ner_cot::journal::JournalOptions;
use ner_datasets::read_examples;

use super::step::Pending;
use super::{SeedRun, input, read_json};
use crate::cot::pipeline_config;
use crate::cot::{journal_dir, mark_free, move_out};
use crate::error::{Context, Result};
use crate::recipe::{CotSource, Recipe};
use crate::run_dir::{Inputs, hash_path};
use crate::stages::{CotJob, JOURNAL_REFUSED};

/// Refuses a journal whose paid answers were asked for with other models, prompts or sampling, before a stage that is
/// done is looked at, let alone done again.
///
/// # Errors
/// Such a journal, unless `cot.allow_change` says to go on in it; one that cannot be read.
pub(super) fn journal_takes(recipe: &Recipe, run: &Path) -> Result<()> {
    let cot = &recipe.cot;
    let needed = recipe.data.cot_source() == CotSource::Generate
        && recipe.rows().iter().any(|row| row.needs_cot());
    let dir = journal_dir(cot, run, run);
    if cot.is_simulated() || !needed || !dir.is_dir() {
        return Ok(());
    }
    let config = pipeline_config(cot, recipe.sampling_seed(recipe.run.seed))?;
    let plan = Plan::new(&cot.teacher_model, &cot.judge_model, config)?;
    let opened = plan.open_journal(&dir, &JournalOptions::default(), cot.allow_change);
    opened.map(drop).context(JOURNAL_REFUSED)
}

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

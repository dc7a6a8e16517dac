//! One stage of a run: done before, or done now and marked as done.

use std::path::Path;
use std::time::Instant;

use super::SeedRun;
use crate::error::{Context, Result};
use crate::recipe::Recipe;
use crate::report::StageTime;
use crate::run_dir::{Done, Inputs, RunDirError, Stage};

/// Number of a stage's folder, by name. New ones go to the end, so that the folders of a run keep their names.
const STAGES: [&str; 14] = [
    "data",
    "cot",
    "sft-plain",
    "sft-cot",
    "grpo",
    "eval-base",
    "eval-base-step",
    "eval-sft-plain",
    "eval-sft-cot",
    "eval-grpo",
    "report",
    "source",
    "sft-source",
    "eval-sft-source",
];

/// A stage that is about to be looked at.
pub(super) struct Pending<'n> {
    name: &'n str,
    pub(super) stage: Stage,
    inputs: Inputs,
    sections: String,
}

/// The folder of a stage, in that of its seed.
pub(super) fn stage_of(root: &Path, name: &str) -> Stage {
    let place = STAGES.iter().position(|stage| *stage == name);
    Stage::at(root, place.map_or(0, |i| i + 1), name)
}

/// What a stage depends on beside its inputs, for its marker.
pub(super) fn settings(recipe: &Recipe, seed: u64, sections: &[&str], more: &str) -> String {
    let hash = recipe.section_hash(sections);
    format!("{hash}-seed-{seed}-{more}")
}

impl SeedRun<'_, '_> {
    /// A stage that computes: its numbers depend on the backend.
    pub(super) fn pending<'n>(
        &self,
        name: &'n str,
        inputs: Inputs,
        sections: &[&str],
    ) -> Pending<'n> {
        let backend = self.run.recipe.run.backend.name();
        self.pending_anywhere(name, inputs, sections, backend)
    }

    /// A stage that gives the same on every backend; `more` is what it depends on beside the sections.
    pub(super) fn pending_anywhere<'n>(
        &self,
        name: &'n str,
        inputs: Inputs,
        sections: &[&str],
        more: &str,
    ) -> Pending<'n> {
        let mut words = self.run.recipe.section_settings(sections);
        words.insert("seed".to_owned(), self.seed.to_string());
        if !more.is_empty() {
            words.insert("backend or sampling".to_owned(), more.to_owned());
        }
        Pending {
            name,
            stage: stage_of(&self.root, name).with_settings(words),
            inputs,
            sections: settings(self.run.recipe, self.seed, sections, more),
        }
    }

    /// Does a stage unless it is done, and notes how long it took.
    pub(super) fn stage(
        &mut self,
        pending: &Pending<'_>,
        outputs: &[&str],
        work: impl FnOnce(&Stage) -> Result<String>,
    ) -> Result<()> {
        let session = self.run.session;
        session.check()?;
        let stage = &pending.stage;
        if let Some(done) = stage.is_done(&pending.inputs, &pending.sections) {
            session.line(&format!("{}: done before, unchanged", pending.name));
            self.note(pending.name, &done, true);
            return Ok(());
        }
        self.claim(pending)?;
        stage.begin()?;
        let begun = Instant::now();
        let summary = work(stage).with_context(|| format!("stage {}", pending.name))?;
        let seconds = begun.elapsed().as_secs_f64();
        let done = stage.finish(
            &pending.inputs,
            &pending.sections,
            outputs,
            seconds,
            &summary,
        )?;
        session.line(&format!("{}: {summary} ({seconds:.1} s)", pending.name));
        self.note(pending.name, &done, false);
        Ok(())
    }

    /// Makes the folder of a stage that of this work. Other work there is refused or set aside, with its curves.
    fn claim(&mut self, pending: &Pending<'_>) -> Result<()> {
        let (run, stage) = (self.run.dir, &pending.stage);
        let claim = || stage.claim(&pending.inputs, &pending.sections);
        match claim() {
            Err(RunDirError::OtherWork { .. } | RunDirError::ForeignFolder { .. })
                if run.sets_aside() =>
            {
                atomic_files::set_aside(stage.dir())?;
                if !std::mem::replace(&mut self.run.has_set_aside, true) {
                    self.set_aside_accounts()?;
                }
                self.set_aside_curves(pending.name)?;
                Ok(claim()?)
            }
            claimed => Ok(claimed?),
        }
    }

    /// Sets aside what the folder of the run tells of all stages together, once for all that are made anew.
    fn set_aside_accounts(&self) -> Result<()> {
        let run = self.run.dir;
        for file in ["report.html", "report.json", "recipe.toml"] {
            if run.path(file).exists() {
                atomic_files::set_aside(&run.path(file))?;
            }
        }
        let metrics = run.path("metrics.jsonl");
        if metrics.exists() {
            let old = atomic_files::set_aside(&metrics)?;
            let copied = atomic_files::fs::copy(&old, &metrics);
            copied.with_context(|| format!("cannot copy {}", old.display()))?;
        }
        if !run.has_recipe() {
            run.write_recipe(&self.run.recipe.to_toml())?;
        }
        Ok(())
    }

    /// Sets aside the curves of a stage that is made anew.
    fn set_aside_curves(&self, name: &str) -> Result<()> {
        let curves = crate::tracking::name(name, self.seed);
        crate::tracking::set_aside(self.run.dir.root(), &curves)?;
        Ok(())
    }

    fn note(&mut self, name: &str, done: &Done, skipped: bool) {
        let name = match self.run.recipe.run.seeds {
            1 => name.to_owned(),
            _ => format!("{name}, seed {}", self.seed),
        };
        self.run.report.stages.push(StageTime {
            name,
            seconds: done.seconds,
            skipped,
            summary: done.summary.clone(),
        });
    }
}

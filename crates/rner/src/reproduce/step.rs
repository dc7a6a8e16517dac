//! One stage of a run: done before, or done now and marked as done.

use std::time::Instant;

use super::SeedRun;
use crate::error::{Context, Result};
use crate::report::StageTime;
use crate::run_dir::{Done, Inputs, Stage};

/// Number of a stage's folder, by name.
const STAGES: [&str; 11] = [
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
];

/// A stage that is about to be looked at.
pub(super) struct Pending<'n> {
    name: &'n str,
    pub(super) stage: Stage,
    inputs: Inputs,
    sections: String,
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
        let number = STAGES
            .iter()
            .position(|stage| *stage == name)
            .map_or(0, |i| i + 1);
        let hash = self.run.recipe.section_hash(sections);
        Pending {
            name,
            stage: Stage::at(&self.root, number, name),
            inputs,
            sections: format!("{hash}-seed-{}-{more}", self.seed),
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
        stage.begin()?;
        stage.keep_only_same_work(&pending.inputs, &pending.sections)?;
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

//! An evaluation is made once into its folder, and never over another one.

use std::path::Path;

use anyhow::{Context, Result};
use ner_eval::folder::Work;
use ner_eval::{
    EvalFolder, EvalOptions, EvalResult, PredictionLog, ResultTable, RunIdentity, RunReport, Suite,
};
use rner::stages::LOG;
use rner_cli::args::ForceArgs;

use super::eval_suite::{SuiteArgs, TrainArgs, say_report};

/// An evaluation and the folder that it fills.
pub(crate) struct Once<'a> {
    out: &'a Path,
    /// Who answers, for a table without a page.
    system: String,
    folder: EvalFolder,
    force: ForceArgs,
    /// The run that the answers are kept for, if there is one.
    run: Option<RunIdentity>,
}

impl<'a> Once<'a> {
    /// The evaluation of a system on a suite, as these flags count it.
    pub(crate) fn new(
        out: &'a Path,
        system: String,
        suite: &Suite,
        (args, train): (&SuiteArgs, &TrainArgs),
        options: &EvalOptions,
    ) -> Result<Self> {
        let mut folder = EvalFolder::new(out, suite, args.scorer(), options);
        if let Some(hash) = train.hash()? {
            folder = folder.with("train (BLAKE3)", hash);
        }
        Ok(Self {
            out,
            system,
            folder,
            force: args.force,
            run: None,
        })
    }

    /// The same, made from something more.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.folder = self.folder.with(name, value);
        self
    }

    /// The same with the answers of this run.
    pub(crate) fn answered_by(mut self, run: RunIdentity) -> Self {
        self.folder = self.folder.answered_by(&run);
        self.run = Some(run);
        self
    }

    /// Evaluates unless that is done, and removes the log of answers when everything is written.
    ///
    /// # Errors
    /// A folder with another evaluation, which is left as it is; whatever ends the evaluation.
    pub(crate) fn run(self, evaluate: impl FnOnce() -> Result<()>) -> Result<()> {
        let log = self.out.join(LOG);
        match self.force.claim(self.out, || self.begin(&log))? {
            Work::Nothing => {
                rner_cli::say!("{}: done before, unchanged", self.out.display());
                self.show()?;
            }
            work => {
                if let (Work::Report(answers), Some(run)) = (&work, &self.run) {
                    rner_cli::say!("{}: written again from its answers", self.out.display());
                    let mut log = PredictionLog::open(&log, run)?;
                    if log.read()?.is_empty() {
                        log.append(answers)?;
                    }
                }
                evaluate()?;
                self.folder.finish()?;
            }
        }
        Ok(PredictionLog::clear(&log)?)
    }

    /// Takes the folder, unless another evaluation is finished there or answers of another run wait there.
    fn begin(&self, log: &Path) -> Result<Work, ner_eval::Error> {
        let work = self.folder.begin(log)?;
        if let (Work::Ask, Some(run), true) = (&work, &self.run, log.exists()) {
            PredictionLog::open(log, run)?;
        }
        Ok(work)
    }

    /// Prints what the evaluation printed.
    fn show(&self) -> Result<()> {
        let path = self.out.join("results.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        if let Ok(report) = serde_json::from_str::<RunReport>(&text) {
            say_report(&report, self.out);
            return Ok(());
        }
        let result: EvalResult = serde_json::from_str(&text)
            .with_context(|| format!("{}: expected results", path.display()))?;
        say_result(&self.system, &result, self.out);
        Ok(())
    }
}

/// Prints the table of an evaluation that an earlier program made without a page, and where its results are.
fn say_result(system: &str, result: &EvalResult, out: &Path) {
    println!("{}", ResultTable::new(&[(system, result)]).to_text());
    println!("{}", out.join("results.json").display());
}

//! `rner eval compare A B`: what one run gained over another, set by set.

use std::path::{Path, PathBuf};

use anyhow::Result;
use atomic_files::{Keep, Lock};
use clap::Args;
use ner_eval::compare::{RunScores, SCORES_FILE, compare_runs};
use ner_eval::faults::read_predictions_for;
use ner_eval::folder::check_data;
use ner_eval::load::LoadedSuite;
use ner_eval::{EvalOptions, RunReport};
use rner_cli::exit::usage;

use super::eval_suite::{FaultPolicy, SuiteArgs};

/// Flags of `rner eval compare`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArgs {
    /// The run to start from: a folder that `rner eval` wrote, or a file of predictions (with --data).
    #[arg(value_name = "A")]
    pub(crate) first: PathBuf,
    /// The run whose gain is asked for.
    #[arg(value_name = "B")]
    pub(crate) second: PathBuf,
    #[command(flatten)]
    pub(crate) suite: SuiteArgs,
    /// Folder of the benchmark's data; needed only for files of predictions, as folders remember where theirs are.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Rounds of the bootstrap and of the randomisation.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) resamples: usize,
    /// Seed of both.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Also write the comparison as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also write the comparison as a page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// Compares the two runs and prints the table.
pub(crate) fn run(args: &CompareArgs) -> Result<()> {
    let files = || [&args.json, &args.html].into_iter().flatten();
    let _locks: Vec<Lock> = files()
        .map(|file| Lock::file(file))
        .collect::<Result<_, _>>()?;
    let _keep: Vec<Keep> = files().map(|file| args.suite.force.keep(file)).collect();
    let [first, second] = [&args.first, &args.second].map(|path| args.scores(path));
    let options = EvalOptions {
        resamples: args.resamples,
        seed: args.seed,
        ..EvalOptions::default()
    };
    let gains = compare_runs(&first?, &second?, &options, args.suite.faults.into())?;
    let name = |path: &Path| path.display().to_string();
    let (first, second) = (name(&args.first), name(&args.second));
    print!("{}", gains.to_text(&first, &second));
    if let Some(path) = &args.json {
        write(path, &(serde_json::to_string_pretty(&gains)? + "\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &gains.to_html(&first, &second)?)?;
    }
    Ok(())
}

/// Writes a file, so that it appears only when complete, and says where it is.
fn write(path: &Path, text: &str) -> Result<()> {
    ner_datasets::write_atomic(path, |out| out.write_all(text.as_bytes()))?;
    println!("{}", path.display());
    Ok(())
}

impl CompareArgs {
    /// The counts of a run: as they were written, or made from its predictions for another scorer or other data.
    fn scores(&self, run: &Path) -> Result<RunScores> {
        let (scores, predictions) = if run.is_dir() {
            (run.join(SCORES_FILE), run.join("predictions.jsonl"))
        } else {
            (run.to_path_buf(), run.to_path_buf())
        };
        let is_scores = scores.extension().is_some_and(|end| end == "json");
        if self.data.is_none() && is_scores && scores.is_file() {
            let scores = RunScores::read(&scores)?;
            if self
                .suite
                .scorer
                .is_none_or(|scorer| scorer == scores.scorer)
            {
                return self.as_written(scores);
            }
        }
        if !predictions.is_file() || (!run.is_dir() && is_scores) {
            return Err(usage(format!(
                "{}: expected a folder that `rner eval` wrote, or a file of predictions",
                run.display()
            )));
        }
        let mut loaded = self.load(run)?;
        let faults = self.suite.faults.into();
        let checked = read_predictions_for(&mut loaded, &predictions, faults)?;
        let (suite, scorer) = (&loaded.suite, self.suite.scorer());
        Ok(RunScores::new(suite, &checked.predictions, scorer))
    }

    /// The counts, unless a flag is given that they were not made with.
    fn as_written(&self, scores: RunScores) -> Result<RunScores> {
        let absent = self.suite.absent == FaultPolicy::Skip;
        let given = [(!self.suite.is_default(), "--suite"), (absent, "--absent")];
        match given.iter().find(|(is_given, _)| *is_given) {
            None => Ok(scores),
            Some((_, flag)) => Err(usage(format!(
                "{flag} has no effect on evaluations that are counted already; with --data they are counted again"
            ))),
        }
    }

    /// The data that a run answers: those that are named, else those that its folder remembers.
    fn load(&self, run: &Path) -> Result<LoadedSuite> {
        if let Some(data) = &self.data {
            return self.suite.load(data);
        }
        let needs = || usage(format!("{}: predictions need --data DIR", run.display()));
        let text = std::fs::read_to_string(run.join("results.json")).map_err(|_| needs())?;
        let report: RunReport = serde_json::from_str(&text).map_err(|_| needs())?;
        let place = report.place.ok_or_else(needs)?;
        if !place.dir.exists() {
            return Err(usage(format!(
                "{}: its data are no longer in {}; name their folder with --data",
                run.display(),
                place.dir.display()
            )));
        }
        let absent = if report.absent.is_empty() {
            FaultPolicy::Fatal
        } else {
            FaultPolicy::Skip
        };
        let suite = SuiteArgs {
            suite: place.suite,
            absent,
            ..self.suite.clone()
        };
        let mut loaded = suite.load(&place.dir)?;
        if let Some(limit) = report.limit {
            loaded = loaded.limited(limit);
        }
        check_data(run, &loaded.suite)?;
        Ok(loaded)
    }
}

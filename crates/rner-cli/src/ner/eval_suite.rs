//! `rner eval`: which benchmark, where its data lie, and what is written at the end.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use ner_eval::load::{DataPlace, LoadedSuite, OnFault};
use ner_eval::training::TrainingData;
use ner_eval::{EvalOptions, EvalSet, Prompting, ReportSettings, RunReport, Suite, SuiteSpec};
use ner_score::Scorer;
use rner::run_dir::hash_path;
use rner_cli::args::ForceArgs;
use rner_cli::exit::usage;
use rner_cli::reading::InputArgs;

/// The paper's benchmark.
const DEFAULT: &str = "crossner-mit";

/// What to do about data or predictions that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaultPolicy {
    /// The first one ends the command.
    Fatal,
    /// They are left out, named and counted.
    Skip,
}

impl From<FaultPolicy> for OnFault {
    fn from(policy: FaultPolicy) -> OnFault {
        match policy {
            FaultPolicy::Fatal => OnFault::Fatal,
            FaultPolicy::Skip => OnFault::Skip,
        }
    }
}

/// Flags that every way of evaluating shares.
#[derive(Clone, Debug, Args)]
pub(crate) struct SuiteArgs {
    /// Benchmark: crossner-mit, in-domain, few-shot, cross-lingual, or the path of a suite file (TOML).
    #[arg(long, value_name = "NAME", default_value = DEFAULT)]
    pub(crate) suite: String,
    /// Scorer: reasoningie, universalner, instructuie, b2ner, gollie, gliner, seqeval-strict, strict, exact, partial,
    /// type. [default: reasoningie]
    #[arg(long, value_name = "NAME")]
    pub(crate) scorer: Option<Scorer>,
    /// Sets that are not under --data.
    #[arg(long, value_enum, default_value = "fatal")]
    pub(crate) absent: FaultPolicy,
    /// Predictions that do not fit the suite, and sentences without one.
    #[arg(long, value_enum, default_value = "fatal")]
    pub(crate) faults: FaultPolicy,
    #[command(flatten)]
    pub(crate) force: ForceArgs,
}

/// What the system was trained on.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TrainArgs {
    /// Data that the system was trained on, files or folders: adds a table of entities that it has seen and that it
    /// has not. May be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) train: Vec<PathBuf>,
}

impl TrainArgs {
    /// Their files, if any are named.
    fn files(&self) -> Result<Vec<PathBuf>> {
        if self.train.is_empty() {
            return Ok(Vec::new());
        }
        let files = rner::inputs::files(&self.train, None)?;
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }

    /// Hash of all of them.
    pub(crate) fn hash(&self) -> Result<Option<String>> {
        let mut all = String::new();
        for file in self.files()? {
            all += &hash_path(&file)?;
        }
        Ok((!all.is_empty()).then(|| blake3::hash(all.as_bytes()).to_hex().to_string()))
    }
}

/// The suite of this name with its data.
pub(crate) fn load(suite: &str, data: &Path, absent: FaultPolicy) -> Result<LoadedSuite> {
    let spec = spec(suite)?;
    if !data.is_dir() {
        return Err(usage(format!(
            "--data {}: there is no such directory",
            data.display()
        )));
    }
    Ok(spec.load_data(data, absent.into())?)
}

/// Whether a folder has files of rows.
fn has_jsonl(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.any(|path| {
        path.extension()
            .is_some_and(|extension| extension == "jsonl")
    })
}

/// A file of annotated sentences as a suite of one set, with the name of the file.
fn of_file(file: &Path) -> Result<LoadedSuite> {
    let examples = InputArgs::default().read_placed(file)?;
    let name = file.file_stem().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let set = EvalSet {
        name: name.clone(),
        examples,
    };
    let mut loaded = LoadedSuite::from_suite(Suite {
        name,
        sets: vec![set],
    });
    for source in &mut loaded.sources {
        source.path = file.to_owned();
    }
    Ok(loaded)
}

/// The files SET.jsonl of a folder as a suite of their own, which no page compares with a published one.
fn own(data: &Path) -> Result<LoadedSuite> {
    let suite = rner::stages::load_suite(&data.display().to_string(), 0)?;
    let mut loaded = LoadedSuite::from_suite(suite);
    for source in &mut loaded.sources {
        source.path = data.join(format!("{}.jsonl", source.name));
    }
    Ok(loaded)
}

fn spec(suite: &str) -> Result<SuiteSpec> {
    SuiteSpec::find(suite).map_err(|error| match error {
        ner_eval::Error::UnknownSuite { .. } => usage(format!("--suite: {error}")),
        error => error.into(),
    })
}

impl SuiteArgs {
    /// Whether it is the suite that nobody has to name.
    pub(crate) fn is_default(&self) -> bool {
        self.suite == DEFAULT
    }

    /// The scorer, named or not.
    pub(crate) fn scorer(&self) -> Scorer {
        self.scorer.unwrap_or_default()
    }

    /// The suite with its data. A folder of files SET.jsonl is read whatever its sets are called, unless a suite is
    /// named.
    pub(crate) fn load(&self, data: &Path) -> Result<LoadedSuite> {
        if data.is_file() {
            return self.load_file(data);
        }
        let mut loaded = match load(&self.suite, data, self.absent) {
            Err(_) if self.is_default() && has_jsonl(data) => own(data),
            loaded => loaded,
        }?;
        loaded.place = self.place(data);
        Ok(loaded)
    }

    fn load_file(&self, file: &Path) -> Result<LoadedSuite> {
        if !self.is_default() {
            let (suite, file) = (&self.suite, file.display());
            let message =
                format!("--suite {suite}: a folder has the data of a suite; {file} is a file");
            return Err(usage(message));
        }
        let mut loaded = of_file(file)?;
        loaded.place = self.place(file);
        Ok(loaded)
    }

    /// Where the data are, so that another command may find them from another folder.
    fn place(&self, data: &Path) -> Option<DataPlace> {
        let is_file = Path::new(&self.suite).is_file();
        let suite = if is_file {
            std::path::absolute(&self.suite).ok()?.display().to_string()
        } else {
            self.suite.clone()
        };
        let dir = std::path::absolute(data).ok()?;
        Some(DataPlace { suite, dir })
    }

    fn spec(&self) -> Result<SuiteSpec> {
        spec(&self.suite)
    }

    /// The data that the system was trained on, if they are named.
    fn training(&self, train: &TrainArgs) -> Result<Option<TrainingData>> {
        let files = train.files()?;
        if files.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.spec()?.read_training(&files)?))
    }

    /// What the report needs to know.
    pub(crate) fn settings(
        &self,
        train: &TrainArgs,
        system: String,
        prompting: Option<Prompting>,
        options: EvalOptions,
    ) -> Result<ReportSettings> {
        Ok(ReportSettings {
            system,
            scorer: self.scorer(),
            prompting,
            options,
            training: self.training(train)?,
        })
    }
}

/// Writes predictions, counts, `results.json` and the page; prints the table, the notes and the page's path.
pub(crate) fn finish(report: &RunReport, loaded: &LoadedSuite, out: &Path) -> Result<()> {
    report.write(loaded, out)?;
    say_report(report, out);
    Ok(())
}

/// Prints what [`finish`] prints.
pub(crate) fn say_report(report: &RunReport, out: &Path) {
    print!("{}", report.to_text());
    for line in report.absent.iter().chain(&report.notes) {
        println!("{line}");
    }
    if let Some(faults) = report.faults.as_ref().filter(|faults| faults.total() > 0) {
        println!("left out:\n{faults}");
    }
    for failure in &report.result.failures {
        println!(
            "no answer: {}, index {}: {}",
            failure.dataset, failure.index, failure.reason
        );
    }
    for file in ["results.json", "results.html"] {
        println!("{}", out.join(file).display());
    }
}

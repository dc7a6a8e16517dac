//! What a folder of `rner cot generate` was made with, so that the other commands need only the folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chat_client::{Sampling, Structured};
use ner_cot::leakage::Leakage;
use ner_cot::near::NearDuplicates;
use ner_cot::prompts::Prompts;
use ner_cot::rules::{Rule, Rules};
use ner_cot::source::{FileSource, Shard};
use ner_cot::{PipelineConfig, Plan, Selection, SelectionOptions};
use ner_datasets::{Format, ReadOptions, Split};
use serde::{Deserialize, Serialize};

use super::types::AskedTypes;
use crate::error::{Context, Error, Result};
use crate::inputs::Reading;
use crate::recipe::{Cot, json_fields};
use crate::run_dir::{RunDirError, first_visible, write_json};

/// Name of the file in the folder.
pub(super) const FILE: &str = "job.json";

/// Everything but servers, speed and money.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The source.
    pub data: PathBuf,
    /// The recipe's section, flags included.
    pub cot: Cot,
    /// Seed of sampling.
    pub seed: u64,
    /// Take this many sentences.
    pub limit: Option<usize>,
    shard: Option<String>,
    /// Leave out rows as similar as this to an earlier one, from 0 to 1.
    pub near_duplicates: Option<f64>,
    exclude: Vec<PathBuf>,
    no_rules: Vec<Rule>,
    prompts: Option<PathBuf>,
    /// How the teacher's server is asked to keep to the form of the answer.
    pub structured: Structured,
    /// The same for the judge's server.
    pub judge_structured: Structured,
    /// End with exactly so many accepted rows, the first of the source.
    pub target: Option<usize>,
    /// Licence of the source, for the dataset card.
    pub license: Option<String>,
    /// Codes of the languages, such as `en`, for the dataset card.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// What the source does not say of itself.
    #[serde(default, skip_serializing_if = "Reading::is_default")]
    pub reading: Reading,
    /// The types of rows that state none.
    #[serde(default, skip_serializing_if = "AskedTypes::is_default")]
    pub types: AskedTypes,
}

/// What decides about answers, where it differs from the job's own.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    /// Rules that are switched off.
    pub no_rules: Vec<Rule>,
    /// Lowest judge score that is accepted.
    pub threshold: Option<f64>,
    /// Attempts for one sentence.
    pub attempts: Option<usize>,
}

impl Job {
    /// All rows of a file, as a recipe says.
    ///
    /// # Errors
    /// A file, or a folder of prompts, that is not there.
    pub fn new(data: &Path, cot: Cot, seed: u64) -> Result<Self> {
        let prompts = (!cot.prompts.is_empty()).then(|| full(Path::new(&cot.prompts)));
        Ok(Self {
            data: full(data)?,
            seed,
            limit: None,
            shard: None,
            near_duplicates: (cot.near_duplicates > 0.0).then_some(cot.near_duplicates),
            exclude: Vec::new(),
            no_rules: cot.rules_off.clone(),
            prompts: prompts.transpose()?,
            structured: cot.structured,
            judge_structured: cot.judge_structured,
            target: (cot.target > 0).then_some(cot.target),
            license: None,
            languages: Vec::new(),
            reading: Reading::default(),
            types: AskedTypes::default(),
            // The folder has its absolute path above.
            cot: Cot {
                prompts: String::new(),
                ..cot
            },
        })
    }

    /// Takes only one part of the rows.
    pub fn take_shard(&mut self, shard: Shard) {
        self.shard = Some(format!("{}/{}", shard.number, shard.of));
    }

    /// Leaves out the sentences of these evaluation sets: files, or a folder with CrossNER and MIT.
    ///
    /// # Errors
    /// A path that is not there.
    pub fn exclude(&mut self, paths: &[PathBuf]) -> Result<()> {
        let paths: Result<Vec<PathBuf>> = paths.iter().map(|path| full(path)).collect();
        self.exclude.extend(paths?);
        Ok(())
    }

    /// Says what licence and languages the source has, where they are given.
    pub fn describe(&mut self, license: Option<&str>, languages: &[String]) {
        if let Some(license) = license {
            self.license = Some(license.to_owned());
        }
        if !languages.is_empty() {
            self.languages = languages.to_vec();
        }
    }

    /// Takes over what an earlier job in the folder said of the source, where this one does not say it.
    pub fn described_as(&mut self, before: &Self) {
        self.license = self.license.take().or_else(|| before.license.clone());
        if self.languages.is_empty() {
            self.languages.clone_from(&before.languages);
        }
    }

    /// Refuses a folder that has files, but none by which a job is known: they are somebody else's, and a dataset card
    /// would replace their README.md.
    ///
    /// # Errors
    /// [`RunDirError::ForeignFolder`]; a folder that cannot be read.
    pub fn check_free(dir: &Path) -> Result<()> {
        // The lock of a journal is there before the journal is.
        let known = [FILE, "manifest.json", "journal.jsonl", "journal.lock"];
        if known.iter().any(|name| dir.join(name).is_file()) {
            return Ok(());
        }
        match first_visible(dir)? {
            None => Ok(()),
            Some(file) => {
                let path = dir.to_owned();
                Err(RunDirError::ForeignFolder { path, file }.into())
            }
        }
    }

    /// The job of a folder; `None` if it has none.
    ///
    /// # Errors
    /// A damaged one.
    pub fn find(dir: &Path) -> Result<Option<Self>> {
        let is_there = dir.join(FILE).is_file();
        is_there.then(|| Self::read(dir)).transpose()
    }

    /// Reads the job of a folder.
    ///
    /// # Errors
    /// A folder without one, or with a damaged one.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Self::missing(dir));
            }
            read => read.with_context(|| format!("{} cannot be read", path.display()))?,
        };
        serde_json::from_slice(&bytes).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// That a folder has no job.
    pub(super) fn missing(dir: &Path) -> Error {
        Error::Usage(format!(
            "{}: expected a folder of `rner cot generate` or of a run, found neither {FILE} nor recipe.toml",
            dir.display()
        ))
    }

    /// Writes the job to a folder.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        Ok(write_json(&dir.join(FILE), self)?)
    }

    /// The same job for all rows, whatever part this one was.
    pub fn whole(mut self) -> Self {
        self.shard = None;
        self
    }

    /// Whether two jobs differ in nothing but their parts and speed.
    pub fn is_part_of_same(&self, other: &Self) -> bool {
        let rest = |job: &Self| {
            let mut job = job.clone().whole();
            job.cot = self.cot.clone();
            serde_json::json!(job)
        };
        self.cot.decides_like(&other.cot) && rest(self) == rest(other)
    }

    /// Decides about answers in another way.
    pub fn decide(&mut self, decisions: &Decisions) {
        self.no_rules.extend(&decisions.no_rules);
        if let Some(threshold) = decisions.threshold {
            self.cot.judge_threshold = threshold;
        }
        if let Some(attempts) = decisions.attempts {
            self.cot.attempts = attempts;
        }
    }

    /// The settings that shape and judge answers.
    ///
    /// # Errors
    /// Prompts that cannot be read.
    pub fn pipeline_config(&self) -> Result<PipelineConfig> {
        let mut config = pipeline_config(&self.cot, self.seed)?;
        config.rules = without(&self.no_rules);
        if let Some(dir) = &self.prompts {
            config.prompts = Prompts::load(dir)?;
        }
        config.teacher_format = self.structured;
        config.judge_format = self.judge_structured;
        Ok(config)
    }

    /// Models and settings.
    ///
    /// # Errors
    /// Settings that make no sense.
    pub fn plan(&self) -> Result<Plan> {
        let config = self.pipeline_config()?;
        Ok(Plan::new(
            &self.cot.teacher_model,
            &self.cot.judge_model,
            config,
        )?)
    }

    /// The rows, gone through once.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub fn selection(&self) -> Result<Selection<'static>> {
        self.part(self.shard.as_deref().map(str::parse).transpose()?)
    }

    /// About `rows` rows, spread over the source.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub fn sample(&self, rows: usize) -> Result<Selection<'static>> {
        let whole = self.selection()?;
        let parts = whole.open().div_ceil(rows.max(1));
        // A shard of a shard is no shard; then the sample is taken from the beginning.
        if self.shard.is_some() || parts < 2 {
            let mut job = self.clone();
            job.limit = Some(job.limit.map_or(rows, |limit| limit.min(rows)));
            return job.selection();
        }
        let of = u32::try_from(parts).unwrap_or(u32::MAX);
        self.part(Some(Shard { number: 1, of }))
    }

    /// The rows of the source with the types that they are asked for.
    ///
    /// # Errors
    /// A file that is not there, or of no known format.
    pub fn source(&self) -> Result<FileSource> {
        let format = Format::detect(&self.data)?;
        let options = ReadOptions {
            types: self.types.for_reader(self.seed),
            ..self.reading.options()
        };
        Ok(FileSource::with_options(&self.data, format, options))
    }

    fn part(&self, shard: Option<Shard>) -> Result<Selection<'static>> {
        let options = SelectionOptions {
            limit: self.limit,
            shard,
            near_duplicates: self.near_duplicates,
            leakage: leakage(&self.exclude)?.map(Arc::new),
            ..SelectionOptions::default()
        };
        Ok(Selection::new(self.source()?, options)?)
    }
}

/// The recipe's settings as those of a pipeline.
///
/// # Errors
/// Prompts that cannot be read.
pub fn pipeline_config(cot: &Cot, seed: u64) -> Result<PipelineConfig> {
    let sampling = Sampling {
        temperature: Some(cot.temperature),
        max_tokens: u32::try_from(cot.max_tokens).ok(),
        seed: Some(seed),
        ..Sampling::default()
    };
    let mut config = PipelineConfig {
        attempts: u32::try_from(cot.attempts).unwrap_or(u32::MAX),
        threshold: cot.judge_threshold,
        rules: without(&cot.rules_off),
        judge: Sampling {
            temperature: Some(0.0),
            extra: json_fields(&cot.judge_extra),
            ..sampling.clone()
        },
        teacher: Sampling {
            extra: json_fields(&cot.teacher_extra),
            ..sampling
        },
        teacher_format: cot.structured,
        judge_format: cot.judge_structured,
        ..PipelineConfig::default()
    };
    if !cot.prompts.is_empty() {
        config.prompts = Prompts::load(Path::new(&cot.prompts))?;
    }
    Ok(config)
}

/// All rules but these.
fn without(off: &[Rule]) -> Rules {
    off.iter()
        .fold(Rules::default(), |rules, rule| rules.without(*rule))
}

/// A file of rows in whatever format it has.
///
/// # Errors
/// A file that is not there, or of no known format.
pub fn source(path: &Path, reading: &Reading) -> Result<FileSource> {
    let format = Format::detect(path)?;
    Ok(FileSource::with_options(path, format, reading.options()))
}

/// The sentences of evaluation data; `None` without any.
///
/// # Errors
/// Data that cannot be read.
pub fn leakage(paths: &[PathBuf]) -> Result<Option<Leakage>> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut leakage = Leakage::new(NearDuplicates::DEFAULT_THRESHOLD)?;
    for path in paths {
        match path.is_dir().then(|| ner_datasets::open_data_dir(path)) {
            Some(Ok(benchmark)) => {
                for set in benchmark.read(Split::Test)? {
                    let sentences = set.examples.iter().map(|row| row.sentence.as_str());
                    leakage.add_set(&set.name, sentences);
                }
            }
            // Not the seven sets: then every file that is there.
            _ => add_files(&mut leakage, path)?,
        }
    }
    Ok(Some(leakage))
}

fn add_files(leakage: &mut Leakage, path: &Path) -> Result<()> {
    for (file, format) in crate::inputs::files(&[path.to_owned()], None)? {
        let rows = ner_datasets::open(&file, format, Default::default())?;
        let rows: Result<Vec<_>, _> = rows.collect();
        let rows = rows?;
        let sentences = rows.iter().map(|row| row.example.sentence.as_str());
        leakage.add_set(&file.display().to_string(), sentences);
    }
    Ok(())
}

/// A path that means the same from anywhere.
fn full(path: &Path) -> Result<PathBuf> {
    let found = path.canonicalize();
    found.map_err(|error| Error::Usage(format!("{}: {error}", path.display())))
}

//! What a folder of `rner cot generate` was made with, so that the other commands need only the folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use chat_client::{Sampling, Structured};
use ner_cot::leakage::Leakage;
use ner_cot::near::NearDuplicates;
use ner_cot::prompts::Prompts;
use ner_cot::rules::{Rule, Rules};
use ner_cot::source::{FileSource, Shard};
use ner_cot::{PipelineConfig, Plan, Selection, SelectionOptions};
use ner_datasets::{Format, Split};
use serde::{Deserialize, Serialize};

use super::args::{GenerateArgs, RuleArgs};
use crate::exit::usage;
use crate::recipe::Cot;
use crate::run_dir::write_json;

/// Name of the file in the folder.
const FILE: &str = "job.json";

/// Everything but servers, speed and money.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    /// The source.
    pub(crate) data: PathBuf,
    /// The recipe's section, flags included.
    pub(crate) cot: Cot,
    /// Seed of sampling.
    pub(crate) seed: u64,
    limit: Option<usize>,
    shard: Option<String>,
    near_duplicates: Option<f64>,
    exclude: Vec<PathBuf>,
    no_rules: Vec<Rule>,
    prompts: Option<PathBuf>,
    structured: Structured,
    judge_structured: Structured,
    pub(crate) target: Option<usize>,
    pub(crate) license: Option<String>,
}

impl Job {
    /// The job that the flags describe.
    pub(crate) fn new(args: &GenerateArgs, cot: Cot, seed: u64) -> Result<Self> {
        let mut job = Self {
            data: full(&args.data)?,
            cot,
            seed,
            limit: args.rows.limit,
            shard: args.rows.shard.map(|s| format!("{}/{}", s.number, s.of)),
            near_duplicates: args.rows.near_duplicates,
            exclude: args
                .rows
                .exclude
                .iter()
                .map(|path| full(path))
                .collect::<Result<_>>()?,
            no_rules: Vec::new(),
            prompts: args.prompts.as_deref().map(full).transpose()?,
            structured: args.structured,
            judge_structured: args.judge_structured,
            target: args.target,
            license: args.license.clone(),
        };
        job.decide(&args.rules);
        if let Some(concurrency) = args.flow.concurrency {
            job.cot.concurrency = concurrency;
        }
        Ok(job)
    }

    /// Reads the job of a folder.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            usage(format!(
                "{}: expected a folder of `rner cot generate`, found no {FILE} ({error})",
                dir.display()
            ))
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// Writes the job to a folder.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        Ok(write_json(&dir.join(FILE), self)?)
    }

    /// The same job for all rows, whatever part this one was.
    pub(crate) fn whole(mut self) -> Self {
        self.shard = None;
        self
    }

    /// Whether two jobs differ in nothing but their parts and speed.
    pub(crate) fn is_part_of_same(&self, other: &Self) -> bool {
        let normal = |job: &Self| {
            let mut job = job.clone().whole();
            job.cot.concurrency = 0;
            (job.cot.teacher_url, job.cot.judge_url) = Default::default();
            serde_json::json!(job)
        };
        normal(self) == normal(other)
    }

    /// Applies flags that decide about answers.
    pub(crate) fn decide(&mut self, rules: &RuleArgs) {
        self.no_rules.extend(&rules.no_rule);
        if let Some(threshold) = rules.threshold {
            self.cot.judge_threshold = threshold;
        }
        if let Some(attempts) = rules.attempts {
            self.cot.attempts = attempts;
        }
    }

    /// The settings that shape and judge answers.
    pub(crate) fn pipeline_config(&self) -> Result<PipelineConfig> {
        let mut config = pipeline_config(&self.cot, self.seed);
        config.rules = self
            .no_rules
            .iter()
            .fold(Rules::default(), |rules, rule| rules.without(*rule));
        if let Some(dir) = &self.prompts {
            config.prompts = Prompts::load(dir)?;
        }
        config.teacher_format = self.structured;
        config.judge_format = self.judge_structured;
        Ok(config)
    }

    /// Models and settings.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let config = self.pipeline_config()?;
        Ok(Plan::new(
            &self.cot.teacher_model,
            &self.cot.judge_model,
            config,
        )?)
    }

    /// The rows, gone through once.
    pub(crate) fn selection(&self) -> Result<Selection<'static>> {
        self.part(self.shard.as_deref().map(str::parse).transpose()?)
    }

    /// About `rows` rows, spread over the source.
    pub(crate) fn sample(&self, rows: usize) -> Result<Selection<'static>> {
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

    fn part(&self, shard: Option<Shard>) -> Result<Selection<'static>> {
        let options = SelectionOptions {
            limit: self.limit,
            shard,
            near_duplicates: self.near_duplicates,
            leakage: leakage(&self.exclude)?.map(Arc::new),
            ..SelectionOptions::default()
        };
        Ok(Selection::new(source(&self.data)?, options)?)
    }
}

/// The recipe's settings as those of a pipeline.
pub(crate) fn pipeline_config(cot: &Cot, seed: u64) -> PipelineConfig {
    let sampling = Sampling {
        temperature: Some(cot.temperature),
        max_tokens: u32::try_from(cot.max_tokens).ok(),
        seed: Some(seed),
        ..Sampling::default()
    };
    PipelineConfig {
        attempts: u32::try_from(cot.attempts).unwrap_or(u32::MAX),
        threshold: cot.judge_threshold,
        judge: Sampling {
            temperature: Some(0.0),
            ..sampling.clone()
        },
        teacher: sampling,
        ..PipelineConfig::default()
    }
}

/// A file of rows in whatever format it has.
pub(crate) fn source(path: &Path) -> Result<FileSource> {
    Ok(FileSource::with_format(path, Format::detect(path)?))
}

/// The sentences of evaluation data; `None` without any.
pub(crate) fn leakage(paths: &[PathBuf]) -> Result<Option<Leakage>> {
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
    for (file, format) in crate::ner::data::inputs::files(&[path.to_owned()], None)? {
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
    found.map_err(|error| usage(format!("{}: {error}", path.display())))
}

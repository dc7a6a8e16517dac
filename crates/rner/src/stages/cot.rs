//! CoT generation: teacher, validation and judge.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use ner_cot::{ChatClient, Endpoint, Funnel, Pipeline, PipelineConfig, Sampling, Stop};
use ner_types::Example;
use tokio::runtime::Runtime;

use crate::interrupt::{self, Interrupted};
use crate::progress::Progress;
use crate::recipe::Cot;
use crate::teacher::{self, GoldEntry, MistakeRates, RunningTeacher};

/// A CoT generation run.
pub(crate) struct CotJob<'a> {
    /// Sentences with schemas; their gold is seen by the simulated teacher only.
    pub(crate) source: &'a [Example],
    /// Teacher, judge and limits.
    pub(crate) config: &'a Cot,
    /// Seed of the simulated teacher's mistakes and of sampling.
    pub(crate) seed: u64,
    /// Folder for dataset, funnel and journal.
    pub(crate) out: PathBuf,
}

impl CotJob<'_> {
    /// Generates the dataset and says what became of the rows.
    pub(crate) fn run(&self) -> Result<Funnel> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot create {}", self.out.display()))?;
        let runtime = Runtime::new().context("starting the network runtime")?;
        let simulated = self.simulated(&runtime)?;
        let local = simulated.as_ref().map(|teacher| teacher.url.as_str());
        let pipeline = Pipeline::new(
            self.client(self.config.teacher().or(local), &self.config.teacher_model)?,
            self.client(
                self.config.judge().or(self.config.teacher()).or(local),
                &self.config.judge_model,
            )?,
            self.pipeline_config(),
        )?;
        let stop = Stop::new();
        let watcher = runtime.spawn(pass_on_interrupts(stop.clone()));
        let progress = Progress::start("cot", self.source.len(), "sentences");
        let outcome = runtime.block_on(pipeline.run(self.source, &self.out, &stop, &mut |p| {
            progress.tick(p.done, &format!("{} accepted", p.accepted));
        }));
        watcher.abort();
        let outcome = outcome?;
        if outcome.stopped {
            return Err(Interrupted.into());
        }
        ner_cot::write_dataset(&self.out, &outcome.accepted, &outcome.funnel)?;
        progress.finish(&format!(
            "{} of {} sentences accepted",
            outcome.accepted.len(),
            self.source.len()
        ));
        Ok(outcome.funnel)
    }

    /// Starts the server inside the program if the teacher or the judge is simulated.
    fn simulated(&self, runtime: &Runtime) -> Result<Option<RunningTeacher>> {
        if self.config.teacher().is_some() {
            return Ok(None);
        }
        let rates = MistakeRates::default();
        let server = teacher::serve(gold(self.source), self.seed, rates, runtime.handle())?;
        Ok(Some(server))
    }

    fn client(&self, url: Option<&str>, model: &str) -> Result<ChatClient> {
        let mut endpoint = Endpoint::new(url.unwrap_or_default(), model);
        endpoint.concurrency = self.config.concurrency;
        let key = &self.config.key_env;
        endpoint.key = (!key.is_empty()).then(|| key.clone()).into();
        Ok(ChatClient::new(endpoint)?)
    }

    fn pipeline_config(&self) -> PipelineConfig {
        let sampling = Sampling {
            temperature: Some(self.config.temperature),
            max_tokens: u32::try_from(self.config.max_tokens).ok(),
            seed: Some(self.seed),
            ..Sampling::default()
        };
        PipelineConfig {
            attempts: u32::try_from(self.config.attempts).unwrap_or(u32::MAX),
            threshold: self.config.judge_threshold,
            judge: Sampling {
                temperature: Some(0.0),
                ..sampling.clone()
            },
            teacher: sampling,
            ..PipelineConfig::default()
        }
    }
}

/// What the simulated teacher knows of each sentence.
fn gold(source: &[Example]) -> HashMap<String, GoldEntry> {
    source
        .iter()
        .map(|example| {
            let example = example.normalized();
            let entry = GoldEntry {
                entities: example.entities,
                reasoning: example.cot.unwrap_or_default(),
            };
            (example.sentence, entry)
        })
        .collect()
}

async fn pass_on_interrupts(stop: Stop) {
    while !interrupt::requested() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.stop();
}

/// Serves the simulated teacher until interrupted.
pub(crate) fn serve_teacher(data: &Path, seed: u64) -> Result<()> {
    let examples = ner_datasets::read_examples(data)?;
    let runtime = Runtime::new().context("starting the network runtime")?;
    let server = teacher::serve(
        gold(&examples),
        seed,
        MistakeRates::default(),
        runtime.handle(),
    )?;
    println!("{}", server.url);
    eprintln!(
        "models {} and {} for {} sentences; stop with Ctrl-C",
        teacher::TEACHER_MODEL,
        teacher::JUDGE_MODEL,
        examples.len()
    );
    runtime.block_on(pass_on_interrupts(Stop::new()));
    Ok(())
}

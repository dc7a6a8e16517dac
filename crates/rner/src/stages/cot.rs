//! CoT generation as a stage: teacher, validation and judge, with the rows in memory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ner_cot::{Funnel, Pipeline};
use ner_types::Example;
use tokio::runtime::Runtime;

use crate::cot::{FlowArgs, MoneyArgs, Servers, gold, pipeline_config, run_in_memory};
use crate::interrupt;
use crate::recipe::Cot;
use crate::teacher::{self, MistakeRates};

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
        let (flow, money) = (FlowArgs::default(), MoneyArgs::default());
        let known = || Ok(gold(self.source));
        let servers = Servers::start(self.config, self.seed, &flow, &money, known, &runtime)?;
        // What is left of `servers` is the simulated one, which serves until the end.
        let Servers { teacher, judge, .. } = servers;
        let config = pipeline_config(self.config, self.seed);
        let pipeline = Pipeline::new(teacher, judge, config)?;
        run_in_memory(&pipeline, self.source, &self.out, &runtime)
    }
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
    runtime.block_on(interrupt::token().cancelled());
    Ok(())
}

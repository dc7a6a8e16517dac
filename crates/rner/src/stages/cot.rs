//! CoT generation as a stage: teacher, validation and judge, with the rows in memory.

use std::path::{Path, PathBuf};

use ner_cot::{Funnel, Pipeline, RunOptions};
use ner_toy::teacher;
use ner_types::Example;
use tokio::runtime::Runtime;

use crate::cot::{Annotation, Flow, Money, Servers, pipeline_config, serve_simulated};
use crate::error::{Context, Result};
use crate::recipe::Cot;
use crate::session::Session;

/// A CoT generation run.
pub struct CotJob<'a> {
    /// Sentences with schemas; their gold is seen by the simulated teacher only.
    pub source: &'a [Example],
    /// Teacher, judge and limits.
    pub config: &'a Cot,
    /// Seed of the simulated teacher's mistakes and of sampling.
    pub seed: u64,
    /// Folder for dataset, funnel and journal.
    pub out: PathBuf,
    /// When to stop, and who listens.
    pub session: &'a Session,
}

impl CotJob<'_> {
    /// Generates the dataset and says what became of the rows.
    ///
    /// # Errors
    /// A server that cannot be asked, a folder that cannot be written; an interruption, after which the same job goes
    /// on from its journal.
    pub fn run(&self) -> Result<Funnel> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot create {}", self.out.display()))?;
        let runtime = Runtime::new().context("starting the network runtime")?;
        let (flow, money) = (Flow::default(), Money::default());
        let known = || Ok(self.source.to_vec());
        let servers = Servers::start(self.config, self.seed, &flow, &money, known, &runtime)?;
        // What is left of `servers` is the simulated one, which serves until the end.
        let Servers { teacher, judge, .. } = servers;
        let config = pipeline_config(self.config, self.seed);
        let annotation = Annotation {
            pipeline: &Pipeline::new(teacher, judge, config)?,
            options: &RunOptions::default(),
            session: self.session,
            runtime: &runtime,
        };
        annotation.generate_in_memory(self.source, &self.out)
    }
}

/// What the simulated server says of itself once it can be asked.
pub struct Simulated {
    /// Its base address.
    pub url: String,
    /// The names of its models: who annotates, who judges.
    pub models: [&'static str; 2],
    /// Sentences that it knows.
    pub sentences: usize,
}

/// Serves the simulated teacher and judge, which know the examples of a file, until the session is stopped.
///
/// # Errors
/// A file that cannot be read, or no port that can be opened.
pub fn serve_teacher(
    data: &Path,
    seed: u64,
    session: &Session,
    ready: impl FnOnce(&Simulated),
) -> Result<()> {
    let examples = ner_datasets::read_examples(data)?;
    let runtime = Runtime::new().context("starting the network runtime")?;
    let server = serve_simulated(&examples, seed, &runtime)?;
    ready(&Simulated {
        url: server.url.clone(),
        models: [teacher::TEACHER_MODEL, teacher::JUDGE_MODEL],
        sentences: examples.len(),
    });
    runtime.block_on(session.stop().cancelled());
    Ok(())
}

//! CoT generation as a stage: teacher, validation and judge, with the rows in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ner_cot::{Funnel, Pipeline, Selection, SelectionOptions};
use ner_toy::teacher;
use ner_types::Example;
use tokio::runtime::Runtime;

use crate::cot::{Annotation, Servers, leakage, pipeline_config, serve_simulated};
use crate::error::{Context, Result};
use crate::inputs::Reading;
use crate::recipe::Cot;
use crate::session::Session;

/// What is said of a journal that is refused.
pub(crate) const JOURNAL_REFUSED: &str = "the journal of the teacher's answers (another one: cot.journal; ask anew in this one: cot.allow_change)";

/// A CoT generation run.
pub struct CotJob<'a> {
    /// Sentences with schemas; their gold is seen by the simulated teacher only.
    pub source: &'a [Example],
    /// Teacher, judge and limits.
    pub config: &'a Cot,
    /// Seed of the simulated teacher's mistakes.
    pub seed: u64,
    /// Seed of sampling, which is part of every request.
    pub sampling_seed: u64,
    /// Evaluation data whose sentences are left out.
    pub exclude: Vec<PathBuf>,
    /// Folder of the journal.
    pub journal: PathBuf,
    /// Folder for dataset and funnel.
    pub out: PathBuf,
    /// When to stop, and who listens.
    pub session: &'a Session,
}

impl CotJob<'_> {
    /// Generates the dataset and says what became of the rows.
    ///
    /// # Errors
    /// A server that cannot be asked, a folder that cannot be written, a budget that is spent; an interruption, after
    /// which the same job goes on from its journal.
    pub fn run(&self) -> Result<Funnel> {
        atomic_files::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot create {}", self.out.display()))?;
        let selection = Selection::new(self.source, self.options()?)?;
        let runtime = Runtime::new().context("starting the network runtime")?;
        let known = || Ok(self.source.to_vec());
        let servers = Servers::start(self.config, self.seed, known, &runtime)?;
        // What is left of `servers` is the simulated one, which serves until the end.
        let Servers {
            teacher,
            judge,
            options,
            ..
        } = servers;
        let config = pipeline_config(self.config, self.sampling_seed)?;
        let pipeline = Pipeline::new(teacher, judge, config)?;
        let journal = pipeline.open(&self.journal, &options);
        let journal = journal.context(JOURNAL_REFUSED)?;
        let annotation = Annotation {
            pipeline: &pipeline,
            options: &options,
            session: self.session,
            runtime: &runtime,
        };
        annotation.complete(&selection, journal, &self.out)
    }

    fn options(&self) -> Result<SelectionOptions> {
        let near = self.config.near_duplicates;
        Ok(SelectionOptions {
            near_duplicates: (near > 0.0).then_some(near),
            leakage: leakage(&self.exclude)?.map(Arc::new),
            ..SelectionOptions::default()
        })
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

/// Serves the simulated teacher and judge, which know the examples of a file in any format, until the session is
/// stopped.
///
/// # Errors
/// A file that cannot be read, or no port that can be opened.
pub fn serve_teacher(
    data: &Path,
    seed: u64,
    session: &Session,
    ready: impl FnOnce(&Simulated),
) -> Result<()> {
    let rows = crate::inputs::read(data, &Reading::default())?;
    serve_rows(&rows.examples, seed, session, ready)
}

/// [`serve_teacher`] of examples in memory.
///
/// # Errors
/// No port that can be opened.
pub fn serve_rows(
    examples: &[Example],
    seed: u64,
    session: &Session,
    ready: impl FnOnce(&Simulated),
) -> Result<()> {
    let runtime = Runtime::new().context("starting the network runtime")?;
    let server = serve_simulated(examples, seed, &runtime)?;
    ready(&Simulated {
        url: server.url.clone(),
        models: [teacher::TEACHER_MODEL, teacher::JUDGE_MODEL],
        sentences: examples.len(),
    });
    runtime.block_on(session.stop().cancelled());
    Ok(())
}

//! A run from source to files: questions, dataset, funnel.

use std::path::{Path, PathBuf};

use chat_client::Usage;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::export::{CotRow, Format, RowProvenance, RowWriter};
use crate::journal::Journal;
use crate::observer::Observer;
use crate::output::{DATASET_STEM, write_funnel};
use crate::pipeline::{Pipeline, RunOptions, StopCause};
use crate::plan::Plan;
use crate::replay::{SettledRow, Visitor, replay};
use crate::report::{Attempt, Funnel};
use crate::source::Selection;

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Generated {
    /// What became of the rows and answers.
    pub funnel: Funnel,
    /// The files with the accepted rows, in the order of the formats.
    pub files: Vec<PathBuf>,
    /// HTTP requests that this run sent; 0 if the journal had everything.
    pub requests: u64,
    /// Why it ended before all rows were done.
    pub stopped: Option<StopCause>,
}

impl Pipeline {
    /// Asks about the rows of `selection` and writes the dataset to `dir`, which is usually the journal's folder.
    ///
    /// Where the run is stopped early, the files hold the rows that are accepted by then.
    ///
    /// # Errors
    /// Those of [`Pipeline::send`], and if a file cannot be written.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another thing, and most callers name them all"
    )]
    pub async fn generate(
        &self,
        selection: &Selection<'_>,
        journal: Journal,
        dir: &Path,
        formats: &[Format],
        options: &RunOptions,
        stop: &CancellationToken,
        observer: &mut (dyn Observer + Send),
    ) -> Result<Generated, Error> {
        let sent = self.send(selection, journal, options, stop, observer).await;
        let (journal, sent) = sent?;
        let (funnel, files) = export_dataset(
            self.plan(),
            selection,
            &journal,
            options.target,
            dir,
            formats,
        )?;
        Ok(Generated {
            stopped: sent.stopped.filter(|_| funnel.unfinished > 0),
            funnel,
            files,
            requests: sent.progress.requests,
        })
    }
}

/// Writes the accepted rows of a journal as `ner-cot.<format>`, and the funnel as `funnel.json`, to `dir`.
///
/// Nothing is sent. Each file appears under its name only when it is complete.
///
/// # Errors
/// If source or journal cannot be read, or a file cannot be written.
pub fn export_dataset(
    plan: &Plan,
    selection: &Selection<'_>,
    journal: &Journal,
    target: Option<usize>,
    dir: &Path,
    formats: &[Format],
) -> Result<(Funnel, Vec<PathBuf>), Error> {
    atomic_files::fs::create_dir_all(dir)
        .map_err(|source| Error::io("create the directory", dir, source))?;
    let name = |format: &Format| dir.join(format!("{DATASET_STEM}.{}", format.extension()));
    let files: Vec<PathBuf> = formats.iter().map(name).collect();
    let writers = files.iter().zip(formats);
    let writers: Result<_, Error> = writers
        .map(|(path, format)| RowWriter::create(path, *format))
        .collect();
    let mut dataset = Dataset {
        plan,
        writers: writers?,
    };
    let funnel = replay(plan, selection, journal, target, &mut dataset)?;
    for writer in dataset.writers {
        writer.finish()?;
    }
    write_funnel(dir, &funnel)?;
    Ok((funnel, files))
}

struct Dataset<'a> {
    plan: &'a Plan,
    writers: Vec<RowWriter>,
}

impl Visitor for Dataset<'_> {
    fn settled(&mut self, row: SettledRow) -> Result<(), Error> {
        let Some(example) = row.accepted else {
            return Ok(());
        };
        let row = CotRow {
            example,
            provenance: provenance(self.plan, &row.attempts),
        };
        self.writers.iter_mut().try_for_each(|w| w.write(&row))
    }
}

/// What an accepted row was made by; tokens are those of all its attempts.
fn provenance(plan: &Plan, attempts: &[Attempt]) -> Option<RowProvenance> {
    let last = attempts.last()?;
    let sum = |of: fn(&Attempt) -> Usage| {
        let mut total = Usage::default();
        attempts.iter().for_each(|attempt| total += of(attempt));
        total
    };
    let teacher = sum(|attempt| attempt.teacher.usage);
    Some(RowProvenance {
        teacher: plan.teacher_model.clone(),
        judge: plan.judge_model.clone(),
        attempt: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        score: last.score,
        prompt_tokens: teacher.prompt_tokens,
        completion_tokens: teacher.completion_tokens,
        judge_tokens: sum(|attempt| attempt.judge.usage).total(),
    })
}

//! Flags about many texts: where the answers go, in which parts, and whose turn it is.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;
use ner_bulk::{
    Claim, Finder, Folder, Job, Manifest, Observer, OutputForm, Question, Shard, Summary,
};
use ner_datasets::export::JsonLines;
use rner_cli::args::ForceArgs;
use rner_cli::exit::usage;
use rner_cli::interrupt;

use crate::sentences::Files;

/// Flags of many texts.
#[derive(Clone, Debug, Args)]
pub(crate) struct BulkArgs {
    /// Folder for the answers to --input: a part for each file, written when complete and passed over when it is there;
    /// the same command goes on after a kill. A name that ends in .jsonl is one file for all. Standard output if left
    /// out.
    #[arg(long, value_name = "DIR", requires = "input")]
    out: Option<PathBuf>,
    /// Divide each file into parts of so many rows, so that one large file is resumed and shared.
    #[arg(long, value_name = "N", requires = "out", value_parser = clap::value_parser!(u64).range(1..))]
    part_rows: Option<u64>,
    /// Work on every N-th part only, beginning with the I-th, from 0; Slurm's SLURM_ARRAY_TASK_ID or Kubernetes'
    /// JOB_COMPLETION_INDEX if left out.
    #[arg(long, value_name = "I/N", requires = "out")]
    shard: Option<Shard>,
    /// How many shards there are, where only the batch system knows which one this is.
    #[arg(
        long,
        value_name = "N",
        requires = "out",
        conflicts_with = "shard",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    shards: Option<u64>,
    /// Ask nobody: compare the parts with their hashes and their inputs, and print what is there, missing or wrong.
    #[arg(long, requires = "out")]
    check: bool,
    #[command(flatten)]
    force: ForceArgs,
}

/// What is done with many texts.
pub(super) enum Work {
    /// Answers go to standard output.
    Print(Files),
    /// They go into parts.
    Parts(Files, Place),
    /// The parts are looked at.
    Look(Files, Place),
}

/// Where the parts go.
pub(super) struct Place {
    folder: Folder,
    part_rows: Option<usize>,
    shard: Shard,
}

impl BulkArgs {
    /// Rows of a part, as a number of the question.
    pub(super) fn part_rows(&self) -> Option<u64> {
        self.part_rows
    }

    /// Refuses flags without effect.
    ///
    /// # Errors
    /// `--force` where nothing is written.
    pub(super) fn are_meant(&self) -> Result<()> {
        if self.force.force && self.out.is_none() {
            return Err(usage("--force is for --out: nothing else is written"));
        }
        Ok(())
    }

    /// Claims the place of the answers to a question, which is made if it is needed.
    ///
    /// # Errors
    /// Flags that do not go together; a place with other work.
    pub(super) fn work(
        &self,
        files: Files,
        question: impl FnOnce() -> Result<Question>,
    ) -> Result<Work> {
        let Some(out) = &self.out else {
            return Ok(Work::Print(files));
        };
        let question = question()?;
        let is_file = out.extension().is_some_and(|ending| ending == "jsonl");
        if is_file {
            return self.one_file(files, out, &question);
        }
        let shard = self.whose()?;
        let place = |folder| Place {
            folder,
            part_rows: self
                .part_rows
                .map(|rows| usize::try_from(rows).unwrap_or(usize::MAX)),
            shard,
        };
        if self.check {
            let folder = Folder::look_at(out, &question).map_err(told)?;
            return Ok(Work::Look(files, place(folder)));
        }
        let folder = Folder::claim(out, &question, self.claim()).map_err(told)?;
        rner_cli::say_set_aside();
        Ok(Work::Parts(files, place(folder)))
    }

    fn one_file(&self, files: Files, out: &Path, question: &Question) -> Result<Work> {
        if self.part_rows.is_some() || self.shard.is_some() || self.shards.is_some() {
            return Err(usage(format!(
                "--out {}: one file has neither parts nor shards; name a folder",
                out.display()
            )));
        }
        let place = Place {
            folder: Folder::of_file(out, question, self.claim()).map_err(told)?,
            part_rows: None,
            shard: Shard::default(),
        };
        Ok(if self.check {
            Work::Look(files, place)
        } else {
            Work::Parts(files, place)
        })
    }

    fn claim(&self) -> Claim {
        if self.force.force {
            Claim::Aside
        } else {
            Claim::Refuse
        }
    }

    /// The shard that was typed, or the one that the batch system gives, which is said. A look is at all parts.
    fn whose(&self) -> Result<Shard> {
        if let Some(shard) = self.shard {
            return Ok(shard);
        }
        if self.check {
            return Ok(Shard::default());
        }
        let variable = |name: &str| std::env::var(name).ok();
        match Shard::of_environment(variable, self.shards).map_err(told)? {
            Some((shard, words)) => {
                rner_cli::say!("{words}");
                Ok(shard)
            }
            None if self.shards.is_some() => Err(usage(
                "--shards: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX says which one this is; --shard I/N \
                 does",
            )),
            None => Ok(Shard::default()),
        }
    }
}

impl Work {
    /// Does it.
    ///
    /// # Errors
    /// Rows without an answer, parts that cannot be made; what concerns all texts.
    pub(super) fn run(self, finder: &mut dyn Finder) -> Result<()> {
        match self {
            Self::Print(files) => {
                let writer = Box::new(JsonLines::new(std::io::stdout().lock()));
                let stop = interrupt::token();
                let (inputs, options) = (&files.inputs, &files.options);
                let summary = ner_bulk::print(inputs, options, finder, writer, &mut Says, stop);
                conclude(&files, &summary.map_err(told)?)
            }
            Self::Parts(files, place) => {
                let summary = place.job(&files).run(finder, &mut Says);
                let summary = summary.map_err(told)?;
                conclude_parts(&files, &summary)
            }
            Self::Look(files, place) => look(&files, place),
        }
    }
}

impl Place {
    fn job(self, files: &Files) -> Job<'_> {
        Job {
            inputs: &files.inputs,
            texts: files.options.clone(),
            part_rows: self.part_rows,
            shard: self.shard,
            form: OutputForm::default(),
            folder: self.folder,
            stop: interrupt::token().clone(),
        }
    }
}

/// Prints what is there.
fn look(files: &Files, place: Place) -> Result<()> {
    let summary = place.job(files).look(&mut Says).map_err(told)?;
    println!("{}", serde_json::to_string_pretty(&summary)?);
    ensure!(
        summary.failed.is_empty() && summary.missing.is_empty(),
        "{} parts are missing and {} are not what they should be",
        summary.missing.len(),
        summary.failed.len()
    );
    conclude(files, &summary)
}

fn conclude(files: &Files, summary: &Summary) -> Result<()> {
    let (rows, unanswered, name) = (summary.rows, summary.unanswered, files.name());
    if rows == 0 {
        return Err(usage(format!("--input: there is no sentence in {name}")));
    }
    ensure!(
        unanswered == 0,
        "{unanswered} of {rows} rows of {name} have no answer; their lines are named above"
    );
    rner_cli::say!("{rows} sentences");
    Ok(())
}

fn conclude_parts(files: &Files, summary: &Summary) -> Result<()> {
    let Summary {
        parts,
        were_there,
        rows,
        unanswered,
        entities,
        failed,
        ..
    } = summary;
    let name = files.name();
    rner_cli::say!(
        "{parts} parts ({were_there} of them were there), {rows} rows, {entities} entities, {unanswered} rows without an \
         answer"
    );
    ensure!(
        failed.is_empty(),
        "{} parts of {name} could not be made; they are named above, and the same command makes them",
        failed.len()
    );
    ensure!(
        *unanswered == 0,
        "{unanswered} of {rows} rows of {name} have no answer; their lines are in the parts"
    );
    Ok(())
}

/// Says what happens on stderr.
struct Says;

impl Observer for Says {
    fn on_fault(&mut self, file: &Path, line: usize, fault: &str) {
        rner_cli::say!("{}:{line}: {fault}", file.display());
    }

    fn on_note(&mut self, note: &str) {
        rner_cli::say!("note: {note}");
    }

    fn on_part(&mut self, part: &Manifest, was_there: bool) {
        let how = if was_there {
            "there already"
        } else {
            "written"
        };
        rner_cli::say!(
            "{}: {how}, {} rows",
            part.part,
            part.rows + part.passed_over
        );
        if part.passed_over > 0 {
            rner_cli::say!(
                "note: {}: {} rows were passed over",
                part.part,
                part.passed_over
            );
        }
    }

    fn on_failure(&mut self, part: &str, error: &ner_bulk::Error) {
        rner_cli::say!("{part}: {error}");
    }

    fn on_wait(&mut self, parts: usize) {
        tracing::debug!("{parts} parts are in use by other processes, which are waited for");
    }
}

/// An error as the user meets it: what a finder says is its own.
fn told(error: ner_bulk::Error) -> anyhow::Error {
    match error {
        ner_bulk::Error::Finder(source) => match source.downcast::<rner::Error>() {
            Ok(error) => super::sampling::explained(*error),
            Err(other) => anyhow::anyhow!(other),
        },
        error => rner::Error::from(error).into(),
    }
}

//! The sentences of a file through a model, which is loaded once.

use std::io::Write;

use anyhow::{Context, Result, bail, ensure};
use lm_kernels::TrainBackend;
use ner_types::Extraction;
use rner::Error;
use rner::answerer::Answerer;
use rner::backend::{Device, Task};
use rner::documents::Reader;
use serde::Serialize;

use super::Asked;
use super::sampling::explained;
use crate::sentences::{Row, Rows};

/// Many sentences through a model.
pub(super) struct Many<'a> {
    pub(super) asked: Asked<'a>,
    pub(super) rows: Rows,
}

/// A line of the output.
#[derive(Serialize)]
struct Line<'a> {
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(flatten)]
    found: Found,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Entities(Extraction),
    Fault { error: String },
}

/// How many rows there were, and how many of them have no answer.
#[derive(Default)]
struct Counts {
    rows: usize,
    unanswered: usize,
}

impl Task for Many<'_> {
    type Output = ();
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(mut self, device: &Device<B>) -> Result<()> {
        let mut extractor = self.asked.load::<B>(device)?;
        let reader = self.asked.reader(&extractor)?;
        let mut counts = Counts::default();
        loop {
            let batch = self.batch()?;
            if batch.is_empty() {
                break;
            }
            self.answer(&reader, &mut extractor, &batch, &mut counts)?;
        }
        self.conclude(&counts)
    }
}

impl Many<'_> {
    /// As many rows as are answered at once.
    fn batch(&mut self) -> Result<Vec<Row>> {
        let mut batch = Vec::new();
        while batch.len() < self.asked.recipe.eval.batch {
            match self.rows.next()? {
                Some(row) => batch.push(row),
                None => break,
            }
        }
        Ok(batch)
    }

    /// Answers some rows and prints a line for each, in their order.
    fn answer(
        &self,
        reader: &Reader,
        answerer: &mut dyn Answerer,
        batch: &[Row],
        counts: &mut Counts,
    ) -> Result<()> {
        let sentences = batch.iter().filter_map(|row| row.sentence.as_deref().ok());
        let texts: Vec<&str> = sentences.collect();
        let found = reader.read(answerer, &texts);
        let mut answers = found.map_err(explained)?.into_iter();
        for row in batch {
            let found = match &row.sentence {
                Err(fault) => Err(fault.clone()),
                Ok(_) => match answers.next() {
                    Some(Ok(found)) => Ok(found),
                    Some(Err(error)) => Err(format!("{:#}", anyhow::Error::from(error))),
                    None => bail!("the model gave too few answers"),
                },
            };
            self.print(row, found, counts)?;
        }
        std::io::stdout()
            .flush()
            .context("cannot write the answers")
    }

    fn print(
        &self,
        row: &Row,
        found: Result<Extraction, String>,
        counts: &mut Counts,
    ) -> Result<()> {
        counts.rows += 1;
        if let Err(fault) = &found {
            counts.unanswered += 1;
            rner_cli::say!("{}:{}: {fault}", self.rows.name.display(), row.line);
        }
        let line = Line {
            line: row.line,
            id: row.id.as_deref(),
            found: match found {
                Ok(found) => Found::Entities(self.asked.shown(found)),
                Err(error) => Found::Fault { error },
            },
        };
        println!("{}", serde_json::to_string(&line)?);
        Ok(())
    }

    fn conclude(&self, counts: &Counts) -> Result<()> {
        let skipped = self.rows.skipped();
        let (rows, unanswered) = (counts.rows + skipped, counts.unanswered + skipped);
        let name = self.rows.name.display();
        if rows == 0 {
            return Err(Error::Usage(format!("--input: there is no sentence in {name}")).into());
        }
        ensure!(
            unanswered == 0,
            "{unanswered} of {rows} rows of {name} have no answer; their lines are named above"
        );
        rner_cli::say!("{rows} sentences");
        self.asked.guard.conclude();
        Ok(())
    }
}

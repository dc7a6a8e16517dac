//! Relations and events: asked and told as entities are, in rows of their own.

use std::io::Write;

use anyhow::{Context, Result, bail, ensure};
use lm_kernels::TrainBackend;
use ner_types::FoundStructures;
use rner::answerer::{Answer, Answerer, Question};
use rner::backend::{Device, Task, dispatch};
use rner::extract::Extractor;
use serde::Serialize;

use super::live::{Live, Show};
use super::sampling::explained;
use super::{Asked, ExtractArgs};
use crate::sentences::{Row, Rows, Sentences};

/// A line of the output of many sentences.
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
    Structures(FoundStructures),
    Fault { error: String },
}

/// Asks about one sentence or many, and prints what was found.
///
/// # Errors
/// A model that cannot be loaded, rows that have no answer, a terminal that cannot be written to.
pub(super) fn run(args: &ExtractArgs, asked: Asked<'_>, sentences: Sentences) -> Result<()> {
    let show = Show::chosen(args.raw, args.json);
    let backend = asked.recipe.run.backend;
    let ask = Ask {
        asked,
        sentences,
        show,
    };
    dispatch(backend, ask)
}

struct Ask<'a> {
    asked: Asked<'a>,
    sentences: Sentences,
    show: Show,
}

impl Task for Ask<'_> {
    type Output = ();
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<()> {
        let Ask {
            asked,
            sentences,
            show,
        } = self;
        let mut extractor = asked.load::<B>(device)?;
        match sentences {
            Sentences::One(sentence) => one(&asked, &extractor, &sentence, show),
            Sentences::Rows(rows) => many(&asked, &mut extractor, rows),
        }
    }
}

impl Asked<'_> {
    fn read_structures(&self, sentence: &str, answer: &Answer) -> FoundStructures {
        let task = self.recipe.model.task;
        let completion = task.read(&answer.text, self.mode);
        FoundStructures::new(task, completion, &self.names, sentence, answer.is_cut_off)
    }
}

fn one<B: lm_kernels::LmOps>(
    asked: &Asked<'_>,
    extractor: &Extractor<B>,
    sentence: &str,
    show: Show,
) -> Result<()> {
    let mut live = Live::new(show);
    let answer = extractor.answer(&asked.names, sentence, &mut |piece| live.add(piece));
    let has_shown = live.finish()?;
    let answer = answer.map_err(explained)?;
    let found = asked.read_structures(sentence, &answer);
    match show {
        Show::Everything => println!(),
        Show::Nothing => println!("{}", serde_json::to_string_pretty(&found)?),
        Show::Reasoning => {
            if has_shown {
                println!("\n");
            }
            for line in found.lines() {
                println!("{line}");
            }
            for problem in &found.problems {
                rner_cli::say!("note: {}", problem.message);
            }
        }
    }
    if answer.is_cut_off {
        rner_cli::say!("note: cut off after {} tokens", answer.tokens);
    }
    Ok(())
}

/// A line of JSON for each row, in their order.
fn many(asked: &Asked<'_>, answerer: &mut impl Answerer, mut rows: Rows) -> Result<()> {
    let (mut n_rows, mut unanswered) = (0, 0);
    loop {
        let mut batch = Vec::new();
        while batch.len() < answerer.at_once() {
            let Some(row) = rows.next()? else { break };
            batch.push(row);
        }
        if batch.is_empty() {
            break;
        }
        n_rows += batch.len();
        for (row, found) in batch.iter().zip(answered(asked, answerer, &batch)?) {
            if let Found::Fault { error } = &found {
                unanswered += 1;
                rner_cli::say!("{}:{}: {error}", rows.name.display(), row.line);
            }
            let line = Line {
                line: row.line,
                id: row.id.as_deref(),
                found,
            };
            println!("{}", serde_json::to_string(&line)?);
        }
        std::io::stdout()
            .flush()
            .context("cannot write the answers")?;
    }
    let (skipped, name) = (rows.skipped(), rows.name.display());
    let (n_rows, unanswered) = (n_rows + skipped, unanswered + skipped);
    if n_rows == 0 {
        return Err(rner::Error::Usage(format!("--input: there is no sentence in {name}")).into());
    }
    ensure!(
        unanswered == 0,
        "{unanswered} of {n_rows} rows of {name} have no answer; their lines are named above"
    );
    rner_cli::say!("{n_rows} sentences");
    Ok(())
}

fn answered(asked: &Asked<'_>, answerer: &mut impl Answerer, batch: &[Row]) -> Result<Vec<Found>> {
    let sentences = batch.iter().filter_map(|row| row.sentence.as_deref().ok());
    let question = |text| Question {
        types: &asked.names,
        text,
    };
    let questions: Vec<Question<'_>> = sentences.map(question).collect();
    let mut answers = answerer
        .answer_each(&questions)
        .map_err(explained)?
        .into_iter();
    let found = batch.iter().map(|row| match &row.sentence {
        Err(error) => Ok(Found::Fault {
            error: error.clone(),
        }),
        Ok(sentence) => match answers.next() {
            Some(Ok(answer)) => Ok(Found::Structures(asked.read_structures(sentence, &answer))),
            Some(Err(error)) => Ok(Found::Fault {
                error: error.to_string(),
            }),
            None => bail!("the model gave too few answers"),
        },
    });
    found.collect()
}

//! Relations and events: asked and told as entities are, in rows of their own.

use anyhow::Result;
use lm_kernels::TrainBackend;
use ner_bulk::BoxError;
use ner_types::{Extraction, FoundStructures};
use rner::answerer::{Answer, Answerer, Question};
use rner::backend::{Device, Task, dispatch};
use rner::extract::Extractor;

use super::live::{Live, Show};
use super::sampling::explained;
use super::{Asked, ExtractArgs};

/// What is found in each text, or why nothing is.
pub(super) type Found = Vec<Result<Extraction, String>>;

/// Asks about a sentence, and prints what was found.
///
/// # Errors
/// A model that cannot be loaded, a terminal that cannot be written to.
pub(super) fn run(args: &ExtractArgs, asked: Asked<'_>, sentence: String) -> Result<()> {
    let show = Show::chosen(args.raw, args.json);
    let backend = asked.recipe.run.backend;
    let ask = Ask {
        asked,
        sentence,
        show,
    };
    dispatch(backend, ask)
}

struct Ask<'a> {
    asked: Asked<'a>,
    sentence: String,
    show: Show,
}

impl Task for Ask<'_> {
    type Output = ();
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<()> {
        let extractor = self.asked.load::<B>(device)?;
        one(&self.asked, &extractor, &self.sentence, self.show)
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

/// The relations or events of some texts, as rows.
///
/// # Errors
/// What would fail for every text.
pub(super) fn find(
    asked: &Asked<'_>,
    answerer: &mut dyn Answerer,
    texts: &[&str],
) -> Result<Found, BoxError> {
    let questions: Vec<Question<'_>> = texts
        .iter()
        .map(|text| Question {
            types: &asked.names,
            text,
        })
        .collect();
    let answers = answerer.answer_each(&questions)?;
    let row = |(text, answer): (&&str, rner::Result<Answer>)| match answer {
        Ok(answer) => Ok(asked.read_structures(text, &answer).into()),
        Err(error) => Err(error.to_string()),
    };
    Ok(texts.iter().zip(answers).map(row).collect())
}

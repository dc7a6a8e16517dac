//! Annotated rows through a model.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use lm_kernels::TrainBackend;
use ner_promise::{Calibration, Confidences, Row};
use ner_types::{Example, ReadMode, parse_with};
use rner::answerer::{Answerer, Question};
use rner::backend::{Device, Inner, Task, dispatch};
use rner::extract::{Extractor, entity_types};
use rner::recipe::Recipe;
use rner::stages::ModelDir;
use rner_cli::args::asking;
use rner_cli::exit::usage;
use rner_cli::interrupt;
use rner_cli::progress::Terminal;

use super::CalibrateArgs;
use crate::extract::{SampleArgs, explained};
use crate::promised::Way;

/// Asks the model about each row, for its own types.
pub(super) fn rate(args: &CalibrateArgs, model: &Path, data: &Path) -> Result<Calibration> {
    let recipe = args.recipe.resolve(args.sampling.sets())?;
    let examples = asking_for_some(args.input.read(data)?, data)?;
    let (samples, temperature) = args.samples.under(args.sampling.temperature());
    if temperature > 0.0 {
        return Err(usage(
            "--temperature: only samples are drawn here; give --samples K",
        ));
    }
    SampleArgs::note(samples);
    let model_dir = ModelDir::find(model, &Terminal::session())?;
    let recipe = asking(&model_dir, &recipe, args.prompt.as_deref())?.recipe;
    let way = Way {
        model: &model_dir,
        recipe: &recipe,
        reader: args.reader.into(),
        form: args.form.into(),
        samples,
        repetition_penalty: args.sampling.under(&recipe).repetition_penalty,
    };
    let (asked, types) = (way.named()?, types(&examples)?);
    let rows = dispatch(
        recipe.run.backend,
        Rate {
            args,
            way,
            examples,
        },
    )?;
    Ok(Calibration {
        model: Some(model.display().to_string()),
        asked,
        types,
        ..Calibration::new(&data.display().to_string(), rows)
    })
}

/// The rows that ask for a type; how many do not is said.
fn asking_for_some(examples: Vec<Example>, data: &Path) -> Result<Vec<Example>> {
    let asks = |it: &Example| entity_types(&it.schema).is_ok();
    let (examples, others): (Vec<_>, Vec<_>) = examples.into_iter().partition(asks);
    let name = data.display();
    if examples.is_empty() {
        return Err(usage(format!("{name}: no row asks for a type")));
    }
    if !others.is_empty() {
        rner_cli::say!(
            "{name}: left out {} rows that ask for no type",
            others.len()
        );
    }
    Ok(examples)
}

/// The types of all rows.
fn types(examples: &[Example]) -> Result<Vec<String>> {
    let all: BTreeSet<&String> = examples.iter().flat_map(|it| &it.schema).collect();
    Ok(entity_types(&all.into_iter().collect::<Vec<_>>())?)
}

/// Rows on their way through a model.
struct Rate<'a> {
    args: &'a CalibrateArgs,
    way: Way<'a>,
    examples: Vec<Example>,
}

impl Task for Rate<'_> {
    type Output = Vec<Row>;
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<Vec<Row>> {
        let mut extractor = self.load::<B>(device)?;
        let mode = self.way.reader;
        let total = self.examples.len();
        let part = Terminal::session().start("calibrate", total, "rows");
        let mut rows = Vec::with_capacity(total);
        for batch in self.examples.chunks(extractor.at_once().max(1)) {
            rows.extend(answer(&mut extractor, batch, mode)?);
            part.tick(rows.len(), "");
        }
        part.finish(&format!("{total} rows"));
        Ok(rows)
    }
}

impl Rate<'_> {
    fn load<B: TrainBackend>(&self, device: &Device<B>) -> Result<Extractor<Inner<B>>> {
        let recipe: &Recipe = self.way.recipe;
        let sampling = lm_generate::Sampling {
            temperature: 0.0,
            ..self.args.sampling.under(recipe)
        };
        Ok(Extractor::<Inner<B>>::load(self.way.model, recipe, device)?
            .with_sampling(sampling)
            .with_stops(self.args.sampling.stops()?)
            .with_form(recipe.eval.reasoning.form(self.way.form))?
            .with_samples(self.way.samples)
            .stopped_by(interrupt::token().clone()))
    }
}

/// Some rows at once. A row whose sentence is too long for the model ends the calibration: left out, it would be
/// missing among the rows that the promise is about.
fn answer(answerer: &mut impl Answerer, batch: &[Example], mode: ReadMode) -> Result<Vec<Row>> {
    let types = batch.iter().map(|it| entity_types(&it.schema));
    let types: Vec<Vec<String>> = types.collect::<Result<_, _>>()?;
    let mut questions = Vec::new();
    for (example, types) in batch.iter().zip(&types) {
        questions.push(Question {
            types,
            text: &example.sentence,
        });
    }
    let answers = answerer.answer_each(&questions).map_err(explained)?;
    let row = |(example, answer): (&Example, rner::Result<rner::answerer::Answer>)| {
        let answer = answer.with_context(|| format!("the row {:?}", example.sentence))?;
        let confidences = Confidences::new(&answer.text, &answer.evidence, mode);
        let read = parse_with(&answer.text, mode);
        Ok(confidences.scored(&read.entities, &example.entities))
    };
    batch.iter().zip(answers).map(row).collect()
}

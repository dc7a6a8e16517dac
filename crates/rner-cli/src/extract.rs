//! `rner extract`: the entities of a sentence, and its reasoning while it is written; or those of many, as JSON lines.

mod live;
mod many;
mod promise;
mod sampling;

use anyhow::Result;
use clap::{Args, ValueEnum};
use lm_generate::Sampling;
use lm_kernels::TrainBackend;
use lm_model::StopMatcher;
use ner_promise::Confidences;
use ner_types::{Extraction, ReadMode, parse_with};
use rner::backend::{Device, Inner, Task, dispatch};
use rner::extract::{Answer, Extractor, Samples};
use rner::form::Form;
use rner::recipe::Recipe;
use rner::stages::ModelDir;
use rner_cli::args::{AnswerReader, asking};
use rner_cli::interrupt;
use rner_cli::progress::Terminal;

pub(crate) use self::promise::SampleArgs;
pub(crate) use self::sampling::{SamplingArgs, explained};

use self::live::{Live, Show};
use self::many::Many;
use self::promise::{Guard, PromiseArgs};
use crate::asked::AskedArgs;
use crate::promised::Way;
use crate::sentences::Sentences;

/// Flags of `rner extract`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExtractArgs {
    #[command(flatten)]
    asked: AskedArgs,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    #[command(flatten)]
    promise: PromiseArgs,
    /// Print JSON at the end instead of lines; of --input it is always printed, a line for each row.
    #[arg(long)]
    pub(crate) json: bool,
    /// How the answer is read: as the paper's code does, or with what a faulty answer says all the same.
    #[arg(long, value_enum, default_value = "reference", conflicts_with = "raw")]
    pub(crate) reader: AnswerReader,
    /// The form that the answer is held to while it is written. The reasoning stays free.
    #[arg(long, value_enum, default_value = "free")]
    pub(crate) form: FormArg,
    /// Write token by token, without drafts of what may follow; the answer is the same.
    #[arg(long)]
    pub(crate) no_drafts: bool,
    /// Print the answer as the model writes it, and do not read it.
    #[arg(long, conflicts_with_all = ["json", "input"])]
    pub(crate) raw: bool,
}

/// Runs the command.
///
/// # Errors
/// Wrong usage, a model that cannot be loaded, rows that have no answer, a terminal that cannot be written to.
pub(crate) fn run(args: &ExtractArgs) -> Result<()> {
    let recipe = args.asked.recipe.resolve(args.sampling.sets())?;
    let (types, stops) = (args.asked.types()?, args.sampling.stops()?);
    let (samples, temperature) = args.promise.samples.under(args.sampling.temperature());
    args.sampling.note(samples.is_some());
    SampleArgs::note(samples);
    // Before the model is looked for: it may have to be downloaded.
    let sentences = args.asked.sentences.read()?;
    let model = ModelDir::find(&args.asked.model, &Terminal::session())?;
    let recipe = asking(&model, &recipe, args.asked.prompt.as_deref())?.recipe;
    let sampling = Sampling {
        temperature,
        ..args.sampling.under(&recipe)
    };
    let way = Way {
        model: &model,
        recipe: &recipe,
        reader: args.reader.into(),
        form: args.form.into(),
        samples,
        repetition_penalty: sampling.repetition_penalty,
    };
    let guard = args.promise.guard(&way, &types, temperature)?;
    let asked = Asked {
        sampling,
        samples,
        guard,
        model,
        recipe: &recipe,
        types,
        stops,
        reader: args.reader.into(),
        form: args.form.into(),
        has_drafts: !args.no_drafts,
    };
    match sentences {
        Sentences::One(sentence) => {
            let show = Show::chosen(args.raw, args.json);
            let one = One {
                asked,
                sentence,
                show,
            };
            dispatch(recipe.run.backend, one)
        }
        Sentences::Rows(rows) => dispatch(recipe.run.backend, Many { asked, rows }),
    }
}

/// A model and what it is asked for.
struct Asked<'a> {
    model: ModelDir,
    recipe: &'a Recipe,
    types: Vec<String>,
    sampling: Sampling,
    stops: StopMatcher,
    reader: ReadMode,
    form: Form,
    has_drafts: bool,
    samples: Option<Samples>,
    guard: Guard,
}

/// What an answer may be.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FormArg {
    /// Whatever the model writes.
    Free,
    /// JSON with no other labels than those asked for, each at most once.
    Schema,
    /// The same, with texts that occur in the sentence.
    Grounded,
}

impl From<FormArg> for Form {
    fn from(form: FormArg) -> Self {
        match form {
            FormArg::Free => Self::Free,
            FormArg::Schema => Self::Schema,
            FormArg::Grounded => Self::Grounded,
        }
    }
}

impl Asked<'_> {
    fn load<B: TrainBackend>(&self, device: &Device<B>) -> Result<Extractor<Inner<B>>> {
        Ok(
            Extractor::<Inner<B>>::load(&self.model, self.recipe, device)?
                .with_sampling(self.sampling.clone())
                .with_stops(self.stops.clone())
                .with_form(self.form)?
                .with_drafts(self.has_drafts)
                .with_samples(self.samples)
                .stopped_by(interrupt::token().clone()),
        )
    }

    fn read(&self, sentence: &str, answer: &Answer) -> Extraction {
        let completion = parse_with(&answer.text, self.reader);
        let confidences = Confidences::new(&answer.text, &answer.evidence, self.reader);
        let mut found = Extraction::new(completion, &self.types, sentence, answer.is_cut_off);
        self.guard.judge(&mut found, &confidences);
        found
    }
}

/// One sentence through a model.
struct One<'a> {
    asked: Asked<'a>,
    sentence: String,
    show: Show,
}

impl Task for One<'_> {
    type Output = ();
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<()> {
        let extractor = self.asked.load::<B>(device)?;
        let (types, mut live) = (&self.asked.types, Live::new(self.show));
        let answer = extractor.answer(types, &self.sentence, &mut |piece| live.add(piece));
        let has_shown = live.finish()?;
        let answer = answer.map_err(explained)?;
        let found = self.asked.read(&self.sentence, &answer);
        match self.show {
            Show::Everything => println!(),
            Show::Nothing => println!("{}", serde_json::to_string_pretty(&found)?),
            Show::Reasoning => print_entities(&found, has_shown),
        }
        self.asked.guard.conclude();
        if answer.is_cut_off {
            rner_cli::say!("note: cut off after {} tokens", answer.tokens);
        }
        Ok(())
    }
}

/// Prints what was read; the reasoning, if there was any, has been printed. An entity that stands at several places is
/// printed once.
fn print_entities(found: &Extraction, after_reasoning: bool) {
    if after_reasoning {
        println!("\n");
    }
    let lines = found.entities.iter().map(|it| (&it.label, &it.text));
    let mut last = None;
    for line in lines {
        if last.replace(line) != Some(line) {
            println!("{}: {}", line.0, line.1);
        }
    }
    for problem in &found.problems {
        rner_cli::say!("note: {}", problem.message);
    }
}

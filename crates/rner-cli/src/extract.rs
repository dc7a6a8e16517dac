//! `rner extract`: the entities of a sentence, and its reasoning while it is written; or those of many, as JSON lines.

mod bulk;
mod by_servers;
pub(crate) mod dial;
mod documents;
mod live;
mod many;
mod promise;
mod question;
mod sampling;
mod servers;
mod structures;

use std::collections::HashSet;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use lm_generate::Sampling;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::StopMatcher;
use ner_datasets::Offsets;
use ner_documents::{Descriptions, Plan};
use ner_types::{Closed, Extraction, ReadMode};
use rner::backend::{Device, Inner, Task, dispatch};
use rner::decoding::Decoding;
use rner::documents::Reader;
use rner::extract::{Extractor, Samples};
use rner::form::Form;
use rner::recipe::Recipe;
use rner::stages::ModelDir;
use rner_cli::args::{AnswerReader, asking};
use rner_cli::exit::usage;
use rner_cli::interrupt;
use rner_cli::progress::Terminal;

pub(crate) use self::promise::SampleArgs;
pub(crate) use self::sampling::{SamplingArgs, explained};

use self::bulk::BulkArgs;
use self::dial::DialArgs;
use self::documents::DocumentArgs;
use self::live::{Live, Show};
use self::many::Many;
use self::promise::{Guard, PromiseArgs};
use self::servers::ServerArgs;
use crate::asked::AskedArgs;
use crate::promised::Way;
use crate::sentences::Sentences;

/// Flags of `rner extract`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExtractArgs {
    #[command(flatten)]
    asked: AskedArgs,
    #[command(flatten, next_help_heading = "Many texts")]
    bulk: BulkArgs,
    #[command(flatten, next_help_heading = "Servers")]
    servers: ServerArgs,
    #[command(flatten, next_help_heading = "Tokens")]
    pub(crate) sampling: SamplingArgs,
    #[command(flatten, next_help_heading = "Reasoning")]
    pub(crate) dial: DialArgs,
    #[command(flatten, next_help_heading = "Confidence")]
    promise: PromiseArgs,
    /// Print JSON at the end instead of lines; of --input it is always printed, a line for each row.
    #[arg(long, help_heading = "Answers")]
    pub(crate) json: bool,
    /// How the answer is read: as the paper's code does, or with what a faulty answer says all the same.
    #[arg(
        long,
        value_enum,
        default_value = "reference",
        conflicts_with = "raw",
        help_heading = "Answers"
    )]
    pub(crate) reader: AnswerReader,
    /// The form that the answer is held to while it is written. The reasoning stays free.
    #[arg(long, value_enum, default_value = "free", help_heading = "Answers")]
    pub(crate) form: FormArg,
    /// Write token by token, without drafts of what may follow; the answer is the same.
    #[arg(long, conflicts_with = "urls", help_heading = "Answers")]
    pub(crate) no_drafts: bool,
    /// Print the answer as the model writes it, and do not read it.
    #[arg(long, conflicts_with_all = ["json", "input"], help_heading = "Answers")]
    pub(crate) raw: bool,
    #[command(flatten, next_help_heading = "Long texts")]
    documents: DocumentArgs,
}

/// Runs the command.
///
/// # Errors
/// Wrong usage, a model that cannot be loaded, rows that have no answer, a terminal that cannot be written to.
pub(crate) fn run(args: &ExtractArgs) -> Result<()> {
    let sets = [
        args.asked.task.sets(),
        args.sampling.sets(),
        args.dial.sets(),
    ];
    let sets = sets.concat();
    let recipe = args.asked.recipe.resolve(sets)?;
    let (types, stops) = (args.asked.types()?, args.sampling.stops()?);
    let (samples, temperature) = args.promise.samples.under(args.sampling.temperature());
    args.sampling.note(samples.is_some());
    SampleArgs::note(samples);
    args.check()?;
    args.bulk.are_meant()?;
    // Before the model is looked for: it may have to be downloaded.
    let sentences = args.asked.sentences.read()?;
    if args.servers.are_asked() {
        return by_servers::run(args, &recipe, &types, sentences);
    }
    let model = ModelDir::find(&args.asked.model, &Terminal::session())?;
    let asking = asking(&model, &recipe, args.asked.prompt.as_deref())?;
    args.asked.note_descriptions(&types, &asking);
    args.check_task(&asking.recipe)?;
    let recipe = asking.recipe;
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
    let guard = args.promise.guard(&way, &types.names(), temperature)?;
    let asked = Asked {
        documents: &args.documents,
        trained: asking.own.and_then(|own| own.longest_prompt()),
        sampling,
        samples,
        guard,
        model,
        recipe: &recipe,
        names: types.names(),
        types,
        stops,
        mode: args.reader.into(),
        form: args.form.into(),
        has_drafts: !args.no_drafts,
    };
    let is_of_entities = recipe.model.task.is_entities();
    match sentences {
        Sentences::One(sentence) if !is_of_entities => structures::run(args, asked, sentence),
        Sentences::One(sentence) => {
            let show = Show::chosen(args.raw, args.json);
            let one = One {
                asked,
                sentence,
                show,
            };
            dispatch(recipe.run.backend, one)
        }
        Sentences::Files(files) => {
            let options = files.options.clone();
            let question = || question::of_model(args, &asked, &options);
            let work = args.bulk.work(files, question)?;
            dispatch(recipe.run.backend, Many { asked, work })
        }
    }
}

impl ExtractArgs {
    /// A flag that would change nothing is a mistake.
    fn check(&self) -> Result<()> {
        let has_places = self.json || !self.asked.sentences.input.is_empty();
        if self.documents.offsets != Offsets::Characters && !has_places {
            return Err(usage(
                "--offsets needs --json or --input: lines have no places",
            ));
        }
        Ok(())
    }

    /// Relations and events are asked about a text at once, and have no confidence.
    fn check_task(&self, recipe: &Recipe) -> Result<()> {
        if !recipe.model.task.is_entities() {
            let flags = [self.documents.typed(), self.promise.typed()].concat();
            if let Some(flag) = flags.first() {
                return Err(usage(format!(
                    "{flag} is for entities; with --task {} it changes nothing",
                    recipe.model.task
                )));
            }
        }
        Ok(())
    }
}

/// A model and what it is asked for.
struct Asked<'a> {
    documents: &'a DocumentArgs,
    /// The longest prompt that the model was trained with, if it says so.
    trained: Option<usize>,
    model: ModelDir,
    recipe: &'a Recipe,
    names: Vec<String>,
    types: Descriptions,
    sampling: Sampling,
    stops: StopMatcher,
    mode: ReadMode,
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

impl FormArg {
    /// The word of a recipe.
    pub(crate) fn name(self) -> &'static str {
        Form::from(self).name()
    }
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
    fn load<B: TrainBackend>(&self, device: &Device<B>) -> rner::Result<Extractor<Inner<B>>> {
        let extractor = Extractor::<Inner<B>>::load(&self.model, self.recipe, device)?;
        let form = self.recipe.eval.reasoning.form(self.form);
        let decoding = Decoding::of(form, extractor.tokenizer())?;
        Ok(extractor
            .with_decoding(decoding.with_drafts(self.has_drafts))
            .with_sampling(self.sampling.clone())
            .describing(self.types.types.iter().cloned())
            .with_stops(self.stops.clone())
            .with_samples(self.samples)
            .stopped_by(interrupt::token().clone()))
    }

    fn reader<B: LmOps>(&self, extractor: &Extractor<B>) -> Result<Reader> {
        let (types, mode) = (self.names.clone(), self.mode);
        self.documents.reader(extractor, types, mode, self.trained)
    }

    /// A row as it is written: without what is not sure enough.
    fn shown(&self, mut found: Extraction) -> Extraction {
        self.guard.judge(&mut found);
        found.in_unit(self.documents.offsets)
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
        let mut extractor = self.asked.load::<B>(device)?;
        let reader = self.asked.reader(&extractor)?;
        let plan = reader.plan(&self.sentence)?;
        let n_questions = plan.windows.len() * reader.groups().len();
        if n_questions == 1 {
            return self.answer(&extractor, &reader, &plan);
        }
        if let Show::Everything = self.show {
            return Err(usage(format!(
                "--raw shows one answer, but the text takes {n_questions} questions; see --window and --group"
            )));
        }
        rner_cli::say!("note: the text takes {n_questions} questions");
        let found = reader.read(&mut extractor, &[&self.sentence]);
        let found = found.map_err(explained)?.pop().context("no answer")??;
        let reasoning = found.reasoning.clone();
        if let (Show::Reasoning, Some(reasoning)) = (self.show, &reasoning) {
            print!("{reasoning}");
        }
        self.print(found, reasoning.is_some())
    }
}

impl One<'_> {
    /// Asks one question and shows the answer while it is written.
    fn answer<B: LmOps>(
        &self,
        extractor: &Extractor<B>,
        reader: &Reader,
        plan: &Plan,
    ) -> Result<()> {
        let (types, mut live) = (&reader.groups()[0], Live::new(self.show));
        let answer = extractor.answer(types, &self.sentence, &mut |piece| live.add(piece));
        let has_shown = live.finish()?;
        let answer = answer.map_err(explained)?;
        let (is_cut_off, n_tokens) = (answer.is_cut_off, answer.tokens);
        let found = reader.extraction(&self.sentence, plan, [(0, 0, answer)]);
        self.print(found, has_shown)?;
        if is_cut_off {
            rner_cli::say!("note: cut off after {n_tokens} tokens");
        }
        Ok(())
    }

    fn print(&self, found: Extraction, after_reasoning: bool) -> Result<()> {
        match self.show {
            Show::Everything => println!(),
            Show::Nothing => {
                let found = self.asked.shown(found);
                println!("{}", serde_json::to_string_pretty(&found)?);
            }
            Show::Reasoning => print_entities(&self.asked.shown(found), after_reasoning),
        }
        self.asked.guard.conclude();
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
    let mut seen = HashSet::new();
    for line in lines {
        if seen.insert(line) {
            println!("{}: {}", line.0, line.1);
        }
    }
    if let Some(thought) = found.thought
        && thought.closed == Some(Closed::Forced)
    {
        rner_cli::say!(
            "note: the reasoning was closed after {} tokens",
            thought.tokens
        );
    }
    for problem in &found.problems {
        rner_cli::say!("note: {}", problem.message);
    }
    let n_cut = found.windows.iter().filter(|window| window.cut_off).count();
    if n_cut > 0 {
        rner_cli::say!("note: {n_cut} answers were cut off; --max-new-tokens makes room");
    }
}

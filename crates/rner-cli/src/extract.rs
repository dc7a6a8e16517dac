//! `rner extract`: the entities of a sentence, and its reasoning while it is written; or those of many, as JSON lines.

mod bulk;
mod live;
mod many;
mod question;
mod sampling;
mod servers;

use anyhow::Result;
use clap::{Args, ValueEnum};
use lm_generate::Sampling;
use lm_kernels::TrainBackend;
use lm_model::StopMatcher;
use ner_types::{Extraction, ReadMode, parse_with};
use rner::answerer::Answerer;
use rner::backend::{Device, Inner, Task, dispatch};
use rner::documents::Reader;
use rner::extract::{Answer, Extractor};
use rner::form::Form;
use rner::recipe::Recipe;
use rner::stages::ModelDir;
use rner_cli::args::{AnswerReader, asking};
use rner_cli::interrupt;
use rner_cli::progress::Terminal;

use self::bulk::BulkArgs;
use self::live::{Live, Show};
use self::many::{Finds, Many};
use self::sampling::{SamplingArgs, explained};
use self::servers::ServerArgs;
use crate::asked::AskedArgs;
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
}

/// Runs the command.
///
/// # Errors
/// Wrong usage, a model that cannot be loaded, rows that have no answer, a terminal that cannot be written to.
pub(crate) fn run(args: &ExtractArgs) -> Result<()> {
    let recipe = args.asked.recipe.resolve(args.sampling.sets())?;
    let (types, stops) = (args.asked.types()?, args.sampling.stops()?);
    args.sampling.note();
    args.bulk.are_meant()?;
    // Before the model is looked for: it may have to be downloaded.
    let sentences = args.asked.sentences.read()?;
    if args.servers.are_asked() {
        return by_servers(args, &recipe, types, sentences);
    }
    let model = ModelDir::find(&args.asked.model, &Terminal::session())?;
    let recipe = asking(&model, &recipe, args.asked.prompt.as_deref())?.recipe;
    let asked = Asked {
        sampling: args.sampling.under(&recipe),
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
        Sentences::Files(files) => {
            let options = files.options.clone();
            let question = || question::of_model(args, &asked, &options);
            let work = args.bulk.work(files, question)?;
            dispatch(recipe.run.backend, Many { asked, work })
        }
    }
}

/// The command with servers in the place of a model.
fn by_servers(
    args: &ExtractArgs,
    recipe: &Recipe,
    types: Vec<String>,
    sentences: Sentences,
) -> Result<()> {
    let structured = args.servers.structured(args.form)?;
    let template = ServerArgs::template(args.asked.prompt.as_deref())?;
    let model = args.asked.model.display().to_string();
    let sampling = args.sampling.of_server(recipe.run.seed);
    let mut answerer =
        args.servers
            .answerer(&model, template.clone(), structured, sampling.clone())?;
    let reader = Reader::new(types.clone(), args.reader.into());
    match sentences {
        Sentences::One(sentence) if args.raw => {
            let question = rner::answerer::Question {
                types: &types,
                text: &sentence,
            };
            for answer in answerer.answer_each(&[question])? {
                println!("{}", answer?.text);
            }
        }
        Sentences::One(sentence) => {
            for found in reader.read(&mut answerer, &[&sentence])? {
                print_whole(&found?, args.json)?;
            }
        }
        Sentences::Files(files) => {
            let options = files.options.clone();
            let asked = (model.as_str(), &template, &sampling, structured);
            let question = || question::of_servers(args, &types, asked, &options);
            let work = args.bulk.work(files, question)?;
            work.run(&mut Finds { answerer, reader })?;
        }
    }
    Ok(())
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
    fn load<B: TrainBackend>(&self, device: &Device<B>) -> rner::Result<Extractor<Inner<B>>> {
        Ok(
            Extractor::<Inner<B>>::load(&self.model, self.recipe, device)?
                .with_sampling(self.sampling.clone())
                .with_stops(self.stops.clone())
                .with_form(self.form)?
                .with_drafts(self.has_drafts)
                .stopped_by(interrupt::token().clone()),
        )
    }

    fn reader(&self) -> Reader {
        Reader::new(self.types.clone(), self.reader)
    }

    fn read(&self, sentence: &str, answer: &Answer) -> Extraction {
        let completion = parse_with(&answer.text, self.reader);
        Extraction::new(completion, &self.types, sentence, answer.is_cut_off)
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
        if answer.is_cut_off {
            rner_cli::say!("note: cut off after {} tokens", answer.tokens);
        }
        Ok(())
    }
}

/// Prints an answer that was not heard while it was written.
fn print_whole(found: &Extraction, as_json: bool) -> Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(found)?);
        return Ok(());
    }
    if let Some(reasoning) = &found.reasoning {
        print!("{reasoning}");
    }
    print_entities(found, found.reasoning.is_some());
    if found.cut_off {
        rner_cli::say!("note: the answer was cut off");
    }
    Ok(())
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

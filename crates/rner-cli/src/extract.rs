//! `rner extract`: one sentence, and the model's answer while it is written.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use lm_generate::Sampling;
use lm_kernels::TrainBackend;
use lm_model::StopMatcher;
use ner_types::{Completion, PromptTemplate, parse_with};
use rner::Error;
use rner::backend::{Device, Inner, Task, dispatch};
use rner::extract::{Answer, Extractor, entity_types};
use rner::recipe::Recipe;
use rner::stages::ModelDir;
use rner_cli::args::{AnswerReader, RecipeArgs, template};
use rner_cli::exit::usage;
use rner_cli::interrupt;
use rner_cli::progress::Terminal;

/// Flags of `rner extract`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExtractArgs {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Fine-tuned checkpoint.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Entity types, separated by commas.
    #[arg(long, value_name = "TYPES", value_delimiter = ',', required = true)]
    pub(crate) types: Vec<String>,
    /// Prompt template; the recipe's if left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt: Option<PathBuf>,
    /// Print JSON at the end instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
    /// How the answer is read: as the paper's code does, or with what a faulty answer says all the same.
    #[arg(long, value_enum, default_value = "reference", conflicts_with = "raw")]
    pub(crate) reader: AnswerReader,
    /// Print the answer as the model writes it, and do not read it.
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
    /// The sentence.
    pub(crate) sentence: String,
}

/// How the tokens of an answer are chosen. They act in the order of `transformers`: penalty, temperature, top-k, top-p,
/// min-p.
#[derive(Clone, Debug, Args)]
pub(crate) struct SamplingArgs {
    /// Divides the logits; 0 always takes the most probable token, whatever is cut off.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f64,
    /// Draw from the K most probable tokens.
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Draw from the most probable tokens that together have this probability.
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Draw from the tokens at least this times as probable as the most probable one.
    #[arg(long, value_name = "P")]
    min_p: Option<f64>,
    /// Above 1 against tokens that the prompt or the answer holds already.
    #[arg(long, value_name = "R")]
    repetition_penalty: Option<f64>,
    /// End the answer before this text; may be repeated.
    #[arg(long = "stop", value_name = "TEXT")]
    stops: Vec<String>,
    /// Most new tokens; eval.max_new_tokens of the recipe if left out.
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<usize>,
}

/// Runs the command.
///
/// # Errors
/// Wrong usage, a model that cannot be loaded, a terminal that cannot be written to.
pub(crate) fn run(args: &ExtractArgs) -> Result<()> {
    let recipe = args.recipe.resolve(Vec::new())?;
    let show = match (args.raw, args.json) {
        (true, _) => Show::Everything,
        (false, true) => Show::Nothing,
        (false, false) => Show::Reasoning,
    };
    let stops = StopMatcher::new(args.sampling.stops.iter().cloned());
    let job = ExtractJob {
        model: ModelDir::find(&args.model, &Terminal::session())?,
        recipe: &recipe,
        template: recipe
            .model
            .template(template(args.prompt.as_deref())?.as_ref())?,
        types: entity_types(&args.types)?,
        sentence: &args.sentence,
        sampling: args
            .sampling
            .with_recipe(recipe.eval.max_new_tokens, recipe.run.seed),
        stops: stops.map_err(|error| usage(format!("--stop: {error}")))?,
        show,
    };
    let (answer, has_shown) = dispatch(recipe.run.backend, job)?;
    let completion = parse_with(&answer.text, args.reader.into());
    match show {
        Show::Everything => println!(),
        Show::Nothing => println!("{}", serde_json::to_string_pretty(&completion)?),
        Show::Reasoning => print_entities(&completion, has_shown),
    }
    if answer.is_cut_off {
        rner_cli::say!("note: cut off after {} tokens", answer.tokens);
    }
    Ok(())
}

impl SamplingArgs {
    fn with_recipe(&self, max_new_tokens: usize, seed: u64) -> Sampling {
        Sampling {
            max_new_tokens: self.max_new_tokens.unwrap_or(max_new_tokens),
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed,
            ..Sampling::default()
        }
    }
}

/// Prints what was read; the reasoning, if there was any, has been printed.
fn print_entities(completion: &Completion, after_reasoning: bool) {
    if after_reasoning {
        println!("\n");
    }
    for entity in &completion.entities {
        println!("{}: {}", entity.label, entity.text);
    }
    for problem in &completion.problems {
        rner_cli::say!("note: {problem}");
    }
}

/// One sentence through a model.
struct ExtractJob<'a> {
    model: ModelDir,
    recipe: &'a Recipe,
    template: PromptTemplate,
    types: Vec<String>,
    sentence: &'a str,
    sampling: Sampling,
    stops: StopMatcher,
    show: Show,
}

impl Task for ExtractJob<'_> {
    /// What the model said, and whether a part of it was printed.
    type Output = (Answer, bool);
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<Self::Output> {
        let extractor = Extractor::<Inner<B>>::load(&self.model, self.recipe, device)?
            .with_template(self.template)
            .with_sampling(self.sampling)
            .with_stops(self.stops)
            .stopped_by(interrupt::token().clone());
        let mut live = Live::new(self.show);
        let answer = extractor.answer(&self.types, self.sentence, &mut |piece| live.add(piece));
        let has_shown = live.finish()?;
        Ok((answer.map_err(explained)?, has_shown))
    }
}

/// An error of the generator as the user meets it: a parameter is a flag.
fn explained(error: Error) -> anyhow::Error {
    if let Error::Generate(lm_generate::Error::InvalidSampling {
        parameter,
        found,
        expected,
        ..
    }) = &error
    {
        let flag = parameter.replace('_', "-");
        return usage(format!("--{flag}: expected {expected}, found {found}"));
    }
    error.into()
}

/// What is printed while the model writes.
#[derive(Clone, Copy)]
enum Show {
    /// The text.
    Everything,
    /// What stands between the tags of the reasoning.
    Reasoning,
    /// The answer is printed by somebody else, at the end.
    Nothing,
}

impl Show {
    /// The part of a text that can be printed; it only grows while the text does.
    fn of(self, text: &str) -> &str {
        match self {
            Self::Everything => text,
            Self::Reasoning => reasoning(text),
            Self::Nothing => "",
        }
    }
}

/// The first reasoning in a text that is still being written, without the space around it and without what may be the
/// beginning of its closing tag.
fn reasoning(text: &str) -> &str {
    const CLOSE: &str = "</think>";
    let Some((_, inner)) = text.split_once("<think>") else {
        return "";
    };
    if let Some((whole, _)) = inner.split_once(CLOSE) {
        return whole.trim();
    }
    let mut lengths = (1..CLOSE.len()).rev();
    let tag = lengths.find(|&length| inner.ends_with(&CLOSE[..length]));
    inner[..inner.len() - tag.unwrap_or(0)].trim()
}

/// Prints an answer while it grows.
struct Live {
    text: String,
    show: Show,
    /// Bytes of the visible text that are printed.
    shown: usize,
    failed: Option<std::io::Error>,
}

impl Live {
    fn new(show: Show) -> Self {
        Self {
            text: String::new(),
            show,
            shown: 0,
            failed: None,
        }
    }

    /// Adds to the text and prints what has become visible; an answer that cannot be printed need not go on.
    fn add(&mut self, piece: &str) -> ControlFlow<()> {
        self.text.push_str(piece);
        let visible = self.show.of(&self.text);
        let new = visible.get(self.shown..).unwrap_or_default();
        if !new.is_empty() {
            let mut out = std::io::stdout().lock();
            let written = out.write_all(new.as_bytes()).and_then(|()| out.flush());
            self.failed = written.err();
            self.shown = visible.len();
        }
        if self.failed.is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Whether a part of the answer was printed.
    fn finish(self) -> Result<bool> {
        match self.failed {
            Some(error) => Err(error).context("cannot write the answer"),
            None => Ok(self.shown > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use ner_types::parse;

    use super::*;

    #[test]
    fn reasoning_becomes_visible_as_it_is_written() {
        let text = "<think>\n a < b </thin\n c\n</think>\n{\"entities\": {}}";
        let mut shown = String::new();
        for end in 0..=text.len() {
            let visible = reasoning(&text[..end]);
            assert!(visible.starts_with(&shown), "{visible:?} after {shown:?}");
            assert!("a < b </thin\n c".starts_with(visible), "{visible:?}");
            shown = visible.to_owned();
        }
        assert_eq!(shown, "a < b </thin\n c");
        assert_eq!(reasoning("no tags"), "");
        assert_eq!(parse(text).reasoning.as_deref(), Some("a < b </thin\n c"));
    }
}

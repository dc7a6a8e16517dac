//! `rner-lab bench extract`: what drafts and forms do to the speed and the score of answers.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};
use lm_kernels::{LmOps, TrainBackend};
use lm_model::ChatTokenizer;
use ner_score::{Counts, count, total};
use ner_types::{Example, ReasoningForm, parse};
use rner::answerer::{Answer, Answerer, Question};
use rner::backend::{Device, Inner, Task, dispatch};
use rner::decoding::Decoding;
use rner::extract::Extractor;
use rner::form::Form;
use rner::recipe::{Backend, Recipe};
use rner::session::Session;
use rner::stages::ModelDir;
use rner::tiny::TinyCorpus;
use rner_cli::args::backends;
use rner_cli::interrupt;
use serde::Serialize;

use super::measure::{median, print};

/// What the numbers hold, for the report.
const TIMED: &str = "from prompts to answers: grammars, prefill, all tokens; greedy; without and with drafts in turn, in \
                     the other order every second time; drafts_speedup is the median of the repetitions' ratios";

/// Flags of `rner-lab bench extract`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchExtractArgs {
    /// A tuned model.
    #[arg(long, value_name = "DIR", default_value = "fixtures/tiny-ner")]
    model: PathBuf,
    /// Sentences of each evaluation domain of the toy world.
    #[arg(long, value_name = "N", default_value = "12")]
    sentences: NonZero<usize>,
    /// Sentences at once.
    #[arg(long, value_name = "B", default_value = "1")]
    batch: NonZero<usize>,
    /// The ways to answer that are measured; all if left out.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Way>,
    /// Seed of the sentences.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Timed repetitions, after one that is not timed.
    #[arg(long, value_name = "N", default_value = "5")]
    repetitions: NonZero<usize>,
    /// Burn backend.
    #[arg(long, value_parser = backends(), default_value = "flex")]
    backend: Backend,
    /// Print JSON instead of lines.
    #[arg(long)]
    json: bool,
}

/// A way to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Way {
    /// Reasoning and an answer, both as the model likes.
    Free,
    /// Reasoning, and an answer of the schema.
    Schema,
    /// Reasoning, and an answer of the schema with texts of the sentence.
    Grounded,
    /// An answer of the schema alone.
    Answers,
}

impl Way {
    fn decoding(self, tokenizer: &ChatTokenizer) -> rner::Result<Decoding> {
        let (form, reasoning) = match self {
            Self::Free => (Form::Free, ReasoningForm::Optional),
            Self::Schema => (Form::Schema, ReasoningForm::Optional),
            Self::Grounded => (Form::Grounded, ReasoningForm::Optional),
            Self::Answers => (Form::Schema, ReasoningForm::None),
        };
        Ok(Decoding::of(form, tokenizer)?.with_reasoning(reasoning))
    }
}

/// What the command prints.
#[derive(Debug, Serialize)]
struct Output {
    bench: &'static str,
    timed: &'static str,
    model: PathBuf,
    backend: Backend,
    sentences: usize,
    batch: usize,
    repetitions: usize,
    ways: Vec<Measured>,
}

/// What was measured of a way.
#[derive(Debug, Serialize)]
struct Measured {
    way: Way,
    /// Micro-F1 in percent.
    f1: f64,
    /// Whether every answer is the same with drafts, letter by letter.
    same_bytes: bool,
    tokens: usize,
    /// Tokens for each pass of the model, with drafts.
    tokens_per_pass: f64,
    plain_tokens_per_s: f64,
    drafts_tokens_per_s: f64,
    drafts_speedup: f64,
    drafts_speedup_least: f64,
    drafts_speedup_most: f64,
}

/// `rner-lab bench extract`.
pub(crate) fn run(args: &BenchExtractArgs) -> Result<()> {
    let output = dispatch(args.backend, ExtractTask(args))?;
    print(&output, args.json)
}

struct ExtractTask<'a>(&'a BenchExtractArgs);

impl Task for ExtractTask<'_> {
    type Output = Output;
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<Output> {
        let Self(args) = self;
        let corpus = TinyCorpus::generate(args.seed, 0, 0, args.sentences.get());
        let examples: Vec<Example> = corpus.0.eval.into_iter().flat_map(|(_, it)| it).collect();
        let dir = ModelDir::find(&args.model, &Session::silent())?;
        let recipe = Recipe::resolve("tiny", &[format!("eval.batch={}", args.batch)])?;
        let load = || Extractor::<Inner<B>>::load(&dir, &recipe, device);
        let ways = Way::value_variants().iter();
        let wanted = ways.filter(|way| args.only.is_empty() || args.only.contains(way));
        let measured = wanted.map(|way| {
            let pair = || {
                // Made anew for each repetition: drafts learn from the answers that were given before.
                let decoding = way.decoding(load()?.tokenizer())?;
                let with = |drafts| -> Result<_> {
                    let decoding = decoding.clone().with_drafts(drafts);
                    let extractor = load()?.stopped_by(interrupt::token().clone());
                    Ok(extractor.with_decoding(decoding))
                };
                let (plain, drafts) = (with(false)?, with(true)?);
                let examples = &examples;
                Ok(Pair {
                    plain,
                    drafts,
                    examples,
                })
            };
            measure(pair, *way, &examples, args.repetitions.get())
        });
        Ok(Output {
            bench: "extract",
            timed: TIMED,
            model: args.model.clone(),
            backend: args.backend,
            sentences: examples.len(),
            batch: args.batch.get(),
            repetitions: args.repetitions.get(),
            ways: measured.collect::<Result<_>>()?,
        })
    }
}

/// A model that answers without drafts and with them.
struct Pair<'a, B: LmOps> {
    plain: Extractor<B>,
    drafts: Extractor<B>,
    examples: &'a [Example],
}

/// What one repetition gave: answers and times, without drafts and with them.
struct Repetition {
    answers: [Vec<Answer>; 2],
    times: [Duration; 2],
}

fn measure<'a, B: LmOps>(
    pair: impl Fn() -> Result<Pair<'a, B>>,
    way: Way,
    examples: &[Example],
    repetitions: usize,
) -> Result<Measured> {
    // One repetition more than is timed, the first.
    let all = (0..=repetitions).map(|number| pair()?.repeat(number % 2 == 1));
    let all: Vec<Repetition> = all.collect::<Result<_>>()?;
    let (first, timed) = (&all[0], &all[1..]);
    let [plain, drafts] = &first.answers;
    let texts = |answers: &[Answer]| answers.iter().map(|it| it.text.clone()).collect::<Vec<_>>();
    let tokens: usize = plain.iter().map(|it| it.tokens).sum();
    let passes: usize = drafts.iter().map(|it| it.steps).sum();
    let seconds = |which: usize| {
        median(
            timed
                .iter()
                .map(|it| it.times[which].as_secs_f64())
                .collect(),
        )
    };
    let ratios = || {
        timed
            .iter()
            .map(|it| it.times[0].as_secs_f64() / it.times[1].as_secs_f64())
    };
    Ok(Measured {
        way,
        f1: f1(examples, plain),
        same_bytes: texts(plain) == texts(drafts),
        tokens,
        tokens_per_pass: tokens as f64 / passes as f64,
        plain_tokens_per_s: tokens as f64 / seconds(0),
        drafts_tokens_per_s: tokens as f64 / seconds(1),
        drafts_speedup: median(ratios().collect()),
        drafts_speedup_least: ratios().fold(f64::INFINITY, f64::min),
        drafts_speedup_most: ratios().fold(0.0, f64::max),
    })
}

impl<B: LmOps> Pair<'_, B> {
    /// Answers all sentences in both ways, batch by batch.
    fn repeat(&mut self, drafts_first: bool) -> Result<Repetition> {
        let (mut answers, mut times) = ([Vec::new(), Vec::new()], [Duration::ZERO; 2]);
        for batch in self.examples.chunks(self.plain.at_once()) {
            let order = if drafts_first { [1, 0] } else { [0, 1] };
            for which in order {
                let extractor = if which == 0 {
                    &mut self.plain
                } else {
                    &mut self.drafts
                };
                let begun = Instant::now();
                answers[which].extend(answer(extractor, batch)?);
                times[which] += begun.elapsed();
            }
        }
        Ok(Repetition { answers, times })
    }
}

/// Micro-F1 in percent.
fn f1(examples: &[Example], answers: &[Answer]) -> f64 {
    let pairs = examples.iter().zip(answers);
    let counts = pairs.map(|(example, answer)| {
        count(
            &example.normalized().entities,
            &parse(&answer.text).entities,
        )
    });
    total(&counts.collect::<Vec<Counts>>()).f1_percent()
}

fn answer(extractor: &mut impl Answerer, batch: &[Example]) -> Result<Vec<Answer>> {
    let batch: Vec<Example> = batch.iter().map(Example::normalized).collect();
    let questions = batch.iter().map(|example| Question {
        types: &example.schema,
        text: &example.sentence,
    });
    let questions: Vec<Question<'_>> = questions.collect();
    let answers = extractor.answer_each(&questions)?;
    Ok(answers.into_iter().collect::<rner::Result<_>>()?)
}

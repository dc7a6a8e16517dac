//! `rner-lab bench drafts`: what drafts and masks cost and save on given answers, in a model of any shape.
//!
//! The weights are random and every token is dictated, so no checkpoint is needed to know what the drafts of this
//! program are worth at the size of a real model, on real text with its real tokenizer.

use std::collections::HashSet;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use lm_generate::{Generator, NewToken, Observer, Request, Sampling, TokenMask};
use lm_kernels::{LmOps, TrainBackend};
use lm_model::{ChatTokenizer, Qwen3};
use ner_types::{Example, PromptTemplate, render_completion};
use rner::backend::{Device, Inner, Task, dispatch};
use rner::decoding::{Decoding, Wanted};
use rner::form::Form;
use rner::inputs::{self, Reading};
use rner::tiny::TinyCorpus;
use rner_cli::interrupt;
use serde::Serialize;

use super::measure::{median, print};
use super::shape::ShapeArgs;

/// What the numbers hold, for the report.
const TIMED: &str = "prefill and all tokens of one row after the other, each token dictated; without and with drafts in \
                     turn, in the other order every second row; ratios are medians over the rows";

/// Flags of `rner-lab bench drafts`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchDraftsArgs {
    #[command(flatten)]
    shape: ShapeArgs,
    /// Folder or file of the tokenizer; its vocabulary is the model's.
    #[arg(long, value_name = "DIR", default_value = "fixtures/tiny-ner")]
    tokenizer: PathBuf,
    /// Rows with their entities, of any format that is read; sentences of the toy world if left out.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Rows that are written.
    #[arg(long, value_name = "N", default_value = "24")]
    rows: NonZero<usize>,
    /// Write the reasoning of the rows too.
    #[arg(long)]
    reasoning: bool,
    /// Print JSON instead of lines.
    #[arg(long)]
    json: bool,
}

/// What the command prints.
#[derive(Debug, Serialize)]
struct Output {
    bench: &'static str,
    timed: &'static str,
    #[serde(flatten)]
    shape: ShapeArgs,
    rows: usize,
    reasoning: bool,
    prompt_tokens: usize,
    tokens: usize,
    tokens_per_pass: f64,
    plain_tokens_per_s: f64,
    drafts_tokens_per_s: f64,
    drafts_speedup: f64,
    drafts_speedup_least: f64,
    drafts_speedup_most: f64,
    mask: MaskCost,
}

/// What a grammar costs at each token of the rows, in microseconds.
#[derive(Debug, Serialize)]
struct MaskCost {
    grammar_ms_p50: f64,
    mask_us_p50: f64,
    mask_us_p99: f64,
    /// Of looking whether one token is allowed, which is what the most probable token needs.
    check_us_p50: f64,
    check_us_p99: f64,
}

/// `rner-lab bench drafts`.
pub(crate) fn run(args: &BenchDraftsArgs) -> Result<()> {
    let output = dispatch(args.shape.backend, DraftsTask(args))?;
    print(&output, args.json)
}

struct DraftsTask<'a>(&'a BenchDraftsArgs);

impl Task for DraftsTask<'_> {
    type Output = Output;
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<Output> {
        let Self(args) = self;
        let tokenizer = ChatTokenizer::load(&args.tokenizer)?;
        let rows = args.rows(&tokenizer)?;
        let longest = rows
            .iter()
            .map(|row| row.prompt.len() + row.text.len())
            .max();
        let shape = ShapeArgs {
            vocab: tokenizer.vocab_size(),
            ..args.shape.clone()
        };
        let config = shape.config(longest.unwrap_or_default())?;
        let model = shape.model::<Inner<B>>(&config, device);
        let decoding = Decoding::of(Form::Schema, &tokenizer)?;
        let timed = time(&model, &decoding, &rows)?;
        // One of its own, which has not made the grammars yet.
        let decoding = Decoding::of(Form::Schema, &tokenizer)?;
        Ok(args.output(shape, &rows, &timed, mask_cost(&decoding, &rows)?))
    }
}

/// What is asked, and what is written.
struct Row {
    example: Example,
    prompt: Vec<u32>,
    text: Vec<u32>,
}

impl BenchDraftsArgs {
    fn rows(&self, tokenizer: &ChatTokenizer) -> Result<Vec<Row>> {
        let examples = match &self.data {
            Some(path) => inputs::read(path, &Reading::default())?.examples,
            None => {
                TinyCorpus::generate(self.shape.seed, self.rows.get(), 0, 0)
                    .0
                    .train
            }
        };
        let template = PromptTemplate::paper();
        let row = |example: Example| {
            let example = example.normalized();
            let cot = example.cot.as_deref().filter(|_| self.reasoning);
            let text = render_completion(cot, &example.entities);
            let mut text = tokenizer.encode_text(&text)?;
            text.extend(tokenizer.stop_ids().first());
            let message = template.render(&example.schema, &example.sentence);
            let prompt = tokenizer.prompt_ids(&message);
            Ok(Row {
                example,
                prompt,
                text,
            })
        };
        let examples = examples.into_iter().filter(|one| !one.entities.is_empty());
        examples.take(self.rows.get()).map(row).collect()
    }

    fn output(&self, shape: ShapeArgs, rows: &[Row], timed: &[Timed], mask: MaskCost) -> Output {
        let tokens: usize = rows.iter().map(|row| row.text.len()).sum();
        let passes: usize = timed.iter().map(|it| it.passes).sum();
        let seconds =
            |which: usize| -> f64 { timed.iter().map(|it| it.times[which].as_secs_f64()).sum() };
        let ratios = || {
            timed
                .iter()
                .map(|it| it.times[0].as_secs_f64() / it.times[1].as_secs_f64())
        };
        Output {
            bench: "drafts",
            timed: TIMED,
            shape,
            rows: rows.len(),
            reasoning: self.reasoning,
            prompt_tokens: rows.iter().map(|row| row.prompt.len()).sum(),
            tokens,
            tokens_per_pass: tokens as f64 / passes as f64,
            plain_tokens_per_s: tokens as f64 / seconds(0),
            drafts_tokens_per_s: tokens as f64 / seconds(1),
            drafts_speedup: median(ratios().collect()),
            drafts_speedup_least: ratios().fold(f64::INFINITY, f64::min),
            drafts_speedup_most: ratios().fold(0.0, f64::max),
            mask,
        }
    }
}

/// How long a row took without drafts and with them, and in how many passes with them.
struct Timed {
    times: [Duration; 2],
    passes: usize,
}

fn time<B: LmOps>(model: &Qwen3<B>, decoding: &Decoding, rows: &[Row]) -> Result<Vec<Timed>> {
    let mut generator = Generator::new(model, 1);
    let plain = decoding.clone().with_drafts(false);
    let ways = [&plain, decoding];
    // The first row is written once without being timed, so that nothing is made for the first time afterwards.
    if let Some(row) = rows.first() {
        write(&mut generator, &plain, row)?;
    }
    let mut all = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        let (mut times, mut passes) = ([Duration::ZERO; 2], 0);
        let order = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in order {
            let begun = Instant::now();
            let steps = write(&mut generator, ways[which], row)?;
            times[which] = begun.elapsed();
            passes = if which == 1 { steps } else { passes };
        }
        all.push(Timed { times, passes });
    }
    Ok(all)
}

/// Writes a row, and says in how many passes.
fn write<B: LmOps>(generator: &mut Generator<B>, decoding: &Decoding, row: &Row) -> Result<usize> {
    let sampling = Sampling {
        max_new_tokens: row.text.len(),
        stop: row.text.last().copied().into_iter().collect(),
        ..Sampling::greedy()
    };
    let wanted = Wanted {
        request: Request {
            prompt: row.prompt.clone(),
            n: 1,
            sampling,
        },
        grammar: decoding.grammar(&row.example.schema, &row.example.sentence)?,
    };
    let dictate = Dictate {
        text: &row.text,
        at: 0,
    };
    let written = decoding.write(generator, vec![wanted], interrupt::token(), dictate)?;
    if interrupt::requested() {
        return Err(rner::Error::Interrupted.into());
    }
    Ok(written?.iter().map(|one| one.steps).sum())
}

/// Allows the tokens of a text alone, one after the other.
struct Dictate<'a> {
    text: &'a [u32],
    at: usize,
}

impl Observer for Dictate<'_> {
    fn on_token(&mut self, _token: NewToken) -> ControlFlow<()> {
        self.at += 1;
        ControlFlow::Continue(())
    }

    fn allowed(&mut self, _request: usize, _sample: usize) -> Option<TokenMask> {
        Some(TokenMask::of(self.text.get(self.at).copied()))
    }
}

/// Goes through the rows under their grammars without a model.
fn mask_cost(decoding: &Decoding, rows: &[Row]) -> Result<MaskCost> {
    let (mut made, mut masks, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for row in rows {
        let (grammar, time) =
            timed(|| decoding.grammar(&row.example.schema, &row.example.sentence));
        // Those of schemas that came before are not made again.
        if seen.insert(&row.example.schema) {
            made.push(time / 1e3);
        }
        let Some(mut state) = grammar?.map(|grammar| grammar.start()) else {
            continue;
        };
        for id in &row.text {
            checks.push(timed(|| state.permits(*id)).1);
            let (mask, time) = timed(|| state.allowed());
            mask?;
            masks.push(time);
            state.accept(*id)?;
        }
    }
    Ok(MaskCost {
        grammar_ms_p50: percentile(&mut made, 0.5),
        mask_us_p50: percentile(&mut masks, 0.5),
        mask_us_p99: percentile(&mut masks, 0.99),
        check_us_p50: percentile(&mut checks, 0.5),
        check_us_p99: percentile(&mut checks, 0.99),
    })
}

/// A result and how many microseconds it took.
fn timed<T>(make: impl FnOnce() -> T) -> (T, f64) {
    let begun = Instant::now();
    let made = make();
    (made, begun.elapsed().as_secs_f64() * 1e6)
}

/// By nearest rank; 0 of nothing.
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

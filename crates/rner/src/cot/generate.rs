//! `rner cot generate`.

use std::path::Path;

use anyhow::{Context, Result};
use ner_cot::batch::export_batch;
use ner_cot::bill::{Bill, Prices};
use ner_cot::estimate::{Estimate, Interval, estimate};
use ner_cot::{Funnel, Journal, Observer, Pipeline, Selection, StopCause};
use tokio::runtime::Runtime;

use super::args::GenerateArgs;
use super::card;
use super::job::{Job, source};
use super::servers::{Servers, gold, journal};
use crate::commands::{resolve, teacher_sets};
use crate::interrupt::{self, Interrupted};
use crate::progress::Progress;
use crate::report;

/// Runs the command.
pub(super) fn generate(args: &GenerateArgs) -> Result<()> {
    let recipe = resolve(&args.recipe, teacher_sets(&args.teacher))?;
    let job = Job::new(args, recipe.cot.clone(), recipe.run.seed)?;
    if args.dry_run {
        return dry_run(&job, args);
    }
    let selection = job.selection()?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot create {}", args.out.display()))?;
    if let Some(batch) = &args.batch {
        return write_batch(&job, &selection, args, batch);
    }
    let runtime = Runtime::new().context("starting the network runtime")?;
    let known = || {
        let rows: Result<Vec<_>, _> =
            ner_cot::Source::rows(&source(&job.data)?)?.collect::<Result<Vec<_>, _>>();
        Ok(gold(&rows?))
    };
    let servers = Servers::start(&job.cot, job.seed, &args.flow, &args.money, known, &runtime)?;
    match args.sample {
        Some(rows) => sample(&job, args, servers, rows, &runtime),
        None => whole(&job, args, servers, &selection, &runtime),
    }
}

/// All rows, to the end.
fn whole(
    job: &Job,
    args: &GenerateArgs,
    servers: Servers,
    selection: &Selection<'_>,
    runtime: &Runtime,
) -> Result<()> {
    let Servers {
        teacher,
        judge,
        mut options,
        ..
    } = servers;
    options.target = args.target;
    options.allow_change = args.allow_change;
    let pipeline = Pipeline::new(teacher, judge, job.pipeline_config()?)?;
    // Only a folder that is this job's own gets its description.
    let journal = pipeline.open(&args.out, &options)?;
    job.write(&args.out)?;
    let mut line = Line::new(args.target.unwrap_or(selection.rows()));
    line.is_target = args.target.is_some();
    let (out, formats, stop) = (&args.out, &args.format, interrupt::token());
    let run = pipeline.generate(selection, journal, out, formats, &options, stop, &mut line);
    let generated = runtime.block_on(run)?;
    drop(line);
    let funnel = &generated.funnel;
    let bill = Bill::of(&Journal::open_to_read(&args.out)?, &args.money.prices())?;
    card::write(
        job,
        pipeline.plan(),
        funnel,
        &bill,
        &generated.files,
        &args.out,
    )?;
    eprintln!("{}", report::funnel_text(funnel));
    eprintln!("{}", bill_text(&bill, &args.money.prices()));
    match &generated.stopped {
        Some(StopCause::Asked) => return Err(Interrupted.into()),
        Some(StopCause::Budget(why)) => {
            eprintln!("stopped: {why}; the same command with a larger budget goes on from here");
        }
        None => {}
    }
    if let Some(short) = args.target.filter(|target| funnel.accepted < *target) {
        eprintln!(
            "the source has no more rows: {} of {short} are accepted",
            funnel.accepted
        );
    }
    generated
        .files
        .iter()
        .for_each(|file| println!("{}", file.display()));
    match generated.stopped {
        None => all_are_done(funnel),
        Some(_) => Ok(()),
    }
}

/// An error if a failing server left rows open: a script must not take the rest for the whole.
fn all_are_done(funnel: &Funnel) -> Result<()> {
    anyhow::ensure!(
        funnel.unfinished == 0,
        "{} rows have no answer, because the server failed again and again; the same command goes on with them",
        funnel.unfinished
    );
    Ok(())
}

/// Some rows, and what the rest would cost.
fn sample(
    job: &Job,
    args: &GenerateArgs,
    servers: Servers,
    rows: usize,
    runtime: &Runtime,
) -> Result<()> {
    let Servers {
        teacher,
        judge,
        mut options,
        ..
    } = servers;
    options.allow_change = args.allow_change;
    let pipeline = Pipeline::new(teacher, judge, job.pipeline_config()?)?;
    let journal = pipeline.open(&args.out, &options)?;
    job.write(&args.out)?;
    let selection = job.sample(rows)?;
    let mut line = Line::new(selection.rows());
    let stop = interrupt::token();
    let run = pipeline.send(&selection, journal, &options, stop, &mut line);
    let (journal, sent) = runtime.block_on(run)?;
    drop(line);
    if sent.stopped == Some(StopCause::Asked) {
        return Err(Interrupted.into());
    }
    let prices = args.money.prices();
    let funnel = ner_cot::replay::replay(pipeline.plan(), &selection, &journal, None, &mut ())?;
    println!("{}", report::funnel_text(&funnel));
    let whole = job.selection()?;
    let estimate = estimate(pipeline.plan(), &whole, Some(&journal), &prices)?;
    println!("{}", estimate_text(&estimate));
    Ok(())
}

fn dry_run(job: &Job, args: &GenerateArgs) -> Result<()> {
    let selection = job.selection()?;
    let journal = match args.out.join("journal.jsonl").exists() {
        true => Some(Journal::open_to_read(&args.out)?),
        false => None,
    };
    let prices = args.money.prices();
    let estimate = estimate(&job.plan()?, &selection, journal.as_ref(), &prices)?;
    println!("{}", estimate_text(&estimate));
    println!("nothing was sent");
    Ok(())
}

fn write_batch(job: &Job, selection: &Selection<'_>, args: &GenerateArgs, to: &Path) -> Result<()> {
    let plan = job.plan()?;
    let journal = plan.open_journal(&args.out, &journal(&args.flow), args.allow_change)?;
    job.write(&args.out)?;
    let export = export_batch(&plan, selection, &journal, to, Default::default())?;
    eprintln!("{}", report::funnel_text(&export.funnel));
    match export.requests {
        0 => eprintln!("nothing waits: `rner cot export {}`", args.out.display()),
        n => eprintln!(
            "{n} requests; have the files answered, `rner cot import {} RESULTS…`, and run this again",
            args.out.display()
        ),
    }
    export
        .files
        .iter()
        .for_each(|file| println!("{}", file.display()));
    Ok(())
}

/// The line that is redrawn while a run goes on.
struct Line {
    progress: Progress,
    begun: std::time::Instant,
    /// Whether the line counts accepted rows up to a target, and not rows that are done.
    is_target: bool,
}

impl Line {
    fn new(rows: usize) -> Self {
        Self {
            progress: Progress::start("cot", rows, "sentences"),
            begun: std::time::Instant::now(),
            is_target: false,
        }
    }
}

impl Observer for Line {
    fn on_progress(&mut self, p: &ner_cot::Progress) {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-3);
        let mut words = format!(
            "{} accepted, {} rejected, {} in flight, {:.0} tokens/s",
            p.accepted,
            p.rejected,
            p.in_flight,
            p.completion_tokens as f64 / seconds
        );
        if p.dollars > 0.0 {
            words.push_str(&format!(", ${:.2}", p.dollars));
        }
        self.progress
            .tick(if self.is_target { p.accepted } else { p.done }, &words);
    }
}

/// Runs the pipeline for a stage that has its rows in memory.
pub(crate) fn run_in_memory(
    pipeline: &Pipeline,
    rows: &[ner_types::Example],
    out: &Path,
    runtime: &Runtime,
) -> Result<Funnel> {
    let selection = Selection::new(rows, Default::default())?;
    let mut line = Line::new(rows.len());
    let options = ner_cot::RunOptions::default();
    let formats = [ner_cot::export::Format::Jsonl];
    let journal = pipeline.open(out, &options)?;
    let stop = interrupt::token();
    let run = pipeline.generate(
        &selection, journal, out, &formats, &options, stop, &mut line,
    );
    let generated = runtime.block_on(run)?;
    if generated.stopped.is_some() {
        return Err(Interrupted.into());
    }
    let funnel = generated.funnel;
    all_are_done(&funnel)?;
    line.progress.finish(&format!(
        "{} of {} sentences accepted",
        funnel.accepted, funnel.rows
    ));
    Ok(funnel)
}

/// Tokens and dollars by model.
pub(super) fn bill_text(bill: &Bill, prices: &Prices) -> String {
    let mut text = String::new();
    for ((part, model), billed) in &bill.0 {
        let part = format!("{part:?}").to_lowercase();
        text.push_str(&format!(
            "{part} {model}: {} answers, {} + {} tokens",
            billed.answers, billed.usage.prompt_tokens, billed.usage.completion_tokens
        ));
        if billed.unreadable > 0 {
            text.push_str(&format!(", {} unreadable", billed.unreadable));
        }
        if prices.is_known() {
            text.push_str(&format!(", ${:.2}", billed.dollars));
        }
        text.push('\n');
    }
    text.trim_end().into()
}

/// What is known before a run.
fn estimate_text(estimate: &Estimate) -> String {
    let basis = match (estimate.sample, estimate.acceptance) {
        (0, _) => {
            "assumed lengths of answers (600 to 3,000 tokens); --sample N would measure them".into()
        }
        (n, Some(share)) => format!(
            "{n} rows that are done, {:.1} % of them accepted",
            100.0 * share
        ),
        (n, None) => format!("{n} rows that are done"),
    };
    let range = |i: &Interval, digits: usize| {
        format!(
            "{:.digits$} ({:.digits$} to {:.digits$})",
            i.mean, i.low, i.high
        )
    };
    let mut text = format!(
        "{} rows, {} done, {} to ask about; from {basis}, 95 %:\n  requests {}\n  tokens   {}",
        estimate.rows,
        estimate.settled,
        estimate.open,
        range(&estimate.requests, 0),
        range(&estimate.tokens, 0),
    );
    match &estimate.dollars {
        Some(dollars) => text.push_str(&format!("\n  dollars  {}", range(dollars, 2))),
        None => text.push_str("\n  dollars  unknown; give --price IN/OUT"),
    }
    text
}

//! `rner cot generate`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ner_cot::batch::{BatchLimits, export_batch};
use ner_cot::bill::Bill;
use ner_cot::estimate::estimate;
use ner_cot::replay::replay;
use ner_cot::{Journal, Pipeline, RunOptions, Selection, Source, StopCause};
use rner::cot::{
    Annotation, Flow, Job, MadeFrom, Money, Servers, all_are_done, bill_text, estimate_text,
    journal_options, keep_money, write_card,
};
use rner::{Error, report};
use rner_cli::progress::Terminal;
use tokio::runtime::Runtime;

use super::args::GenerateArgs;

/// Runs the command.
pub(super) fn generate(args: &GenerateArgs) -> Result<()> {
    let mut recipe = {
        let (teacher, sets) = (&args.teacher, args.teacher.sets());
        args.recipe.resolve_with(teacher.teacher.as_deref(), sets)?
    };
    args.apply(&mut recipe.cot);
    let before = Job::find(&args.out)?;
    if let Some(before) = &before {
        let said = keep_money(&mut recipe.cot, &before.cot, args.money.sets_budget());
        said.iter().for_each(|line| rner_cli::say!("{line}"));
    }
    recipe.check().map_err(Error::from)?;
    let job = Job::new(&args.data, recipe.cot, recipe.run.seed)?;
    let job = described(args, job, before.as_ref())?;
    if args.dry_run {
        return dry_run(&job, args);
    }
    let selection = job.selection()?;
    Job::check_free(&args.out)?;
    let made_from = MadeFrom::of(&job)?;
    let _keep = made_from.guard(&args.out, args.force.force)?;
    atomic_files::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot create {}", args.out.display()))?;
    if let Some(batch) = &args.batch {
        return write_batch(&job, &selection, args, batch);
    }
    let runtime = Runtime::new().context("starting the network runtime")?;
    let known = || {
        let rows: std::result::Result<Vec<_>, _> = job.source()?.rows()?.collect();
        Ok(rows?)
    };
    let servers = Servers::start(&job.cot, job.seed, known, &runtime)?;
    match args.sample {
        Some(rows) => sample(&job, args, servers, rows, &runtime),
        None => whole(&job, args, servers, &selection, &runtime),
    }
}

/// Says in the folder what is made there.
fn claim(job: &Job, out: &Path) -> Result<()> {
    job.write(out)?;
    Ok(MadeFrom::of(job)?.write(out)?)
}

/// The job with everything that the flags say of it.
fn described(args: &GenerateArgs, mut job: Job, before: Option<&Job>) -> Result<Job> {
    job.reading = args.input.reading()?;
    rner_cli::say!("{}", job.choose_types(&args.types.wanted()?, &args.out)?);
    job.limit = args.rows.limit;
    job.exclude(&args.rows.exclude)?;
    if let Some(shard) = args.rows.shard {
        job.take_shard(shard);
    }
    job.describe(args.license.as_deref(), &args.language);
    if let Some(before) = before {
        job.described_as(before);
    }
    job.decide(&args.rules.decisions());
    Ok(job)
}

/// All rows, to the end.
fn whole(
    job: &Job,
    args: &GenerateArgs,
    servers: Servers,
    selection: &Selection<'_>,
    runtime: &Runtime,
) -> Result<()> {
    // What is left of `servers` is the simulated one, which serves until the end.
    let Servers {
        teacher,
        judge,
        options,
        ..
    } = servers;
    let options = RunOptions {
        target: job.target,
        allow_change: job.cot.allow_change,
        ..options
    };
    let pipeline = Pipeline::new(teacher, judge, job.pipeline_config()?)?;
    // Only a folder that is this job's own gets its description.
    let journal = pipeline.open(&args.out, &options)?;
    // The journal is locked: only what dead processes left lies there.
    atomic_files::clear_below(&args.out);
    claim(job, &args.out)?;
    let annotation = Annotation {
        pipeline: &pipeline,
        options: &options,
        session: &Terminal::session(),
        runtime,
    };
    let generated = annotation.generate(selection, journal, &args.out, &args.format)?;
    let funnel = &generated.funnel;
    let bill = Bill::of(
        &Journal::open_to_read(&args.out)?,
        &Money::from(&job.cot).prices,
    )?;
    write_card(
        job,
        pipeline.plan(),
        funnel,
        &bill,
        &generated.files,
        &args.out,
    )?;
    rner_cli::say!("{}", report::funnel_text(funnel));
    rner_cli::say!("{}", bill_text(&bill, &Money::from(&job.cot).prices));
    match &generated.stopped {
        Some(StopCause::Asked) => return Err(Error::Interrupted.into()),
        Some(StopCause::Budget(why)) => {
            // What is there is a dataset, but not the one that was asked for.
            print_files(&generated.files);
            bail!("stopped: {why}; the same command with a larger budget goes on from here");
        }
        None => {}
    }
    if let Some(short) = job.target.filter(|target| funnel.accepted < *target) {
        rner_cli::say!(
            "the source has no more rows: {} of {short} are accepted",
            funnel.accepted
        );
    }
    print_files(&generated.files);
    Ok(all_are_done(funnel)?)
}

fn print_files(files: &[PathBuf]) {
    files.iter().for_each(|file| println!("{}", file.display()));
}

/// Some rows, and what the rest would cost.
fn sample(
    job: &Job,
    args: &GenerateArgs,
    servers: Servers,
    rows: usize,
    runtime: &Runtime,
) -> Result<()> {
    // What is left of `servers` is the simulated one, which serves until the end.
    let Servers {
        teacher,
        judge,
        options,
        ..
    } = servers;
    let options = RunOptions {
        target: None,
        allow_change: job.cot.allow_change,
        ..options
    };
    let pipeline = Pipeline::new(teacher, judge, job.pipeline_config()?)?;
    let journal = pipeline.open(&args.out, &options)?;
    claim(job, &args.out)?;
    let selection = job.sample(rows)?;
    let annotation = Annotation {
        pipeline: &pipeline,
        options: &options,
        session: &Terminal::session(),
        runtime,
    };
    let (journal, sent) = annotation.send(&selection, journal)?;
    if sent.stopped == Some(StopCause::Asked) {
        return Err(Error::Interrupted.into());
    }
    let prices = Money::from(&job.cot).prices;
    let funnel = replay(pipeline.plan(), &selection, &journal, None, &mut ())?;
    println!("{}", report::funnel_text(&funnel));
    let whole = job.selection()?;
    let estimate = estimate(pipeline.plan(), &whole, Some(&journal), &prices, job.target)?;
    println!("{}", estimate_text(&estimate));
    Ok(())
}

fn dry_run(job: &Job, args: &GenerateArgs) -> Result<()> {
    let selection = job.selection()?;
    let journal = if args.out.join("journal.jsonl").exists() {
        Some(Journal::open_to_read(&args.out)?)
    } else {
        None
    };
    let prices = Money::from(&job.cot).prices;
    let plan = job.plan()?;
    let estimate = estimate(&plan, &selection, journal.as_ref(), &prices, job.target)?;
    println!("{}", estimate_text(&estimate));
    println!("nothing was sent");
    Ok(())
}

fn write_batch(job: &Job, selection: &Selection<'_>, args: &GenerateArgs, to: &Path) -> Result<()> {
    let _lock = atomic_files::Lock::folder(to)?;
    // The requests of an earlier round are removed, those of another job must not be.
    let made_from = MadeFrom::of(job)?;
    args.force.claim(to, || made_from.claim(to))?;
    let plan = job.plan()?;
    let options = journal_options(&Flow::from(&job.cot));
    let journal = plan.open_journal(&args.out, &options, job.cot.allow_change)?;
    claim(job, &args.out)?;
    let limits = BatchLimits {
        retry_failed: job.cot.retry_failed,
        ..BatchLimits::default()
    };
    let export = export_batch(&plan, selection, &journal, to, limits)?;
    rner_cli::say!("{}", report::funnel_text(&export.funnel));
    match export.requests {
        0 => rner_cli::say!("nothing waits: `rner cot export {}`", args.out.display()),
        n => rner_cli::say!(
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

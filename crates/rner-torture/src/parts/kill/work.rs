//! The workloads: what commands of `rner` do to a folder, through the library.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use atomic_files::{AtomicDir, AtomicFile, Lock};
use ner_cot::bill::Bill;
use ner_cot::export::Format as CotFormat;
use ner_cot::{Journal, Pipeline};
use ner_datasets::{Format, Policy, open, write_rows};
use rner::cot::{Annotation, Job, Money, Servers, write_card};
use rner::recipe::Recipe;
use rner::run_dir::{RunDir, Stage};
use rner::session::Session;
use rner::stages::{EvalJob, GrpoJob, MODEL, SftJob};

use super::world::World;

/// What is done to a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// `rner sft`, all weights: checkpoints, of which old ones are removed, evaluations, the best model at the end.
    Sft,
    /// `rner sft` of an adapter.
    Adapter,
    /// `rner grpo`: checkpoints, the best model beside the last, tables of completions.
    Grpo,
    /// `rner cot generate` against the simulated teacher, in all formats.
    Cot,
    /// `rner eval` of a model, whose answers are kept while it runs.
    Eval,
    /// `rner data convert`, into several formats.
    Convert,
    /// A folder and a file that are rewritten, and a folder that is removed.
    Rewrite,
    /// `rner reproduce`: all stages in one folder.
    Reproduce,
}

impl Work {
    /// The work of a case, by its number: the dear ones come less often.
    pub(super) fn of(number: u64) -> Self {
        const ROUND: [Work; 10] = [
            Work::Sft,
            Work::Cot,
            Work::Eval,
            Work::Rewrite,
            Work::Grpo,
            Work::Convert,
            Work::Sft,
            Work::Adapter,
            Work::Cot,
            Work::Reproduce,
        ];
        ROUND[(number % ROUND.len() as u64) as usize]
    }

    /// How many cases with the same work come before this one.
    pub(super) fn before(self, number: u64) -> u64 {
        let in_round = |end: u64| (0..end).filter(|n| Self::of(*n) == self).count() as u64;
        number / 10 * in_round(10) + in_round(number % 10)
    }

    /// Does the work, or goes on with it.
    pub(super) fn run(self, world: &World, out: &Path) -> Result<()> {
        match self {
            Self::Sft => sft(world, out, &["sft.train.load_best=true"]),
            Self::Adapter => sft(world, out, &["sft.method=\"lora\"", "lora.rank=2"]),
            Self::Grpo => grpo(world, out),
            Self::Cot => cot(world, out),
            Self::Eval => eval(world, out),
            Self::Convert => convert(world, out),
            Self::Rewrite => rewrite(out),
            Self::Reproduce => reproduce(world, out),
        }
    }
}

/// Four steps with a checkpoint after each, of which two are kept.
fn sft(world: &World, out: &Path, sets: &[&str]) -> Result<()> {
    let always = [
        "sft.train.max_steps=4",
        "sft.train.batch_size=2",
        "sft.train.save_every=1",
        "sft.eval_share=0.1",
        "sft.train.eval_every=2",
    ];
    let recipe = world.recipe(&[&always[..], sets].concat())?;
    let (session, _lock) = (Session::silent(), Lock::folder(out)?);
    let job = SftJob {
        with_cot: false,
        ..SftJob::new(&recipe, world.base(), world.train(), out, &session)
    };
    once("sft", out, || Ok(job.train()?))
}

fn grpo(world: &World, out: &Path) -> Result<()> {
    let recipe = world.recipe(&[
        "grpo.train.max_steps=2",
        "grpo.train.prompts_per_step=2",
        "grpo.train.group_size=4",
        "grpo.train.iterations=1",
        "grpo.train.max_completion_length=8",
        "grpo.train.save_every=1",
        "grpo.eval_share=0.1",
        "grpo.train.eval_every=1",
        // Random weights find nothing: completions of different lengths are to have different rewards.
        "grpo.reward.length=1",
        "grpo.reward.length_free=1",
        "grpo.reward.length_max=80",
        "grpo.train.optim.lr=1e-2",
    ])?;
    let (session, _lock) = (Session::silent(), Lock::folder(out)?);
    let job = GrpoJob::new(&recipe, world.base(), world.train(), out, &session);
    once("grpo", out, || Ok(job.train()?))
}

/// A training as its command does it: not again where it is done.
fn once(name: &str, out: &Path, train: impl FnOnce() -> Result<String>) -> Result<()> {
    let (stage, inputs) = (Stage::alone(out, name), BTreeMap::new());
    if stage.is_done(&inputs, name).is_some() {
        return Ok(());
    }
    stage.claim(&inputs, name)?;
    stage.begin()?;
    let summary = train()?;
    stage.finish(&inputs, name, &[MODEL], 1.0, &summary)?;
    Ok(())
}

fn cot(world: &World, out: &Path) -> Result<()> {
    let recipe = world.recipe(&["cot.concurrency=4", "cot.exclude_eval=false"])?;
    let job = Job::new(&world.data.join("train.jsonl"), recipe.cot, 7)?;
    let selection = job.selection()?;
    atomic_files::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    let known = || Ok(world.train().to_vec());
    let servers = Servers::start(&job.cot, job.seed, known, &runtime)?;
    // What is left of `servers` is the simulated one, which serves until the end.
    let Servers {
        teacher,
        judge,
        options,
        ..
    } = servers;
    let pipeline = Pipeline::new(teacher, judge, job.pipeline_config()?)?;
    let journal = pipeline.open(out, &options)?;
    atomic_files::clear_below(out);
    job.write(out)?;
    let annotation = Annotation {
        pipeline: &pipeline,
        options: &options,
        session: &Session::silent(),
        runtime: &runtime,
    };
    let generated = annotation.generate(&selection, journal, out, CotFormat::ALL)?;
    let bill = Bill::of(&Journal::open_to_read(out)?, &Money::from(&job.cot).prices)?;
    let (plan, funnel) = (pipeline.plan(), &generated.funnel);
    write_card(&job, plan, funnel, &bill, &generated.files, out)?;
    Ok(rner::cot::all_are_done(funnel)?)
}

/// Three additions to the answers that are kept.
fn eval(world: &World, out: &Path) -> Result<()> {
    let recipe = world.recipe(&[
        "eval.batch=2",
        "eval.max_new_tokens=4",
        "eval.bootstrap_resamples=20",
    ])?;
    let (session, _lock) = (Session::silent(), Lock::folder(out)?);
    let suite = &world.sources.suite;
    EvalJob::new(&recipe, world.base(), suite, out, &session).evaluate()?;
    Ok(())
}

fn convert(world: &World, out: &Path) -> Result<()> {
    atomic_files::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    for (name, format) in [
        ("rows.bio", Format::Bio),
        ("rows.parquet", Format::Parquet),
        ("rows.json", Format::Gliner),
        ("rows.jsonl", Format::UniNer),
    ] {
        let (to, from) = (out.join(name), world.data.join("train.jsonl"));
        let _lock = Lock::file(&to)?;
        let rows = open(&from, Format::detect(&from)?, Default::default())?;
        write_rows(&to, format, rows, Policy::default())?;
    }
    Ok(())
}

/// Two models of one name, one after the other, and one that is removed.
fn rewrite(out: &Path) -> Result<()> {
    let _lock = Lock::folder(out)?;
    for content in ["first", "second"] {
        let dir = AtomicDir::create(&out.join("model"))?;
        let mut weights = AtomicFile::create(&dir.path().join("weights"))?;
        std::io::Write::write_all(&mut weights, content.repeat(1000).as_bytes())?;
        weights.commit()?;
        atomic_files::write(&dir.path().join("state"), content)?;
        dir.commit()?;
        atomic_files::write(&out.join("model.txt"), content)?;
        let old = AtomicDir::create(&out.join("old"))?;
        atomic_files::write(&old.path().join("state"), content)?;
        atomic_files::write(&old.path().join("more"), content)?;
        old.commit()?;
    }
    Ok(atomic_files::remove_dir(&out.join("old"))?)
}

fn reproduce(world: &World, out: &Path) -> Result<()> {
    let recipe: Recipe = world.recipe(&[
        "run.rows=[\"base\",\"source\",\"cot\",\"grpo\"]",
        "data.train_sentences=8",
        "data.eval_sentences=1",
        "data.grpo_samples=4",
        "sft.train.max_steps=2",
        "sft.train.batch_size=2",
        "sft.train.save_every=1",
        "grpo.train.prompts_per_step=2",
        "grpo.train.group_size=4",
        "grpo.train.iterations=1",
        "grpo.train.max_completion_length=8",
        "grpo.train.save_every=1",
        "eval.max_new_tokens=4",
        "eval.bootstrap_resamples=20",
    ])?;
    rner::reproduce(&recipe, &RunDir::open(out)?, &Session::silent())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_of_a_work_are_counted() {
        let all: Vec<_> = (0..30)
            .map(|n| (Work::of(n), Work::of(n).before(n)))
            .collect();
        for (number, (work, before)) in all.iter().enumerate() {
            let earlier = all[..number].iter().filter(|(other, _)| other == work);
            assert_eq!(earlier.count() as u64, *before, "{number}");
        }
    }
}

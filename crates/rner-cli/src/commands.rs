//! The single-stage commands: files in, files out.

use std::path::Path;

use anyhow::{Context, Result};
use ner_datasets::read_examples;
use rner::run_dir::RunDir;
use rner::stages::{GrpoJob, MODEL, ModelDir, SftJob};
use rner::{plan, report};
use rner_cli::args::{quoted, template};
use rner_cli::exit::usage;
use rner_cli::progress::Terminal;

use crate::cli::{GrpoArgs, ReproduceArgs, SftArgs};

/// `rner reproduce`.
pub(crate) fn reproduce(args: &ReproduceArgs) -> Result<()> {
    let mut recipe = args.recipe.clone();
    if args.smoke {
        recipe.profile = "smoke".into();
    }
    let sets = sets(args, &recipe.profile)?;
    let recipe = recipe.resolve_with(args.teacher.teacher.as_deref(), sets)?;
    if args.dry_run {
        let dims = plan::dims_of(&recipe.model.base);
        print!("{}", plan::render(&recipe, dims.as_ref()));
        return Ok(());
    }
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| Path::new("runs").join(&recipe.run.name));
    let dir = RunDir::open(&out)?;
    let run = rner::reproduce(&recipe, &dir, &Terminal::session())?;
    println!("{}", report::text_table(&run.report.results));
    println!("{}", run.page.display());
    Ok(())
}

/// What the flags of `rner reproduce` override.
fn sets(args: &ReproduceArgs, profile: &str) -> Result<Vec<String>> {
    let mut sets = args.teacher.sets();
    if let Some(seeds) = args.seeds {
        sets.push(format!("run.seeds={seeds}"));
    }
    if let Some(limit) = args.limit {
        sets.push(format!("data.limit={limit}"));
    }
    if let Some(data) = &args.data {
        let dir = existing_dir(data)?;
        sets.push(quoted("data.train", &dir));
        sets.push(quoted("data.eval", &dir));
        sets.push(quoted("run.name", &format!("{profile}-data")));
    }
    Ok(sets)
}

/// The absolute path of a directory, so that a recipe means the same from anywhere.
fn existing_dir(path: &Path) -> Result<String> {
    if !path.is_dir() {
        return Err(usage(format!(
            "--data {}: there is no such directory",
            path.display()
        )));
    }
    let path = path
        .canonicalize()
        .with_context(|| format!("cannot read {}", path.display()))?;
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| usage(format!("--data {}: not a UTF-8 path", path.display())))
}

/// `rner sft`.
pub(crate) fn sft(args: &SftArgs) -> Result<()> {
    let (recipe, session) = (args.recipe.resolve(Vec::new())?, Terminal::session());
    let examples = read_examples(&args.data)?;
    let held_out = match &args.eval_data {
        Some(path) => read_examples(path)?,
        None => Vec::new(),
    };
    let named = args.model.as_deref();
    let base = ModelDir::find(named.unwrap_or(Path::new(&recipe.model.base)), &session)?;
    let job = SftJob {
        template: template(args.prompt.as_deref())?,
        with_cot: !args.no_cot,
        held_out: &held_out,
        ..SftJob::new(&recipe, base, &examples, &args.out, &session)
    };
    job.train()?;
    println!("{}", args.out.join(MODEL).display());
    Ok(())
}

/// `rner grpo`.
pub(crate) fn grpo(args: &GrpoArgs) -> Result<()> {
    let (recipe, session) = (args.recipe.resolve(Vec::new())?, Terminal::session());
    let examples = read_examples(&args.data)?;
    let base = ModelDir::find(&args.model, &session)?;
    let job = GrpoJob {
        template: template(args.prompt.as_deref())?,
        rollout: args.rollout.rollout()?,
        ..GrpoJob::new(&recipe, base, &examples, &args.out, &session)
    };
    job.train()?;
    println!("{}", args.out.join(MODEL).display());
    Ok(())
}

/// `rner report`.
pub(crate) fn report(run: &Path) -> Result<()> {
    let data = report::read(run)?;
    report::write(run, &data)?;
    println!("{}", report::text_table(&data.results));
    println!("{}", run.join("report.html").display());
    Ok(())
}

//! The single-stage commands: files in, files out.

use std::path::Path;

use anyhow::{Context, Result};
use atomic_files::Lock;
use rner::preflight::{Finding, Preflight};
use rner::recipe::{DataSource, Recipe};
use rner::run_dir::RunDir;
use rner::stages::{GrpoJob, ModelDir, SftJob, check_task};
use rner::{plan, report};
use rner_cli::args::{asking, quoted};
use rner_cli::exit::usage;
use rner_cli::progress::Terminal;

use crate::cli::{GrpoArgs, ReproduceArgs, SftArgs, SourceArgs};
use crate::preflight;
use crate::training::Training;

/// `rner reproduce`.
pub(crate) fn reproduce(args: &ReproduceArgs) -> Result<()> {
    if args.list_profiles {
        print!("{}", plan::profile_table());
        return Ok(());
    }
    let mut recipe = args.recipe.clone();
    if args.smoke {
        recipe.profile = "smoke".into();
    }
    let sets = sets(args, &recipe.profile)?;
    let recipe = recipe.resolve_with(args.teacher.teacher.as_deref(), sets)?;
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| Path::new("runs").join(&recipe.run.name));
    let found = check(args, &recipe, &out);
    if args.dry_run {
        if !args.json {
            let dims = plan::dims_of(&recipe.model.base);
            print!("{}", plan::render(&recipe, dims.as_ref()));
        }
        return preflight::conclude(&found, args.json);
    }
    preflight::say(&found)?;
    let dir = RunDir::open(&out)?.setting_aside(args.force.force);
    let run = rner::reproduce(&recipe, &dir, &Terminal::session())?;
    println!("{}", report::text_table(&run.report));
    println!("{}", run.page.display());
    Ok(())
}

/// What stands against the run, before anything is downloaded, paid or written.
fn check(args: &ReproduceArgs, recipe: &Recipe, out: &Path) -> Vec<Finding> {
    let preflight = Preflight {
        run: out.to_owned(),
        offline: args.offline,
    };
    preflight.check(recipe)
}

/// What the flags of `rner reproduce` override.
fn sets(args: &ReproduceArgs, profile: &str) -> Result<Vec<String>> {
    let mut sets = args.teacher.sets();
    sets.extend(args.rollout.sets());
    sets.extend(args.track.sets());
    if let Some(seeds) = args.seeds {
        sets.push(format!("run.seeds={seeds}"));
    }
    if let Some(limit) = args.limit {
        sets.push(format!("data.limit={limit}"));
    }
    sets.extend(source_sets(&args.sources, profile)?);
    Ok(sets)
}

/// What the flags about data override; later ones win.
fn source_sets(args: &SourceArgs, profile: &str) -> Result<Vec<String>> {
    let mut sets = Vec::new();
    if let Some(data) = &args.data {
        let source = source("--data", data)?;
        sets.push(quoted("data.train", &source));
        sets.push(quoted("data.eval", &source));
        sets.push(quoted("data.grpo", "train"));
        let held_out = args.hold_out.iter().map(|set| format!("-without-{set}"));
        let name: String = std::iter::once(format!("{profile}-data"))
            .chain(held_out)
            .collect();
        sets.push(quoted("run.name", &name));
    }
    let keys = [
        ("--train", "data.train", &args.train),
        ("--cot", "data.cot", &args.cot),
        ("--grpo", "data.grpo", &args.grpo),
        ("--eval", "data.eval", &args.eval),
    ];
    for (flag, key, value) in keys {
        if let Some(value) = value {
            sets.push(quoted(key, &source(flag, value)?));
        }
    }
    if let Some(folder) = &args.folder {
        sets.push(quoted("data.folder", &absolute("--folder", folder)?));
    }
    if let Some(cache) = &args.cache {
        let cache = std::path::absolute(cache).context("--cache")?;
        sets.push(quoted("data.cache", &cache.display().to_string()));
    }
    sets.extend(list("data.hold_out", &args.hold_out));
    sets.extend(list("data.accept_licences", &args.accept_licence));
    Ok(sets)
}

fn list(key: &str, values: &[String]) -> Option<String> {
    let list = toml::Value::from(values.to_vec());
    (!values.is_empty()).then(|| format!("{key}={list}"))
}

/// A source as a recipe has it: words and names of the catalogue as they are, paths absolute.
fn source(flag: &str, value: &str) -> Result<String> {
    let word = matches!(value, "generate" | "published");
    match DataSource::parse(value) {
        DataSource::Path(path) if !word => absolute(flag, &path),
        _ => Ok(value.to_owned()),
    }
}

/// The absolute path of a file or folder, so that a recipe means the same from anywhere.
fn absolute(flag: &str, path: &Path) -> Result<String> {
    if !path.exists() {
        return Err(usage(format!(
            "{flag} {}: neither a name of `rner data list` nor a file or folder that is there",
            path.display()
        )));
    }
    let path = path
        .canonicalize()
        .with_context(|| format!("cannot read {}", path.display()))?;
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| usage(format!("{flag} {}: not a UTF-8 path", path.display())))
}

/// `rner sft`.
pub(crate) fn sft(args: &SftArgs) -> Result<()> {
    let (recipe, session) = (args.recipe.resolve(args.track.sets())?, Terminal::session());
    let _lock = Lock::folder(&args.out)?;
    let examples = args.input.read(&args.data)?;
    let held_out = match &args.eval_data {
        Some(path) => args.input.read(path)?,
        None => Vec::new(),
    };
    let named = args.model.as_deref();
    let base = ModelDir::find(named.unwrap_or(Path::new(&recipe.model.base)), &session)?;
    let recipe = asking(&base, &recipe, args.prompt.as_deref())?.recipe;
    if args.no_cot && recipe.sft.short_share + recipe.sft.none_share > 0.0 {
        return Err(usage(
            "--no-cot: sft.short_share and sft.none_share are about examples with reasoning; leave one of them out",
        ));
    }
    // Before the folder is claimed for these settings.
    check_task(&recipe, examples.iter().chain(&held_out))?;
    let mut training = Training::new("sft", &recipe, &args.out, &base)?;
    training.force(args.force);
    training.reads("data", Some(&args.data))?;
    if let Some(typed) = args.input.typed() {
        training.is_given(&typed, true);
    }
    training.reads("eval-data", args.eval_data.as_deref())?;
    training.reads("prompt", args.prompt.as_deref())?;
    training.is_given("no-cot", args.no_cot);
    let job = SftJob {
        with_cot: !args.no_cot,
        held_out: &held_out,
        ..SftJob::new(&recipe, base, &examples, &args.out, &session)
    };
    training.once(|| Ok(job.train()?))
}

/// `rner grpo`.
pub(crate) fn grpo(args: &GrpoArgs) -> Result<()> {
    let sets = [args.rollout.sets(), args.track.sets()].concat();
    let (recipe, session) = (args.recipe.resolve(sets)?, Terminal::session());
    let _lock = Lock::folder(&args.out)?;
    let examples = args.input.read(&args.data)?;
    let base = ModelDir::find(&args.model, &session)?;
    let recipe = asking(&base, &recipe, args.prompt.as_deref())?.recipe;
    check_task(&recipe, &examples)?;
    let mut training = Training::new("grpo", &recipe, &args.out, &base)?;
    training.force(args.force);
    training.reads("data", Some(&args.data))?;
    if let Some(typed) = args.input.typed() {
        training.is_given(&typed, true);
    }
    training.reads("prompt", args.prompt.as_deref())?;
    let job = GrpoJob::new(&recipe, base, &examples, &args.out, &session);
    training.once(|| Ok(job.train()?))
}

/// `rner report`.
pub(crate) fn report(run: &Path) -> Result<()> {
    // Where there is nothing, reading says so.
    let _lock = run.is_dir().then(|| Lock::folder(run)).transpose()?;
    if !run.join("report.json").is_file() && report::is_training(run) {
        println!("{}", report::write_training(run)?.display());
        return Ok(());
    }
    let data = report::read(run)?;
    report::write(run, &data)?;
    println!("{}", report::text_table(&data));
    println!("{}", run.join("report.html").display());
    Ok(())
}

//! The single-stage commands: files in, files out.

use std::path::Path;

use anyhow::{Context, Result};
use ner_datasets::read_examples;

use crate::backend::dispatch;
use crate::cli::{
    GrpoArgs, ParityArgs, PretrainArgs, RecipeArgs, ReproduceArgs, SftArgs, TeacherArgs,
};
use crate::exit::usage;
use crate::parity::{Layout, ParityJob};
use crate::recipe::Recipe;
use crate::run_dir::{MetricsLog, RunDir};
use crate::stages::{GrpoJob, ModelDir, SftJob, Watch, prompt_template};
use crate::tiny::{self, Pretrain, PretrainConfig, TinyCorpus};
use crate::{plan, report, reproduce};

/// The recipe of a command: profile, flags, overrides, in this order.
pub(crate) fn resolve(args: &RecipeArgs, more: Vec<String>) -> Result<Recipe> {
    let mut sets = Vec::new();
    if let Some(backend) = args.backend {
        sets.push(format!("run.backend={}", backend.name()));
    }
    if let Some(seed) = args.seed {
        sets.push(format!("run.seed={seed}"));
    }
    sets.extend(more);
    sets.extend(args.sets.iter().cloned());
    Ok(Recipe::resolve(&args.profile, &sets)?)
}

/// A string as the value of an override.
fn quoted(key: &str, value: &str) -> String {
    format!("{key}={}", toml::Value::from(value))
}

pub(crate) fn teacher_sets(args: &TeacherArgs) -> Vec<String> {
    let judge = args.judge_url.as_ref().or(args.teacher_url.as_ref());
    [
        ("cot.teacher_url", args.teacher_url.as_ref()),
        ("cot.judge_url", judge),
        ("cot.teacher_model", args.teacher_model.as_ref()),
        ("cot.judge_model", args.judge_model.as_ref()),
        ("cot.key_env", args.key_env.as_ref()),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(quoted(key, value?)))
    .collect()
}

/// `rner reproduce`.
pub(crate) fn reproduce(args: &ReproduceArgs) -> Result<()> {
    let mut recipe_args = args.recipe.clone();
    if args.smoke {
        recipe_args.profile = "smoke".into();
    }
    let mut sets = teacher_sets(&args.teacher);
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
        sets.push(quoted("run.name", &format!("{}-data", recipe_args.profile)));
    }
    let recipe = resolve(&recipe_args, sets)?;
    if args.dry_run {
        print!(
            "{}",
            plan::render(&recipe, plan::dims_of(&recipe.model.base).as_ref())
        );
        return Ok(());
    }
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| Path::new("runs").join(&recipe.run.name));
    let dir = RunDir::open(&out)?;
    let path = reproduce::run(&recipe, &dir)?;
    println!("{}", path.display());
    Ok(())
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

/// Opens the metrics log of a stage that runs by itself.
fn metrics(out: &Path) -> Result<MetricsLog> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    Ok(MetricsLog::open(&out.join("metrics.jsonl"))?)
}

/// `rner sft`.
pub(crate) fn sft(args: &SftArgs) -> Result<()> {
    let recipe = resolve(&args.recipe, Vec::new())?;
    let examples = read_examples(&args.data)?;
    let held_out = match &args.eval_data {
        Some(path) => read_examples(path)?,
        None => Vec::new(),
    };
    let base = args
        .model
        .clone()
        .unwrap_or_else(|| recipe.model.base.clone().into());
    let job = SftJob {
        base: ModelDir::find(&base)?,
        examples: &examples,
        template: prompt_template(&recipe.model, args.prompt.as_deref())?,
        with_cot: !args.no_cot,
        config: &recipe.sft,
        lora: &recipe.lora,
        hardware: &recipe.hardware,
        held_out: &held_out,
        dtype: recipe.model.dtype,
        seed: recipe.run.seed,
        out: args.out.clone(),
        watch: &mut Watch::new("sft", recipe.run.seed, "steps", metrics(&args.out)?)
            .with_tensorboard(&args.out, recipe.run.tensorboard)?,
    };
    dispatch(recipe.run.backend, job)?;
    println!("{}", args.out.join(crate::stages::MODEL).display());
    Ok(())
}

/// `rner grpo`.
pub(crate) fn grpo(args: &GrpoArgs) -> Result<()> {
    let recipe = resolve(&args.recipe, Vec::new())?;
    let examples = read_examples(&args.data)?;
    let job = GrpoJob {
        base: ModelDir::find(&args.model)?,
        examples: &examples,
        template: prompt_template(&recipe.model, args.prompt.as_deref())?,
        config: &recipe.grpo,
        lora: &recipe.lora,
        hardware: &recipe.hardware,
        dtype: recipe.model.dtype,
        batch: recipe.grpo.rollout_batch,
        rollout: Some(&args.rollout),
        seed: recipe.run.seed,
        out: args.out.clone(),
        watch: &mut Watch::new(
            "grpo",
            recipe.run.seed,
            "rollout batches",
            metrics(&args.out)?,
        )
        .with_tensorboard(&args.out, recipe.run.tensorboard)?,
    };
    dispatch(recipe.run.backend, job)?;
    println!("{}", args.out.join(crate::stages::MODEL).display());
    Ok(())
}

/// `rner parity`.
pub(crate) fn parity(args: &ParityArgs) -> Result<()> {
    let layout = Layout::find(&args.dir)?;
    let beside = || args.dir.join("../datasets");
    let job = ParityJob {
        layout: &layout,
        datasets: args.datasets.clone().unwrap_or_else(beside),
        json: args.json,
    };
    let board = dispatch(args.backend, job)?;
    board.finish(&args.dir.display().to_string(), args.backend.name())
}

/// `rner report`.
pub(crate) fn report(run: &Path) -> Result<()> {
    let data = report::read(run)?;
    report::write(run, &data)?;
    println!("{}", report::text_table(&data.results));
    println!("{}", run.join("report.html").display());
    Ok(())
}

/// `rner tiny corpus`.
pub(crate) fn corpus(args: &RecipeArgs, out: &Path) -> Result<()> {
    let recipe = resolve(args, Vec::new())?;
    let data = &recipe.data;
    let corpus = TinyCorpus::generate(
        recipe.run.seed,
        data.train_sentences,
        data.grpo_samples,
        data.eval_sentences,
    );
    tiny::write_corpus(&corpus, out)
}

/// `rner tiny pretrain`.
pub(crate) fn pretrain(args: PretrainArgs) -> Result<()> {
    if args.hidden == 0 || !args.hidden.is_multiple_of(64) {
        return Err(usage(
            "--hidden: a multiple of 64 (heads of 32, two for each key)",
        ));
    }
    let config = PretrainConfig {
        seed: args.seed,
        tokens: args.tokens,
        varied_tokens: args.varied_tokens,
        workers: args.workers.get(),
        thinking_tokens: args.thinking_tokens,
        batch_tokens: args.batch_tokens,
        lr: args.lr,
        vocabulary: args.vocabulary,
        hidden: args.hidden,
        layers: args.layers,
    };
    let job = Pretrain {
        config,
        out: args.out,
        work: args.work,
    };
    dispatch(args.backend, job)
}

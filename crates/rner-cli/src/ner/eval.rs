//! `rner eval`: answers of a model, of a server or of a file, scored on a benchmark.

use std::path::Path;

use anyhow::Result;
use atomic_files::Lock;
use ner_eval::load::LoadedSuite;
use ner_eval::{EvalOptions, EvalResult, RunReport, Suite};
use rner::recipe::Recipe;
use rner::stages::{EvalJob, ModelDir, Ticks, load_suite};
use rner_cli::args::{asking, template};
use rner_cli::exit::usage;
use rner_cli::progress::Terminal;

use super::eval_once::Once;
use super::eval_suite::has_jsonl;
use super::eval_url::UrlEval;
use super::{eval_compare, eval_few_shot, eval_once, eval_predictions, eval_suite};
use crate::cli::{EvalArgs, EvalCommand};

/// Runs the command.
pub(crate) fn run(args: &EvalArgs) -> Result<()> {
    match &args.command {
        Some(EvalCommand::Compare(args)) => return eval_compare::run(args),
        Some(EvalCommand::FewShot(args)) => return eval_few_shot::run(args),
        None => {}
    }
    let out = args
        .out
        .as_deref()
        .ok_or_else(|| usage("--out is missing"))?;
    let recipe = args.recipe.resolve(Vec::new())?;
    let _lock = Lock::folder(out)?;
    match (&args.source.model, &args.source.predictions, &args.url.url) {
        (Some(model), None, None) => of_model(args, &recipe, model, out),
        (None, Some(file), None) => {
            let (data, options) = (Path::new(&args.data), options(&recipe));
            eval_predictions::run(&args.suite, &args.train, data, file, options, out)
        }
        (None, None, Some(_)) => of_server(args, &recipe, out),
        _ => Err(usage(
            "whose answers? One of --model, --predictions and --url",
        )),
    }
}

fn options(recipe: &Recipe) -> EvalOptions {
    EvalOptions {
        resamples: recipe.eval.bootstrap_resamples,
        seed: recipe.run.seed,
        ..EvalOptions::default()
    }
}

fn of_server(args: &EvalArgs, recipe: &Recipe, out: &Path) -> Result<()> {
    check_url_data(args)?;
    let loaded = args.suite.load(Path::new(&args.data))?;
    let given = template(args.prompt.as_deref())?;
    let template = recipe.model.template(given.as_ref())?;
    let progress = Terminal::session().start("eval", loaded.suite.sentences(), "sentences");
    UrlEval {
        suite: &args.suite,
        train: &args.train,
        url: &args.url,
        loaded,
        template: &template,
        prompting: args.prompting.into(),
        max_new_tokens: recipe.eval.max_new_tokens,
        options: options(recipe),
        out,
    }
    .run(&mut Ticks(progress.as_ref()))
}

/// A server is scored on whole suites: nothing that was asked for is passed over in silence.
fn check_url_data(args: &EvalArgs) -> Result<()> {
    if args.limit.is_some() {
        return Err(usage(
            "--limit goes with --model only: a server is scored on whole suites",
        ));
    }
    if args.data == "tiny" && !Path::new("tiny").is_dir() {
        return Err(usage(
            "--url needs --data, the folder of the suite's data: the toy corpus goes with --model only",
        ));
    }
    Ok(())
}

fn of_model(args: &EvalArgs, recipe: &Recipe, model: &Path, out: &Path) -> Result<()> {
    let name = model.display().to_string();
    let Some(loaded) = published_suite(args)? else {
        let limit = match (args.data.as_str(), args.limit) {
            (_, Some(limit)) => limit,
            ("tiny", None) => recipe.data.eval_sentences,
            _ => 0,
        };
        let suite = limited(args, limit)?;
        return once(args, recipe, model, &suite, out, |result| {
            eval_once::say_result(&name, &result, out);
            Ok(())
        });
    };
    once(args, recipe, model, &loaded.suite, out, |result| {
        let (prompting, options) = (Some(args.prompting.into()), options(recipe));
        let settings = args
            .suite
            .settings(&args.train, name.clone(), prompting, options)?;
        let (predictions, failures) = (result.predictions, result.failures);
        let report = RunReport::new(&loaded, predictions, failures, None, &settings)?;
        eval_suite::finish(&report, &loaded, out)
    })
}

/// `limit` sentences of each set of the suite that `--suite` names; of whatever lies in `--data` where none is named.
fn limited(args: &EvalArgs, limit: usize) -> Result<Suite> {
    let data = Path::new(&args.data);
    let own = args.data == "tiny" || has_jsonl(data) || args.suite.is_default();
    if own {
        return Ok(load_suite(&args.data, limit)?);
    }
    Ok(args.suite.load(data)?.suite.limited(limit))
}

/// The suite with its data, unless `--data` is the toy corpus, a folder of SET.jsonl files or cut short:
/// these are no published benchmark, and no page compares them with one.
fn published_suite(args: &EvalArgs) -> Result<Option<LoadedSuite>> {
    let data = Path::new(&args.data);
    let own = args.data == "tiny" || args.limit.is_some() || has_jsonl(data);
    if own {
        return Ok(None);
    }
    args.suite.load(data).map(Some)
}

/// Has a suite answered and told, unless that is done.
fn once(
    args: &EvalArgs,
    recipe: &Recipe,
    model: &Path,
    suite: &Suite,
    out: &Path,
    tell: impl FnOnce(EvalResult) -> Result<()>,
) -> Result<()> {
    let (session, name) = (Terminal::session(), model.display().to_string());
    let model = ModelDir::find(model, &session)?;
    let asking = asking(&model, recipe, args.prompt.as_deref())?;
    let recipe = &asking.recipe;
    let template = recipe.model.template(None)?;
    let job = EvalJob {
        template: Some(ner_eval::Prompting::from(args.prompting).apply(&template)),
        // It stays until everything is written.
        keep_log: true,
        ..EvalJob::new(recipe, model, suite, out, &session)
    };
    let flags = (&args.suite, &args.train);
    let mut once = Once::new(out, name, suite, flags, &options(recipe))?;
    if let Some(own) = asking.another_than() {
        once = once.with("in place of the model's own prompt (BLAKE3)", own);
    }
    once.answered_by(job.identity()?)
        .run(|| tell(job.evaluate()?))
}

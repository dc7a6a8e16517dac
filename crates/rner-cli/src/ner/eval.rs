//! `rner eval`: answers of a model, of a server or of a file, scored on a benchmark.

use std::path::Path;

use anyhow::Result;
use atomic_files::Lock;
use ner_eval::load::LoadedSuite;
use ner_eval::{EvalOptions, EvalResult, RunReport, Suite};
use rner::recipe::{Form, Recipe};
use rner::stages::{Asking, EvalJob, ModelDir, Ticks, load_suite_of};
use rner_cli::args::{asking, template};
use rner_cli::exit::usage;
use rner_cli::progress::Terminal;

use super::eval_once::Once;
use super::eval_url::UrlEval;
use super::{
    eval_budget, eval_compare, eval_few_shot, eval_flags, eval_form, eval_predictions, eval_suite,
};
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
    eval_flags::check(args)?;
    let form = args.form.map(|form| format!("eval.form={}", form.name()));
    let recipe = args
        .recipe
        .resolve(args.dial.sets().into_iter().chain(form).collect())?;
    eval_budget::check(args, &recipe)?;
    let _lock = Lock::folder(out)?;
    match (&args.source.model, &args.source.predictions, &args.url.url) {
        (Some(model), None, None) => {
            let evaluate = |recipe: &Recipe, folder: &Path| of_model(args, recipe, model, folder);
            if !args.budget.is_empty() {
                eval_budget::run(&args.budget, &recipe, (model, out), evaluate)
            } else if recipe.eval.form == Form::Free {
                evaluate(&recipe, out)
            } else {
                eval_form::run(&recipe, out, evaluate)
            }
        }
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
    let loaded = args.suite.load(Path::new(&args.data))?;
    let loaded = limited(loaded, args.limit);
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

fn of_model(args: &EvalArgs, recipe: &Recipe, model: &Path, out: &Path) -> Result<()> {
    let (name, session) = (model.display().to_string(), Terminal::session());
    let model = ModelDir::find(model, &session)?;
    let asking = asking(&model, recipe, args.prompt.as_deref())?;
    let task = asking.recipe.model.task;
    let loaded = if eval_flags::is_toy(args) {
        let limit = args.limit.unwrap_or(recipe.data.eval_sentences);
        LoadedSuite::from_suite(load_suite_of(task, &args.data, limit)?)
    } else {
        limited(args.suite.load(Path::new(&args.data))?, args.limit)
    };
    let asked = (name.as_str(), model, asking);
    once(args, asked, &loaded.suite, out, |result| {
        let (prompting, options) = (Some(args.prompting.into()), options(recipe));
        let settings = args
            .suite
            .settings(&args.train, name.clone(), prompting, options)?;
        let (predictions, failures) = (result.predictions, result.failures);
        let report = RunReport::new(&loaded, predictions, failures, None, &settings)?;
        eval_suite::finish(&report, &loaded, out)
    })
}

/// The first sentences of each set, where a limit is given.
fn limited(loaded: LoadedSuite, limit: Option<usize>) -> LoadedSuite {
    match limit {
        Some(limit) => loaded.limited(limit),
        None => loaded,
    }
}

/// Has a suite answered and told, unless that is done.
fn once(
    args: &EvalArgs,
    (name, model, asking): (&str, ModelDir, Asking),
    suite: &Suite,
    out: &Path,
    tell: impl FnOnce(EvalResult) -> Result<()>,
) -> Result<()> {
    let (recipe, session) = (&asking.recipe, Terminal::session());
    let template = recipe.model.template(None)?;
    let job = EvalJob {
        template: Some(ner_eval::Prompting::from(args.prompting).apply(&template)),
        // It stays until everything is written.
        keep_log: true,
        is_timed: !args.budget.is_empty(),
        ..EvalJob::new(recipe, model, suite, out, &session)
    };
    let flags = (&args.suite, &args.train);
    let mut once = Once::new(out, name.to_owned(), suite, flags, &options(recipe))?;
    if let Some(own) = asking.another_than() {
        once = once.with("in place of the model's own prompt (BLAKE3)", own);
    }
    once.answered_by(job.identity()?)
        .run(|| tell(job.evaluate()?))
}

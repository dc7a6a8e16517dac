//! Flags of `rner eval` that would have no effect on what is evaluated: they are refused, and say why.

use anyhow::Result;
use rner_cli::exit::usage;

use super::eval_suite::FaultPolicy;
use super::eval_url::{CONCURRENCY, TIMEOUT};
use crate::cli::{EvalArgs, Prompting};

/// Whether the benchmark is the toy corpus, as nobody names another; `./tiny` is a folder.
pub(super) fn is_toy(args: &EvalArgs) -> bool {
    args.data == "tiny"
}

/// Refuses flags that change nothing here.
///
/// # Errors
/// The first of them, as wrong usage.
pub(super) fn check(args: &EvalArgs) -> Result<()> {
    let of_source = match (&args.source.model, &args.source.predictions, &args.url.url) {
        (Some(_), ..) => of_model(args),
        (_, Some(_), _) => of_predictions(args),
        (.., Some(_)) => of_url(args),
        _ => Vec::new(),
    };
    match of_source.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, why)) => Err(usage(why)),
        None => Ok(()),
    }
}

/// A flag that is given and has no effect, and what to say of it.
type Idle = (bool, &'static str);

fn of_model(args: &EvalArgs) -> Vec<Idle> {
    let is_toy = is_toy(args);
    vec![
        (
            is_toy && !args.suite.is_default(),
            "--suite has no effect on the toy corpus: name the suite's data with --data",
        ),
        (
            is_toy && args.suite.absent == FaultPolicy::Skip,
            "--absent has no effect on the toy corpus, which has all its sets",
        ),
        (args.suite.faults == FaultPolicy::Skip, FAULTS),
        (
            args.url.concurrency != CONCURRENCY,
            "--concurrency has no effect without --url: it counts requests to a server",
        ),
        (
            args.url.timeout != TIMEOUT,
            "--timeout has no effect without --url: it is that of a request to a server",
        ),
    ]
}

const FORM: &str = "--form goes with --model only: it holds the answers of a model in this process";

const FAULTS: &str = "--faults has no effect without --predictions: it is about predictions that do not fit the suite";

fn of_url(args: &EvalArgs) -> Vec<Idle> {
    vec![
        (
            is_toy(args),
            "--url needs --data, the folder of the benchmark: the toy corpus goes with --model only",
        ),
        (args.form.is_some(), FORM),
        (args.suite.faults == FaultPolicy::Skip, FAULTS),
        (
            args.recipe.backend.is_some(),
            "--backend has no effect with --url: the server has its own",
        ),
    ]
}

fn of_predictions(args: &EvalArgs) -> Vec<Idle> {
    vec![
        (
            is_toy(args),
            "--predictions needs --data, the folder of the benchmark that they answer",
        ),
        (args.form.is_some(), FORM),
        (
            args.limit.is_some(),
            "--limit has no effect with --predictions: all of them are scored",
        ),
        (
            args.prompt.is_some(),
            "--prompt has no effect with --predictions: nobody is asked",
        ),
        (
            args.prompting != Prompting::Direct,
            "--prompting has no effect with --predictions: nobody is asked",
        ),
        (
            args.recipe.backend.is_some(),
            "--backend has no effect with --predictions: no model is loaded",
        ),
        (
            args.url.concurrency != CONCURRENCY,
            "--concurrency has no effect without --url: it counts requests to a server",
        ),
        (
            args.url.timeout != TIMEOUT,
            "--timeout has no effect without --url: it is that of a request to a server",
        ),
    ]
}

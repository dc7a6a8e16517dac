//! `rner calibrate`: how sure a model is of what is true and of what is false, on rows with gold; and what can be
//! promised then.

mod answers;
mod stored;

use std::path::{Path, PathBuf};

use anyhow::Result;
use atomic_files::{Keep, Lock};
use clap::Args;
use ner_promise::{Calibration, Kept, Refusal, Splits, Threshold, aurc, auroc, labels};
use rner_cli::args::{AnswerReader, ForceArgs, RecipeArgs};
use rner_cli::exit::usage;
use rner_cli::reading::InputArgs;
use serde::Serialize;

use crate::extract::{FormArg, SampleArgs, SamplingArgs};
use crate::promised::{KindArgs, percent, share};

/// Flags about how a model is asked, which say nothing about stored predictions.
const ASKING: [&str; 16] = [
    "model",
    "data",
    "prompt",
    "reader",
    "form",
    "samples",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "stops",
    "max_new_tokens",
    "profile",
    "sets",
    "backend",
];

/// Flags of `rner calibrate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CalibrateArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Model that is asked: a folder or an id of the Hugging Face Hub.
    #[arg(
        long,
        value_name = "DIR",
        requires = "data",
        required_unless_present = "gold"
    )]
    model: Option<PathBuf>,
    /// Annotated rows that the model was not trained on, in any format that `rner data formats` lists.
    #[arg(long, value_name = "FILE", requires = "model")]
    data: Option<PathBuf>,
    /// The annotated rows of stored predictions.
    #[arg(long, value_name = "FILE", requires = "predictions", conflicts_with_all = ASKING)]
    gold: Option<PathBuf>,
    /// Predictions with a confidence, as `rner extract --input` prints them: JSON lines with `sentence` (or `text`)
    /// and `entities` of `text`, `label`, `confidence`. They are matched by sentence.
    #[arg(long, value_name = "FILE", requires = "gold")]
    predictions: Option<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    /// Prompt template; the model's own if left out, or else the recipe's.
    #[arg(long, value_name = "FILE")]
    prompt: Option<PathBuf>,
    /// How answers are read: as the paper's code does, or with what a faulty answer says all the same.
    #[arg(long, value_enum, default_value = "reference")]
    reader: AnswerReader,
    /// The form that answers are held to.
    #[arg(long, value_enum, default_value = "free")]
    form: FormArg,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    samples: SampleArgs,
    /// Risks whose thresholds are shown, separated by commas.
    #[arg(long, value_name = "R", value_parser = share, value_delimiter = ',')]
    #[arg(default_values = ["0.02", "0.05", "0.1", "0.2"])]
    risk: Vec<f64>,
    #[command(flatten)]
    kind: KindArgs,
    /// Instead of the table, look at the promises over this many random halves of the rows, and print JSON.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    splits: Option<u32>,
    /// File to write, for `rner extract --calibration`.
    #[arg(long, value_name = "FILE", required_unless_present = "splits")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// Runs the command.
///
/// # Errors
/// Wrong usage; files or a model that cannot be read; rows without a prediction; other work in the place of the file.
pub(crate) fn run(args: &CalibrateArgs) -> Result<()> {
    args.kind.check()?;
    let _lock = args.out.as_deref().map(Lock::file).transpose()?;
    let _keep: Option<Keep> = args.out.as_deref().map(|out| args.force.keep(out));
    let calibration = match (&args.model, &args.data, &args.gold, &args.predictions) {
        (Some(model), Some(data), ..) => answers::rate(args, model, data)?,
        (.., Some(gold), Some(predictions)) => stored::rate(args, gold, predictions)?,
        _ => {
            return Err(usage(
                "give --model and --data, or --gold and --predictions",
            ));
        }
    };
    match args.splits {
        Some(n) => print_splits(args, &calibration, n as usize)?,
        None => print_table(args, &calibration),
    }
    if let Some(out) = &args.out {
        write(out, &calibration)?;
    }
    Ok(())
}

fn write(out: &Path, calibration: &Calibration) -> Result<()> {
    atomic_files::write(out, (serde_json::to_string(calibration)? + "\n").as_bytes())?;
    rner_cli::say!("{}", out.display());
    Ok(())
}

/// What is looked at: all entities, and each type if that was asked for.
fn parts<'a>(args: &CalibrateArgs, calibration: &'a Calibration) -> Vec<Option<&'a str>> {
    let each = labels(&calibration.rows).into_iter().map(Some);
    let each = each.filter(|_| args.kind.per_label);
    std::iter::once(None).chain(each).collect()
}

fn print_table(args: &CalibrateArgs, calibration: &Calibration) {
    let rows = &calibration.rows;
    let entities = rows.iter().map(Vec::len).sum::<usize>();
    let wrong = rows.iter().flatten().filter(|it| !it.is_true).count();
    let number = |it: Option<f64>| it.map_or("-".to_owned(), |it| format!("{it:.3}"));
    println!(
        "{} rows, {entities} entities named, {wrong} of them false; AUROC {}, AURC {}",
        rows.len(),
        number(auroc(rows)),
        number(aurc(rows))
    );
    let parts = parts(args, calibration);
    let width = parts.iter().flatten().map(|it| it.chars().count());
    let width = width.max().unwrap_or(0).max(3);
    println!(
        "\n{:width$}  risk  shown above  rows that show some  false there",
        "of"
    );
    for label in parts {
        for &risk in &args.risk {
            let threshold = args.kind.promise().threshold(rows, label, risk);
            println!(
                "{:width$}  {}",
                label.unwrap_or("all"),
                line(risk, &threshold)
            );
        }
    }
}

fn line(risk: f64, threshold: &Result<Threshold, Refusal>) -> String {
    let risk = percent(risk);
    match threshold {
        Ok(it) => format!(
            "{risk:>4}  {:>11}  {:>19}  {:>11}",
            it.above
                .map_or("all".to_owned(), |above| format!("{above:.6}")),
            format!("{} of {}", it.showing, it.rows),
            format!("{:.1} %", 100.0 * it.share)
        ),
        Err(refusal) => format!("{risk:>4}  cannot promise: {refusal}"),
    }
}

/// The promises over random halves.
#[derive(Serialize)]
struct Report {
    rows: usize,
    entities: usize,
    auroc: Option<f64>,
    aurc: Option<f64>,
    promise: ner_promise::Promise,
    kept: Vec<Kept>,
}

fn print_splits(args: &CalibrateArgs, calibration: &Calibration, n: usize) -> Result<()> {
    let (rows, promise) = (&calibration.rows, args.kind.promise());
    let splits = Splits {
        n,
        seed: args.recipe.seed.unwrap_or(Splits::default().seed),
        ..Splits::default()
    };
    let parts = parts(args, calibration).into_iter();
    let looks = parts.flat_map(|label| args.risk.iter().map(move |&risk| (label, risk)));
    let report = Report {
        rows: rows.len(),
        entities: rows.iter().map(Vec::len).sum(),
        auroc: auroc(rows),
        aurc: aurc(rows),
        promise,
        kept: looks
            .map(|(label, risk)| splits.look(rows, label, promise, risk))
            .collect(),
    };
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

//! `rner score`: predictions against gold under any preset, with tables, intervals and significance.

mod cases;
mod input;
mod table;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use ner_score::bootstrap::{Bootstrap, PairedTest, bootstrap, paired_bootstrap};
use ner_score::buckets::Seen;
use ner_score::mean::{mean_f1, paper_mean_f1_percent};
use ner_score::randomization::{RandomizationTest, approximate_randomization};
use ner_score::{Counts, Report, ReportBuilder, ReportOptions, Scorer, total};
use rner_cli::args::AnswerReader;
use rner_cli::exit::usage;
use rner_cli::reading::InputArgs;
use serde::Serialize;

use input::{Answered, Gold};

/// Flags of `rner score`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ScoreArgs {
    /// A file of scorer cases instead of gold and predictions: {"cases": [{"completion", "schema_in", "gold_in", …}]}.
    #[arg(value_name = "CASES", conflicts_with_all = ["gold", "predictions", "compare"])]
    cases: Option<PathBuf>,
    /// Annotated examples, in any format that `rner data` knows.
    #[arg(long, value_name = "FILE", requires = "predictions")]
    gold: Option<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    /// Predictions, one JSON object a line, with `entities` or a raw `completion`; found by `guid`, by `dataset` and
    /// `index`, by `index`, or by line.
    #[arg(long, value_name = "FILE", requires = "gold")]
    predictions: Option<PathBuf>,
    /// Predictions of another system, for the difference and its p-values.
    #[arg(long, value_name = "FILE", requires = "predictions")]
    compare: Option<PathBuf>,
    /// Preset: reasoningie, universalner, instructuie, b2ner, gollie, gliner, seqeval-strict, strict, exact, partial
    /// or type.
    #[arg(long, default_value_t = Scorer::default())]
    scorer: Scorer,
    /// Tables to print; may be repeated or separated by commas. JSON has them all.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["type", "errors"])]
    by: Vec<By>,
    /// Training examples, for the table of seen and unseen entities.
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// Whether labels are lower-cased and placeholders such as `misc` leave the gold, as in the paper's loader.
    #[arg(long, value_enum, default_value = "paper")]
    filter: Filter,
    /// What to do about predictions without a sentence and sentences without a prediction.
    #[arg(long, value_enum, default_value = "fail")]
    unmatched: Unmatched,
    /// How raw completions are read: as the paper's code does, or with what a faulty answer says all the same.
    #[arg(long, value_enum, default_value = "reference")]
    reader: AnswerReader,
    /// Resamples of the bootstraps and trials of the randomisation test.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    resamples: usize,
    /// Seed of the resampling.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// A table of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// Precision, recall and F1 of each type.
    Type,
    /// By words of the entity.
    Length,
    /// By words of the sentence.
    SentenceLength,
    /// By gold entities per word of the sentence.
    Density,
    /// By whether the training data have the entity; wants --train.
    Seen,
    /// Classes of errors.
    Errors,
    /// Gold labels against predicted ones, O included.
    Confusion,
    /// The datasets of the gold file, with their mean.
    Dataset,
}

/// How the gold examples are prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Filter {
    /// As the paper's loader prepares them.
    Paper,
    /// As they are written.
    None,
}

/// What to do about rows that have no partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unmatched {
    /// Stop and name them.
    Fail,
    /// Leave them out, count and name them.
    Skip,
}

/// What the command writes as JSON. F1 in `report` are fractions, those named percent are not.
#[derive(Serialize)]
struct Output {
    scorer: Scorer,
    f1_percent: f64,
    report: Report,
    datasets: Vec<DatasetRow>,
    mean_f1_percent: f64,
    mean_f1_percent_as_the_paper_rounds: f64,
    sentences_without_prediction: usize,
    predictions_without_sentence: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
}

/// One dataset of the gold file.
#[derive(Serialize)]
struct DatasetRow {
    name: String,
    sentences: usize,
    counts: Counts,
    f1_percent: f64,
    low_percent: f64,
    high_percent: f64,
}

/// The first system against the other: on the mean of the datasets' micro-F1.
#[derive(Serialize)]
struct Comparison {
    other_f1_percent: f64,
    paired_bootstrap: PairedTest,
    approximate_randomization: RandomizationTest,
}

/// `rner score`.
pub(crate) fn run(args: &ScoreArgs) -> Result<()> {
    if let Some(cases) = &args.cases {
        return cases::run(cases, args.json);
    }
    let (Some(gold), Some(predictions)) = (&args.gold, &args.predictions) else {
        return Err(usage(
            "give --gold FILE and --predictions FILE, or a file of scorer cases",
        ));
    };
    if args.by.contains(&By::Seen) && args.train.is_none() {
        return Err(usage("--by seen needs --train FILE"));
    }
    let gold = Gold::read(gold, args.filter, &args.input)?;
    let answered = gold.answer(predictions, args.unmatched, args.reader.into())?;
    let output = score(args, &gold, &answered)?;
    print(args, &output)
}

fn score(args: &ScoreArgs, gold: &Gold, answered: &Answered) -> Result<Output> {
    let mut builder = ReportBuilder::new(options(args)?);
    for sentence in answered.sentences(gold) {
        builder.add(&sentence);
    }
    let sets = gold.by_dataset(answered, builder.counts());
    let slices: Vec<&[Counts]> = sets.iter().map(|(_, counts)| counts.as_slice()).collect();
    let totals: Vec<Counts> = slices.iter().map(|set| total(set)).collect();
    let intervals = bootstrap(&slices, args.seed, args.resamples);
    let report = builder.finish();
    let comparison = args.compare.as_ref().map(|other| {
        let other = gold.answer(other, args.unmatched, args.reader.into())?;
        compare(args, gold, answered, &sets, &other)
    });
    Ok(Output {
        scorer: args.scorer,
        f1_percent: report.micro.f1 * 100.0,
        report,
        datasets: dataset_rows(&sets, &intervals),
        mean_f1_percent: mean_f1(&totals) * 100.0,
        mean_f1_percent_as_the_paper_rounds: paper_mean_f1_percent(&totals),
        sentences_without_prediction: answered.unanswered,
        predictions_without_sentence: answered.unknown,
        comparison: comparison.transpose()?,
    })
}

fn options(args: &ScoreArgs) -> Result<ReportOptions> {
    let seen = match &args.train {
        Some(path) => {
            let examples = args.input.read(path)?;
            Some(Seen::new(examples.iter().flat_map(|e| &e.entities)))
        }
        None => None,
    };
    Ok(ReportOptions {
        scorer: args.scorer,
        seed: args.seed,
        resamples: args.resamples,
        seen,
    })
}

fn dataset_rows(sets: &[(String, Vec<Counts>)], intervals: &Bootstrap) -> Vec<DatasetRow> {
    let rows = sets
        .iter()
        .zip(&intervals.sets)
        .map(|((name, set), interval)| {
            let counts = total(set);
            DatasetRow {
                name: name.clone(),
                sentences: set.len(),
                counts,
                f1_percent: counts.f1_percent(),
                low_percent: interval.percent().low,
                high_percent: interval.percent().high,
            }
        });
    rows.collect()
}

fn compare(
    args: &ScoreArgs,
    gold: &Gold,
    answered: &Answered,
    sets: &[(String, Vec<Counts>)],
    other: &Answered,
) -> Result<Comparison> {
    answered.check_same_sentences(other, gold)?;
    let of = |sentence| {
        ner_score::score_sentence(args.scorer, &sentence)
            .tally
            .counts(args.scorer)
    };
    let counts: Vec<Counts> = other.sentences(gold).map(of).collect();
    let others = gold.by_dataset(other, &counts);
    let slices = |sets: &[(String, Vec<Counts>)]| -> Vec<Vec<Counts>> {
        sets.iter().map(|(_, counts)| counts.clone()).collect()
    };
    let (first, second) = (slices(sets), slices(&others));
    let first: Vec<&[Counts]> = first.iter().map(Vec::as_slice).collect();
    let second: Vec<&[Counts]> = second.iter().map(Vec::as_slice).collect();
    Ok(Comparison {
        other_f1_percent: total(&counts).f1_percent(),
        paired_bootstrap: paired_bootstrap(&first, &second, args.seed, args.resamples)?,
        approximate_randomization: approximate_randomization(
            &first,
            &second,
            args.seed,
            args.resamples,
        )?,
    })
}

fn print(args: &ScoreArgs, output: &Output) -> Result<()> {
    if args.json {
        let json = serde_json::to_string_pretty(output).context("cannot write the report")?;
        println!("{json}");
    } else {
        print!("{}", table::render(output, &args.by));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

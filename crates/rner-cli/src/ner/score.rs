//! `rner score`: predictions against gold under any preset, with tables, intervals and significance.

mod cases;
mod input;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use ner_eval::matching::MatchedBy;
use ner_score::bootstrap::{Bootstrap, PairedTest, bootstrap, paired_bootstrap};
use ner_score::buckets::Seen;
use ner_score::mean::{mean_f1, paper_mean_f1_percent};
use ner_score::randomization::{RandomizationTest, approximate_randomization};
use ner_score::{
    Counts, Filtered, Report, ReportBuilder, ReportOptions, Scorer, score_sentence, total,
};
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
    /// Annotated examples in any format that `rner data formats` lists.
    #[arg(long, value_name = "FILE", requires = "predictions")]
    gold: Option<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    /// Predictions: JSON lines with `entities` or a raw `completion`, or any format of `rner data formats`. They are
    /// matched by `id` if both sides have it, by `dataset` and `index`, by `sentence`, or, if they say none, by line.
    #[arg(long, value_name = "FILE", requires = "gold")]
    predictions: Option<PathBuf>,
    /// Predictions of another system, for the difference and its p-values.
    #[arg(long, value_name = "FILE", requires = "predictions")]
    compare: Option<PathBuf>,
    /// Presets: reasoningie, universalner, instructuie, b2ner, gollie, gliner, seqeval-strict, strict, exact, partial
    /// or type; several separated by commas, or `all`.
    #[arg(long, value_name = "NAME", value_parser = presets, default_value = "reasoningie")]
    scorer: Vec<Presets>,
    /// Tables to print; may be repeated or separated by commas. JSON has them all.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["type", "errors"])]
    by: Vec<By>,
    /// Training examples, for the table of seen and unseen entities.
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// Whether labels are lower-cased and placeholders such as `misc` leave the gold, as in the paper's loader. They
    /// leave the predictions too, except under `reasoningie`, which counts them as errors, as the paper's code does.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
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

/// The presets that one word of `--scorer` names.
#[derive(Clone, Debug)]
struct Presets(Vec<Scorer>);

fn presets(words: &str) -> Result<Presets, ner_score::Error> {
    if words == "all" {
        return Ok(Presets(Scorer::ALL.into()));
    }
    let presets = words.split(',').map(str::parse);
    Ok(Presets(presets.collect::<Result<_, _>>()?))
}

/// What the command writes as JSON, for several presets as a list. F1 in `report` are fractions, those named percent
/// are not.
#[derive(Serialize)]
struct Output {
    scorer: Scorer,
    f1_percent: f64,
    report: Report,
    datasets: Vec<DatasetRow>,
    mean_f1_percent: f64,
    mean_f1_percent_as_the_paper_rounds: f64,
    matched_by: MatchedBy,
    filter: Filter,
    filtered: Filtered,
    predictions_with_wrong_offsets: usize,
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
    print(args, &score_all(args, &gold, predictions)?)
}

/// One output for each preset.
fn score_all(args: &ScoreArgs, gold: &Gold, predictions: &Path) -> Result<Vec<Output>> {
    let read = |path: &Path| gold.answer(path, args.unmatched, args.reader.into());
    let answered = read(predictions)?;
    let other = args.compare.as_deref().map(read).transpose()?;
    let seen = seen(args)?;
    let mut outputs = Vec::new();
    for scorer in args.scorers() {
        let how = ReportOptions {
            scorer,
            seed: args.seed,
            resamples: args.resamples,
            seen: seen.clone(),
        };
        outputs.push(score(how, gold, &answered, other.as_ref())?);
    }
    Ok(outputs)
}

impl ScoreArgs {
    /// The presets, each once, in the order in which they are named.
    fn scorers(&self) -> Vec<Scorer> {
        let mut scorers = Vec::new();
        for scorer in self.scorer.iter().flat_map(|presets| &presets.0) {
            if !scorers.contains(scorer) {
                scorers.push(*scorer);
            }
        }
        scorers
    }
}

fn score(
    how: ReportOptions,
    gold: &Gold,
    answered: &Answered,
    other: Option<&Answered>,
) -> Result<Output> {
    let (scorer, seed, resamples) = (how.scorer, how.seed, how.resamples);
    let mut builder = ReportBuilder::new(how);
    answered.each_sentence(gold, scorer, |sentence| {
        builder.add(sentence);
    });
    let sets = gold.by_dataset(answered, builder.counts());
    let slices: Vec<&[Counts]> = sets.iter().map(|(_, counts)| counts.as_slice()).collect();
    let totals: Vec<Counts> = slices.iter().map(|set| total(set)).collect();
    let intervals = bootstrap(&slices, seed, resamples);
    let report = builder.finish();
    let comparison = other.map(|other| compare(&report, gold, answered, &sets, other));
    Ok(Output {
        scorer,
        f1_percent: report.micro.f1 * 100.0,
        report,
        datasets: dataset_rows(&sets, &intervals),
        mean_f1_percent: mean_f1(&totals) * 100.0,
        mean_f1_percent_as_the_paper_rounds: paper_mean_f1_percent(&totals),
        matched_by: answered.matched_by,
        filter: gold.filter,
        filtered: gold.filtered(answered, scorer),
        predictions_with_wrong_offsets: answered.misplaced,
        sentences_without_prediction: answered.unanswered,
        predictions_without_sentence: answered.unknown,
        comparison: comparison.transpose()?,
    })
}

/// The entities of the training data.
fn seen(args: &ScoreArgs) -> Result<Option<Seen>> {
    let Some(path) = &args.train else {
        return Ok(None);
    };
    let examples = args.input.read(path)?;
    Ok(Some(Seen::new(examples.iter().flat_map(|e| &e.entities))))
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
    report: &Report,
    gold: &Gold,
    answered: &Answered,
    sets: &[(String, Vec<Counts>)],
    other: &Answered,
) -> Result<Comparison> {
    answered.check_same_sentences(other, gold)?;
    let (scorer, seed, resamples) = (report.scorer, report.seed, report.resamples);
    let mut counts: Vec<Counts> = Vec::new();
    other.each_sentence(gold, scorer, |sentence| {
        counts.push(score_sentence(scorer, sentence).tally.counts(scorer));
    });
    let others = gold.by_dataset(other, &counts);
    let slices = |sets: &[(String, Vec<Counts>)]| -> Vec<Vec<Counts>> {
        sets.iter().map(|(_, counts)| counts.clone()).collect()
    };
    let (first, second) = (slices(sets), slices(&others));
    let first: Vec<&[Counts]> = first.iter().map(Vec::as_slice).collect();
    let second: Vec<&[Counts]> = second.iter().map(Vec::as_slice).collect();
    Ok(Comparison {
        other_f1_percent: total(&counts).f1_percent(),
        paired_bootstrap: paired_bootstrap(&first, &second, seed, resamples)?,
        approximate_randomization: approximate_randomization(&first, &second, seed, resamples)?,
    })
}

/// One preset as an object, several as a list; or as tables.
fn print(args: &ScoreArgs, outputs: &[Output]) -> Result<()> {
    if !args.json {
        print!("{}", table::render(outputs, &args.by));
        return Ok(());
    }
    let json = match outputs {
        [output] => serde_json::to_string_pretty(output),
        outputs => serde_json::to_string_pretty(outputs),
    };
    println!("{}", json.context("cannot write the report")?);
    Ok(())
}

#[cfg(test)]
mod tests;

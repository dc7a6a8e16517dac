//! `rner data`: the catalogue, downloads, counts, conversion, the paper's sample, and a check of files.

mod convert;
mod fetch;
mod formats;
mod lengths;
mod report;
mod sample;
mod split;
mod target;

use std::num::NonZero;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use ner_datasets::{FaultKind, Format, Policy, ReadOptions, read_labels};
use rner_cli::args::ForceArgs;
use rner_cli::reading::InputArgs;

use target::written;

/// The arguments of `rner data`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum DataCommand {
    /// List the public datasets that can be fetched, with homes and licences, and their groups.
    List(ListArgs),
    /// Download public datasets; resumed if broken off, checked against pinned hashes.
    Fetch(FetchArgs),
    /// List the formats that are read, how each is recognised, and which are written.
    Formats(FormatsArgs),
    /// Count sentences, words, entities and types.
    Stats(StatsArgs),
    /// Convert a file into another format.
    Convert(ConvertArgs),
    /// Divide a file into two by its sentences, so that none is in both.
    Split(split::SplitArgs),
    /// Draw the paper's proportional sample for reinforcement learning from the in-domain training sets.
    Sample(SampleArgs),
    /// Name and count every fault of files; fails if one of them is fatal.
    Validate(ValidateArgs),
    /// Measure how fast files are read.
    Bench(BenchArgs),
    /// Count the tokens of a benchmark's prompts and answers.
    Lengths(LengthsArgs),
}

#[derive(Clone, Debug, Args)]
struct ListArgs {
    /// Only the groups, each with its sets.
    #[arg(long)]
    groups: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
struct FormatsArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
struct FetchArgs {
    /// Names of datasets or groups from `rner data list`.
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
    /// Fetch every dataset whose files are all pinned.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Folder that receives the files; the cache of `rner reproduce` if left out: $RNER_DATA, or rner/data in the
    /// user's cache folder.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// How often a broken download is tried in all.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
struct StatsArgs {
    /// Files, or folders that are searched for files of a known format.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
struct ConvertArgs {
    /// File to read.
    input: PathBuf,
    /// File to write. JSON formats are written as JSON lines if it ends in .jsonl, else as an array.
    output: PathBuf,
    /// Format to write; `rner data formats` lists them. If left out, the ending says it: bio for .conll, .bio, .iob and
    /// .conllu, parquet for .parquet, and for .json and .jsonl the input's format if it is one of JSON, ner-cot for
    /// Parquet, else plain.
    #[arg(long, value_name = "FORMAT", value_parser = written)]
    to: Option<Format>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    force: ForceArgs,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
struct SampleArgs {
    /// Folder with one folder for each in-domain set, each with its training split as `train.EXTENSION` or under the
    /// names of the files of `rner data fetch`, also in `instructuie-format/` and `in-domain/`.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Format to write.
    #[arg(long, value_name = "FORMAT", default_value = "ner-cot", value_parser = written)]
    to: Format,
    /// Rows asked for; rounding down loses up to one a set.
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    total: usize,
    /// Rows of a set that count towards its share.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    cap: usize,
    /// Seed of the draw.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Mix the rows of all sets.
    #[arg(long)]
    shuffle: bool,
    /// Names of labels: `instructuie`, another of rner's lists, `none` as in the files, or a file of such names.
    #[arg(long, value_name = "MAP", default_value = "instructuie")]
    label_map: String,
    /// Leave mit-movie and mit-restaurant out, which the paper's list has although they are benchmark sets.
    #[arg(long)]
    without_mit: bool,
    /// Leave a set out; may be repeated.
    #[arg(long, value_name = "SET")]
    without: Vec<String>,
    /// Go on with the sets that are there if some of the 20 are missing.
    #[arg(long)]
    allow_missing: bool,
    #[command(flatten)]
    faults: FaultArgs,
    #[command(flatten)]
    force: ForceArgs,
    /// Print the quotas as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
struct ValidateArgs {
    /// Files, or folders that are searched for files of a known format.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
struct BenchArgs {
    /// Files, or folders that are searched for files of a known format.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Threads that read, each a file at a time; all cores if left out.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Passes over all files that are measured.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    passes: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How files are read.
#[derive(Clone, Debug, Args)]
struct ReadingArgs {
    /// Format of the files; recognised if left out.
    #[arg(long, value_name = "FORMAT")]
    from: Option<Format>,
    /// List of the allowed labels: a JSON array, or one a line. For InstructUIE the labels.json beside the file.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Longest line or JSON row, in bytes.
    #[arg(long, value_name = "N", default_value_t = 1 << 20)]
    max_row_bytes: usize,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    faults: FaultArgs,
}

impl ReadingArgs {
    /// The options of a command's readers. Identifiers are compared only by `check_ids`.
    fn options(&self, policy: Policy, check_ids: bool) -> Result<ReadOptions> {
        let labels = self.labels.as_deref().map(read_labels).transpose()?;
        Ok(ReadOptions {
            labels,
            policy,
            max_row_bytes: self.max_row_bytes,
            check_ids,
            ..self.input.reading()?.options()
        })
    }
}

/// Which faults stop the reader.
#[derive(Clone, Debug, Args)]
struct FaultArgs {
    /// Which faults end the command: those that lose a row or a label, all of them, or none.
    #[arg(long, value_enum, default_value_t = OnFault::Losing)]
    on_fault: OnFault,
    /// Make one kind of fault fatal; may be repeated.
    #[arg(long, value_name = "KIND")]
    fatal: Vec<FaultKind>,
    /// Count one kind of fault and go on; may be repeated.
    #[arg(long, value_name = "KIND")]
    skip: Vec<FaultKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnFault {
    /// Faults that would lose a row or a label are fatal.
    Losing,
    /// Every fault is fatal.
    Fail,
    /// Every fault is counted and remedied.
    Skip,
}

impl FaultArgs {
    fn policy(&self) -> Result<Policy> {
        self.policy_over(Policy::default())
    }

    /// The policy, where `losing` stands for another one.
    fn policy_over(&self, losing: Policy) -> Result<Policy> {
        if let Some(kind) = self.fatal.iter().find(|kind| self.skip.contains(kind)) {
            let message = format!("--fatal {kind} and --skip {kind} contradict each other");
            return Err(rner_cli::exit::usage(message));
        }
        let base = match self.on_fault {
            OnFault::Losing => losing,
            OnFault::Fail => Policy::strict(),
            OnFault::Skip => Policy::lenient(),
        };
        let policy = self
            .fatal
            .iter()
            .fold(base, |policy, kind| policy.fatal(*kind));
        Ok(self
            .skip
            .iter()
            .fold(policy, |policy, kind| policy.skip(*kind)))
    }
}

#[derive(Clone, Debug, Args)]
struct LengthsArgs {
    /// Benchmark: crossner-mit, in-domain, few-shot, cross-lingual, or the path of a suite file (TOML).
    #[arg(long, value_name = "NAME", default_value = "crossner-mit")]
    suite: String,
    /// Folder with the benchmark's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder with `tokenizer.json`.
    #[arg(long, value_name = "DIR")]
    tokenizer: PathBuf,
    /// Prompt template; the paper's if left out.
    #[arg(long, value_name = "FILE")]
    prompt: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `rner data`.
///
/// # Errors
///
/// If the command is wrong, a file cannot be read or written, or a fault is fatal.
pub(crate) fn run(args: &DataArgs) -> Result<()> {
    match &args.command {
        DataCommand::List(args) => fetch::list(args),
        DataCommand::Fetch(args) => fetch::run(args),
        DataCommand::Formats(args) => formats::run(args.json),
        DataCommand::Stats(args) => report::stats(args),
        DataCommand::Convert(args) => convert::run(args),
        DataCommand::Split(args) => split::run(args),
        DataCommand::Sample(args) => sample::run(args),
        DataCommand::Validate(args) => report::validate(args),
        DataCommand::Bench(args) => report::bench(args),
        DataCommand::Lengths(args) => lengths::run(args),
    }
}

/// Prints a value as indented JSON.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

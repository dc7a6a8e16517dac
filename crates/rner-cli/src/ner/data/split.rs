//! `rner data split`: a file in two, divided by its sentences.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use atomic_files::Lock;
use clap::Args;
use ner_datasets::{
    Conflict, DivideOptions, Division, FaultReport, Format, Part, Policy, ReadOptions, divide,
    open, write_rows,
};
use rner::inputs::{format_of, with_schema};
use rner_cli::args::ForceArgs;
use rner_cli::exit::usage;
use serde::Serialize;

use super::convert::{note_labels, write_labels};
use super::report::print_faults;
use super::target::{check_apart, target, written};
use super::{ReadingArgs, print_json};

/// Contradictions that are named.
const NAMED: usize = 10;

/// Flags of `rner data split`.
#[derive(Clone, Debug, Args)]
pub(super) struct SplitArgs {
    /// File to divide.
    input: PathBuf,
    /// Share of the rows that are held out, between 0 and 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    share: f64,
    /// Seed of the draw.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Leave out rows that are an earlier one again: the same sentence, types, mentions and reasoning.
    #[arg(long)]
    dedupe: bool,
    /// A folder for train.ENDING and test.ENDING, or two files: what is trained on, and what is held out.
    #[arg(long, value_name = "PATH", num_args = 1..=2, required = true)]
    out: Vec<PathBuf>,
    /// Format to write; if left out, the input's, or as the ending of the files says.
    #[arg(long, value_name = "FORMAT", value_parser = written)]
    to: Option<Format>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    force: ForceArgs,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

/// A file that was written.
#[derive(Serialize)]
struct WrittenPart {
    path: PathBuf,
    format: &'static str,
    rows: usize,
}

#[derive(Serialize)]
struct Told<'a> {
    train: &'a WrittenPart,
    held_out: &'a WrittenPart,
    sentences: usize,
    repeated: usize,
    dropped: usize,
    conflicts: usize,
    faults: &'a FaultReport,
}

/// How the input is read, the same in every pass.
struct Input<'a> {
    path: &'a Path,
    format: Format,
    options: ReadOptions,
    policy: Policy,
}

/// Divides a file.
pub(super) fn run(args: &SplitArgs) -> Result<()> {
    if !(args.share > 0.0 && args.share < 1.0) {
        return Err(usage(
            "--share: expected a share between 0 and 1, such as 0.1",
        ));
    }
    let input = input(args)?;
    let outputs = outputs(args, input.format)?;
    let mut reader = open(input.path, input.format, input.options.clone())?;
    let options = DivideOptions {
        share: args.share,
        seed: args.seed,
        dedupe: args.dedupe,
    };
    let division = divide(reader.by_ref(), options)?;
    let mut faults = reader.faults().clone();
    if division.count(Part::HeldOut) == 0 {
        let message = format!("{}: one sentence cannot be divided", input.path.display());
        return Err(usage(message));
    }
    let [train, held_out] = &outputs;
    let train = write(&input, train, &division, Part::Train, args, &mut faults)?;
    let held_out = write(
        &input,
        held_out,
        &division,
        Part::HeldOut,
        args,
        &mut faults,
    )?;
    let told = Told {
        train: &train,
        held_out: &held_out,
        sentences: division.sentences,
        repeated: division.repeated,
        dropped: division.count(Part::Dropped),
        conflicts: division.conflicts.len(),
        faults: &faults,
    };
    if args.json {
        return print_json(&told);
    }
    print(&told, input.path, &division.conflicts);
    Ok(())
}

fn input(args: &SplitArgs) -> Result<Input<'_>> {
    let format = format_of(&args.input, args.reading.from)?;
    let policy = args.reading.faults.policy()?;
    let options = args.reading.options(policy, false)?;
    Ok(Input {
        path: &args.input,
        format,
        options: with_schema(&args.input, format, options)?,
        policy,
    })
}

/// The two files with their formats.
fn outputs(args: &SplitArgs, from: Format) -> Result<[(PathBuf, Format); 2]> {
    let outputs: [Result<(PathBuf, Format)>; 2] = match &args.out[..] {
        [train, held_out] => [train, held_out].map(|path| {
            let format = target(args.to, path, from)?;
            Ok((path.clone(), format))
        }),
        folder => {
            let format = args.to.unwrap_or(from);
            if format.is_read_only() {
                let message =
                    format!("{format} can be read but not written: name another with --to");
                return Err(usage(message));
            }
            let ending = ending(args, format, from);
            let folder = folder.first().cloned().unwrap_or_default();
            ["train", "test"].map(|name| Ok((folder.join(format!("{name}.{ending}")), format)))
        }
    };
    let [train, held_out] = outputs;
    let outputs: [(PathBuf, Format); 2] = [train?, held_out?];
    if outputs[0].0 == outputs[1].0 {
        return Err(usage("--out: the two files are the same"));
    }
    for (path, _) in &outputs {
        check_apart(&args.input, path)?;
    }
    Ok(outputs)
}

/// The ending of files of a format: the input's own, if they are like it.
fn ending(args: &SplitArgs, format: Format, from: Format) -> String {
    let own = args.input.extension().and_then(|ending| ending.to_str());
    match (own, format) {
        (Some(own), _) if format == from => own.to_owned(),
        (_, Format::Parquet) => "parquet".into(),
        (_, Format::Bio) => "conll".into(),
        (_, Format::MitBio) => "bio".into(),
        _ => "jsonl".into(),
    }
}

/// Writes one part.
fn write(
    input: &Input<'_>,
    (path, format): &(PathBuf, Format),
    division: &Division,
    part: Part,
    args: &SplitArgs,
    faults: &mut FaultReport,
) -> Result<WrittenPart> {
    if let Some(folder) = path.parent() {
        atomic_files::fs::create_dir_all(folder)?;
    }
    let _lock = Lock::file(path)?;
    let _keep = args.force.keep(path);
    let labels = input.options.labels.iter().flatten();
    let mut labels: BTreeSet<String> = labels.cloned().collect();
    let reader = open(input.path, input.format, input.options.clone())?;
    let rows = reader.zip(&division.parts);
    let rows = rows.filter(|(row, of)| row.is_err() || **of == part);
    let rows = rows.map(|(row, _)| row).inspect(|row| {
        if let Ok(row) = row {
            note_labels(row, &mut labels);
        }
    });
    let written = write_rows(path, *format, rows, input.policy)?;
    faults.merge(written.faults);
    if *format == Format::InstructUie {
        write_labels(path, &labels)?;
    }
    Ok(WrittenPart {
        path: path.clone(),
        format: format.name(),
        rows: written.n_rows,
    })
}

fn print(told: &Told<'_>, input: &Path, conflicts: &[Conflict]) {
    for part in [told.train, told.held_out] {
        println!("{} rows in {}", part.rows, part.path.display());
    }
    let (n, dropped) = (told.repeated, told.dropped);
    match (n, dropped) {
        (0, _) => {}
        (_, 0) => println!(
            "{n} rows are an earlier one again, and in the same part (--dedupe drops them)"
        ),
        _ => println!("{dropped} rows are an earlier one again and were dropped"),
    }
    if !conflicts.is_empty() {
        let n = conflicts.len();
        println!(
            "{n} rows annotate a sentence otherwise than an earlier one; they are kept, in the same part:"
        );
    }
    for Conflict { line, first } in conflicts.iter().take(NAMED) {
        println!("  {}:{line}, first in line {first}", input.display());
    }
    print_faults(told.faults);
}

//! `rner data stats`, `validate` and `bench`: what files hold, what is wrong with them, how fast they are read.

use std::path::Path;

use anyhow::{Result, bail};
use ner_datasets::{
    FaultKind, FaultReport, Format, Policy, ReadOptions, Stats, measure_reading, open,
};
use rner::inputs::files;
use serde::Serialize;

use super::{BenchArgs, StatsArgs, ValidateArgs, print_json};

#[derive(Serialize)]
struct FileStats {
    path: String,
    format: &'static str,
    types: usize,
    #[serde(flatten)]
    stats: Stats,
    faults: FaultReport,
}

/// Counts what files hold.
pub(super) fn stats(args: &StatsArgs) -> Result<()> {
    let policy = args.reading.faults.policy()?;
    let options = args.reading.options(policy, false)?;
    let mut all = Vec::new();
    for (path, format) in files(&args.paths, args.reading.from)? {
        all.push(file_stats(&path, format, options.clone())?);
    }
    if args.json {
        return print_json(&all);
    }
    print_stats(&all);
    Ok(())
}

fn file_stats(path: &Path, format: Format, options: ReadOptions) -> Result<FileStats> {
    let mut reader = open(path, format, options)?;
    let stats = Stats::collect(reader.by_ref())?;
    Ok(FileStats {
        path: path.display().to_string(),
        format: format.name(),
        types: stats.types(),
        stats,
        faults: reader.faults().clone(),
    })
}

fn print_stats(all: &[FileStats]) {
    let width = all
        .iter()
        .map(|file| file.path.len())
        .max()
        .unwrap_or(0)
        .max(4);
    println!(
        "{:width$}  sentences     words  entities  types    free    dup.  gold set",
        "file"
    );
    for FileStats {
        path, types, stats, ..
    } in all
    {
        println!(
            "{path:width$}  {:>9} {:>9} {:>9} {types:>6} {:>7} {:>7} {:>9}",
            stats.sentences,
            stats.tokens,
            stats.entities,
            stats.entity_free,
            stats.duplicates,
            stats.filtered.gold_set,
        );
    }
    if let [file] = all {
        println!("\nentities of each type");
        let mut types: Vec<_> = file.stats.per_type.iter().collect();
        types.sort_by_key(|(label, count)| (std::cmp::Reverse(**count), label.as_str()));
        for (label, count) in types {
            println!("{count:>9}  {label}");
        }
    }
    for file in all {
        print_faults(&file.faults);
    }
}

#[derive(Serialize)]
struct FileFaults {
    path: String,
    format: &'static str,
    rows: usize,
    is_valid: bool,
    faults: FaultReport,
}

/// Names and counts the faults of files.
pub(super) fn validate(args: &ValidateArgs) -> Result<()> {
    let policy = args.reading.faults.policy_over(Policy::checking())?;
    // All faults are counted first; the policy decides at the end.
    let options = args.reading.options(Policy::lenient(), true)?;
    let mut all = Vec::new();
    for (path, format) in files(&args.paths, args.reading.from)? {
        all.push(check(&path, format, options.clone(), policy)?);
    }
    if args.json {
        print_json(&all)?;
    } else {
        all.iter().for_each(print_validity);
    }
    let n_bad = all.iter().filter(|file| !file.is_valid).count();
    if n_bad > 0 {
        bail!("{n_bad} of {} files have fatal faults", all.len());
    }
    Ok(())
}

fn check(path: &Path, format: Format, options: ReadOptions, policy: Policy) -> Result<FileFaults> {
    let mut reader = open(path, format, options)?;
    for row in reader.by_ref() {
        row?;
    }
    let faults = reader.faults().clone();
    let is_fatal = |kind: &FaultKind| policy.is_fatal(*kind);
    Ok(FileFaults {
        path: path.display().to_string(),
        format: format.name(),
        rows: reader.n_rows(),
        is_valid: !faults.counts.keys().any(is_fatal),
        faults,
    })
}

fn print_validity(file: &FileFaults) {
    let verdict = if file.is_valid { "valid" } else { "not valid" };
    let n_faults = file.faults.total();
    let FileFaults {
        path, format, rows, ..
    } = file;
    println!("{path}: {verdict}, {format}, {rows} rows, {n_faults} faults");
    print_faults(&file.faults);
}

/// Prints the counts of each kind and its first places.
pub(super) fn print_faults(faults: &FaultReport) {
    for (kind, count) in &faults.counts {
        println!("  {count} × {kind} (unless fatal: {})", kind.remedy());
        for fault in faults.first.iter().filter(|fault| fault.kind == *kind) {
            println!("    {fault}");
        }
    }
}

#[derive(Serialize)]
struct Bench {
    files: usize,
    megabytes_per_second: f64,
    #[serde(flatten)]
    measured: ner_datasets::Throughput,
}

/// Measures how fast files are read.
pub(super) fn bench(args: &BenchArgs) -> Result<()> {
    let files = files(&args.paths, None)?;
    let threads = match args.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?,
    };
    let measured = measure_reading(&files, args.passes as usize, threads)?;
    let bench = Bench {
        files: files.len(),
        megabytes_per_second: measured.megabytes_per_second(),
        measured,
    };
    if args.json {
        return print_json(&bench);
    }
    let Bench {
        files,
        megabytes_per_second,
        measured,
    } = bench;
    let megabytes = measured.bytes as f64 / 1e6;
    println!(
        "{files} files, {megabytes:.1} MB, {} rows: {megabytes_per_second:.0} MB/s on {} threads, median of {} passes",
        measured.rows, measured.threads, args.passes
    );
    Ok(())
}

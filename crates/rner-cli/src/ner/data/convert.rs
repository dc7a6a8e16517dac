//! `rner data convert`: one file from one format to another.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use atomic_files::Lock;
use ner_datasets::{FaultReport, Format, Row, open, write_atomic, write_rows};
use rner::inputs::{format_of, with_schema};
use serde::Serialize;

use super::report::print_faults;
use super::target::{check_apart, target};
use super::{ConvertArgs, print_json};

#[derive(Serialize)]
struct Converted<'a> {
    input: &'a Path,
    output: &'a Path,
    from: &'static str,
    to: &'static str,
    rows: usize,
    faults: &'a FaultReport,
}

/// Converts a file.
pub(super) fn run(args: &ConvertArgs) -> Result<()> {
    check_apart(&args.input, &args.output)?;
    let _lock = Lock::file(&args.output)?;
    let _keep = args.force.keep(&args.output);
    let from = format_of(&args.input, args.reading.from)?;
    let to = target(args.to, &args.output, from)?;
    let policy = args.reading.faults.policy()?;
    let options = args.reading.options(policy, false)?;
    let options = with_schema(&args.input, from, options)?;
    let mut labels: BTreeSet<String> = options.labels.iter().flatten().cloned().collect();
    let mut reader = open(&args.input, from, options)?;
    let rows = reader.by_ref().inspect(|row| {
        if let Ok(row) = row {
            note_labels(row, &mut labels);
        }
    });
    let written = write_rows(&args.output, to, rows, policy)?;
    let mut faults = reader.faults().clone();
    faults.merge(written.faults);
    if to == Format::InstructUie {
        write_labels(&args.output, &labels)?;
    }
    let converted = Converted {
        input: &args.input,
        output: &args.output,
        from: from.name(),
        to: to.name(),
        rows: written.n_rows,
        faults: &faults,
    };
    if args.json {
        return print_json(&converted);
    }
    let (rows, output) = (converted.rows, args.output.display());
    println!("{rows} rows from {from} to {to} in {output}");
    print_faults(&faults);
    Ok(())
}

pub(super) fn note_labels(row: &Row, labels: &mut BTreeSet<String>) {
    for label in &row.example.schema {
        if !labels.contains(label) {
            labels.insert(label.clone());
        }
    }
}

/// The lock of a file that other processes, which convert other splits, hold for a moment.
fn wait_for(path: &Path) -> Result<Lock, atomic_files::Error> {
    let mut attempts = 0;
    loop {
        match Lock::file(path) {
            Err(atomic_files::Error::InUse { .. }) if attempts < 100 => attempts += 1,
            lock => return lock,
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Writes the list of labels that the InstructUIE layout has beside its splits, with those of a list that is there.
pub(super) fn write_labels(output: &Path, labels: &BTreeSet<String>) -> Result<()> {
    let path = output.with_file_name("labels.json");
    let _lock = wait_for(&path)?;
    let mut labels = labels.clone();
    if path.is_file() {
        labels.extend(ner_datasets::read_labels(&path)?);
    }
    let text = serde_json::to_string(&labels)?;
    Ok(write_atomic(&path, |out| writeln!(out, "{text}"))?)
}

//! Reads a file in any format and writes it in another.
//!
//! `cargo run -p ner-datasets --example convert -- train.txt train.json gliner`; without a format it is `plain`.

use std::error::Error;
use std::path::Path;

use ner_datasets::{Format, Policy, ReadOptions, open, scan_labels, write_rows};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (input, output, format) = match &arguments[..] {
        [input, output] => (input, output, Format::Plain),
        [input, output, format] => (input, output, format.parse()?),
        _ => return Err("expected: INPUT OUTPUT [FORMAT]".into()),
    };
    println!("{}", convert(input.as_ref(), output.as_ref(), format)?);
    Ok(())
}

/// Converts a file and says what came of it: how many rows, and every kind of fault with its remedy.
pub(crate) fn convert(input: &Path, output: &Path, to: Format) -> Result<String, Box<dyn Error>> {
    let from = Format::detect(input)?;
    let mut options = ReadOptions {
        policy: Policy::lenient(),
        ..ReadOptions::default()
    };
    if !from.has_schema() {
        // Where rows state no schema, all labels of the file are the schema of each; that takes a first pass.
        options.labels = Some(scan_labels(input, from, options.clone())?);
    }
    let mut reader = open(input, from, options)?;
    let written = write_rows(output, to, reader.by_ref(), Policy::lenient())?;
    let mut faults = reader.faults().clone();
    faults.merge(written.faults);
    let mut said = format!("{} rows from {from} to {to}", written.n_rows);
    for (kind, count) in &faults.counts {
        said += &format!("\n{kind}: {count}, {}", kind.remedy());
    }
    Ok(said)
}

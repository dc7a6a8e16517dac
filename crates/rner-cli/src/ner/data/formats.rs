//! `rner data formats`: what is read and written, and how a file's format is recognised.

use anyhow::Result;
use ner_datasets::Format;
use serde::Serialize;

use super::print_json;

#[derive(Serialize)]
struct Described {
    name: &'static str,
    recognised_by: &'static str,
    is_written: bool,
}

/// Prints the formats.
pub(super) fn run(json: bool) -> Result<()> {
    let formats = Format::ALL.map(|format| Described {
        name: format.name(),
        recognised_by: format.recognised_by(),
        is_written: !format.is_read_only(),
    });
    if json {
        return print_json(&formats);
    }
    println!("format        read  written  recognised by");
    for format in &formats {
        let written = if format.is_written { "yes" } else { "no" };
        println!(
            "{:<13} yes   {written:<7}  {}",
            format.name, format.recognised_by
        );
    }
    Ok(())
}

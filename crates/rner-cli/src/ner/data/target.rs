//! Which format is written: as it is named, or as the ending of the file says.

use std::path::Path;

use anyhow::Result;
use ner_datasets::Format;
use rner_cli::exit::usage;

/// A format that can be written, by its name.
pub(super) fn written(name: &str) -> Result<Format, String> {
    let names = || {
        let written = Format::ALL.into_iter().filter(|f| !f.is_read_only());
        let names: Vec<&str> = written.map(Format::name).collect();
        names.join(", ")
    };
    match name.parse::<Format>() {
        Ok(format) if format.is_read_only() => Err(format!(
            "{format} can be read but not written; formats to write: {}",
            names()
        )),
        Ok(format) => Ok(format),
        Err(_) => Err(format!(
            "expected a format to write ({}), found {name:?}",
            names()
        )),
    }
}

/// The format of a file to be written, from rows that were read in another.
///
/// # Errors
/// An ending that says nothing.
pub(super) fn target(named: Option<Format>, output: &Path, from: Format) -> Result<Format> {
    let ending = output.extension().and_then(|ending| ending.to_str());
    let of_ending = match ending {
        Some("parquet") => Some(Format::Parquet),
        Some("conll" | "conllu" | "bio" | "iob") => Some(Format::Bio),
        Some("json" | "jsonl" | "ndjson") => Some(json_of(from)),
        _ => None,
    };
    named.or(of_ending).ok_or_else(|| {
        usage(format!(
            "--to FORMAT is missing: {} may be of several formats",
            output.display()
        ))
    })
}

/// The JSON format in which rows are written that were read in another format.
fn json_of(from: Format) -> Format {
    match from {
        Format::Bio | Format::MitBio | Format::IndexedBio => Format::Plain,
        Format::Tokens | Format::Slimer => Format::Plain,
        // Parquet holds reasoning, which plain rows do not.
        Format::Parquet => Format::NerCot,
        json => json,
    }
}

/// Refuses to write a file over the one that is read.
///
/// # Errors
/// If both are the same file.
pub(super) fn check_apart(input: &Path, output: &Path) -> Result<()> {
    if matches!((input.canonicalize(), output.canonicalize()), (Ok(a), Ok(b)) if a == b) {
        return Err(usage("input and output are the same file"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_say_the_format_where_they_can() {
        for (output, from, expected) in [
            ("a.conll", Format::Hub, Some(Format::Bio)),
            ("a.parquet", Format::Bio, Some(Format::Parquet)),
            ("a.jsonl", Format::Bio, Some(Format::Plain)),
            ("a.json", Format::NerCot, Some(Format::NerCot)),
            ("a.jsonl", Format::Parquet, Some(Format::NerCot)),
            ("a.txt", Format::Bio, None),
            ("a", Format::Plain, None),
        ] {
            assert_eq!(target(None, Path::new(output), from).ok(), expected);
        }
        let named = target(Some(Format::Gliner), Path::new("a.conll"), Format::Bio);
        assert_eq!(named.ok(), Some(Format::Gliner));
    }

    #[test]
    fn only_formats_that_can_be_written_are_offered() {
        assert_eq!(written("bio"), Ok(Format::Bio));
        let message = written("slimer").expect_err("read only");
        assert!(
            message.contains("not written") && !message.contains("tokens"),
            "{message}"
        );
        assert!(written("bioo").is_err_and(|message| message.contains("mit-bio")));
    }
}

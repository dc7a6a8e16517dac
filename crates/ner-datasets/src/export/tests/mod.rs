//! Every form gives back what it was given: text, label and place of each mention, over random texts; and what it
//! cannot hold, it counts.

mod back;
mod cases;
mod msgpack;
mod strategy;

use std::path::Path;

use proptest::prelude::*;

use super::form::Form;
use super::kinds::{ExportFormat, ExportOptions};
use super::row::ExportRow;
use crate::fault::FaultReport;
use back::Found;
use strategy::{of, rows};

/// The bytes of a form, and what it left out.
fn written(format: ExportFormat, name: &str, rows: &[ExportRow]) -> (Vec<u8>, FaultReport) {
    let mut out = Vec::new();
    let options = ExportOptions {
        name: name.into(),
        ..ExportOptions::default()
    };
    let mut form = format.form(&mut out, &options).expect("begun");
    rows.iter()
        .for_each(|row| form.write(row).expect("written"));
    let left_out = form.left_out().clone();
    form.finish().expect("finished");
    (out, left_out)
}

/// What was to be written.
fn expected(rows: &[ExportRow]) -> Vec<Found> {
    rows.iter().map(Found::of).collect()
}

#[track_caller]
fn check(format: ExportFormat, name: &str, rows: &[ExportRow]) {
    let (bytes, left_out) = written(format, name, rows);
    assert_eq!(
        back::read(format, name, &bytes, rows),
        expected(rows),
        "{format}"
    );
    assert_eq!(left_out.total(), 0, "{format}: {left_out:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn rows_and_tables_keep_all_places(rows in rows()) {
        check(ExportFormat::Jsonl, "a.jsonl", &rows);
        check(ExportFormat::Csv, "a.csv", &rows);
        #[cfg(feature = "parquet")]
        check(ExportFormat::Parquet, "a.parquet", &rows);
    }

    #[test]
    fn annotation_tools_get_all_places(rows in rows()) {
        check(ExportFormat::LabelStudio, "a.json", &rows);
        check(ExportFormat::Doccano, "a.jsonl", &rows);
        check(ExportFormat::Prodigy, "a.jsonl", &rows);
    }

    #[cfg(feature = "docbin")]
    #[test]
    fn a_docbin_has_the_text_and_all_spans(rows in rows()) {
        check(ExportFormat::DocBin, "a.spacy", &rows);
    }

    /// GLiNER's rows have words and no text, so its mentions are compared by their words.
    #[test]
    fn words_of_gliner_are_those_of_the_mentions(rows in rows()) {
        let (bytes, left_out) = written(ExportFormat::Gliner, "a.json", &rows);
        prop_assert_eq!(left_out.total(), 0);
        prop_assert_eq!(back::gliner(&bytes), rows.iter().map(back::squeezed).collect::<Vec<_>>());
    }

    #[test]
    fn brat_has_every_mention_in_its_file(rows in rows()) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut brat = Box::new(super::Brat::new(dir.path(), Path::new("a")));
        rows.iter().for_each(|row| brat.write(row).expect("written"));
        brat.finish().expect("finished");
        let found = back::brat(dir.path());
        let blank = |row: &ExportRow| Found::of(row).with_blanks();
        prop_assert_eq!(found, rows.iter().map(blank).collect::<Vec<_>>());
    }

    /// The page has all of every text, in order, and no markup but ours.
    #[test]
    fn the_page_has_the_whole_text(rows in rows()) {
        let (bytes, _) = written(ExportFormat::Html, "a.html", &rows);
        let page = String::from_utf8(bytes).expect("UTF-8");
        prop_assert!(!page.contains("<script"));
        let shown = back::html_texts(&page);
        prop_assert_eq!(shown, rows.iter().map(back::as_shown).collect::<Vec<_>>());
    }
}

/// A row with these mentions, in characters.
fn row(text: &str, mentions: &[(usize, usize, &str)]) -> ExportRow {
    of(1, text, mentions)
}

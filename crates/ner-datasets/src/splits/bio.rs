//! Whole BIO files: their sentences, with the types that occur in the file as the schema.

use std::collections::BTreeSet;
use std::path::Path;

use ner_types::Example;

use crate::error::Error;
use crate::formats::bio::BioColumns;
use crate::reader::{ReadOptions, open};
use crate::row::Row;

/// Reads one BIO file. `dataset` names it in the examples; their schema is the set of types of this file, sorted.
///
/// Mentions are read as by conlleval: an `I-x` that follows neither `B-x` nor `I-x` begins a mention too. Blank words
/// are dropped, and so are sentences that have no other. [`crate::open`] reads the same rows one by one.
///
/// # Errors
///
/// If the file cannot be read, a line has one column or something else than a tag in its place, or no sentence is left.
pub fn read_bio(path: &Path, dataset: &str, columns: BioColumns) -> Result<Vec<Example>, Error> {
    let rows = read_rows(path, columns)?;
    let labels = labels(&rows);
    let complete = |row: Row| Example {
        dataset: Some(dataset.into()),
        schema: labels.clone(),
        ..row.into_unplaced()
    };
    Ok(rows.into_iter().map(complete).collect())
}

/// All sentences of a file.
pub(crate) fn read_rows(path: &Path, columns: BioColumns) -> Result<Vec<Row>, Error> {
    let options = ReadOptions {
        max_row_bytes: usize::MAX,
        ..ReadOptions::default()
    };
    open(path, columns.format(), options)?.collect()
}

/// The distinct types of the sentences, sorted.
pub(crate) fn labels<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<String> {
    let entities = rows.into_iter().flat_map(|row| &row.example.entities);
    let labels: BTreeSet<&str> = entities.map(|entity| entity.label.as_str()).collect();
    labels.into_iter().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use ner_types::Entity;

    use super::*;
    use crate::formats::bio::detect_columns;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        file
    }

    #[track_caller]
    fn check(text: &str, columns: BioColumns, expected: &[(&str, &[(&str, &str)])]) {
        let examples = read_bio(file(text).path(), "set", columns).expect("readable");
        let found: Vec<_> = examples
            .iter()
            .map(|e| (e.sentence.as_str(), e.entities.clone()))
            .collect();
        let entities = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(text, label)| Entity::new(*text, *label))
                .collect()
        };
        let expected: Vec<_> = expected
            .iter()
            .map(|(sentence, pairs)| (*sentence, entities(pairs)))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn words_first_and_tags_first() {
        let expected: &[(&str, &[(&str, &str)])] = &[
            (
                "Ardela Voss left Brel",
                &[("Ardela Voss", "person"), ("Brel", "city")],
            ),
            ("so", &[]),
        ];
        check(
            "Ardela\tB-person\nVoss\tI-person\nleft\tO\nBrel\tB-city\n\n\nso\tO\n",
            BioColumns::TagLast,
            expected,
        );
        check(
            "B-person\tArdela\r\nI-person  Voss\nO\tleft\nB-city Brel\n \nO so",
            BioColumns::TagFirst,
            expected,
        );
    }

    #[test]
    fn mentions_are_delimited_as_by_conlleval() {
        let text = "a\tI-x\nb\tI-x\nc\tB-x\nd\tI-y\ne\tO\nf\tI-y\n";
        check(
            text,
            BioColumns::TagLast,
            &[(
                "a b c d e f",
                &[("a b", "x"), ("c", "x"), ("d", "y"), ("f", "y")],
            )],
        );
    }

    #[test]
    fn words_with_spaces_blank_words_other_columns_and_document_marks() {
        let text =
            "-DOCSTART- -X- O O\n\n\t\tO\n \t\tO\n\nnew york\tNNP\tB-city\n\t\tO\nit\tPRP\tO\n";
        check(
            text,
            BioColumns::TagLast,
            &[("new york it", &[("new york", "city")])],
        );
    }

    /// The layout of MultiCoNER: a comment with the identifier, and four columns.
    #[test]
    fn comments_before_sentences_are_read_over_and_may_give_identifiers() {
        let text = "# id 7f-a1\tdomain=xx\nder _ _ O\nBrel _ _ B-LOC\n\n\n# id 7f-a2 domain=O\n# one more B\n# _ _ B-CW\n\
                    so _ _ I-CW\n\n# _ _ O\n";
        let expected: &[(&str, &[(&str, &str)])] = &[
            ("der Brel", &[("Brel", "LOC")]),
            ("# so", &[("# so", "CW")]),
            ("#", &[]),
        ];
        check(text, BioColumns::TagLast, expected);
        let read = read_bio(file(text).path(), "set", BioColumns::TagLast).expect("readable");
        let ids: Vec<_> = read.iter().map(|example| example.guid.as_deref()).collect();
        assert_eq!(ids, [Some("7f-a1"), Some("7f-a2"), None]);
        assert_eq!(
            detect_columns(file(text).path()).expect("readable"),
            Some(BioColumns::TagLast)
        );
        check_error(
            "a\tO\n# b\n",
            BioColumns::TagLast,
            ":2: expected a word, a tab and a tag, found \"# b\"",
        );
    }

    #[test]
    fn numbered_words_are_read_without_their_numbers() {
        check(
            "0\tIn\tO\n1\t1975\tO\n2\tBrel\tB-LOC\n3\tBay\tI-LOC\n\n0\t.\tO\n",
            BioColumns::Indexed,
            &[("In 1975 Brel Bay", &[("Brel Bay", "LOC")]), (".", &[])],
        );
        check_error(
            "0\tIn\tO\nBrel\tB-LOC\n",
            BioColumns::Indexed,
            ":2: expected a number, a tab, a word, a tab and a tag, found \"Brel\\tB-LOC\"",
        );
    }

    #[test]
    fn the_schema_is_the_sorted_set_of_types() {
        let examples = read_bio(
            file("a\tB-y\nb\tB-x\n\nc\tB-y\n").path(),
            "set",
            BioColumns::TagLast,
        )
        .expect("readable");
        assert!(examples.iter().all(|example| example.schema == ["x", "y"]));
    }

    #[track_caller]
    fn check_error(text: &str, columns: BioColumns, expected: &str) {
        let message = read_bio(file(text).path(), "set", columns)
            .expect_err("faulty")
            .to_string();
        assert!(message.ends_with(expected), "{message}");
    }

    #[test]
    fn faults_are_named_with_their_line() {
        check_error(
            "a\tO\nb\n",
            BioColumns::TagLast,
            ":2: expected a word, a tab and a tag, found \"b\"",
        );
        check_error(
            "O\ta\nO\n",
            BioColumns::TagFirst,
            ":2: expected a tag, white space and a word, found \"O\"",
        );
        check_error(
            "a\tB-\n",
            BioColumns::TagLast,
            ":1: expected a tag O, B-type or I-type beside the word, found \"a\\tB-\"",
        );
        check_error(
            "\n\n",
            BioColumns::TagLast,
            ": expected at least one example, found none",
        );
    }
}

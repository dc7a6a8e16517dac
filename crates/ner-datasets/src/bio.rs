//! BIO files: one token and one tag a line, a blank line between sentences.
//!
//! CrossNER writes `word<TAB>tag`, the MIT corpora `tag<white space>word`. A line with more columns, as in CoNLL 2003,
//! is read by its first and its last one.

use std::collections::BTreeSet;
use std::path::Path;

use ner_types::{Entity, Example};

use crate::Error;
use crate::files::read_text;

/// Which column holds the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BioColumns {
    /// `word … tag`, as in CrossNER and CoNLL. Where a line has a tab, only tabs separate, because some words of
    /// tweets contain spaces.
    TagLast,
    /// `tag word`, as in the MIT corpora; any white space separates.
    TagFirst,
}

/// A sentence of a BIO file: words joined by one space, and the mentions in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tagged {
    words: Vec<String>,
    /// Tag of each word, without the prefix: `None` outside, else whether it begins a mention, and the label.
    tags: Vec<Option<(bool, String)>>,
}

/// Reads one BIO file. `dataset` names it in the examples; their schema is the set of types of this file, sorted.
///
/// Mentions are read as by conlleval: an `I-x` that follows neither `B-x` nor `I-x` begins a mention too. Blank words
/// are dropped, and so are sentences that have no other.
///
/// # Errors
///
/// If the file cannot be read, a line has one column or something else than a tag in its place, or no sentence is left.
pub fn read_bio(path: &Path, dataset: &str, columns: BioColumns) -> Result<Vec<Example>, Error> {
    let sentences = read_tagged(path, columns)?;
    let labels = labels(&sentences);
    Ok(sentences
        .into_iter()
        .map(|sentence| sentence.into_example(dataset, &labels))
        .collect())
}

/// The column of the tags, judged by the first line that has two columns of which one alone can be a tag.
pub(crate) fn detect_columns(path: &Path) -> Result<Option<BioColumns>, Error> {
    let text = read_text(path)?;
    Ok(text.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let (first, last) = (fields.next()?, fields.next_back()?);
        match (is_tag(first), is_tag(last)) {
            (true, false) => Some(BioColumns::TagFirst),
            (false, true) => Some(BioColumns::TagLast),
            _ => None,
        }
    }))
}

pub(crate) fn read_tagged(path: &Path, columns: BioColumns) -> Result<Vec<Tagged>, Error> {
    let text = read_text(path)?;
    let mut sentences = Vec::new();
    let mut current = Tagged::default();
    for (i, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            current.finish(&mut sentences);
        } else if !line.starts_with("-DOCSTART-") {
            let fault = |expected: &str| fault(path, i + 1, expected, line);
            current.push(line, columns).map_err(fault)?;
        }
    }
    current.finish(&mut sentences);
    if sentences.is_empty() {
        return Err(Error::Empty { path: path.into() });
    }
    Ok(sentences)
}

/// The distinct types of the sentences, sorted.
pub(crate) fn labels<'a>(sentences: impl IntoIterator<Item = &'a Tagged>) -> Vec<String> {
    let tags = sentences
        .into_iter()
        .flat_map(|sentence| sentence.tags.iter().flatten());
    let labels: BTreeSet<&str> = tags.map(|(_, label)| label.as_str()).collect();
    labels.into_iter().map(String::from).collect()
}

fn fault(path: &Path, line: usize, expected: &str, found: &str) -> Error {
    let found = format!("{:?}", found.chars().take(80).collect::<String>());
    Error::Format {
        path: path.into(),
        line,
        expected: expected.into(),
        found,
    }
}

/// Splits a line into its word and its tag.
fn fields(line: &str, columns: BioColumns) -> Option<(&str, &str)> {
    match columns {
        BioColumns::TagFirst => line
            .trim_start()
            .split_once(char::is_whitespace)
            .map(|(tag, word)| (word.trim(), tag)),
        BioColumns::TagLast if line.contains('\t') => {
            let (rest, tag) = line.trim_end().rsplit_once('\t')?;
            Some((rest.split('\t').next().unwrap_or(rest).trim(), tag.trim()))
        }
        BioColumns::TagLast => {
            let mut fields = line.split_whitespace();
            Some((fields.next()?, fields.next_back()?))
        }
    }
}

fn is_tag(field: &str) -> bool {
    read_tag(field).is_some()
}

/// Reads `O`, `B-x` or `I-x`; the inner `None` is the tag `O`.
fn read_tag(field: &str) -> Option<Option<(bool, String)>> {
    match field.split_once('-') {
        None if field == "O" => Some(None),
        Some(("B", label)) if !label.is_empty() => Some(Some((true, label.into()))),
        Some(("I", label)) if !label.is_empty() => Some(Some((false, label.into()))),
        _ => None,
    }
}

impl Tagged {
    /// Adds a line, or says what it should have been.
    fn push(&mut self, line: &str, columns: BioColumns) -> Result<(), &'static str> {
        let expected = match columns {
            BioColumns::TagLast => "a word, a tab and a tag",
            BioColumns::TagFirst => "a tag, white space and a word",
        };
        let (word, tag) = fields(line, columns).ok_or(expected)?;
        let tag = read_tag(tag).ok_or("a tag O, B-type or I-type beside the word")?;
        if !word.is_empty() {
            self.words.push(word.into());
            self.tags.push(tag);
        }
        Ok(())
    }

    fn finish(&mut self, sentences: &mut Vec<Tagged>) {
        let sentence = std::mem::take(self);
        if !sentence.words.is_empty() {
            sentences.push(sentence);
        }
    }

    /// The sentence as an example with the given schema.
    pub(crate) fn into_example(self, dataset: &str, schema: &[String]) -> Example {
        Example {
            dataset: Some(dataset.into()),
            sentence: self.words.join(" "),
            schema: schema.to_vec(),
            entities: self.entities(),
            ..Example::default()
        }
    }

    fn entities(&self) -> Vec<Entity> {
        let mut entities: Vec<Entity> = Vec::new();
        let mut open = false;
        for (word, tag) in self.words.iter().zip(&self.tags) {
            match (tag, entities.last_mut()) {
                (None, _) => {}
                (Some((false, label)), Some(last)) if open && last.label == *label => {
                    last.text.push(' ');
                    last.text.push_str(word);
                }
                (Some((_, label)), _) => entities.push(Entity::new(word, label)),
            }
            open = tag.is_some();
        }
        entities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let text = "-DOCSTART- -X- O O\n\n\tO\n \tO\n\nnew york\tNNP\tB-city\n\tO\nit PRP B-NP O\n";
        check(
            text,
            BioColumns::TagLast,
            &[("new york it", &[("new york", "city")])],
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

    #[test]
    fn columns_are_recognised() {
        let detected = |text: &str| detect_columns(file(text).path()).expect("readable");
        assert_eq!(detected("O\tO\nso\tO\n"), Some(BioColumns::TagLast));
        assert_eq!(detected("\nO\tso\n"), Some(BioColumns::TagFirst));
        assert_eq!(detected("O O\n"), None);
    }
}

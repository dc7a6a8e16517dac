//! Sentences to ask a model about: one that was typed, or the rows of a file or of standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use ner_datasets::{Format, Policy, ReadOptions, RowReader, from_reader, open};
use rner_cli::exit::usage;

/// How standard input is typed.
const STDIN: &str = "-";

/// Where the sentences come from.
#[derive(Clone, Debug, Args)]
pub(crate) struct SentenceArgs {
    /// The sentence.
    #[arg(required_unless_present = "input", conflicts_with = "input")]
    sentence: Option<String>,
    /// Sentences of a file, or of standard input (`-`): one on each line, or rows of a dataset, such as JSON lines with
    /// `sentence` or `text`.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
}

/// What is asked about.
pub(crate) enum Sentences {
    /// A sentence.
    One(String),
    /// Many.
    Rows(Rows),
}

/// A row: its line, its identifier and its sentence, or why there is none.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) id: Option<String>,
    pub(crate) sentence: Result<String, String>,
}

/// The rows of a source, one after the other.
pub(crate) struct Rows {
    /// The source, for messages.
    pub(crate) name: PathBuf,
    source: Source,
}

enum Source {
    /// A sentence on each line, or a JSON object of this format.
    Lines {
        lines: Lines,
        format: Option<Format>,
    },
    /// A dataset of another kind, and the faults that were told of.
    Dataset { reader: Box<RowReader>, told: usize },
}

impl SentenceArgs {
    /// Looks at the sentence that was typed, or opens the source.
    ///
    /// # Errors
    /// A sentence that is blank, or that is meant as a source; a source that cannot be read.
    pub(crate) fn read(&self) -> Result<Sentences> {
        match (&self.input, &self.sentence) {
            (Some(path), _) => Ok(Sentences::Rows(Rows::open(path)?)),
            (None, sentence) => {
                let sentence = sentence.clone().unwrap_or_default();
                check(&sentence)?;
                Ok(Sentences::One(sentence))
            }
        }
    }
}

/// Nobody means the name of a file as a sentence.
fn check(sentence: &str) -> Result<()> {
    if sentence.trim().is_empty() {
        return Err(usage("the sentence is blank"));
    }
    if sentence == STDIN || Path::new(sentence).is_file() {
        return Err(usage(format!(
            "expected a sentence, found {}: --input {sentence} reads the sentences in it",
            if sentence == STDIN {
                "-, standard input"
            } else {
                "the name of a file"
            },
        )));
    }
    Ok(())
}

impl Rows {
    fn open(path: &Path) -> Result<Self> {
        let is_stdin = path == Path::new(STDIN);
        let source = if is_stdin {
            Source::of_lines(std::io::stdin(), None)?
        } else {
            Source::of_file(path)?
        };
        let name = if is_stdin {
            Path::new("standard input")
        } else {
            path
        };
        Ok(Self {
            name: name.to_owned(),
            source,
        })
    }

    /// The next row, or `None` at the end.
    ///
    /// # Errors
    /// A source that cannot be read any further.
    pub(crate) fn next(&mut self) -> Result<Option<Row>> {
        let unreadable = || format!("cannot read {}", self.name.display());
        match &mut self.source {
            Source::Lines { lines, format } => {
                let line = lines.next().with_context(unreadable)?;
                Ok(line.map(|(number, line)| row_of(&self.name, number, line, *format)))
            }
            Source::Dataset { reader, told } => next_of_dataset(reader, told),
        }
    }
}

impl Rows {
    /// Rows that the reader of a dataset passed over so far, because they are none.
    pub(crate) fn skipped(&self) -> usize {
        let Source::Dataset { reader, .. } = &self.source else {
            return 0;
        };
        let counts = reader.faults().counts.iter();
        let skipped = counts.filter(|(kind, _)| kind.remedy() == "row skipped");
        skipped.map(|(_, count)| *count as usize).sum()
    }
}

impl Source {
    fn of_file(path: &Path) -> Result<Self> {
        let open_file =
            || File::open(path).with_context(|| format!("--input: cannot read {}", path.display()));
        let format = {
            open_file()?;
            Format::detect(path)
        };
        if format.is_err() && begins_an_array_of_objects(open_file()?)? {
            return Err(usage(format!(
                "--input {}: a JSON array whose rows have no sentence that is read; a row has `text`, or is one that \
                 `rner data formats` lists. JSON lines with `sentence` are read too",
                path.display()
            )));
        }
        let source = Self::of_lines(open_file()?, format.as_ref().ok().copied())?;
        match (source, format) {
            (Self::Lines { format: None, .. }, Ok(format)) => {
                let options = ReadOptions {
                    policy: Policy::lenient(),
                    ..ReadOptions::default()
                };
                let reader = Box::new(open(path, format, options)?);
                Ok(Self::Dataset { reader, told: 0 })
            }
            (source, _) => Ok(source),
        }
    }

    /// Lines of text; of JSON if the first of them begins an object.
    fn of_lines(source: impl Read + Send + 'static, format: Option<Format>) -> Result<Self> {
        let mut lines = Lines::new(source);
        let is_json = lines.first_byte().context("cannot read the sentences")? == Some(b'{');
        // Of rows that state no more than a sentence, no reader asks for less than the plain one.
        let plain = match format {
            None | Some(Format::NerCot | Format::InstructUie) => Format::Plain,
            Some(other) => other,
        };
        let format = is_json.then_some(plain);
        Ok(Self::Lines { lines, format })
    }
}

/// Whether a text begins as a JSON array of objects does, which nobody writes in front of a sentence.
fn begins_an_array_of_objects(file: File) -> Result<bool> {
    let mut head = Vec::new();
    file.take(1 << 10)
        .read_to_end(&mut head)
        .context("cannot read the sentences")?;
    let mut seen = head.iter().filter(|byte| !byte.is_ascii_whitespace());
    Ok(seen.next() == Some(&b'[') && seen.next() == Some(&b'{'))
}

/// The row on a line.
fn row_of(name: &Path, line: usize, bytes: Bytes, format: Option<Format>) -> Row {
    let mut id = None;
    let sentence = bytes.and_then(|bytes| match format {
        Some(format) => {
            let example = of_json(name, bytes, format)?;
            id = example.guid;
            Ok(example.sentence)
        }
        None => String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            format!("byte {} of the line is not UTF-8", at + 1)
        }),
    });
    let sentence = sentence.and_then(not_blank);
    Row { line, id, sentence }
}

/// The example of one row of JSON.
fn of_json(name: &Path, bytes: Vec<u8>, format: Format) -> Result<ner_types::Example, String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("the line is blank".to_owned());
    }
    let options = ReadOptions {
        policy: Policy::lenient(),
        ..ReadOptions::default()
    };
    let rows = from_reader(name, Cursor::new(bytes), format, options);
    let mut rows = rows.map_err(|error| error.to_string())?;
    match rows.next() {
        Some(Ok(row)) => Ok(row.example),
        Some(Err(error)) => Err(error.to_string()),
        None => {
            let fault = rows.faults().first.first();
            let told =
                fault.map(|fault| format!("expected {}, found {}", fault.expected, fault.found));
            Err(told.unwrap_or_else(|| "no row".to_owned()))
        }
    }
}

/// A dataset's next row. A row that its reader passes over is the next one told of, as far as its place is known.
fn next_of_dataset(reader: &mut RowReader, told: &mut usize) -> Result<Option<Row>> {
    let next = reader.next().transpose()?;
    let report = reader.faults();
    for fault in report.first.iter().skip(*told) {
        rner_cli::say!("note: {fault} ({})", fault.kind.remedy());
    }
    *told = report.first.len();
    Ok(next.map(|row| Row {
        line: row.line,
        id: row.example.guid,
        sentence: not_blank(row.example.sentence),
    }))
}

fn not_blank(sentence: String) -> Result<String, String> {
    if sentence.trim().is_empty() {
        return Err("the sentence is blank".to_owned());
    }
    Ok(sentence)
}

/// A line without its end, or why it is none.
type Bytes = Result<Vec<u8>, String>;

/// Lines of at most so many bytes as a row may have.
struct Lines {
    source: Box<dyn BufRead + Send>,
    line: usize,
    max_bytes: usize,
}

impl Lines {
    fn new(source: impl Read + Send + 'static) -> Self {
        Self {
            source: Box::new(BufReader::new(source)),
            line: 0,
            max_bytes: ReadOptions::default().max_row_bytes,
        }
    }

    /// The first byte that is not blank, within what is read at once; a byte order mark is dropped.
    fn first_byte(&mut self) -> std::io::Result<Option<u8>> {
        if self.source.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
            self.source.consume(3);
        }
        let bytes = self.source.fill_buf()?;
        Ok(bytes
            .iter()
            .copied()
            .find(|byte| !byte.is_ascii_whitespace()))
    }

    /// The next line without its end, or how long it is if that is too long.
    fn next(&mut self) -> std::io::Result<Option<(usize, Bytes)>> {
        let mut bytes = Vec::new();
        let limit = self.max_bytes as u64 + 2;
        let length = (&mut self.source)
            .take(limit)
            .read_until(b'\n', &mut bytes)?;
        if length == 0 {
            return Ok(None);
        }
        self.line += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            bytes.pop_if(|byte| *byte == b'\r');
        } else if length as u64 == limit {
            self.skip_line()?;
        }
        let checked = if bytes.len() > self.max_bytes {
            Err(format!("the line has over {} bytes", self.max_bytes))
        } else {
            Ok(bytes)
        };
        Ok(Some((self.line, checked)))
    }

    /// Passes over the rest of a line.
    fn skip_line(&mut self) -> std::io::Result<()> {
        loop {
            let bytes = self.source.fill_buf()?;
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let n_bytes = end.map_or(bytes.len(), |at| at + 1);
            self.source.consume(n_bytes);
            if end.is_some() || n_bytes == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a text, as lines and sentences or faults.
    fn rows(text: &[u8]) -> Vec<(usize, Result<String, String>)> {
        let mut source = Source::of_lines(Cursor::new(text.to_vec()), None).expect("readable");
        if let Source::Lines { lines, .. } = &mut source {
            lines.max_bytes = 60;
        }
        let mut rows = Rows {
            name: "x".into(),
            source,
        };
        let mut found = Vec::new();
        while let Some(row) = rows.next().expect("readable") {
            found.push((row.line, row.sentence));
        }
        found
    }

    #[track_caller]
    fn check_rows(text: &[u8], expected: &[(usize, Result<&str, &str>)]) {
        let found = rows(text);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((line, sentence), (expected_line, expected)) in found.iter().zip(expected) {
            assert_eq!(line, expected_line);
            match (sentence, expected) {
                (Ok(sentence), Ok(expected)) => assert_eq!(sentence, expected),
                (Err(fault), Err(words)) => assert!(fault.contains(words), "{fault}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_text_has_a_sentence_on_each_line() {
        let long = "x".repeat(200);
        let text = format!("\u{feff}Brel sleeps.\r\n\n{long}\nOsk\u{301}");
        let mut bytes = text.into_bytes();
        bytes.extend(b"\n\xff.\n");
        check_rows(
            &bytes,
            &[
                (1, Ok("Brel sleeps.")),
                (2, Err("blank")),
                (3, Err("over 60 bytes")),
                (4, Ok("Osk\u{301}")),
                (5, Err("byte 1 of the line is not UTF-8")),
            ],
        );
        check_rows(b"", &[]);
        check_rows(b"one", &[(1, Ok("one"))]);
    }

    #[test]
    fn json_lines_have_a_sentence_or_a_text() {
        check_rows(
            b"{\"sentence\": \"Brel\", \"schema\": []}\n{\"text\": \"Osk\"}\n{\"text\": \" \"}\n{\"tex\": \"Osk\"}\nOsk\n\n",
            &[
                (1, Ok("Brel")),
                (2, Ok("Osk")),
                (3, Err("blank")),
                (4, Err("expected")),
                (5, Err("expected")),
                (6, Err("blank")),
            ],
        );
    }

    #[test]
    fn a_file_is_no_sentence() {
        for (typed, words) in [
            ("Cargo.toml", "--input Cargo.toml reads the sentences in it"),
            ("-", "--input - reads"),
            (" ", "blank"),
            ("", "blank"),
        ] {
            let said = check(typed).expect_err(typed).to_string();
            assert!(said.contains(words), "{said}");
        }
        assert!(check("Mira lives in Cargo.toml").is_ok());
    }
}

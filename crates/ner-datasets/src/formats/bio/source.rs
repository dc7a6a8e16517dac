//! Sentences of a BIO file, one after the other.

use std::io::Read;

use ner_types::{CharIndex, Example};

use crate::error::Error;
use crate::fault::{FaultKind, excerpt};
use crate::formats::bio::BioColumns;
use crate::lines::{Line, Lines};
use crate::recorder::Recorder;
use crate::row::{ByteSpan, Row};
use crate::tags::{Step, Tag};

/// The sentences of a BIO file.
#[derive(Debug)]
pub(crate) struct BioSource<R> {
    lines: Lines<R>,
    columns: BioColumns,
    sentence: Sentence,
}

/// The sentence that is being read.
#[derive(Debug, Default)]
struct Sentence {
    /// Its first line, or 0 before it.
    line: usize,
    text: String,
    words: Vec<ByteSpan>,
    mentions: Vec<(ByteSpan, String)>,
    /// Whether the last mention may go on at the next word.
    is_open: bool,
    /// Its identifier, if a comment before it states one.
    guid: Option<String>,
    /// Whether a fault makes it unusable.
    is_faulty: bool,
    /// Columns of the file's lines with tabs, known from the first of them that has a word.
    n_columns: usize,
}

impl<R: Read> BioSource<R> {
    pub(crate) fn new(
        source: R,
        columns: BioColumns,
        max_line_bytes: usize,
        recorder: &mut Recorder,
    ) -> Result<Self, Error> {
        let lines = Lines::new(source, max_line_bytes);
        let lines = lines.map_err(Error::io(&recorder.path, "read"))?;
        if lines.has_mark() {
            recorder.note_mark()?;
        }
        Ok(BioSource {
            lines,
            columns,
            sentence: Sentence::default(),
        })
    }

    /// The next sentence with a word.
    pub(crate) fn next_row(&mut self, recorder: &mut Recorder) -> Result<Option<Row>, Error> {
        let (columns, sentence) = (self.columns, &mut self.sentence);
        loop {
            let number = self.lines.number() + 1;
            let line = self.lines.next_line();
            let line = line.map_err(Error::io(&recorder.path, "read"))?;
            let is_end = line.is_none();
            let is_break = match line {
                None => true,
                Some(Line::Text(text, has_return)) => {
                    if has_return {
                        recorder.note_return(number)?;
                    }
                    sentence.read_line(text, columns, number, recorder)?
                }
                Some(Line::NotUtf8) => {
                    sentence.is_faulty = true;
                    recorder.note_encoding(number)?;
                    false
                }
                Some(Line::TooLong(length)) => {
                    sentence.is_faulty = true;
                    recorder.note_length(number, length)?;
                    false
                }
            };
            if is_break && let Some(row) = sentence.finish(recorder)? {
                return Ok(Some(row));
            }
            if is_end {
                return Ok(None);
            }
        }
    }
}

impl Sentence {
    /// Adds a line; gives whether it ends the sentence.
    fn read_line(
        &mut self,
        line: &str,
        columns: BioColumns,
        number: usize,
        recorder: &mut Recorder,
    ) -> Result<bool, Error> {
        let (line, columns) = match without_number(line, columns) {
            Some(line) => line,
            None => return self.refuse(line, columns, number, recorder),
        };
        if let Some(word) = plain_word(line, columns) {
            self.push_plain(word, number);
            return Ok(false);
        }
        if trim(line).is_empty() {
            return Ok(true);
        }
        if line.starts_with('-') && line.starts_with("-DOCSTART-") {
            return Ok(false);
        }
        if self.line == 0 {
            if let Some(comment) = comment_of(line) {
                self.read_comment(comment);
                return Ok(false);
            }
            self.line = number;
        }
        let fault = match self.fields(line, columns) {
            None => columns.format().expected(),
            Some((word, tag)) => match Tag::read(tag) {
                Some(tag) => {
                    self.push(word, tag, number, recorder)?;
                    return Ok(false);
                }
                None => "a tag O, B-type or I-type beside the word",
            },
        };
        self.is_faulty = true;
        recorder.record(FaultKind::NotARow, number, fault, || excerpt(line))?;
        Ok(false)
    }

    /// Notes a line that has no number before its word.
    fn refuse(
        &mut self,
        line: &str,
        columns: BioColumns,
        number: usize,
        recorder: &mut Recorder,
    ) -> Result<bool, Error> {
        self.is_faulty = true;
        let expected = columns.format().expected();
        recorder.record(FaultKind::NotARow, number, expected, || excerpt(line))?;
        Ok(false)
    }

    /// Takes the sentence's identifier from a line `# id ID …`; other comments say nothing of interest.
    fn read_comment(&mut self, comment: &str) {
        let mut fields = comment.split_whitespace();
        if let (Some("id"), Some(id)) = (fields.next(), fields.next()) {
            self.guid = Some(id.into());
        }
    }

    /// Splits a line into its word and its tag. In a file of two columns, more tabs are part of the word.
    fn fields<'a>(&mut self, line: &'a str, columns: BioColumns) -> Option<(&'a str, &'a str)> {
        if columns == BioColumns::TagFirst {
            let (tag, word) = trim(line).split_once(char::is_whitespace)?;
            return Some((trim(word), tag));
        }
        let trimmed = trim_end(line);
        let Some(first) = tab_in(trimmed) else {
            if tab_in(line).is_some() {
                return None;
            }
            let mut fields = line.split_whitespace();
            return Some((fields.next()?, fields.next_back()?));
        };
        let (word, rest) = (&trimmed[..first], &trimmed[first + 1..]);
        if tab_in(rest).is_none() {
            return Some((self.word(word, word), trim(rest)));
        }
        let (all, tag) = trimmed.rsplit_once('\t')?;
        Some((self.word(word, all), trim(tag)))
    }

    /// The word: the first column, or in a file of two columns all that stands before the tag.
    fn word<'a>(&mut self, first: &'a str, all: &'a str) -> &'a str {
        if self.n_columns == 0 && !trim(all).is_empty() {
            self.n_columns = 2 + all.matches('\t').count();
        }
        trim(if self.n_columns == 2 { all } else { first })
    }

    /// Adds a word without blanks at its ends and without tabs that belongs to no mention.
    fn push_plain(&mut self, word: &str, number: usize) {
        if self.line == 0 {
            self.line = number;
        }
        if self.n_columns == 0 {
            self.n_columns = 2;
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let start = self.text.len();
        self.text.push_str(word);
        self.words.push(start..self.text.len());
        self.is_open = false;
    }

    fn push(
        &mut self,
        word: &str,
        tag: Tag<'_>,
        line: usize,
        recorder: &mut Recorder,
    ) -> Result<(), Error> {
        if word.is_empty() {
            let found = || "a blank one".into();
            return recorder.record(FaultKind::BlankWord, line, "a word", found);
        }
        let start = self.push_word(word, line, recorder)?;
        let last = self.mentions.last_mut().filter(|_| self.is_open);
        let open = last.as_ref().map(|(_, label)| label.as_str());
        let end = self.text.len();
        match (tag.step(open), tag.label(), last) {
            (Step::Continues, _, Some((span, _))) => span.end = end,
            (Step::Begins { orphan }, Some(label), _) => {
                if orphan {
                    let found = || format!("I-{label} after something else");
                    let expected = "B- at the start of a mention";
                    recorder.record(FaultKind::OrphanInside, line, expected, found)?;
                }
                self.mentions.push((start..end, label.into()));
            }
            _ => {}
        }
        self.is_open = tag.leaves_open();
        Ok(())
    }

    /// Appends a word and gives its start.
    fn push_word(
        &mut self,
        word: &str,
        line: usize,
        recorder: &mut Recorder,
    ) -> Result<usize, Error> {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let start = self.text.len();
        if tab_in(word).is_some() {
            let found = || excerpt(word);
            recorder.record(FaultKind::TabInWord, line, "a word without tabs", found)?;
            self.text.push_str(&word.replace('\t', " "));
        } else {
            self.text.push_str(word);
        }
        self.words.push(start..self.text.len());
        Ok(start)
    }

    /// Ends the sentence: its row, unless it has no word or is faulty.
    fn finish(&mut self, recorder: &mut Recorder) -> Result<Option<Row>, Error> {
        // The next sentence is probably as long as this one.
        let next = Sentence {
            n_columns: self.n_columns,
            text: String::with_capacity(self.text.len()),
            words: Vec::with_capacity(self.words.len()),
            ..Sentence::default()
        };
        let sentence = std::mem::replace(self, next);
        if sentence.is_faulty || sentence.line == 0 {
            return Ok(None);
        }
        if sentence.words.is_empty() {
            let found = || "a sentence of blank ones".into();
            recorder.record(FaultKind::BlankWord, sentence.line, "a word", found)?;
            return Ok(None);
        }
        Ok(Some(sentence.into_row()))
    }

    fn into_row(self) -> Row {
        let mut row = Row {
            line: self.line,
            words: self.words,
            example: Example {
                guid: self.guid,
                ..Example::default()
            },
        };
        if !self.mentions.is_empty() {
            let index = CharIndex::new(&self.text);
            for (place, label) in self.mentions {
                let text = &self.text[place.clone()];
                row.push(text, label, index.span_of_bytes(place));
            }
        }
        row.example.sentence = self.text;
        row
    }
}

/// The line without the number of its word, where the words are numbered, and the columns that are left; `None` if the
/// number is missing. Blank lines are left as they are.
fn without_number(line: &str, columns: BioColumns) -> Option<(&str, BioColumns)> {
    if columns != BioColumns::Indexed {
        return Some((line, columns));
    }
    if trim(line).is_empty() {
        return Some((line, BioColumns::TagLast));
    }
    let (number, rest) = line.split_once('\t')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((rest, BioColumns::TagLast))
}

/// What a comment says: a line that begins with a hash and a space and does not end in a tag, as the word `#` does.
fn comment_of(line: &str) -> Option<&str> {
    let comment = line.strip_prefix("# ")?;
    let last = comment.split_whitespace().next_back()?;
    let is_id = comment.starts_with("id ");
    (is_id || Tag::read(last).is_none()).then_some(comment)
}

/// The word of a line `word⇥O`, as most lines of most files are: such a line needs no further look. Only words that
/// begin and end with a visible ASCII character and have no tab; and not with a hyphen, which may begin a document's
/// mark.
fn plain_word(line: &str, columns: BioColumns) -> Option<&str> {
    let word = match columns {
        BioColumns::TagLast => line.strip_suffix("\tO")?,
        BioColumns::TagFirst | BioColumns::Indexed => return None,
    };
    let (first, last) = (word.as_bytes().first()?, word.as_bytes().last()?);
    let is_plain = first.is_ascii_graphic() && *first != b'-' && last.is_ascii_graphic();
    (is_plain && tab_in(word).is_none()).then_some(word)
}

/// `str::trim`, fast where both ends are ASCII and not blank, as nearly always.
fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [] => text,
        [only] if only.is_ascii_graphic() => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// The first tab. Words are too short for a vectorised search.
fn tab_in(text: &str) -> Option<usize> {
    text.bytes().position(|byte| byte == b'\t')
}

/// `str::trim_end`, as fast as [`trim`].
fn trim_end(text: &str) -> &str {
    match text.as_bytes() {
        [.., last] if last.is_ascii_graphic() => text,
        _ => text.trim_end(),
    }
}

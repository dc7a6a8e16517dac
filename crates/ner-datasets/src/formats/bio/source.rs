//! Sentences of a BIO file, one after the other.

use std::io::Read;

use ner_types::{CharIndex, Example};

use crate::error::Error;
use crate::fault::{FaultKind, excerpt};
use crate::formats::bio::BioColumns;
use crate::formats::bio::layout::{Fields, Layout, Read as Columns, comment_of};
use crate::lines::{Line, Lines};
use crate::recorder::Recorder;
use crate::row::{ByteSpan, Row};
use crate::tags::{Step, Tag};

/// The sentences of a BIO file.
#[derive(Debug)]
pub(crate) struct BioSource<R> {
    lines: Lines<R>,
    columns: BioColumns,
    layout: Layout,
    sentence: Sentence,
}

/// The sentence that is being read.
#[derive(Debug, Default)]
struct Sentence {
    /// Its first line, or 0 before it.
    line: usize,
    text: String,
    words: Vec<ByteSpan>,
    /// Its mentions, and in files that have them those inside of others.
    layers: [Layer; 2],
    /// Its identifier, if a comment before it states one.
    guid: Option<String>,
    /// Whether a fault makes it unusable.
    is_faulty: bool,
}

/// The mentions of one column of tags.
#[derive(Debug, Default)]
struct Layer {
    mentions: Vec<(ByteSpan, String)>,
    /// Whether the last mention may go on at the next word.
    is_open: bool,
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
        let layout = Layout::learn(&lines.head(), columns);
        Ok(BioSource {
            lines,
            columns,
            layout,
            sentence: Sentence::default(),
        })
    }

    /// The next sentence with a word.
    pub(crate) fn next_row(&mut self, recorder: &mut Recorder) -> Result<Option<Row>, Error> {
        let (columns, layout, sentence) = (self.columns, &self.layout, &mut self.sentence);
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
                    sentence.read_line(text, columns, layout, number, recorder)?
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
        layout: &Layout,
        number: usize,
        recorder: &mut Recorder,
    ) -> Result<bool, Error> {
        if columns == BioColumns::TagLast
            && layout.is_plain()
            && let Some(word) = plain_word(line)
        {
            self.push_plain(word, number);
            return Ok(false);
        }
        if trim(line).is_empty() || line.starts_with("-DOCSTART-") {
            return Ok(true);
        }
        let read = match columns {
            BioColumns::TagFirst => tag_first(line),
            BioColumns::TagLast | BioColumns::Indexed => layout.read(line),
        };
        if line.starts_with('#') && (self.line == 0 || layout.is_numbered) {
            let fits = matches!(read, Columns::Fields(fields) if Tag::read(fields.tag).is_some());
            let numbered = line.strip_prefix('#').filter(|_| layout.is_numbered);
            if let Some(comment) = numbered.or_else(|| comment_of(line, fits)) {
                self.read_comment(comment);
                return Ok(false);
            }
        }
        if self.line == 0 {
            self.line = number;
        }
        let expected = match read {
            Columns::NoWord => return Ok(false),
            Columns::Other => expected(columns, layout),
            Columns::Fields(fields) if self.push(fields, number, recorder)? => return Ok(false),
            Columns::Fields(_) => "a tag O, B-type or I-type beside the word".into(),
        };
        self.is_faulty = true;
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

    /// Adds a word without blanks at its ends and without tabs that belongs to no mention.
    fn push_plain(&mut self, word: &str, number: usize) {
        if self.line == 0 {
            self.line = number;
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let start = self.text.len();
        self.text.push_str(word);
        self.words.push(start..self.text.len());
        self.layers[0].is_open = false;
    }

    /// Adds a word with its tags; false if they are no tags.
    fn push(
        &mut self,
        fields: Fields<'_>,
        line: usize,
        recorder: &mut Recorder,
    ) -> Result<bool, Error> {
        let Some(tag) = Tag::read(fields.tag) else {
            return Ok(false);
        };
        let inner = match fields.inner.map(Tag::read) {
            Some(None) => return Ok(false),
            inner => inner.flatten(),
        };
        if fields.word.is_empty() {
            let found = || "a blank one".into();
            recorder.record(FaultKind::BlankWord, line, "a word", found)?;
            return Ok(true);
        }
        let start = self.push_word(fields.word, line, recorder)?;
        let place = start..self.text.len();
        self.layers[0].push(place.clone(), tag, line, recorder)?;
        if let Some(tag) = inner {
            self.layers[1].push(place, tag, line, recorder)?;
        }
        Ok(true)
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
        let mentions = self.layers.into_iter().flat_map(|layer| layer.mentions);
        let mut mentions = mentions.peekable();
        if mentions.peek().is_some() {
            let index = CharIndex::new(&self.text);
            for (place, label) in mentions {
                let text = &self.text[place.clone()];
                row.push(text, label, index.span_of_bytes(place));
            }
        }
        row.example.sentence = self.text;
        row
    }
}

impl Layer {
    fn push(
        &mut self,
        place: ByteSpan,
        tag: Tag<'_>,
        line: usize,
        recorder: &mut Recorder,
    ) -> Result<(), Error> {
        let last = self.mentions.last_mut().filter(|_| self.is_open);
        let open = last.as_ref().map(|(_, label)| label.as_str());
        match (tag.step(open), tag.label(), last) {
            (Step::Continues, _, Some((span, _))) => span.end = place.end,
            (Step::Begins { orphan }, Some(label), _) => {
                if orphan {
                    let found = || format!("I-{label} after something else");
                    let expected = "B- at the start of a mention";
                    recorder.record(FaultKind::OrphanInside, line, expected, found)?;
                }
                self.mentions.push((place, label.into()));
            }
            _ => {}
        }
        self.is_open = tag.leaves_open();
        Ok(())
    }
}

/// A tag, and behind the first white space the word; behind the first tab, if a type has blanks.
fn tag_first(line: &str) -> Columns<'_> {
    let line = trim(line);
    let by_tab = line
        .split_once('\t')
        .filter(|(tag, _)| Tag::read(tag).is_some());
    match by_tab.or_else(|| line.split_once(char::is_whitespace)) {
        Some((tag, word)) => Columns::Fields(Fields {
            word: trim(word),
            tag,
            inner: None,
        }),
        None => Columns::Other,
    }
}

/// What a line of the file should have had.
fn expected(columns: BioColumns, layout: &Layout) -> String {
    if columns == BioColumns::TagFirst || layout.n_columns <= 2 || columns == BioColumns::Indexed {
        return columns.format().expected().into();
    }
    let divided = if layout.has_tabs { "tabs" } else { "blanks" };
    let number = if layout.is_numbered {
        ", the first of them a number"
    } else {
        ""
    };
    format!(
        "{} columns divided by {divided}{number}, as in the file's first lines",
        layout.n_columns
    )
}

/// The word of a line `word⇥O`, as most lines of most files are: such a line needs no further look. Only words that
/// begin and end with a visible ASCII character and have no tab; and not with a hyphen, which may begin a document's
/// mark.
fn plain_word(line: &str) -> Option<&str> {
    let word = line.strip_suffix("\tO")?;
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

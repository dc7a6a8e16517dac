//! The layout of a column file: what divides columns, how many there are, which hold the word and its tag.
//!
//! It is a property of the file, learnt from its first lines, and every later line must have it: a line that was cut,
//! or a word with a blank in a file divided by blanks, is a fault with its line and not a word with a wrong tag.
//!
//! Known are `word … tag` (CoNLL 2003), `tag word` (MIT), words with running numbers before them, CoNLL-U with a tag in
//! a column of its own or as `NER=B-PER` among the features, and GermEval's two layers of names.

use crate::formats::bio::BioColumns;
use crate::tags::Tag;

/// Lines that are looked at.
const SAMPLE: usize = 1000;
/// Types of CoNLL's phrases. A column with these alone has phrases, not names.
const PHRASES: [&str; 11] = [
    "NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP",
];
/// Keys of names among CoNLL-U's features.
const FEATURES: [&str; 3] = ["ner", "ne", "entity_type"];

/// The layout of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Whether tabs alone divide columns, as some words contain blanks; else any ASCII white space.
    pub(super) has_tabs: bool,
    /// Columns of a line, without empty ones at its end.
    pub(super) n_columns: usize,
    /// Whether the first column numbers the words of a sentence.
    pub(super) is_numbered: bool,
    /// The column of the tag.
    tag: TagColumn,
    /// The column of the names inside of names.
    inner: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TagColumn {
    At(usize),
    /// One of several features.
    Feature(usize),
}

/// A word with its tags, as fields of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) word: &'a str,
    pub(super) tag: &'a str,
    pub(super) inner: Option<&'a str>,
}

/// What a line is to a layout.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    Fields(Fields<'a>),
    /// A range of words or a word that is not written, which CoNLL-U numbers `3-4` and `3.1`.
    NoWord,
    /// It has other columns than the file.
    Other,
}

impl Layout {
    /// The layout that the first lines of a file have.
    pub(super) fn learn(head: &str, columns: BioColumns) -> Self {
        let lines: Vec<&str> = sample(head);
        let n_tabbed = lines
            .iter()
            .filter(|line| line.trim_end().contains('\t'))
            .count();
        let has_tabs = 2 * n_tabbed >= lines.len().max(1);
        let rows: Vec<Vec<&str>> = lines.iter().map(|line| split(line, has_tabs)).collect();
        let n_columns = commonest(rows.iter().map(Vec::len));
        let rows: Vec<&Vec<&str>> = rows.iter().filter(|row| row.len() == n_columns).collect();
        let is_numbered = columns == BioColumns::Indexed || is_numbered(&rows);
        let (tag, inner) = tag_columns(&rows, n_columns, usize::from(is_numbered));
        Layout {
            has_tabs,
            n_columns,
            is_numbered,
            tag,
            inner,
        }
    }

    /// The column of the tags judged by the first lines of a file; `None` if it has no tags.
    pub(super) fn columns(head: &str) -> Option<BioColumns> {
        let layout = Self::learn(head, BioColumns::TagLast);
        let lines = sample(head);
        let rows: Vec<Vec<&str>> = lines
            .iter()
            .map(|line| line.split_ascii_whitespace().collect())
            .collect();
        let first = share(rows.iter().map(|row| row.first().copied()));
        let last = share(lines.iter().map(|line| match layout.read(line) {
            Read::Fields(fields) => Some(fields.tag),
            Read::NoWord | Read::Other => None,
        }));
        let has_columns = rows.iter().filter(|row| row.len() > 1).count() * 2 >= rows.len().max(1);
        match () {
            () if !has_columns || (first == last) || first.max(last) < 50 => None,
            () if first > last => Some(BioColumns::TagFirst),
            () if layout.is_numbered && layout.has_tabs && layout.n_columns == 3 => {
                Some(BioColumns::Indexed)
            }
            () => Some(BioColumns::TagLast),
        }
    }

    /// The word and the tags of a line.
    pub(super) fn read<'a>(&self, line: &'a str) -> Read<'a> {
        let mut fields = split(line, self.has_tabs);
        while fields.len() > self.n_columns && fields.last() == Some(&"") {
            fields.pop();
        }
        if self.n_columns == 2 && self.has_tabs && fields.len() > 2 {
            // In a file of two columns, more tabs are part of the word.
            let Some((word, tag)) = line.trim_end().rsplit_once('\t') else {
                return Read::Other;
            };
            let (word, tag, inner) = (word.trim(), tag.trim(), None);
            return Read::Fields(Fields { word, tag, inner });
        }
        if fields.len() != self.n_columns || self.n_columns < 2 {
            return Read::Other;
        }
        self.of_fields(&fields)
    }

    fn of_fields<'a>(&self, fields: &[&'a str]) -> Read<'a> {
        if self.is_numbered && !is_number(fields[0]) {
            let is_range = |mark| {
                fields[0]
                    .split_once(mark)
                    .is_some_and(|(a, b)| is_number(a) && is_number(b))
            };
            return if is_range('-') || is_range('.') {
                Read::NoWord
            } else {
                Read::Other
            };
        }
        let word = fields.get(usize::from(self.is_numbered));
        let tag = match self.tag {
            TagColumn::At(at) => fields.get(at).copied(),
            TagColumn::Feature(at) => fields.get(at).map(|field| feature(field).unwrap_or("O")),
        };
        match (word, tag) {
            (Some(word), Some(tag)) => Read::Fields(Fields {
                word: word.trim(),
                tag: tag.trim(),
                inner: self.inner.and_then(|at| fields.get(at).copied()),
            }),
            _ => Read::Other,
        }
    }

    /// Whether a line `word⇥O` needs no further look.
    pub(super) fn is_plain(&self) -> bool {
        self.has_tabs && self.n_columns == 2
    }
}

/// The first lines that have words.
fn sample(head: &str) -> Vec<&str> {
    let lines = head
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("-DOCSTART-"));
    lines
        .filter(|line| comment_of(line, false).is_none())
        .take(SAMPLE)
        .collect()
}

/// The columns of a line, those empty at its end left out where tabs divide.
fn split(line: &str, has_tabs: bool) -> Vec<&str> {
    if !has_tabs {
        return line.split_ascii_whitespace().collect();
    }
    let mut fields: Vec<&str> = line.split('\t').map(str::trim).collect();
    while fields.len() > 2 && fields.last() == Some(&"") {
        fields.pop();
    }
    fields
}

/// The commonest number, of equally common ones the first.
fn commonest(numbers: impl Iterator<Item = usize>) -> usize {
    let mut counts: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match counts.iter_mut().find(|(known, _)| *known == number) {
            Some((_, count)) => *count += 1,
            None => counts.push((number, 1)),
        }
    }
    let best = counts.iter().rev().max_by_key(|(_, count)| *count);
    best.map_or(2, |(number, _)| *number)
}

/// Whether the first column numbers words: nearly every number follows the one before it or begins a sentence.
fn is_numbered(rows: &[&Vec<&str>]) -> bool {
    let (mut before, mut n_right) = (None, 0);
    for row in rows.iter().filter(|row| row.len() > 2) {
        let number = row[0]
            .split(['-', '.'])
            .next()
            .and_then(|number| number.parse::<usize>().ok());
        let follows = matches!((before, number), (Some(a), Some(b)) if b == a || b == a + 1);
        n_right += usize::from(follows || matches!(number, Some(0 | 1)));
        before = number;
    }
    rows.len() > 1 && n_right * 10 >= rows.len() * 9
}

/// The column of the tags and that of the inner ones. The word is in the column `word`.
fn tag_columns(rows: &[&Vec<&str>], n_columns: usize, word: usize) -> (TagColumn, Option<usize>) {
    let column = |at: usize| rows.iter().map(move |row| row.get(at).copied());
    let is_tags = |at: &usize| share(column(*at)) >= 90;
    let has_names = |at: &usize| {
        column(*at)
            .flatten()
            .filter_map(Tag::read)
            .any(|tag| !is_phrase(tag.label()))
    };
    let tagged: Vec<usize> = (word + 1..n_columns).filter(is_tags).collect();
    let names: Vec<usize> = tagged.iter().copied().filter(has_names).collect();
    // GermEval and FiNER: the outer names, and the names inside of them.
    let all_after_word = tagged.len() == 2 && tagged[0] == word + 1 && n_columns == word + 3;
    if all_after_word && names.contains(&(word + 1)) {
        let inner = Some(word + 2).filter(|at| names.contains(at) && is_inner(rows, *at));
        return (TagColumn::At(word + 1), inner);
    }
    if let Some(last) = names.last().or(tagged.last()) {
        return (TagColumn::At(*last), None);
    }
    let featured = (word + 1..n_columns)
        .find(|at| column(*at).flatten().any(|field| feature(field).is_some()));
    match featured {
        Some(at) => (TagColumn::Feature(at), None),
        None => (TagColumn::At(n_columns.saturating_sub(1)), None),
    }
}

/// Whether a column of tags has names inside of those of the column before it, and not the same ones again, as a file
/// of predictions has.
fn is_inner(rows: &[&Vec<&str>], at: usize) -> bool {
    let names = rows
        .iter()
        .filter(|row| row.get(at).is_some_and(|tag| *tag != "O"));
    let (mut n, mut n_same) = (0, 0);
    for row in names {
        n += 1;
        n_same += usize::from(row.get(at) == row.get(at - 1));
    }
    2 * n_same <= n
}

/// Whether a label is that of a phrase, or there is none.
fn is_phrase(label: Option<&str>) -> bool {
    label.is_none_or(|label| PHRASES.contains(&label))
}

/// How many of a hundred fields are tags.
fn share<'a>(fields: impl Iterator<Item = Option<&'a str>>) -> usize {
    let (mut n, mut n_tags) = (0, 0);
    for field in fields {
        n += 1;
        n_tags += usize::from(field.is_some_and(|field| Tag::read(field).is_some()));
    }
    (100 * n_tags).checked_div(n).unwrap_or(0)
}

/// The tag among features such as `NER=B-PER|SpaceAfter=No`.
fn feature(field: &str) -> Option<&str> {
    let mut pairs = field.split('|').filter_map(|pair| pair.split_once('='));
    let is_name = |key: &str| FEATURES.iter().any(|name| key.eq_ignore_ascii_case(name));
    let found = pairs.find(|(key, tag)| is_name(key) && Tag::read(tag).is_some());
    found.map(|(_, tag)| tag)
}

fn is_number(field: &str) -> bool {
    !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a comment says: a line before a sentence that begins with a hash and white space, unless it is the word `#`
/// with its tag, which it is only if it has the columns of the file (`fits`). `# id ID` always is a comment.
pub(super) fn comment_of(line: &str, fits: bool) -> Option<&str> {
    let comment = line.strip_prefix('#')?;
    let is_mark = ["begin document", "end document"]
        .iter()
        .any(|mark| comment.starts_with(mark));
    let said = comment.strip_prefix([' ', '\t']);
    if is_mark {
        return Some(comment);
    }
    let said = said?;
    let ends_in_tag = said
        .split_whitespace()
        .next_back()
        .is_some_and(|last| Tag::read(last).is_some());
    (said.starts_with("id ") || !(fits || ends_in_tag)).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, expected: Option<BioColumns>, line: &str, read: &str) {
        assert_eq!(Layout::columns(head), expected, "{head}");
        let found = match Layout::learn(head, BioColumns::TagLast).read(line) {
            Read::Fields(Fields { word, tag, inner }) => {
                format!("{word}|{tag}|{}", inner.unwrap_or_default())
            }
            Read::NoWord => "no word".into(),
            Read::Other => "other".into(),
        };
        assert_eq!(found, read, "{head}");
    }

    #[test]
    fn layouts_are_learnt_and_held() {
        let last = Some(BioColumns::TagLast);
        let conll = "Mira NNP B-NP B-PER\nleft VBD B-VP O\n. . O O\n";
        check(conll, last, "it PRP B-NP O", "it|O|");
        check(conll, last, "van Brel NNP B-NP O", "other");
        check(conll, last, "it PRP O", "other");
        let conll = "Mira NNP B-PER B-NP\nleft VBD O B-VP\n";
        check(conll, last, "Brel NNP B-LOC B-NP", "Brel|B-LOC|");
        let two = "Mira\tB-PER\t\nleft\tO\t\n";
        check(two, last, "Brel\tB-LOC\t", "Brel|B-LOC|");
        check(two, last, "Port Halvek\tB-LOC", "Port Halvek|B-LOC|");
        check(two, last, "Brel", "other");
        let germeval =
            "# http://example.org [2009]\n1\tOlva\tB-OTH\tB-LOC\n2\t-\tI-OTH\tO\n\n1\tSo\tO\tO\n";
        check(germeval, last, "3\tBrel\tB-LOC\tO", "Brel|B-LOC|O");
        let numbered = "1 Mira NNP B-NP B-PER\n2 left VBD B-VP O\n";
        check(numbered, last, "3 Brel NNP B-NP B-LOC", "Brel|B-LOC|");
        check(numbered, last, "Brel NNP B-NP B-LOC x", "other");
        let universal = "# text = Mira left\n1\tMira\tB-PER\t-\t-\n2\tleft\tO\t-\t-\n";
        check(universal, last, "3\tBrel\tB-LOC\t-\t-", "Brel|B-LOC|");
        let conllu = "1-2\tdel\t_\t_\t_\t_\t_\t_\t_\t_\n1\tde\tde\tADP\t_\t_\t2\tcase\t_\t_\n\
                      2\tBrel\tBrel\tPROPN\t_\t_\t0\troot\t_\tNER=B-LOC|SpaceAfter=No\n";
        check(
            conllu,
            last,
            "3\tx\tx\tX\t_\t_\t0\tx\t_\tNER=I-LOC",
            "x|I-LOC|",
        );
        check(conllu, last, "3\tx\tx\tX\t_\t_\t0\tx\t_\t_", "x|O|");
        check(conllu, last, "3-4\tx\t_\t_\t_\t_\t_\t_\t_\t_", "no word");
        check(
            "0\tBrel\tB-LOC\n\n0\tso\tO\n",
            Some(BioColumns::Indexed),
            "1\tx\tO",
            "x|O|",
        );
        check("O Brel\nB-x so\n", Some(BioColumns::TagFirst), "", "other");
        check("12 B-x\n13 O\n", last, "14 O", "14|O|");
    }

    #[test]
    fn what_is_no_column_file() {
        for text in [
            "",
            "O O\n",
            "word\n",
            "A text of prose,\nwritten for readers.\n",
            "a,b\nc,d\n",
        ] {
            assert_eq!(Layout::columns(text), None, "{text}");
        }
    }
}

//! BIO files: one token and one tag a line, a blank line between sentences.
//!
//! CrossNER writes `word<TAB>tag`, the MIT corpora `tag<white space>word`. A line with more columns, as in CoNLL 2003,
//! is read by its first and its last one. Before a sentence there may be comments, lines that begin with a hash and a
//! space, as in MultiCoNER; `# id ID` gives the sentence its identifier. How tags become mentions is told in
//! [`crate::tags`].

mod source;
mod write;

use std::fs::File;
use std::path::Path;

use crate::error::Error;
use crate::format::Format;
use crate::lines::{Line, Lines};
use crate::tags::Tag;

pub(crate) use source::BioSource;
pub(crate) use write::encode;

/// Which column holds the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BioColumns {
    /// `word … tag`, as in CrossNER and CoNLL. Where a line has a tab, only tabs separate, because some words of
    /// tweets contain spaces.
    TagLast,
    /// `tag word`, as in the MIT corpora; any white space separates.
    TagFirst,
    /// `index⇥word⇥tag`, as in WikiNEuRal.
    Indexed,
}

impl BioColumns {
    /// The format with these columns.
    pub fn format(self) -> Format {
        match self {
            BioColumns::TagLast => Format::Bio,
            BioColumns::TagFirst => Format::MitBio,
            BioColumns::Indexed => Format::IndexedBio,
        }
    }
}

/// The column of the tags, judged by the first line that has two columns of which one alone can be a tag, and for
/// numbered words by the one after it.
pub(crate) fn detect_columns(path: &Path) -> Result<Option<BioColumns>, Error> {
    let file = File::open(path).map_err(Error::io(path, "read"))?;
    let mut lines = Lines::new(file, usize::MAX).map_err(Error::io(path, "read"))?;
    let mut number = None;
    while let Some(line) = lines.next_line().map_err(Error::io(path, "read"))? {
        let Line::Text(text, _) = line else { continue };
        if text.trim().is_empty() {
            continue;
        }
        match (number, word_number(text)) {
            (Some(before), Some(now)) if now == before || now == before + 1 => {
                return Ok(Some(BioColumns::Indexed));
            }
            (None, Some(first @ 0..2)) => number = Some(first),
            _ if number.is_some() => return Ok(Some(BioColumns::TagLast)),
            _ => {
                if let Some(columns) = columns_of(text) {
                    return Ok(Some(columns));
                }
            }
        }
    }
    Ok(number.map(|_| BioColumns::Indexed))
}

/// The number at the beginning of `number⇥word⇥tag`.
fn word_number(line: &str) -> Option<usize> {
    let (number, rest) = line.split_once('\t')?;
    let (_, tag) = rest.split_once('\t')?;
    Tag::read(tag.trim_end())?;
    number.parse().ok()
}

fn columns_of(line: &str) -> Option<BioColumns> {
    let mut fields = line.split_whitespace();
    let (first, last) = (fields.next()?, fields.next_back()?);
    match (Tag::read(first).is_some(), Tag::read(last).is_some()) {
        (true, false) => Some(BioColumns::TagFirst),
        (false, true) => Some(BioColumns::TagLast),
        _ => None,
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

    #[test]
    fn columns_are_recognised() {
        let detected = |text: &str| detect_columns(file(text).path()).expect("readable");
        assert_eq!(detected("O\tO\nso\tO\n"), Some(BioColumns::TagLast));
        assert_eq!(detected("\nO\tso\n"), Some(BioColumns::TagFirst));
        assert_eq!(detected("O O\n"), None);
    }
}

//! BIO files: one token and one tag a line, a blank line between sentences.
//!
//! CrossNER writes `word<TAB>tag`, the MIT corpora `tag<white space>word`. A line with more columns, as in CoNLL 2003,
//! has the layout that its file's first lines have, see [`layout`]. Before a sentence there may be comments, lines that
//! begin with a hash and a space, as in MultiCoNER; `# id ID` gives the sentence its identifier. `-DOCSTART-` ends a
//! sentence as a blank line does. How tags become mentions is told in [`crate::tags`].

mod layout;
mod source;
mod write;

use std::fs::File;
use std::path::Path;

use crate::error::Error;
use crate::format::Format;
use crate::lines::Lines;

use layout::Layout;
pub(crate) use source::BioSource;
pub(crate) use write::encode;

/// Which column holds the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BioColumns {
    /// `word … tag`, as in CrossNER and CoNLL, also with numbers before the words and with further columns. Where lines
    /// have tabs, only tabs separate, because some words of tweets contain spaces.
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

/// The column of the tags, judged by the first lines of a file; `None` if it has none.
pub(crate) fn detect_columns(path: &Path) -> Result<Option<BioColumns>, Error> {
    let file = File::open(path).map_err(Error::io(path, "read"))?;
    let lines = Lines::new(file, usize::MAX).map_err(Error::io(path, "read"))?;
    Ok(Layout::columns(&lines.head()))
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

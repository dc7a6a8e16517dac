//! Faults of a dataset's file: what is wrong, where, how often, and whether reading goes on.
//!
//! Real files are never clean. Each kind of fault is named, counted and shown with its first places; a [`Policy`] says
//! which kinds stop the reader. A kind that does not stop it has one fixed remedy, [`FaultKind::remedy`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;

/// What is wrong with a row or a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The file begins with a byte order mark.
    ByteOrderMark,
    /// A line ends in CR LF. In JSON, where it means nothing, it is noted once, at the end of the file.
    CarriageReturn,
    /// A line is not UTF-8: the file mixes encodings.
    NotUtf8,
    /// A line or JSON element is longer than [`crate::ReadOptions::max_row_bytes`].
    TooLong,
    /// A line or JSON element is not a row of the format.
    NotARow,
    /// A word of a two-column BIO file contains a tab.
    TabInWord,
    /// A tag stands beside a blank word, or a sentence has no other words.
    BlankWord,
    /// An `I-x` follows neither `B-x` nor `I-x`.
    OrphanInside,
    /// The stated offsets do not give the mention's text.
    WrongOffset,
    /// A mention's text is blank.
    BlankMention,
    /// A mention begins or ends inside of a word, as the stated offsets have it.
    PartOfWord,
    /// A row has a list or a long text under a key that the format does not read.
    UnreadKey,
    /// As [`FaultKind::UnreadKey`], and nothing that is read could hold mentions: they are probably there.
    NoAnnotation,
    /// The annotator rejected or skipped the row, or has not seen it.
    NotAccepted,
    /// An identifier occurs a second time.
    DuplicateId,
    /// A label is not in the dataset's list of labels.
    UnknownLabel,
    /// The text of a mention does not occur in its sentence.
    NotInSentence,
    /// A row states its types, and a mention has another one. Labels are compared as [`ner_types::normalize_label`]
    /// writes them.
    OutsideSchema,
    /// A row has no key under which mentions could be, as in a file of sentences that are still to be annotated.
    Unannotated,
    /// While writing: a mention does not occur in its sentence, or not on the borders of words.
    Ungrounded,
    /// While writing BIO: a mention overlaps a longer one.
    Overlap,
    /// While writing BIO: a line would be read as a comment or as the border of a document.
    ReservedLine,
    /// A row of answers says why it has none.
    Unanswered,
    /// While writing: a label or a character that the format does not allow stands there in another spelling.
    Respelled,
    /// The file has no row.
    Empty,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [FaultKind; 25] = [
        FaultKind::ByteOrderMark,
        FaultKind::CarriageReturn,
        FaultKind::NotUtf8,
        FaultKind::TooLong,
        FaultKind::NotARow,
        FaultKind::TabInWord,
        FaultKind::BlankWord,
        FaultKind::OrphanInside,
        FaultKind::WrongOffset,
        FaultKind::BlankMention,
        FaultKind::PartOfWord,
        FaultKind::UnreadKey,
        FaultKind::NoAnnotation,
        FaultKind::NotAccepted,
        FaultKind::DuplicateId,
        FaultKind::UnknownLabel,
        FaultKind::NotInSentence,
        FaultKind::OutsideSchema,
        FaultKind::Unannotated,
        FaultKind::Ungrounded,
        FaultKind::Overlap,
        FaultKind::ReservedLine,
        FaultKind::Unanswered,
        FaultKind::Respelled,
        FaultKind::Empty,
    ];

    /// The kind's name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        self.described().0
    }

    /// What happens if the kind is not fatal.
    pub fn remedy(self) -> &'static str {
        self.described().1
    }

    fn described(self) -> (&'static str, &'static str) {
        match self {
            FaultKind::ByteOrderMark => ("byte-order-mark", "dropped"),
            FaultKind::CarriageReturn => ("carriage-return", "dropped"),
            FaultKind::NotUtf8 => ("not-utf8", "row skipped"),
            FaultKind::TooLong => ("too-long", "row skipped"),
            FaultKind::NotARow => ("not-a-row", "row skipped"),
            FaultKind::TabInWord => ("tab-in-word", "read as a space"),
            FaultKind::BlankWord => ("blank-word", "word dropped"),
            FaultKind::OrphanInside => ("orphan-inside", "begins a mention"),
            FaultKind::WrongOffset => ("wrong-offset", "offset ignored"),
            FaultKind::BlankMention => ("blank-mention", "mention dropped"),
            FaultKind::PartOfWord => ("part-of-word", "kept as it stands"),
            FaultKind::UnreadKey => ("unread-key", "passed over"),
            FaultKind::NoAnnotation => ("no-annotation", "read as a row without mentions"),
            FaultKind::NotAccepted => ("not-accepted", "row skipped"),
            FaultKind::DuplicateId => ("duplicate-id", "row skipped"),
            FaultKind::UnknownLabel => ("unknown-label", "mention dropped"),
            FaultKind::NotInSentence => ("not-in-sentence", "kept as it stands"),
            FaultKind::OutsideSchema => (
                "outside-schema",
                "kept; training and scoring drop it, as its type is not asked for",
            ),
            FaultKind::Unannotated => ("unannotated", "read as a row without mentions"),
            FaultKind::Ungrounded => ("ungrounded", "mention dropped"),
            FaultKind::Overlap => ("overlap", "shorter mention dropped"),
            FaultKind::ReservedLine => ("reserved-line", "row not written"),
            FaultKind::Unanswered => ("unanswered", "row skipped"),
            FaultKind::Respelled => ("respelled", "written as the format allows"),
            FaultKind::Empty => ("empty", "file ignored"),
        }
    }
}

impl FaultKind {
    /// What a row should have had, for the faults of its content.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            FaultKind::WrongOffset => "offsets of the mention's text",
            FaultKind::BlankMention => "a mention with a text",
            FaultKind::PartOfWord => "a mention that begins and ends with a word",
            FaultKind::UnreadKey => "keys that the format has",
            FaultKind::NoAnnotation => "mentions under a key that the format has",
            FaultKind::NotAccepted => "a row that its annotator accepted",
            FaultKind::NotInSentence => "a mention that stands in its sentence",
            FaultKind::OutsideSchema => "a label of the row's own types",
            FaultKind::Unannotated => "a key with mentions, such as entities",
            FaultKind::Unanswered => "an answer",
            _ => "a row",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = FaultKind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let names = FaultKind::ALL.map(FaultKind::name).join(", ");
            format!("expected a kind of fault ({names}), found {name:?}")
        })
    }
}

/// Which kinds of fault stop the reader. By default those that would lose a row or a label silently do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    fatal: u32,
}

impl Default for Policy {
    fn default() -> Self {
        use FaultKind::{
            DuplicateId, Empty, NoAnnotation, NotARow, NotUtf8, ReservedLine, TooLong, UnknownLabel,
        };
        let losing = [
            NotUtf8,
            TooLong,
            NotARow,
            NoAnnotation,
            DuplicateId,
            UnknownLabel,
            ReservedLine,
            Empty,
        ];
        losing.into_iter().fold(Policy::lenient(), Policy::fatal)
    }
}

impl Policy {
    /// What a check for training should refuse: beside [`Policy::default`], mentions that are not in their sentence or
    /// whose type the row does not ask for. Readers keep such mentions, as published data have them.
    pub fn checking() -> Self {
        Policy::default()
            .fatal(FaultKind::NotInSentence)
            .fatal(FaultKind::OutsideSchema)
    }

    /// Every fault stops the reader.
    pub fn strict() -> Self {
        FaultKind::ALL
            .into_iter()
            .fold(Policy::lenient(), Policy::fatal)
    }

    /// No fault stops the reader; each is counted and remedied.
    pub fn lenient() -> Self {
        Policy { fatal: 0 }
    }

    /// The same policy, but `kind` stops the reader.
    #[must_use]
    pub fn fatal(self, kind: FaultKind) -> Self {
        Policy {
            fatal: self.fatal | bit(kind),
        }
    }

    /// The same policy, but `kind` is counted and remedied.
    #[must_use]
    pub fn skip(self, kind: FaultKind) -> Self {
        Policy {
            fatal: self.fatal & !bit(kind),
        }
    }

    /// Whether `kind` stops the reader.
    pub fn is_fatal(self, kind: FaultKind) -> bool {
        self.fatal & bit(kind) != 0
    }
}

fn bit(kind: FaultKind) -> u32 {
    1 << kind as u32
}

/// One fault and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The file.
    pub path: PathBuf,
    /// Line, from 1; 0 where lines mean nothing, as in Parquet, or the whole file is meant.
    pub line: usize,
    /// What the format asks for.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.path.display(), self.line)?;
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

/// The faults met so far: how many of each kind, and the first places of each. Its size does not grow with the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FaultReport {
    /// How often each kind occurred.
    pub counts: BTreeMap<FaultKind, u64>,
    /// The first faults of each kind, at most [`FaultReport::KEPT`] of a kind, in the order they were met.
    pub first: Vec<Fault>,
}

impl FaultReport {
    /// How many faults of one kind are kept with their place.
    pub const KEPT: u64 = 10;

    /// How many faults of all kinds.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How many faults of one kind.
    pub fn count(&self, kind: FaultKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// Adds the faults of another file.
    pub fn merge(&mut self, other: FaultReport) {
        for fault in other.first {
            let kept = self.first.iter().filter(|old| old.kind == fault.kind);
            if (kept.count() as u64) < Self::KEPT {
                self.first.push(fault);
            }
        }
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
    }
}

/// A piece of a row for a message: quoted, at most 80 characters.
pub(crate) fn excerpt(text: &str) -> String {
    let mut head: String = text.chars().take(80).collect();
    if head.len() < text.len() {
        head.push('…');
    }
    format!("{head:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json_and_are_read_back() {
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            let json = serde_json::to_value(kind).expect("a string");
            assert_eq!(json, kind.name());
        }
        let message = "tabs".parse::<FaultKind>().expect_err("no such kind");
        assert!(message.contains("tab-in-word"), "{message}");
    }
}

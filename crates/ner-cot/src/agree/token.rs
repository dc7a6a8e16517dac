//! The pieces that a reasoning text is read as.

/// A piece of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A phrase of the sentence that is asked about.
    Mention {
        /// As it stands there.
        text: String,
        /// Whether it is set apart: by quotation marks, emphasis, or as the beginning of a line before a colon.
        apart: bool,
    },
    /// A type of the schema, normalised.
    Label(String),
    /// Any other word, in lower case.
    Word(String),
    /// Punctuation that joins or parts: `:` `>` (any arrow) `=` `(` `)` `,` `-` (a dash) `|` `/`.
    Mark(char),
}

/// How a sentence stands in its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// It is the first of its line.
    pub(super) opens_line: bool,
    /// Its line is the item of a list.
    pub(super) bullet: bool,
    /// Its line is an item, a heading or the row of a table.
    pub(super) marked: bool,
}

/// One sentence, line or cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Sentence {
    pub(super) tokens: Vec<Token>,
    pub(super) question: bool,
    pub(super) place: Place,
}

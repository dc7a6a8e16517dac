//! Words that must not stand in the tree, as data.
//!
//! Each is written in two pieces, so that this file does not contain it.

/// A word with the reason why it is refused.
pub(super) struct Word {
    pub(super) text: &'static str,
    pub(super) why: &'static str,
}

/// Left-overs of unfinished work, in sources and documents.
pub(super) const STRAY: [Word; 6] = [
    Word {
        text: concat!("to", "do!("),
        why: "unfinished code",
    },
    Word {
        text: concat!("unimplem", "ented!("),
        why: "unfinished code",
    },
    Word {
        text: concat!("db", "g!("),
        why: "debugging output",
    },
    Word {
        text: concat!("FIX", "ME"),
        why: "mend it, or describe the limit in a sentence",
    },
    Word {
        text: concat!("XX", "X"),
        why: "mend it, or describe the limit in a sentence",
    },
    Word {
        text: concat!("#[ig", "nore]"),
        why: "a skipped test says why: #[ignore = \"reason\"]",
    },
];

/// Beginnings of absolute paths that exist on one machine only.
pub(super) const MACHINE_PATHS: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("C:\\Us", "ers\\"),
];

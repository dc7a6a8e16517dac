//! Characters of bytes that arrive in pieces.

use super::spelling::Spelling;

/// Whole characters of the bytes of tokens; a beginning waits until it is complete, or until what follows shows that it
/// never will be.
#[derive(Clone, Debug)]
pub(super) struct Characters {
    /// The beginning of a character.
    pending: Vec<u8>,
    /// Whether a space that comes next is the one before every text, which is not shown.
    skips_space: bool,
}

impl Characters {
    /// Nothing has arrived yet.
    pub(super) fn new(spelling: Spelling) -> Self {
        Self {
            pending: Vec::new(),
            skips_space: spelling == Spelling::ByteFallback,
        }
    }

    /// The text that the bytes of one more token complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        let skipped = usize::from(self.skips_space && bytes.first() == Some(&b' '));
        self.skips_space &= bytes.is_empty();
        self.pending.extend(&bytes[skipped..]);
        take_complete(&mut self.pending)
    }

    /// What is left when nothing follows: U+FFFD for the beginning of a character, else nothing.
    pub(super) fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// Takes the text at the front of `bytes`, and leaves the beginning of a character at its end.
fn take_complete(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut left = 0;
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let rest = chunk.invalid();
        if chunks.peek().is_none() && may_go_on(rest) {
            left = rest.len();
        } else if !rest.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    bytes.drain(..bytes.len() - left);
    text
}

/// Whether bytes are the beginning of a character.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

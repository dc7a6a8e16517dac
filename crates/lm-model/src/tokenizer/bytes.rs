//! The visible characters that stand for bytes in a byte-level vocabulary.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The byte that each character stands for.
static BYTES: LazyLock<BTreeMap<char, u8>> =
    LazyLock::new(|| byte_chars().into_iter().zip(0..=u8::MAX).collect());

/// The bytes of a token, spelt as in the vocabulary. A token with a character that stands for no byte, as an added one
/// may have, is its own text.
pub(super) fn token_bytes(token: &str) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = token.chars().map(|c| BYTES.get(&c).copied()).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// The character that stands for each byte: printable Latin-1 for itself, the others from U+0100
/// on, in order. The mapping of GPT-2 (Radford et al., 2019), which every byte-level BPE shares.
pub(super) fn byte_chars() -> [char; 256] {
    let mut invisible = ('\u{100}'..).take(256);
    std::array::from_fn(|byte| {
        let printable = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let own = char::from(byte as u8);
        if printable {
            own
        } else {
            invisible.next().unwrap_or(own)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    #[test]
    fn alphabet_is_that_of_the_tokenizers_crate() {
        let ours: BTreeSet<char> = super::byte_chars().into_iter().collect();
        let theirs: BTreeSet<char> = ByteLevel::alphabet().into_iter().collect();
        assert_eq!(ours, theirs);
        assert_eq!(super::byte_chars()[usize::from(b' ')], 'Ġ');
    }

    #[test]
    fn a_token_is_bytes_or_its_own_text() {
        assert_eq!(super::token_bytes("ĠÃ¼"), " ü".as_bytes());
        assert_eq!(super::token_bytes("<think>"), b"<think>");
        assert_eq!(super::token_bytes("Ġ小"), "Ġ小".as_bytes());
    }
}

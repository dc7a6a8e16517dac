//! The visible characters that stand for bytes in a byte-level vocabulary.

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
}

//! The numbers by which spaCy knows strings: the hash of its `StringStore`, or a fixed number for its own names.

use super::symbols::symbol;

/// The seed of `spacy.strings.hash_string`.
const SEED: u64 = 1;

/// The number of a string; 0 for an empty one.
pub(in crate::export) fn string_id(string: &str) -> u64 {
    if string.is_empty() {
        return 0;
    }
    symbol(string).unwrap_or_else(|| murmur64a(string.as_bytes(), SEED))
}

/// `MurmurHash64A` of Austin Appleby's MurmurHash2, which is in the public domain.
fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(M);
    let (blocks, tail) = bytes.as_chunks::<8>();
    for block in blocks {
        let mut k = u64::from_le_bytes(*block).wrapping_mul(M);
        k ^= k >> R;
        hash = (hash ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut rest = [0; 8];
        rest[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(rest)).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> R)).wrapping_mul(M);
    hash ^ (hash >> R)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `spacy.strings.get_string_id`, spaCy 3.8.
    #[test]
    fn strings_have_spacys_numbers() {
        for (string, expected) in [
            ("", 0),
            ("a", 11_901_859_001_352_538_922),
            ("Mira", 18_014_183_485_073_714_327),
            ("city", 14_667_099_791_903_937_066),
            ("Zoë 小樽 and more words", 3_809_829_681_371_690_711),
            ("ORG", 383),
            ("FLAG19", 19),
            ("FLAG63", 63),
            ("ID", 64),
            ("DEPRECATED001", 104),
            ("DEPRECATED276", 379),
            ("_", 456),
        ] {
            assert_eq!(string_id(string), expected, "{string}");
        }
        assert_ne!(string_id("FLAG64"), 64);
        assert_ne!(string_id("FLAG019"), 19);
    }
}

//! A small hash that is the same on every machine and in every version.

/// FNV-1a over the words, with a mark behind each so that `ab c` and `a bc` differ.
pub(crate) fn hash_words(words: &[String]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |byte: u8| {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    };
    for word in words {
        word.bytes().for_each(&mut add);
        // No UTF-8 text has this byte.
        add(0xff);
    }
    mix(hash)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the
/// input reaches every bit of the output.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_borders_of_words_count() {
        let hash = |text: &str| {
            let words: Vec<_> = text.split(' ').map(String::from).collect();
            hash_words(&words)
        };
        assert_ne!(hash("ab c"), hash("a bc"));
        assert_eq!(hash("ab c"), hash("ab c"));
        // The finaliser's first output for the seed 0, as published with SplitMix64.
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
    }
}

//! Short hashes, by which texts are told apart in little memory.

/// The first 16 bytes of a text's BLAKE3 hash.
pub(crate) fn short_hash(text: &str) -> u128 {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    u128::from_le_bytes(short)
}
